//! `fleetwire export` and `fleetwire import`: a backup of the topics that hold what nobody can send again.

mod export;
mod file;
mod import;

pub(crate) use export::{ExportArgs, export};
pub(crate) use import::{ImportArgs, import};

use clap::ValueEnum;
use fleetwire_model::Topic;

/// A topic that a backup may hold. The others say where something lies or who is connected in the cluster that they
/// are of, and mean nothing in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kept {
    /// The device registry, with hashes of the passwords that devices have of their own
    Devices,
    /// Who changed what
    Audit,
    /// What devices last reported
    DeviceState,
}

impl Kept {
    const fn topic(self) -> Topic {
        match self {
            Self::Devices => Topic::Devices,
            Self::Audit => Topic::Audit,
            Self::DeviceState => Topic::DeviceState,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_topic_is_known_by_its_name_in_a_file() {
        for kept in Kept::value_variants() {
            assert_eq!(file::topic_of(kept.topic().suffix()), Some(*kept));
        }
        assert_eq!(file::topic_of("sessions.v1"), None);
    }
}
