//! A step as one line.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use serde::Deserialize;

/// Publishes whose reception is remembered, for the time since.
const REMEMBERED: usize = 1000;

/// A step, as far as it is shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    time: String,
    since_received_ms: Option<i64>,
    #[serde(rename = "step")]
    what: String,
    service: String,
    replica: String,
    subject: String,
    code: String,
    detail: String,
    mqtt_topic: String,
    qos: Option<u32>,
    packet_id: Option<u32>,
    size: Option<u64>,
    kafka_topic: String,
    partition: Option<i32>,
    offset: Option<i64>,
    protocol: String,
    count: Option<u32>,
    account: String,
    remote_address: String,
    payload_hex: String,
}

/// What was shown, as far as later lines need it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// When publishes were received, Unix milliseconds.
    received: HashMap<String, i64>,
    order: VecDeque<String>,
}

impl Lines {
    /// The line of a step.
    pub(super) fn of(&mut self, step: &Step) -> String {
        let time_ms = step.time.parse::<Timestamp>().map(Timestamp::as_millisecond).ok();
        let received_ms = match (time_ms, step.since_received_ms) {
            (Some(time), Some(since)) => Some(self.remember(&step.subject, time - since)),
            _ => self.received.get(&step.subject).copied(),
        };
        let since =
            time_ms.zip(received_ms).map_or_else(String::new, |(time, received)| since(time - received));
        let clock = step.time.get(11..23).unwrap_or(&step.time);
        let who = format!("{} {}", step.service, step.replica);
        let name = step.what.replace('_', " ");
        let line =
            format!("{clock} {since:>9}  {who:<22} {:>4} {name:<17} {}", number(&step.subject), words(step));
        let payload = if step.payload_hex.is_empty() { "" } else { "\n    payload " };
        format!("{}{payload}{}", line.trim_end(), step.payload_hex)
    }

    fn remember(&mut self, subject: &str, received_ms: i64) -> i64 {
        if self.received.insert(subject.to_owned(), received_ms).is_none() {
            self.order.push_back(subject.to_owned());
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.received.remove(&oldest);
            }
        }
        received_ms
    }
}

fn since(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}s", ms / 1000, ms % 1000)
}

/// Which publish of its session it is about.
fn number(subject: &str) -> String {
    subject.rsplit_once('/').map_or_else(String::new, |(_, number)| format!("#{number}"))
}

fn words(step: &Step) -> String {
    let named = |name: &str, value: Option<u64>| value.map(|value| format!("{name} {value}"));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let is_command = step.what.starts_with("command");
    let count = step.count.map(|count| match (is_command, count) {
        (true, count) => format!("attempt {count}"),
        (false, 1) => "1 record".to_owned(),
        (false, count) => format!("{count} records"),
    });
    let place = step.partition.map_or_else(
        || step.kafka_topic.clone(),
        |partition| {
            let offset = step.offset.map(|offset| format!(" offset {offset}")).unwrap_or_default();
            format!("{} partition {partition}{offset}", step.kafka_topic)
        },
    );
    let parts = [
        text(&step.code),
        text(&step.detail),
        text(&step.mqtt_topic),
        named("QoS", step.qos.map(Into::into)),
        named("packet", step.packet_id.map(Into::into)),
        step.size.map(|size| format!("{size} bytes")),
        text(&step.protocol),
        count,
        text(&place),
        text(&step.account).map(|account| format!("account {account}")),
        text(&step.remote_address).map(|address| format!("from {address}")),
        text(&step.subject).filter(|_| is_command).map(|id| format!("command {id}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received() -> Step {
        Step {
            time: "2026-11-24T08:30:00.100Z".into(),
            since_received_ms: Some(0),
            what: "received".into(),
            service: "frontend".into(),
            replica: "a".into(),
            subject: "01J/7".into(),
            mqtt_topic: "BCE/D".into(),
            qos: Some(1),
            packet_id: Some(9),
            size: Some(70),
            payload_hex: "02ff".into(),
            ..Step::default()
        }
    }

    #[test]
    fn a_step_is_one_line_with_the_time_since_the_publish_was_received() {
        let mut lines = Lines::default();
        let line = lines.of(&received());
        assert_eq!(
            line,
            "08:30:00.100   +0.000s  frontend a               #7 received          BCE/D, QoS 1, packet 9, 70 bytes\n    \
             payload 02ff"
        );
        // An answer does not say when its publish was received.
        let answered = Step {
            time: "2026-11-24T08:30:01.350Z".into(),
            since_received_ms: None,
            what: "answered".into(),
            code: "success".into(),
            subject: "01J/7".into(),
            ..Step::default()
        };
        assert!(lines.of(&answered).contains("+1.250s") && lines.of(&answered).contains("success"));
        let stored = Step { kafka_topic: "t".into(), partition: Some(3), offset: Some(17), ..answered };
        assert!(lines.of(&stored).ends_with("success, t partition 3 offset 17"));
    }

    #[test]
    fn a_step_of_a_command_names_it_and_its_attempt() {
        let step = Step {
            what: "command_status".into(),
            code: "published".into(),
            subject: "01JC".into(),
            count: Some(2),
            ..Step::default()
        };
        assert!(Lines::default().of(&step).ends_with("published, attempt 2, command 01JC"));
    }

    #[test]
    fn no_more_publishes_are_remembered_than_may_be() {
        let mut lines = Lines::default();
        for number in 0..3 * REMEMBERED {
            lines.of(&Step { subject: format!("s/{number}"), ..received() });
        }
        assert_eq!((lines.received.len(), lines.order.len()), (REMEMBERED, REMEMBERED));
    }
}
