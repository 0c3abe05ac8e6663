//! The comparison: commands, their statuses, and what devices say that they received. Pure.

use std::collections::{HashMap, HashSet};

use fleetwire_codec::iotm::output::{Action, OutputControl};
use fleetwire_model::Imei;
use fleetwire_model::pb::CommandState;
use fleetwire_simulator::{Received, Verdict};

use super::{Kind, Life, Lives, Report, Sent, Violation};

/// Compares. Commands are in the order in which they were sent, what was received is in the order of each device.
pub fn check(sent: &[Sent], lives: &Lives, received: &[Received]) -> Report {
    let mut check = Check {
        by_expiry: sent
            .iter()
            .enumerate()
            .map(|(place, sent)| ((sent.imei, sent.expires_s), place))
            .collect(),
        sent,
        lives,
        executed: HashSet::new(),
        dropped: HashSet::new(),
        last: HashMap::new(),
        newest: HashMap::new(),
        report: Report::of(sent.len()),
    };
    for publish in received {
        check.received(publish);
    }
    for (place, sent) in sent.iter().enumerate() {
        check.command(place, sent);
    }
    let known: HashSet<&str> = sent.iter().map(|sent| sent.id.as_str()).collect();
    for id in lives.keys().filter(|id| !known.contains(id.as_str())) {
        check.report.breach(Violation::UnknownCommand, || id.clone());
    }
    check.report
}

struct Check<'a> {
    sent: &'a [Sent],
    lives: &'a Lives,
    by_expiry: HashMap<(Imei, u32), usize>,
    executed: HashSet<usize>,
    dropped: HashSet<usize>,
    /// By device: the command that it executed last.
    last: HashMap<Imei, usize>,
    /// By device and output: the newest command that it executed.
    newest: HashMap<(Imei, u8), usize>,
    report: Report,
}

impl Check<'_> {
    fn received(&mut self, received: &Received) {
        if received.is_retained {
            self.report.breach(Violation::Retained, || received.line());
        }
        if received.verdict == Verdict::OtherDevice {
            self.report.breach(Violation::WrongDevice, || received.line());
            return;
        }
        let (all, lives) = (self.sent, self.lives);
        let found = received.command.and_then(|command| {
            let place = *self.by_expiry.get(&(received.imei, command.expires))?;
            let sent = all.get(place)?;
            is_what_was_sent(sent, &command, lives.get(&sent.id)).then_some((place, sent))
        });
        let Some((place, sent)) = found else {
            self.report.breach(Violation::Unsent, || received.line());
            return;
        };
        match received.verdict {
            Verdict::Executed => self.execution(place, sent, received),
            Verdict::Repeat => {
                self.report.repeats += 1;
                if self.last.get(&sent.imei) != Some(&place) {
                    self.report
                        .breach(Violation::TakenForRepeat, || format!("{} {}", sent.id, received.line()));
                }
            }
            Verdict::Expired => {
                self.report.expired_at_device += 1;
                self.dropped.insert(place);
            }
            Verdict::OtherDevice | Verdict::Garbage => {}
        }
    }

    fn execution(&mut self, place: usize, sent: &Sent, received: &Received) {
        if !self.executed.insert(place) {
            self.report.breach(Violation::Twice, || format!("{} {}", sent.id, received.line()));
        }
        if received.time_ms > i64::from(sent.expires_s) * 1000 {
            self.report.breach(Violation::Late, || format!("{} {}", sent.id, received.line()));
        }
        self.last.insert(sent.imei, place);
        if let Kind::Switch { output } = sent.kind {
            let newest = self.newest.entry((sent.imei, output)).or_insert(place);
            if *newest > place {
                let newer = *newest;
                self.report.breach(Violation::Order, || format!("{} after command {newer}", sent.id));
            }
            *newest = place.max(*newest);
        }
    }

    fn command(&mut self, place: usize, sent: &Sent) {
        let none = Life::default();
        let life = self.lives.get(&sent.id).unwrap_or(&none);
        let example = || format!("{} of {}: {:?}", sent.id, sent.imei, life.steps);
        let report = &mut self.report;
        report.tried_again += u64::from(life.attempts > 1);
        let mut expected = 1..;
        if life.steps.iter().any(|(sequence, _, _)| expected.next() != Some(*sequence)) {
            report.breach(Violation::Sequence, example);
        }
        if life.other_unique_ids > 0 {
            report.breach(Violation::UniqueId, example);
        }
        if life.steps.iter().filter(|(_, _, terminal)| *terminal).count() > 1 {
            report.breach(Violation::TwoEnds, example);
        }
        if life.steps.iter().rev().skip(1).any(|(_, _, terminal)| *terminal) {
            report.breach(Violation::AfterEnd, example);
        }
        let executed = self.executed.contains(&place);
        report.executed += u64::from(executed);
        let Some(end) = life.terminal() else {
            report.breach(Violation::NoEnd, example);
            return;
        };
        *report.ends.entry(end.into()).or_default() += 1;
        if sent.kind == Kind::Impossible && end != CommandState::Rejected {
            report.breach(Violation::NotRejected, example);
        }
        let dropped = self.dropped.contains(&place);
        if !matches!(sent.kind, Kind::Switch { .. }) {
            return;
        }
        match end {
            CommandState::Acknowledged | CommandState::Confirmed | CommandState::Contradicted
                if !executed =>
            {
                if dropped {
                    report.acknowledged_and_dropped += 1;
                } else {
                    report.breach(Violation::NotReceived, example);
                }
            }
            CommandState::Rejected | CommandState::Expired | CommandState::Cancelled if executed => {
                report.breach(Violation::ExecutedAfterAll, example);
            }
            CommandState::Superseded if executed && life.attempts == 0 => {
                report.breach(Violation::ExecutedAfterAll, example);
            }
            _ => {}
        }
    }
}

/// Whether a device received what was sent: the output, and the number that statuses name.
fn is_what_was_sent(sent: &Sent, command: &OutputControl, life: Option<&Life>) -> bool {
    let number = match command.action {
        Action::Timed { output, .. } => output.number(),
        // S1 and S2 are outputs 4 and 5 of the built-in profile.
        Action::Latched { signal, .. } => signal.number() + 3,
    };
    let unique_id = life.and_then(|life| life.unique_id);
    matches!(sent.kind, Kind::Switch { output } if u32::from(output) == number)
        && command.imei == Some(sent.imei)
        && unique_id.is_none_or(|unique_id| unique_id == u32::from(command.unique_id.get()))
}

#[cfg(test)]
mod tests;
