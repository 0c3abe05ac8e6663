//! What a comparison found.

use std::collections::BTreeMap;
use std::fmt;

use fleetwire_model::pb::CommandState;

/// Examples that are kept of each violation.
const EXAMPLES: u64 = 5;

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A command without a terminal status.
    NoEnd,
    /// A command with more than one.
    TwoEnds,
    /// A status after the terminal one.
    AfterEnd,
    /// Sequence numbers that are not 1, 2, 3 and so on.
    Sequence,
    /// A command whose number for the device changed.
    UniqueId,
    /// A status of a command that nobody sent.
    UnknownCommand,
    /// A command that a device executed twice.
    Twice,
    /// A command that was executed after its expiry.
    Late,
    /// Something that came down to a device that it is not for.
    WrongDevice,
    /// Something that came down and is no command, or none that was sent, or another than the one that was sent.
    Unsent,
    /// A command that came down as retained.
    Retained,
    /// A command that a device took for a repeat of the one before, which was another.
    TakenForRepeat,
    /// A command that was executed after a newer one to the same output.
    Order,
    /// An acknowledged or confirmed command that no device received.
    NotReceived,
    /// A command that was executed though it ended as rejected, expired, cancelled, or superseded without an attempt.
    ExecutedAfterAll,
    /// A command that no device can do and that was not rejected.
    NotRejected,
}

impl Violation {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::NoEnd,
        Self::TwoEnds,
        Self::AfterEnd,
        Self::Sequence,
        Self::UniqueId,
        Self::UnknownCommand,
        Self::Twice,
        Self::Late,
        Self::WrongDevice,
        Self::Unsent,
        Self::Retained,
        Self::TakenForRepeat,
        Self::Order,
        Self::NotReceived,
        Self::ExecutedAfterAll,
        Self::NotRejected,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::NoEnd => "without a terminal status",
            Self::TwoEnds => "with two terminal statuses",
            Self::AfterEnd => "with a status after the terminal one",
            Self::Sequence => "with a hole or a repeat in the sequence",
            Self::UniqueId => "with two unique ids",
            Self::UnknownCommand => "statuses of unknown commands",
            Self::Twice => "executed twice",
            Self::Late => "executed after the expiry",
            Self::WrongDevice => "at the wrong device",
            Self::Unsent => "received and never sent",
            Self::Retained => "received as retained",
            Self::TakenForRepeat => "taken for a repeat of another",
            Self::Order => "executed out of order",
            Self::NotReceived => "acknowledged and not executed",
            Self::ExecutedAfterAll => "executed, and said not to be",
            Self::NotRejected => "impossible, and not rejected",
        }
    }
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Report {
    /// Commands that were sent.
    pub sent: usize,
    /// Terminal states.
    pub ends: BTreeMap<i32, u64>,
    /// Commands that devices executed.
    pub executed: u64,
    /// Commands that came down again and were dropped as repeats.
    pub repeats: u64,
    /// Commands that were over when they came down.
    pub expired_at_device: u64,
    /// Of those, acknowledged ones: the PUBACK says that the device has it, not what it made of it.
    pub acknowledged_and_dropped: u64,
    /// Commands with more than one attempt.
    pub tried_again: u64,
    /// Broken promises.
    pub violations: BTreeMap<Violation, u64>,
    examples: Vec<(Violation, String)>,
}

impl Report {
    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// How often a promise was broken.
    pub fn count(&self, violation: Violation) -> u64 {
        self.violations.get(&violation).copied().unwrap_or(0)
    }

    /// How many commands ended so.
    pub fn ended(&self, state: CommandState) -> u64 {
        self.ends.get(&state.into()).copied().unwrap_or(0)
    }

    pub(super) fn of(sent: usize) -> Self {
        Self { sent, ..Self::default() }
    }

    pub(super) fn breach(&mut self, violation: Violation, example: impl FnOnce() -> String) {
        let count = self.violations.entry(violation).or_default();
        *count += 1;
        if *count <= EXAMPLES {
            self.examples.push((violation, example()));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  commands sent", self.sent)?;
        for (state, count) in &self.ends {
            let name = CommandState::try_from(*state).unwrap_or_default().as_str_name();
            writeln!(f, "{count:>9}  ended {}", name.trim_start_matches("COMMAND_STATE_"))?;
        }
        writeln!(f, "{:>9}  executed by devices", self.executed)?;
        writeln!(f, "{:>9}  with more than one attempt", self.tried_again)?;
        writeln!(f, "{:>9}  dropped by devices as repeats", self.repeats)?;
        writeln!(f, "{:>9}  dropped by devices as expired", self.expired_at_device)?;
        writeln!(f, "{:>9}  of these acknowledged", self.acknowledged_and_dropped)?;
        for violation in Violation::ALL {
            let count = self.count(violation);
            let verdict = if count == 0 { "" } else { "  BROKEN" };
            writeln!(f, "{count:>9}  {}{verdict}", violation.text())?;
        }
        for (violation, example) in &self.examples {
            writeln!(f, "           {}: {example}", violation.text())?;
        }
        Ok(())
    }
}
