//! Whether a record of the topic of commands is a command, of which device, and in the right place.

use fleetwire_kafka::partition_of;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::Command;
use prost::Message as _;

use crate::letter::Fault;
use crate::order::is_id;

/// The largest command, bytes. A device's record holds up to 48 of them, and has to fit into one Kafka record.
pub(crate) const MAX_COMMAND: usize = 16 * 1024;

/// A record that is a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// One that this gateway works.
    Here(DeviceId, Command),
    /// One of more bytes than are taken, with what it asks for left out, and how many they were.
    TooLarge(DeviceId, Command, usize),
    /// One that lies in another partition than everything else of its device, because its producer counts partitions
    /// in another way than Java's clients.
    Elsewhere,
}

/// Reads a record of a partition of so many.
pub(crate) fn read(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    (partition, partitions): (i32, usize),
) -> Result<Reading, Fault> {
    let key =
        key.ok_or_else(|| Fault::new("bad_key", "the record has no key; it has to be the device's id"))?;
    let device: DeviceId = std::str::from_utf8(key)
        .map_err(|_| Fault::new("bad_key", "the record's key is no text; it has to be the device's id"))?
        .parse()
        .map_err(|err| Fault::new("bad_key", format!("the record's key is no device id: {err}")))?;
    let value = value.ok_or_else(|| Fault::new("no_value", "the record has no value"))?;
    let command = Command::decode(value)
        .map_err(|err| Fault::new("not_protobuf", format!("the value is no fleetwire.v1.Command: {err}")))?;
    check(&command, &device)?;
    if partition_of(key, partitions) != partition {
        return Ok(Reading::Elsewhere);
    }
    if value.len() <= MAX_COMMAND {
        return Ok(Reading::Here(device, command));
    }
    let requested_by = short(&command.requested_by);
    Ok(Reading::TooLarge(device, Command { action: None, requested_by, ..command }, value.len()))
}

/// Whether a command says whose it is and which.
pub(crate) fn check(command: &Command, device: &DeviceId) -> Result<(), Fault> {
    if command.device_id != device.as_str() {
        let reason =
            format!("the command is for {:?}, the record's key is {device}", short(&command.device_id));
        return Err(Fault::new("key_mismatch", reason));
    }
    let id = &command.command_id;
    if !is_id(id) {
        let reason = format!("a command_id has 1 to 64 printable ASCII characters, this is {:?}", short(id));
        return Err(Fault::new("bad_command_id", reason));
    }
    Ok(())
}

/// The beginning of a text that may be long.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "867035046242895";

    fn command(id: &str) -> Command {
        Command { command_id: id.into(), device_id: DEVICE.into(), ..Command::default() }
    }

    fn code(key: &[u8], value: Option<&[u8]>) -> &'static str {
        read(Some(key), value, (0, 1)).unwrap_err().code
    }

    #[test]
    fn a_command_is_one_under_its_devices_key_and_in_its_partition() {
        let value = command("01J").encode_to_vec();
        let place = partition_of(DEVICE.as_bytes(), 24);
        let read = |number| read(Some(DEVICE.as_bytes()), Some(&value), (number, 24)).unwrap();
        assert_eq!(read(place), Reading::Here(DEVICE.parse().unwrap(), command("01J")));
        assert_eq!(read((place + 1) % 24), Reading::Elsewhere);
    }

    #[test]
    fn a_command_that_is_too_large_keeps_nothing_that_is_large() {
        let long = "x".repeat(MAX_COMMAND);
        let value = Command { requested_by: long, ..command("01J") }.encode_to_vec();
        let Ok(Reading::TooLarge(_, kept, size)) = read(Some(DEVICE.as_bytes()), Some(&value), (0, 1)) else {
            panic!("it was taken");
        };
        assert!(size > MAX_COMMAND && kept.encoded_len() < 200 && kept.command_id == "01J");
    }

    #[test]
    fn what_is_no_command_is_told_with_a_fixed_word() {
        let value = command("01J").encode_to_vec();
        assert_eq!(read(None, Some(&value), (0, 1)).unwrap_err().code, "bad_key");
        assert_eq!(code(b"a b", Some(&value)), "bad_key");
        assert_eq!(code(b"\xff", Some(&value)), "bad_key");
        assert_eq!(code(b"other", Some(&value)), "key_mismatch");
        assert_eq!(code(DEVICE.as_bytes(), None), "no_value");
        assert_eq!(code(DEVICE.as_bytes(), Some(b"{}")), "not_protobuf");
        for id in ["", "a b", "é", &"x".repeat(65)] {
            assert_eq!(code(DEVICE.as_bytes(), Some(&command(id).encode_to_vec())), "bad_command_id", "{id}");
        }
    }
}
