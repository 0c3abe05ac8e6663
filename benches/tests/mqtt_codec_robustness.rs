//! How our MQTT codec and three others stand random, mutated and malformed packets: panics, and what they take.
//!
//! `cargo test --release -p fleetwire-benches --test mqtt_codec_robustness -- --inputs 3000000`; without the
//! flag a short run. The same seed gives the same inputs to each codec. Only our own codec can fail this test.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    env,
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
};

use bytes::BytesMut;
use fleetwire_mqtt::packet::{Frame, Level};
use rand::{Rng, SeedableRng, rngs::SmallRng};

#[path = "../codecs/mod.rs"]
mod codecs;
use codecs::Codec;

/// A malformed packet: protocol level, bytes, and what it breaks.
type Malformed = (Level, &'static [u8], &'static str);

const V3: Level = Level::V311;
const V5: Level = Level::V5;

/// Packets that the specification forbids a client to send, with the statement.
const MALFORMED: [Malformed; 33] = [
    (V3, &[0x36, 5, 0, 1, b'a', 0, 1], "MQTT-3.3.1-4 QoS 3"),
    (V3, &[0x38, 3, 0, 1, b'a'], "MQTT-3.3.1-2 DUP with QoS 0"),
    (V3, &[0x32, 5, 0, 1, b'a', 0, 0], "MQTT-2.3.1-1 packet id 0"),
    (V3, &[0x30, 5, 0, 3, b'a', b'/', b'#'], "MQTT-3.3.2-2 wildcard"),
    (V3, &[0x30, 2, 0, 0], "MQTT-4.7.3-1 empty topic"),
    (V3, &[0x30, 4, 0, 2, 0xc3, 0x28], "MQTT-1.5.3-1 no UTF-8"),
    (V3, &[0x30, 5, 0, 3, 0xed, 0xa0, 0x80], "MQTT-1.5.3-1 surrogate"),
    (V3, &[0x30, 4, 0, 2, b'a', 0], "MQTT-1.5.3-2 U+0000"),
    (V3, &[0x41, 2, 0, 1], "MQTT-2.2.2-2 PUBACK flags"),
    (V3, &[0x60, 2, 0, 1], "MQTT-3.6.1-1 PUBREL flags"),
    (V3, &[0x80, 6, 0, 1, 0, 1, b'a', 0], "MQTT-3.8.1-1 SUBSCRIBE flags"),
    (V3, &[0xA0, 5, 0, 1, 0, 1, b'a'], "MQTT-3.10.1-1 UNSUBSCRIBE flags"),
    (V3, &[0xC1, 0], "MQTT-2.2.2-2 PINGREQ flags"),
    (V3, &[0x82, 2, 0, 1], "MQTT-3.8.3-3 no filter"),
    (V3, &[0x82, 6, 0, 1, 0, 1, b'a', 3], "MQTT-3-8.3-4 QoS 3"),
    (V3, &[0x82, 6, 0, 1, 0, 1, b'a', 0x40], "MQTT-3-8.3-4 reserved bits"),
    (V3, &[0x82, 7, 0, 1, 0, 2, b'a', b'#', 0], "MQTT-4.7.1-2 filter"),
    (V3, b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01a", "MQTT-3.1.2-3 reserved flag"),
    (V3, b"\x10\x0d\0\x04MQTT\x04\x0a\0\0\0\x01a", "MQTT-3.1.2-13 will QoS without will"),
    (V3, b"\x10\x0d\0\x04MQTT\x04\x22\0\0\0\x01a", "MQTT-3.1.2-15 will retain without will"),
    (V3, b"\x10\x10\0\x04MQTT\x04\x42\0\0\0\x01a\0\x01p", "MQTT-3.1.2-22 password without user"),
    (V3, b"\x10\x12\0\x04MQTT\x04\x1e\0\0\0\x01a\0\x01t\0\0", "MQTT-3.1.2-14 will QoS 3"),
    (V3, b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x01a!", "bytes after the last field"),
    (V5, &[0x30, 8, 0, 1, b'a', 4, 0x01, 0, 0x01, 0], "3.3.2.3.2 property twice"),
    (V5, &[0x30, 6, 0, 1, b'a', 2, 0x01, 2], "3.3.2.3.2 property out of range"),
    (V5, &[0x30, 9, 0, 1, b'a', 5, 0x11, 0, 0, 0, 1], "2.2.2.2 property of another packet"),
    (V5, &[0x30, 6, 0, 1, b'a', 2, 0x0B, 1], "MQTT-3.3.4-6 subscription identifier from a client"),
    (V5, &[0x30, 9, 0, 1, b'a', 5, 0x08, 0, 2, b'a', b'#'], "MQTT-3.3.2-14 wildcard in response topic"),
    (V5, &[0x30, 3, 0, 0, 0], "3.3.2.1 empty topic without alias"),
    (V5, &[0x40, 3, 0, 1, 0x01], "MQTT-3.4.2-1 reason code"),
    (V5, &[0xE0, 1, 0x8E], "MQTT-3.14.2-1 reason code of a server"),
    (V5, &[0xC0, 0x80, 0x00], "MQTT-1.5.5-1 length not in its shortest form"),
    (V5, &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x30], "3.8.3.1 retain handling 3"),
];

/// Well-formed packets, whose mutations are tried.
const SEEDS: [(Level, &[u8]); 12] = [
    (V3, b"\x10\x1b\0\x04MQTT\x04\xc2\0\x3c\0\x05abcde\0\x03usr\0\x03pwd"),
    (V3, b"\x32\x0c\0\x05BCE/D\0\x07pay"),
    (V3, b"\x82\x0a\0\x01\0\x05a/+/b\x01"),
    (V3, b"\xa2\x09\0\x01\0\x05a/b/c"),
    (V3, b"\x40\x02\0\x07"),
    (V3, b"\x62\x02\0\x07"),
    (V5, b"\x10\x23\0\x04MQTT\x05\xc2\0\x3c\x08\x11\0\0\0\x05\x21\0\x05\0\x04abcd\0\x03usr\0\x03pwd"),
    (V5, b"\x32\x1b\0\x05BCE/D\0\x07\x0e\x03\0\x04text\x26\0\x01k\0\x01vpay"),
    (V5, b"\x30\x09\0\x01a\x03\x23\0\x01pq"),
    (V5, b"\x82\x0b\0\x01\0\0\x05a/+/b\x01"),
    (V5, b"\x40\x04\0\x07\x97\0"),
    (V5, b"\xe0\x07\0\x05\x11\0\0\0\x05"),
];

/// What a codec did with one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Taken,
    Refused,
    Panicked,
}

fn judge(codec: Codec, level: Level, bytes: &[u8]) -> Verdict {
    let mut input = BytesMut::from(bytes);
    let run = catch_unwind(AssertUnwindSafe(|| codec.run(level, &mut input, None)));
    match run {
        Ok(Ok(0) | Err(_)) => Verdict::Refused,
        Ok(Ok(_)) => Verdict::Taken,
        Err(_) => Verdict::Panicked,
    }
}

/// One whole packet: random bytes behind a fitting length, or a seed with some bytes changed.
fn input(random: &mut SmallRng) -> (Level, Vec<u8>) {
    if random.random_bool(0.3) {
        let mut bytes = vec![0; random.random_range(2..40)];
        random.fill(&mut bytes[..]);
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        return (if random.random() { V3 } else { V5 }, bytes);
    }
    let (level, seed) = SEEDS[random.random_range(0..SEEDS.len())];
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..4) {
        match random.random_range(0..4) {
            0 if bytes.len() > 3 => {
                bytes.remove(random.random_range(2..bytes.len()));
            }
            1 => bytes.insert(random.random_range(2..=bytes.len()), random.random()),
            _ => {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
        }
    }
    // The length fits again, most of the time: faults of the body are what differs.
    if random.random_bool(0.9) {
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
    }
    (level, bytes)
}

#[derive(Debug, Default)]
struct Tally {
    taken: u64,
    panics: u64,
    /// Taken, although ours refuses it: by our reason.
    laxer: BTreeMap<String, u64>,
    /// Refused, although ours takes it.
    stricter: u64,
    /// Some of those.
    examples: Vec<Vec<u8>>,
}

fn main() {
    let wanted = env::args().skip_while(|arg| arg != "--inputs").nth(1);
    let inputs: u64 = wanted.map_or(100_000, |count| count.parse().unwrap());
    set_hook(Box::new(|_| {}));
    malformed();
    random(inputs);
}

fn malformed() {
    for codec in Codec::ALL {
        let wrong: Vec<String> = MALFORMED
            .iter()
            .filter_map(|(level, bytes, breach)| match judge(codec, *level, bytes) {
                Verdict::Refused => None,
                verdict => Some(format!("{breach} ({verdict:?})")),
            })
            .collect();
        println!("{}: {} of {} malformed packets not refused", codec.name(), wrong.len(), MALFORMED.len());
        for breach in &wrong {
            println!("    {breach}");
        }
        assert!(codec != Codec::Ours || wrong.is_empty());
    }
    for (level, seed) in SEEDS {
        for codec in Codec::ALL {
            let verdict = judge(codec, level, seed);
            assert!(codec != Codec::Ours || verdict == Verdict::Taken, "{seed:x?}");
            if verdict != Verdict::Taken {
                println!("{}: a well-formed packet is {verdict:?}: {seed:x?}", codec.name());
            }
        }
    }
}

fn random(inputs: u64) {
    let mut random = SmallRng::seed_from_u64(2);
    let mut tallies: [Tally; 4] = Default::default();
    for _ in 0..inputs {
        let (level, bytes) = input(&mut random);
        let mut whole = BytesMut::from(&bytes[..]);
        let one = matches!(Frame::next(&mut whole, codecs::LIMIT), Ok(Some(_))) && whole.is_empty();
        let reason = Codec::Ours.run(level, &mut BytesMut::from(&bytes[..]), None).err();
        let ours = judge(Codec::Ours, level, &bytes);
        for (codec, tally) in Codec::ALL.into_iter().zip(&mut tallies) {
            match judge(codec, level, &bytes) {
                Verdict::Panicked => tally.panics += 1,
                // Only whole single packets are compared.
                Verdict::Taken => {
                    tally.taken += 1;
                    if one && ours != Verdict::Taken {
                        *tally.laxer.entry(reason.clone().unwrap_or_default()).or_default() += 1;
                    }
                }
                Verdict::Refused if one && ours == Verdict::Taken => {
                    tally.stricter += 1;
                    if tally.examples.len() < 3 {
                        tally.examples.push(bytes.clone());
                    }
                }
                Verdict::Refused => {}
            }
        }
    }
    println!("{inputs} random and mutated inputs");
    for (codec, tally) in Codec::ALL.into_iter().zip(&tallies) {
        let laxer: u64 = tally.laxer.values().sum();
        println!(
            "{}: {} taken, {} panics, {laxer} taken that ours refuses {:?}, {} refused that ours takes",
            codec.name(),
            tally.taken,
            tally.panics,
            tally.laxer,
            tally.stricter
        );
        for example in &tally.examples {
            println!("    refused: {:?}", example.escape_ascii().to_string());
        }
    }
    assert_eq!(tallies[0].panics, 0);
}
