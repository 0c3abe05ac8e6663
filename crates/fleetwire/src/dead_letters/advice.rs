//! What to do about a dead letter, by its code. docs/operations.md has the same in longer words.

/// What to do about a code.
pub(super) fn of(code: &str) -> &'static str {
    match code {
        "truncated" => {
            "The payload ends too early. If it is one device, look at the device; if it is all of one model, look \
             whether it is set to another payload format."
        }
        "version" => {
            "The first byte is no known version of the format: the device sends another protocol. Look at its \
             settings, and at the model that it is registered with."
        }
        "record_length" => {
            "A record is longer than the payload, or has a length that its type cannot have. New firmware may have \
             a new record: keep the payload, and replay it with a build that knows the record."
        }
        "block_length" => {
            "A block is longer than the payload, or shorter than any block is. Look whether the device is set to \
             another payload format; keep the payload."
        }
        "unmapped_binary" => {
            "The model's mapping reads JSON, and the payload is binary. Look at the payload format of the device, and \
             at the model that it is registered with."
        }
        "json" => {
            "The payload is no JSON, or JSON of another shape than the protocol's. Look at the marked byte: a payload \
             that ends early was cut off on its way to the broker."
        }
        "record_kind" | "no_device_id" | "device_id" | "no_time" | "time" => {
            "The mapping cannot use the record. Try the payload with `fleetwire mapping test`, mend the mapping, and \
             replay with the new configuration."
        }
        "too_many_records" => {
            "The payload has more records than one payload may have. Let the sender make smaller ones; the limit is \
             in the mapping."
        }
        "missing_field" | "bad_field" => {
            "A field that the protocol asks for is missing, or has a value that it cannot have; the reason names it. \
             Mend the sender."
        }
        "checksum" => {
            "The bytes do not sum up to their checksum. A few are damage on the way. If it is all of one device, it \
             is a fault of its firmware: set accept_bad_checksum = true, and replay."
        }
        "imei" => "The payload names an IMEI of more than 15 digits. Look at the device.",
        "no_records" => "The payload is well-formed and holds no event. Usually nothing is to be done.",
        "identity_mismatch" => {
            "The payload names another device than the session. Set the client id of the device right; otherwise \
             someone uses another's identity. A replay gives the same answer."
        }
        "not_activated" => {
            "Nobody has activated the device, or it was removed. Activate it with `fleetwire device add`, and replay."
        }
        "disabled" => {
            "The device is disabled. If it should not be, activate it with `fleetwire device add`, and replay."
        }
        "no_identity" | "raw_record" => {
            "The reason says what the raw record lacks. Either an account that speaks for many devices has no one way \
             to be read, or something else than a frontend writes to the raw topic."
        }
        _ => "This build does not know the code: a newer or an older one gave it. Look at the reason.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_this_build_has_advice_and_a_line_in_the_documentation() {
        let path = format!("{}/../../docs/operations.md", env!("CARGO_MANIFEST_DIR"));
        let documentation = std::fs::read_to_string(path).unwrap();
        for code in crate::dead_letters::letters::codes() {
            assert!(!of(code).contains("does not know the code"), "{code} has no advice");
            assert!(documentation.contains(&format!("| `{code}` |")), "{code} is not documented");
        }
    }
}
