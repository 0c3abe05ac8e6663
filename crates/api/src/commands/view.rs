//! Commands in memory: the newest of a deployment, each with its statuses. Bounded by their number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwire_model::pb::{self, CommandState};
use tokio::sync::watch;

use super::entry::{self, Entry, Key, Order, Snapshot};

/// What is remembered.
#[derive(Debug)]
pub(crate) struct View {
    all: Mutex<All>,
    max: usize,
}

#[derive(Debug, Default)]
struct All {
    entries: BTreeMap<Key, Entry>,
    /// The same by their times, the oldest first.
    by_time: BTreeSet<(i64, Key)>,
}

/// What became of a status that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is kept.
    New,
    /// It was there already.
    Repeated,
    /// Its command is older than all that are remembered, and there is no room for it.
    TooOld,
    /// Its ids cannot be ones.
    Unusable,
}

impl Taken {
    /// The metric label.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::New => "taken",
            Self::Repeated => "repeated",
            Self::TooOld => "too_old",
            Self::Unusable => "unusable",
        }
    }
}

/// Commands of one id.
#[derive(Debug)]
pub(crate) enum Found {
    /// None is remembered.
    None,
    /// One.
    One(Snapshot),
    /// Those of several devices, which are these.
    Several(Vec<String>),
}

/// A place in the list: time, command, device.
pub(crate) type Place = (i64, Key);

/// A page of the list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The newest first.
    pub(crate) commands: Vec<Snapshot>,
    /// After which place the next page begins; none at the end.
    pub(crate) next: Option<Place>,
}

impl View {
    pub(crate) fn new(max: usize) -> Self {
        Self { all: Mutex::default(), max }
    }

    /// Commands that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.all().entries.len()
    }

    /// Remembers a command that was just sent. If its first status was quicker, that stays.
    pub(crate) fn sent(&self, command: &pb::Command, now_ms: i64) {
        let Some(key) = entry::key(&command.command_id, &command.device_id) else { return };
        let mut all = self.all();
        let order = Some(Arc::new(Order::new(command.clone())));
        if let Some(known) = all.entries.get_mut(&key) {
            known.order = known.order.take().or(order);
        } else if all.make_room(self.max, now_ms) {
            all.insert(key, Entry::new(now_ms, order));
        }
    }

    /// Takes a status of the topic.
    pub(crate) fn take(&self, status: pb::CommandStatus) -> Taken {
        let Some(key) = entry::key(&status.command_id, &status.device_id) else { return Taken::Unusable };
        let mut all = self.all();
        let time_ms = entry::time_ms(&status);
        let Some(known) = all.entries.get_mut(&key) else {
            if !all.make_room(self.max, time_ms) {
                return Taken::TooOld;
            }
            let mut new = Entry::new(time_ms, None);
            new.take(status);
            all.insert(key, new);
            return Taken::New;
        };
        // From its first status on it stands where all processes see it: at the gateway's time.
        let moved = known.statuses.is_empty().then(|| std::mem::replace(&mut known.time_ms, time_ms));
        let is_new = known.take(status);
        if let Some(before) = moved {
            all.by_time.remove(&(before, Arc::clone(&key)));
            all.by_time.insert((time_ms, key));
        }
        if is_new { Taken::New } else { Taken::Repeated }
    }

    /// Commands with this id, of one device where it is named.
    pub(crate) fn find(&self, id: &str, device: Option<&str>) -> Found {
        let all = self.all();
        let from = Arc::new((id.to_owned(), device.unwrap_or_default().to_owned()));
        let fits = |key: &Key| key.0 == id && device.is_none_or(|device| key.1 == device);
        let mut found = all.entries.range(from..).take_while(|(key, _)| fits(key));
        let Some((key, entry)) = found.next() else { return Found::None };
        let others: Vec<String> = found.map(|(key, _)| key.1.clone()).take(8).collect();
        if others.is_empty() {
            return Found::One(entry.snapshot(key));
        }
        Found::Several([vec![key.1.clone()], others].concat())
    }

    /// A command, and what tells when it changes from there; `None` once it is let go.
    pub(crate) fn watch(&self, key: &Key) -> Option<(Snapshot, watch::Receiver<()>)> {
        let mut all = self.all();
        let entry = all.entries.get_mut(key)?;
        let changed = entry.watch();
        Some((entry.snapshot(key), changed))
    }

    /// Commands after a place, the newest first, of wanted states: at most so many.
    pub(crate) fn page(
        &self,
        after: Option<&Place>,
        limit: usize,
        device: Option<&str>,
        wanted: impl Fn(CommandState) -> bool,
    ) -> Page {
        let all = self.all();
        let end = after.map_or(Bound::Unbounded, |place| Bound::Excluded(place.clone()));
        let mut page = Page::default();
        let places = all.by_time.range((Bound::Unbounded, end)).rev();
        for place in places.filter(|(_, key)| device.is_none_or(|device| key.1 == device)) {
            let Some(entry) = all.entries.get(&place.1) else { continue };
            if !wanted(entry.state()) {
                continue;
            }
            if page.commands.len() == limit {
                page.next = page.commands.last().map(|last| (last.time_ms, Arc::clone(&last.key)));
                break;
            }
            page.commands.push(entry.snapshot(&place.1));
        }
        page
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Lets the oldest go for one of this time; false if that one would be the oldest itself.
    fn make_room(&mut self, max: usize, time_ms: i64) -> bool {
        while self.entries.len() >= max {
            if self.by_time.first().is_none_or(|(oldest, _)| time_ms < *oldest) {
                return false;
            }
            if let Some((_, key)) = self.by_time.pop_first() {
                self.entries.remove(&key);
            }
        }
        true
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        self.by_time.insert((entry.time_ms, Arc::clone(&key)));
        self.entries.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    fn status(id: &str, sequence: u32, time_ms: i64) -> pb::CommandStatus {
        pb::CommandStatus {
            command_id: id.to_owned(),
            device_id: "d".to_owned(),
            state: CommandState::Queued.into(),
            time: Some(from_unix_ms(time_ms)),
            sequence,
            ..pb::CommandStatus::default()
        }
    }

    fn command(id: &str) -> pb::Command {
        let requested_by = "x".repeat(10_000);
        pb::Command {
            command_id: id.to_owned(),
            device_id: "d".to_owned(),
            requested_by,
            ..pb::Command::default()
        }
    }

    fn one(view: &View, id: &str) -> Snapshot {
        match view.find(id, None) {
            Found::One(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_status_that_came_before_the_word_that_it_was_sent_stays() {
        let view = View::new(10);
        assert_eq!(view.take(status("a", 1, 5)), Taken::New);
        view.sent(&command("a"), 9);
        let snapshot = one(&view, "a");
        assert_eq!((snapshot.time_ms, snapshot.statuses.len()), (5, 1));
        // What was not known of it is known now, and cut.
        assert_eq!(snapshot.order.unwrap().command.requested_by.len(), 512);
        view.sent(&command("b"), 9);
        assert_eq!(view.take(status("b", 1, 4)), Taken::New);
        let page = view.page(None, 10, None, |_| true);
        let ids: Vec<&str> = page.commands.iter().map(|one| one.key.0.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn a_status_that_comes_again_is_not_kept_twice() {
        let view = View::new(10);
        assert_eq!(view.take(status("a", 1, 1)), Taken::New);
        assert_eq!(view.take(status("a", 2, 2)), Taken::New);
        assert_eq!(view.take(status("a", 1, 1)), Taken::Repeated);
        assert_eq!(view.take(status("a", 2, 2)), Taken::Repeated);
        assert_eq!(one(&view, "a").statuses.len(), 2);
        for unusable in [status("", 1, 1), status(&"x".repeat(65), 1, 1), status("a\n", 1, 1)] {
            assert_eq!(view.take(unusable), Taken::Unusable);
        }
    }

    #[test]
    fn of_very_many_statuses_the_first_and_the_newest_are_kept() {
        let view = View::new(10);
        for sequence in 1..=100 {
            let reason = "é".repeat(1000);
            view.take(pb::CommandStatus { reason, ..status("a", sequence, 1) });
        }
        let sequences: Vec<u32> = one(&view, "a").statuses.iter().map(|status| status.sequence).collect();
        assert_eq!((sequences.len(), sequences[0], sequences[1], sequences[31]), (32, 1, 70, 100));
        assert_eq!(one(&view, "a").last().reason.len(), 512);
    }

    #[test]
    fn the_oldest_go_first_and_one_that_is_older_still_does_not_come_in() {
        let view = View::new(2);
        view.take(status("a", 1, 10));
        view.take(status("b", 1, 20));
        let (_, mut watched) = view.watch(&one(&view, "a").key).unwrap();
        assert_eq!(view.take(status("old", 1, 9)), Taken::TooOld);
        assert_eq!(view.take(status("c", 1, 30)), Taken::New);
        assert!(matches!(view.find("a", None), Found::None) && view.len() == 2);
        assert!(watched.borrow_and_update().eq(&()) && watched.has_changed().is_err());
    }

    /// Resident memory of the process, bytes.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    #[test]
    #[ignore = "measures memory, alone: cargo test --release -p fleetwire-api --lib -- --ignored --nocapture memory"]
    #[expect(clippy::print_stdout, reason = "a measurement")]
    fn memory_of_many_commands() {
        const COMMANDS: usize = 50_000;
        let view = View::new(COMMANDS);
        let before = resident();
        for number in 0..COMMANDS {
            let id = ulid::Ulid::from(u128::try_from(number).unwrap() << 64).to_string();
            let device_id = format!("{:015}", 867_035_040_000_000 + number);
            for sequence in 1..=4 {
                let control = pb::OutputControl { output: 1, action: 1, duration: None };
                let command = pb::Command {
                    command_id: id.clone(),
                    device_id: device_id.clone(),
                    issued_time: Some(from_unix_ms(1)),
                    expire_time: Some(from_unix_ms(1)),
                    requested_by: "token:operator".to_owned(),
                    action: Some(pb::command::Action::OutputControl(control)),
                };
                view.take(pb::CommandStatus {
                    device_id: device_id.clone(),
                    reason: if sequence == 2 { "the device is not connected" } else { "" }.to_owned(),
                    frontend_id: if sequence > 2 { "frontend-0" } else { "" }.to_owned(),
                    command: (sequence == 1).then_some(command),
                    ..status(&id, sequence, i64::try_from(number).unwrap())
                });
            }
        }
        assert_eq!(view.len(), COMMANDS);
        println!("{} bytes a command with four statuses", (resident() - before) / COMMANDS);
    }
}
