//! What a topic must be, and how what was found differs. Pure: no Kafka here.

use std::collections::BTreeMap;
use std::fmt;

use fleetwire_model::Topic;
use fleetwire_model::topic::Cleanup;

/// What a topic must be, in Kafka's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) partitions: usize,
    pub(super) replicas: usize,
    pub(super) configs: Vec<(&'static str, String)>,
}

/// What was found, beside the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) partitions: usize,
    /// Of the partition that has fewest.
    pub(super) replicas: usize,
}

/// How bad a mismatch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Different, and harmless as far as is known.
    Differs,
    /// An invariant does not hold; do not start.
    BreaksInvariant,
}

/// One thing of a topic that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What, for example `min.insync.replicas`.
    pub what: &'static str,
    /// As it should be.
    pub expected: String,
    /// As it is.
    pub found: String,
    /// How bad it is.
    pub severity: Severity,
    /// What to do.
    pub mend: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}; {}", self.what, self.found, self.expected, self.mend)
    }
}

impl Expected {
    pub(super) fn of(topic: Topic, partitions: Option<u16>, replicas: u16) -> Self {
        let spec = topic.spec();
        let replicas = usize::from(replicas.max(1));
        let min_isr = if replicas >= 3 { 2 } else { 1 };
        let mut configs = vec![
            ("min.insync.replicas", min_isr.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ];
        match spec.cleanup {
            Cleanup::Delete(retention) => {
                let cap = spec.max_partition_bytes.map_or("-1".to_owned(), |bytes| bytes.to_string());
                configs.push(("cleanup.policy", "delete".to_owned()));
                configs.push(("retention.ms", retention.as_millis().to_string()));
                configs.push(("retention.bytes", cap));
            }
            Cleanup::Compact => {
                configs.push(("cleanup.policy", "compact".to_owned()));
                // A new process reads all of it, so it is kept small: closed after a day, cleaned early.
                configs.push(("segment.ms", DAY_MS.to_owned()));
                configs.push(("min.cleanable.dirty.ratio", "0.1".to_owned()));
                // A tombstone must outlive the longest time a process reads from before it.
                configs.push(("delete.retention.ms", DAY_MS.to_owned()));
            }
        }
        Self { partitions: usize::from(partitions.unwrap_or(spec.partitions)), replicas, configs }
    }
}

const DAY_MS: &str = "86400000";

pub(super) fn missing() -> Mismatch {
    Mismatch {
        what: "topic",
        expected: "there".to_owned(),
        found: "missing".to_owned(),
        severity: Severity::BreaksInvariant,
        mend: "create it: fleetwire topics apply".to_owned(),
    }
}

/// Every difference, the worst first.
pub(super) fn compare(
    expected: &Expected,
    found: &Found,
    configs: &BTreeMap<String, String>,
    brokers: &str,
    name: &str,
) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    mismatches.extend(partitions(expected.partitions, found.partitions, brokers, name));
    mismatches.extend(replicas(expected.replicas, found.replicas, brokers, name));
    for (key, value) in &expected.configs {
        // A broker that does not say a value has nothing to compare.
        let Some(found) = configs.get(*key).filter(|found| !same(value, found)) else {
            continue;
        };
        mismatches.push(Mismatch {
            what: key,
            expected: value.clone(),
            found: found.clone(),
            severity: severity(key, value, found),
            mend: format!(
                "kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics \
                 --entity-name {name} --add-config {key}={value}"
            ),
        });
    }
    mismatches.sort_by_key(|mismatch| std::cmp::Reverse(mismatch.severity));
    mismatches
}

fn same(expected: &str, found: &str) -> bool {
    expected == found
        || matches!((expected.parse::<f64>(), found.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() < 1e-9)
}

/// Durability and what a topic keeps are invariants; how long and in which pieces are not.
fn severity(key: &str, expected: &str, found: &str) -> Severity {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match key {
        "cleanup.policy" | "unclean.leader.election.enable" => Severity::BreaksInvariant,
        "min.insync.replicas" if number(found) < number(expected) => Severity::BreaksInvariant,
        _ => Severity::Differs,
    }
}

fn partitions(expected: usize, found: usize, brokers: &str, name: &str) -> Option<Mismatch> {
    let mend = match found.cmp(&expected) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Less => format!(
            "kafka-topics.sh --bootstrap-server {brokers} --alter --topic {name} --partitions {expected} \
             (devices change partitions: drain the pipeline first)"
        ),
        std::cmp::Ordering::Greater => {
            format!("Kafka cannot take partitions away: set topics.partitions to {found} for it")
        }
    };
    Some(Mismatch {
        what: "partitions",
        expected: expected.to_string(),
        found: found.to_string(),
        severity: Severity::Differs,
        mend,
    })
}

fn replicas(expected: usize, found: usize, brokers: &str, name: &str) -> Option<Mismatch> {
    let severity = match found.cmp(&expected) {
        std::cmp::Ordering::Equal => return None,
        // What was acknowledged would be gone with one broker too few.
        std::cmp::Ordering::Less => Severity::BreaksInvariant,
        std::cmp::Ordering::Greater => Severity::Differs,
    };
    Some(Mismatch {
        what: "replication.factor",
        expected: expected.to_string(),
        found: found.to_string(),
        severity,
        mend: format!(
            "kafka-reassign-partitions.sh --bootstrap-server {brokers} with a plan for {name} of {expected} replicas, \
             or set topics.replication_factor"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(expected: &Expected) -> (Found, BTreeMap<String, String>) {
        let configs =
            expected.configs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        (Found { partitions: expected.partitions, replicas: expected.replicas }, configs)
    }

    #[test]
    fn what_is_as_expected_has_no_mismatch() {
        for topic in Topic::ALL {
            let expected = Expected::of(topic, None, 3);
            let (found, configs) = found(&expected);
            assert_eq!(compare(&expected, &found, &configs, "b:1", "t"), []);
        }
    }

    #[test]
    fn what_costs_data_breaks_an_invariant() {
        let expected = Expected::of(Topic::Devices, None, 3);
        for (key, value) in [
            ("cleanup.policy", "compact,delete"),
            ("min.insync.replicas", "1"),
            ("unclean.leader.election.enable", "true"),
        ] {
            let (found, mut configs) = found(&expected);
            configs.insert(key.to_owned(), value.to_owned());
            let mismatches = compare(&expected, &found, &configs, "b:1", "t");
            assert_eq!(mismatches.len(), 1);
            assert_eq!((mismatches[0].what, mismatches[0].severity), (key, Severity::BreaksInvariant));
            assert!(mismatches[0].mend.starts_with("kafka-configs.sh --bootstrap-server b:1 "));
        }
    }

    #[test]
    fn more_of_anything_only_differs() {
        let expected = Expected::of(Topic::Raw, Some(24), 3);
        let (_, mut configs) = found(&expected);
        configs.insert("min.insync.replicas".into(), "3".into());
        configs.insert("retention.ms".into(), "-1".into());
        let more = Found { partitions: 48, replicas: 4 };
        let mismatches = compare(&expected, &more, &configs, "b:1", "t");
        assert_eq!(mismatches.len(), 4);
        assert!(mismatches.iter().all(|mismatch| mismatch.severity == Severity::Differs));
    }

    #[test]
    fn min_isr_follows_the_replicas() {
        let min_isr = |replicas| {
            let expected = Expected::of(Topic::Raw, None, replicas);
            expected.configs.into_iter().find(|(key, _)| *key == "min.insync.replicas").unwrap().1
        };
        assert_eq!([min_isr(1), min_isr(2), min_isr(3)], ["1", "1", "2"]);
    }
}
