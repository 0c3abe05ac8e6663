//! What the API answers about commands, as far as it is shown.

use serde::Deserialize;

/// A command.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Command {
    pub(super) id: String,
    pub(super) device_id: String,
    #[serde(flatten)]
    pub(super) status: Status,
    #[serde(rename = "command")]
    pub(super) asked: Option<Asked>,
    pub(super) statuses: Vec<Status>,
}

/// A step of a command's life.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) state: String,
    pub(super) terminal: bool,
    pub(super) time: String,
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) attempts: u32,
    pub(super) frontend: Option<String>,
    pub(super) unique_id: Option<u32>,
    pub(super) evidence: Option<Evidence>,
}

/// Where a raw record lies.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Evidence {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// What was asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) issued_time: String,
    pub(super) expire_time: String,
    pub(super) requested_by: String,
    pub(super) output: Option<Output>,
    pub(super) raw: Option<Raw>,
    pub(super) cancel: Option<Other>,
    pub(super) approve: Option<Other>,
}

/// An output that is switched.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    #[serde(rename = "output")]
    pub(super) number: u32,
    pub(super) action: String,
    pub(super) duration: Option<String>,
}

/// Bytes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    pub(super) topic: String,
    pub(super) payload_bytes: u64,
}

/// Another command.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Other {
    pub(super) command_id: String,
}

/// A page of commands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Commands {
    pub(super) commands: Vec<serde_json::Value>,
    pub(super) next: Option<String>,
}

impl Asked {
    /// What the device is told, in words.
    pub(super) fn words(&self) -> String {
        if let Some(Output { number, action, duration }) = &self.output {
            let length = duration.as_ref().map(|duration| format!(" for {duration}")).unwrap_or_default();
            return format!("output {number} {action}{length}");
        }
        if let Some(Raw { topic, payload_bytes }) = &self.raw {
            return format!("{payload_bytes} bytes to {topic}");
        }
        let other = [("cancel", &self.cancel), ("approve", &self.approve)];
        let found = other.into_iter().find_map(|(word, other)| Some((word, other.as_ref()?)));
        found.map_or_else(|| "-".to_owned(), |(word, other)| format!("{word} {}", other.command_id))
    }
}

impl Status {
    /// Whether the device did what it was told, as far as that can be known.
    pub(super) fn is_success(&self) -> bool {
        self.terminal && matches!(self.state.as_str(), "acknowledged" | "confirmed")
    }

    /// Whatever else there is to say of it, in words; may be empty.
    pub(super) fn words(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        let reason = if self.reason.is_empty() { &self.code } else { &self.reason };
        if !reason.is_empty() {
            said.push(reason.clone());
        }
        if self.state == "published" {
            said.extend(self.frontend.as_ref().map(|frontend| format!("to {frontend}")));
            said.extend(self.unique_id.map(|number| format!("unique id {number}")));
            said.extend((self.attempts > 1).then(|| format!("attempt {}", self.attempts)));
        }
        if let Some(Evidence { topic, partition, offset }) = &self.evidence {
            said.push(format!("see {topic} {partition}/{offset}"));
        }
        said.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_device_is_told_is_one_phrase() {
        let words = |value| serde_json::from_value::<Asked>(value).unwrap().words();
        assert_eq!(
            words(json!({ "output": { "output": 1, "action": "on", "duration": "2s" } })),
            "output 1 on for 2s"
        );
        assert_eq!(words(json!({ "raw": { "topic": "1/OUTC", "payload_bytes": 3 } })), "3 bytes to 1/OUTC");
        assert_eq!(words(json!({ "cancel": { "command_id": "a" } })), "cancel a");
        assert_eq!(words(json!({})), "-");
    }

    #[test]
    fn only_a_last_word_of_the_device_is_a_success() {
        let status = |state: &str, terminal| Status { state: state.into(), terminal, ..Status::default() };
        assert!(status("acknowledged", true).is_success() && status("confirmed", true).is_success());
        for (state, terminal) in [
            ("acknowledged", false),
            ("contradicted", true),
            ("failed", true),
            ("sent", false),
            ("expired", true),
        ] {
            assert!(!status(state, terminal).is_success(), "{state}");
        }
    }

    #[test]
    fn a_status_says_where_it_was_published_and_why() {
        let published = json!({ "state": "published", "frontend": "f-0", "unique_id": 7, "attempts": 2 });
        let words = |value| serde_json::from_value::<Status>(value).unwrap().words();
        assert_eq!(words(published), "to f-0, unique id 7, attempt 2");
        assert_eq!(words(json!({ "state": "rejected", "code": "not_active" })), "not_active");
        assert_eq!(words(json!({ "state": "rejected", "code": "x", "reason": "why" })), "why");
    }
}
