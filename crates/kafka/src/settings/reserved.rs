//! librdkafka properties that fleetwire sets itself, and why.

use std::collections::BTreeMap;

use super::SettingsError;

const COMMITS: &str = "offsets are committed only for what is done, so it is fixed at false";

/// Key, the one value that may be repeated, and the reason.
const RESERVED: &[(&str, Option<&str>, &str)] = &[
    ("bootstrap.servers", None, "use kafka.brokers"),
    ("metadata.broker.list", None, "use kafka.brokers"),
    ("group.id", None, "each service has its own setting for its group"),
    ("acks", Some("all"), "acknowledged means durable, so it is fixed at all"),
    ("request.required.acks", Some("all"), "acknowledged means durable, so it is fixed at all"),
    (
        "enable.idempotence",
        Some("true"),
        "a retry must not repeat or reorder records, so it is fixed at true",
    ),
    (
        "enable.gapless.guarantee",
        Some("false"),
        "one lost record must not stop every device, so it is fixed at false",
    ),
    (
        "partitioner",
        Some("murmur2_random"),
        "Java clients must find the same partition for a device, so it is fixed at murmur2_random",
    ),
    ("transactional.id", None, "use decoder.transactional_id"),
    ("transaction.timeout.ms", None, "use decoder.transactions.timeout"),
    (
        "isolation.level",
        Some("read_committed"),
        "what was not committed must not be read, so it is fixed at read_committed",
    ),
    ("message.timeout.ms", None, "use kafka.producer.delivery_timeout"),
    ("delivery.timeout.ms", None, "use kafka.producer.delivery_timeout"),
    ("linger.ms", None, "use kafka.producer.linger"),
    ("queue.buffering.max.ms", None, "use kafka.producer.linger"),
    ("compression.codec", None, "use kafka.producer.compression"),
    ("compression.type", None, "use kafka.producer.compression"),
    ("queue.buffering.max.messages", None, "use kafka.producer.max_in_flight_records"),
    ("queue.buffering.max.kbytes", None, "use kafka.producer.max_in_flight_bytes"),
    ("delivery.report.only.error", Some("false"), "every record has an outcome, so it is fixed at false"),
    ("enable.auto.commit", Some("false"), COMMITS),
    ("auto.commit.enable", Some("false"), COMMITS),
    ("enable.auto.offset.store", Some("false"), COMMITS),
    ("auto.offset.reset", None, "where a new group starts is an option of each service"),
    ("enable.partition.eof", None, "readers set it as they need it"),
    ("group.protocol", Some("classic"), "the hand-over at a rebalance needs the classic protocol"),
    ("allow.auto.create.topics", Some("false"), "topics are created by `fleetwire topics apply`"),
];

pub(super) fn check(properties: &BTreeMap<String, String>) -> Result<(), SettingsError> {
    for (key, allowed, reason) in RESERVED {
        let Some(value) = properties.get(*key) else {
            continue;
        };
        if *allowed != Some(value.as_str()) {
            return Err(SettingsError::Reserved { key: (*key).to_owned(), reason });
        }
    }
    Ok(())
}
