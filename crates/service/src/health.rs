//! Health of a process: named conditions that its parts set and that the admin HTTP shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// State of one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    /// Fine.
    Ready,
    /// Not ready to take work, with the reason for people.
    NotReady(String),
}

/// All conditions of a process. Cheap to clone; clones share the conditions.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<watch::Sender<Conditions>>);

type Conditions = BTreeMap<&'static str, State>;

impl Health {
    /// Adds a condition that is not ready until its owner says so.
    pub fn condition(&self, name: &'static str) -> Condition {
        let condition = Condition { health: self.clone(), name };
        condition.not_ready("starting");
        condition
    }

    /// The conditions by name.
    pub fn report(&self) -> Conditions {
        self.0.borrow().clone()
    }

    /// True if every condition is ready.
    pub fn is_ready(&self) -> bool {
        all_ready(&self.0.borrow())
    }

    /// Waits until every condition is ready.
    pub async fn until_ready(&self) {
        let mut conditions = self.0.subscribe();
        // The sender is ours, so the wait cannot fail.
        drop(conditions.wait_for(all_ready).await);
    }

    fn set(&self, name: &'static str, state: State) {
        self.0.send_if_modified(|conditions| {
            let before = conditions.insert(name, state);
            before.as_ref() != conditions.get(name)
        });
    }
}

fn all_ready(conditions: &Conditions) -> bool {
    conditions.values().all(|state| *state == State::Ready)
}

/// One condition, held by the part that it speaks of.
#[derive(Debug, Clone)]
pub struct Condition {
    health: Health,
    name: &'static str,
}

impl Condition {
    /// The part is fine.
    pub fn ready(&self) {
        self.health.set(self.name, State::Ready);
    }

    /// The part cannot take work, and why.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.health.set(self.name, State::NotReady(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_condition_is() {
        let health = Health::default();
        let (one, two) = (health.condition("one"), health.condition("two"));
        one.ready();
        assert!(!health.is_ready());
        two.ready();
        assert!(health.is_ready());
        one.not_ready("gone");
        assert_eq!(health.report().get("one"), Some(&State::NotReady("gone".into())));
        assert!(!health.is_ready());
    }
}
