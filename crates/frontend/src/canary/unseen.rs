//! What happens to the canary's sessions is nobody's business: metrics and presence speak of devices and people.

use fleetwire_mqtt::{Event, Observer, SessionFacts};

use crate::identity::Identity;

/// Passes on what does not concern the canary.
#[derive(Debug)]
pub(crate) struct Unseen<O>(pub(crate) O);

impl<O: Observer> Observer for Unseen<O> {
    fn on(&self, event: Event<'_>) {
        if !event.facts().is_some_and(is_canary) {
            self.0.on(event);
        }
    }
}

fn is_canary(facts: &SessionFacts) -> bool {
    matches!(facts.identity(), Some(Identity::Canary))
}
