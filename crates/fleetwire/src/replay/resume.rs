//! Where an interrupted replay stopped, as text that can be given back to it.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::process::Usage;

/// The next offset of each partition that was not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resume(pub(crate) BTreeMap<i32, i64>);

/// Reads `PARTITION:OFFSET` with commas.
pub(crate) fn parse(text: &str) -> Result<Resume, String> {
    let places: Result<BTreeMap<i32, i64>, String> = text.split(',').map(place).collect();
    places.map(Resume)
}

/// Reads one `PARTITION:OFFSET`.
pub(crate) fn place(text: &str) -> Result<(i32, i64), String> {
    let wrong = || format!("`{text}` is no PARTITION:OFFSET, for example 3:1042");
    let (partition, offset) = text.trim().split_once(':').ok_or_else(wrong)?;
    match (partition.parse(), offset.parse()) {
        (Ok(partition), Ok(offset)) if partition >= 0 && offset >= 0 => Ok((partition, offset)),
        _ => Err(wrong()),
    }
}

/// The flags by which a replay goes on.
pub(crate) fn flags(from: &str, to: &str, rest: &BTreeMap<i32, i64>) -> String {
    let places: Vec<String> =
        rest.iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect();
    format!("--from {from} --to {to} --resume {}", places.join(","))
}

impl Resume {
    /// Fails where a partition is not one of the topic.
    pub(crate) fn check(&self, partitions: impl Fn(i32) -> bool) -> Result<()> {
        match self.0.keys().find(|partition| !partitions(**partition)) {
            Some(unknown) => {
                Err(Usage(format!("--resume names partition {unknown}, which the topic has not")).into())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_given_back() {
        let rest = BTreeMap::from([(0, 12), (7, 4_000_000_000)]);
        let text = flags("a", "b", &rest);
        assert_eq!(text, "--from a --to b --resume 0:12,7:4000000000");
        assert_eq!(parse(text.rsplit(' ').next().unwrap()), Ok(Resume(rest)));
        for wrong in ["", "1", "1:", "-1:3", "1:-3", "1:2,x"] {
            assert!(parse(wrong).unwrap_err().contains("PARTITION:OFFSET"), "{wrong}");
        }
    }
}
