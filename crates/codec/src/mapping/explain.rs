//! A payload taken apart by its mapping: every value with its pointer, and what it becomes.

use std::collections::BTreeMap;

use super::Mapping;
use super::trial::RecordTrial;
use crate::Explanation;

impl Mapping {
    /// Every value of a payload with its place, and what it becomes.
    pub fn explain(&self, payload: &[u8]) -> Explanation {
        let trial = self.trial(payload);
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let mut meanings: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for record in &trial.records {
            for field in &record.fields {
                let meaning = match &field.becomes {
                    Ok(value) => format!("{} = {value}", field.field),
                    Err(reason) => format!("not {}: {reason}", field.field),
                };
                meanings.entry((field.span.start, field.span.end)).or_default().push(meaning);
            }
            for value in &record.left_over {
                if let Some((_, span)) = trial.leaves.get(&value.node) {
                    let meaning = format!("attribute {}", value.attribute);
                    meanings.entry((span.start, span.end)).or_default().push(meaning);
                }
            }
        }
        let mut explanation = Explanation { error: trial.error, ..Explanation::default() };
        let mut records = trial.records.iter().enumerate().peekable();
        for (pointer, span) in trial.leaves.into_values() {
            while let Some((number, record)) = records.next_if(|(_, record)| record.span.start <= span.start)
            {
                explanation.part(0, record.span.clone(), format!("record {number}"), "", summary(record));
            }
            let value = text.get(span.clone()).unwrap_or_default();
            let mut meaning = meanings.remove(&(span.start, span.end)).unwrap_or_default();
            // A value around the records has the same meaning for each of them.
            meaning.dedup();
            if meaning.is_empty() && value != "null" && explanation.error.is_none() {
                meaning.push("left out".to_owned());
            }
            explanation.part(1, span, pointer, value, meaning.join("; "));
        }
        for (number, record) in records {
            explanation.part(0, record.span.clone(), format!("record {number}"), "", summary(record));
        }
        explanation
    }
}

fn summary(record: &RecordTrial) -> String {
    if let Some(error) = &record.error {
        return error.to_string();
    }
    let kind = if record.has_event { "a position and a device event" } else { "a position" };
    let left_out = match record.left_out {
        0 => String::new(),
        count => format!("; {count} values are beyond the bounds of attributes"),
    };
    format!("{kind}{left_out}")
}
