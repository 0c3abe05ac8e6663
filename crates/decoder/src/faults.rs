//! What is wrong with a publish: one dead letter for each kind, however many of its records have it, so that a
//! payload of a thousand records is not copied a thousand times.

/// Why a publish, or a record of it, is no event.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// A fixed word.
    pub(crate) code: &'static str,
    /// First byte that made no sense; `None` if no single one is at fault.
    pub(crate) byte_offset: Option<usize>,
    reason: String,
    more: usize,
}

impl Fault {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>, byte_offset: Option<usize>) -> Self {
        Self { code, byte_offset, reason: reason.into(), more: 0 }
    }

    /// The reason for people.
    pub(crate) fn sentence(&self) -> String {
        match self.more {
            0 => self.reason.clone(),
            more => format!("{} (and {more} more records of the payload alike)", self.reason),
        }
    }
}

/// The first fault of each kind, and how many followed.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        match self.0.iter_mut().find(|known| known.code == fault.code) {
            Some(known) => known.more += 1,
            None => self.0.push(fault),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_faults_are_one_that_says_how_many() {
        let mut faults = Faults::default();
        for (code, reason) in [("a", "first"), ("b", "other"), ("a", "second"), ("a", "third")] {
            faults.add(Fault::new(code, reason, Some(3)));
        }
        let sentences: Vec<_> = faults.iter().map(|fault| (fault.code, fault.sentence())).collect();
        let first = "first (and 2 more records of the payload alike)".to_owned();
        assert_eq!(sentences, [("a", first), ("b", "other".to_owned())]);
    }
}
