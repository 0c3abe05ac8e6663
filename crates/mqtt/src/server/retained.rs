//! Retained messages of sessions that may publish to others, bounded in number and bytes.

use std::{collections::BTreeMap, time::Instant};

use bytestring::ByteString;

use super::hub::{Message, RetainLimits};
use crate::topic;

/// The newest retained message of each topic.
#[derive(Debug)]
pub(super) struct Retained {
    limits: RetainLimits,
    messages: BTreeMap<ByteString, Message>,
    bytes: usize,
}

impl Retained {
    pub(super) const fn new(limits: RetainLimits) -> Self {
        Self { limits, messages: BTreeMap::new(), bytes: 0 }
    }

    /// Retains a message, or forgets its topic's if the payload is empty; `false` if there is no room.
    pub(super) fn set(&mut self, message: &Message, now: Instant) -> bool {
        if let Some(old) = self.messages.remove(&message.topic) {
            self.bytes -= size(&old);
        }
        if message.payload.is_empty() {
            return true;
        }
        let fits = |held: &Self| {
            held.messages.len() < held.limits.messages && held.bytes + size(message) <= held.limits.bytes
        };
        if !fits(self) {
            self.expire(now);
        }
        if !fits(self) {
            return false;
        }
        self.bytes += size(message);
        self.messages.insert(ByteString::from(message.topic.to_string()), message.clone());
        true
    }

    /// The messages whose topics a filter means.
    pub(super) fn matching(&mut self, filter: &str, now: Instant) -> Vec<Message> {
        self.expire(now);
        let matching = self.messages.values().filter(|message| topic::matches(filter, &message.topic));
        matching.cloned().collect()
    }

    fn expire(&mut self, now: Instant) {
        self.messages.retain(|_, message| message.expires.is_none_or(|at| at > now));
        self.bytes = self.messages.values().map(size).sum();
    }
}

fn size(message: &Message) -> usize {
    message.topic.len() + message.payload.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::packet::{Properties, QoS};

    fn message(topic: &'static str, payload: &'static str) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: true,
            properties: Properties::default(),
            expires: None,
            from: "x".into(),
        }
    }

    fn topics(retained: &mut Retained, filter: &str, now: Instant) -> Vec<String> {
        retained.matching(filter, now).iter().map(|message| message.topic.to_string()).collect()
    }

    #[test]
    fn the_newest_message_of_a_topic_is_retained_until_an_empty_one_comes() {
        let (mut retained, now) = (Retained::new(RetainLimits::default()), Instant::now());
        assert!(retained.set(&message("a/b", "1"), now) && retained.set(&message("a/b", "2"), now));
        assert_eq!(retained.matching("a/+", now)[0].payload, "2");
        assert!(retained.set(&message("a/b", ""), now));
        assert_eq!((topics(&mut retained, "#", now), retained.bytes), (vec![], 0));
    }

    #[test]
    fn a_full_store_takes_nothing_new_until_something_expires() {
        let limits = RetainLimits { messages: 2, bytes: 1000 };
        let (mut retained, now) = (Retained::new(limits), Instant::now());
        let short = Message { expires: Some(now + Duration::from_secs(1)), ..message("a", "1") };
        assert!(retained.set(&short, now) && retained.set(&message("b", "1"), now));
        assert!(!retained.set(&message("c", "1"), now));
        assert!(retained.set(&message("b", "2"), now), "a topic that is there may change");
        let later = now + Duration::from_secs(2);
        assert!(retained.set(&message("c", "1"), later));
        assert_eq!(topics(&mut retained, "#", later), ["b", "c"]);
        let large = Retained::new(RetainLimits { messages: 9, bytes: 3 }).set(&message("abc", "d"), now);
        assert!(!large);
    }
}
