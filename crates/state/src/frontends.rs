//! Runs of frontends: how many sessions each has, and which of them are alive.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fleetwire_model::pb::{FrontendAlive, Session};
use fleetwire_model::time::to_unix_ms;

/// When so many frontends are known, those that are gone are looked for and forgotten.
const MANY: usize = 1024;

/// Runs that sessions refer to, and frontends that say that they are alive.
#[derive(Debug, Default)]
pub(crate) struct Frontends {
    runs: Vec<Run>,
    numbers: HashMap<[String; 3], u32>,
    free: Vec<u32>,
    alive: HashMap<String, Alive>,
}

/// A run that some session had.
#[derive(Debug, Default)]
struct Run {
    /// Id, run, address.
    names: [String; 3],
    sessions: usize,
    connected: usize,
}

/// The last word of a frontend.
#[derive(Debug)]
struct Alive {
    run: String,
    until: Instant,
}

/// When a word was heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) now: Instant,
    pub(crate) now_ms: i64,
    /// Whether it was in the topic before we looked: then its own time says how old it is. Of a word that just came
    /// our own clock knows better.
    pub(crate) is_old: bool,
}

impl Frontends {
    /// The number of a session's run, which gets one session more.
    pub(crate) fn enter(&mut self, session: &Session) -> u32 {
        let names =
            [&session.frontend_id, &session.frontend_run, &session.frontend_address].map(Clone::clone);
        let number = if let Some(number) = self.numbers.get(&names) {
            *number
        } else {
            let number = self.free.pop().unwrap_or_else(|| {
                self.runs.push(Run::default());
                u32::try_from(self.runs.len() - 1).unwrap_or(u32::MAX)
            });
            self.numbers.insert(names.clone(), number);
            if let Some(run) = self.run(number) {
                run.names = names;
            }
            number
        };
        if let Some(run) = self.run(number) {
            run.sessions += 1;
        }
        number
    }

    /// A run has one session less; one without any is forgotten.
    pub(crate) fn leave(&mut self, number: u32) {
        let Some(run) = self.run(number) else { return };
        run.sessions = run.sessions.saturating_sub(1);
        if run.sessions == 0 {
            let names = std::mem::take(run).names;
            self.numbers.remove(&names);
            self.free.push(number);
        }
    }

    /// A session of a run became connected.
    pub(crate) fn connect(&mut self, number: u32) {
        if let Some(run) = self.run(number) {
            run.connected += 1;
        }
    }

    /// A session of a run is no longer connected.
    pub(crate) fn disconnect(&mut self, number: u32) {
        if let Some(run) = self.run(number) {
            run.connected = run.connected.saturating_sub(1);
        }
    }

    /// A frontend says that it is alive, or that it no longer is.
    pub(crate) fn heard(&mut self, word: &FrontendAlive, heard: Heard) {
        let Heard { now, now_ms, is_old } = heard;
        let valid_ms = i64::from(word.valid_s) * 1000;
        let age_ms =
            word.time.as_ref().filter(|_| is_old).map_or(0, |time| now_ms.saturating_sub(to_unix_ms(time)));
        let left_ms = valid_ms.saturating_sub(age_ms).clamp(0, valid_ms);
        let until = now + Duration::from_millis(left_ms.unsigned_abs());
        if self.alive.len() >= MANY {
            self.alive.retain(|_, alive| alive.until > now);
        }
        self.alive.insert(word.frontend_id.clone(), Alive { run: word.run.clone(), until });
    }

    /// A frontend's last word was removed.
    pub(crate) fn forget(&mut self, frontend_id: &str) {
        self.alive.remove(frontend_id);
    }

    /// Whether a run is alive.
    pub(crate) fn is_alive(&self, number: u32, now: Instant) -> bool {
        let run = usize::try_from(number).ok().and_then(|number| self.runs.get(number));
        run.is_some_and(|run| self.runs_now(run, now))
    }

    /// Sessions that are connected, of runs that are alive.
    pub(crate) fn connected(&self, now: Instant) -> usize {
        self.runs.iter().filter(|run| self.runs_now(run, now)).map(|run| run.connected).sum()
    }

    /// Frontends that are alive.
    pub(crate) fn alive(&self, now: Instant) -> usize {
        self.alive.values().filter(|alive| alive.until > now).count()
    }

    /// Id, run and address of a run.
    pub(crate) fn names(&self, number: u32) -> (String, String, String) {
        let run = usize::try_from(number).ok().and_then(|number| self.runs.get(number));
        run.map_or_else(Default::default, |run| {
            let [id, name, address] = run.names.clone();
            (id, name, address)
        })
    }

    fn runs_now(&self, run: &Run, now: Instant) -> bool {
        let [id, name, _] = &run.names;
        self.alive.get(id).is_some_and(|alive| alive.run == *name && alive.until > now)
    }

    fn run(&mut self, number: u32) -> Option<&mut Run> {
        usize::try_from(number).ok().and_then(|number| self.runs.get_mut(number))
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    fn session(run: &str) -> Session {
        Session { frontend_id: "f".into(), frontend_run: run.into(), ..Session::default() }
    }

    fn word(run: &str, time_ms: i64, valid_s: u32) -> FrontendAlive {
        FrontendAlive {
            frontend_id: "f".into(),
            run: run.into(),
            time: Some(from_unix_ms(time_ms)),
            valid_s,
            address: String::new(),
        }
    }

    #[test]
    fn a_run_is_alive_until_its_word_runs_out_or_another_run_speaks() {
        let mut frontends = Frontends::default();
        let number = frontends.enter(&session("one"));
        frontends.connect(number);
        let now = Instant::now();
        let live = Heard { now, now_ms: 0, is_old: false };
        assert!(!frontends.is_alive(number, now), "it has not spoken");
        frontends.heard(&word("one", 999_999, 20), live);
        assert!(frontends.is_alive(number, now + Duration::from_secs(19)));
        assert_eq!(frontends.connected(now), 1);
        assert!(!frontends.is_alive(number, now + Duration::from_secs(20)));
        frontends.heard(&word("two", 0, 20), live);
        assert!(!frontends.is_alive(number, now));
        frontends.heard(&word("one", 0, 0), live);
        assert_eq!((frontends.connected(now), frontends.alive(now)), (0, 0), "it said goodbye");
    }

    #[test]
    fn an_old_word_is_as_old_as_it_says() {
        let mut frontends = Frontends::default();
        let (number, now) = (frontends.enter(&session("one")), Instant::now());
        let old = Heard { now, now_ms: 100_000, is_old: true };
        frontends.heard(&word("one", 79_000, 20), old);
        assert!(!frontends.is_alive(number, now));
        frontends.heard(&word("one", 95_000, 20), old);
        assert!(frontends.is_alive(number, now + Duration::from_secs(14)));
        assert!(!frontends.is_alive(number, now + Duration::from_secs(15)));
        frontends.heard(&word("one", 900_000, 20), old);
        assert!(
            !frontends.is_alive(number, now + Duration::from_secs(20)),
            "a clock that is ahead gains nothing"
        );
    }

    #[test]
    fn a_run_without_sessions_is_forgotten() {
        let mut frontends = Frontends::default();
        let (one, again) = (frontends.enter(&session("one")), frontends.enter(&session("one")));
        assert_eq!(one, again);
        frontends.leave(one);
        frontends.leave(one);
        assert_eq!(frontends.enter(&session("two")), one, "its place is used again");
        assert_eq!(frontends.names(one).1, "two");
        assert_eq!(frontends.runs.len(), 1);
    }
}
