//! Output control of IOTM: what is written, byte for byte, and what is read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without")]

mod opened;
#[expect(dead_code, reason = "each test takes what it needs")]
mod vectors;

use std::time::Duration;

use fleetwire_codec::iotm::output::{
    Act, Action, CommandError, Function, OutputControl, Polarity, ReadError, Signal, Steps, TimedOutput,
    UniqueId,
};
use fleetwire_codec::iotm::write::Payload;
use fleetwire_model::Imei;
use proptest::prelude::*;

const NEVER: u32 = 0x7FFF_FFFF;

fn command(unique_id: u8, expires: u32, action: Action) -> OutputControl {
    let imei = Some("123456789012345".parse().unwrap());
    OutputControl { imei, expires, unique_id: UniqueId::new(unique_id).unwrap(), action }
}

fn timed(output: u32, act: Act, duration: Duration) -> Action {
    Action::Timed {
        output: TimedOutput::from_number(output).unwrap(),
        function: Function::new(act),
        duration: duration.try_into().unwrap(),
    }
}

fn latched(signal: u32, on: bool) -> Action {
    Action::Latched { signal: Signal::from_number(signal).unwrap(), on }
}

/// Commands that are known byte for byte, by what was computed from the vendor's pages, its own example, and the
/// captures.
fn known() -> Vec<(OutputControl, String)> {
    let second = Duration::from_secs(1);
    let traccar = Duration::from_millis(454_880);
    let vendor = OutputControl {
        imei: None,
        expires: 1_504_510_032,
        unique_id: UniqueId::new(0x11).unwrap(),
        action: timed(1, Act::Off, second),
    };
    let of = |name| hex::encode(vectors::payload(name));
    vec![
        (
            command(1, NEVER, timed(1, Act::On, second)),
            "0202080079df0d8648700000040a00ffffff7f000103016400a2".to_owned(),
        ),
        (
            command(2, NEVER, timed(1, Act::Off, second)),
            "0202080079df0d8648700000040a00ffffff7f000203006400a2".to_owned(),
        ),
        (
            command(3, 1_790_000_000, timed(1, Act::On, Steps::MAX.duration())),
            "0202080079df0d8648700000040a00803bb16a00030301ffff98".to_owned(),
        ),
        (command(1, NEVER, latched(1, true)), "0202080079df0d8648700000040800ffffff7f0801010142".to_owned()),
        (vendor, "02040a005000ad59001103006400de".to_owned()),
        (vendor, of("i15_bluetooth_output")),
        (command(1, NEVER, latched(1, true)), of("i01_s1_on")),
        (command(2, NEVER, latched(1, false)), of("i02_s1_off")),
        (command(1, NEVER, latched(2, false)), of("i03_s2_off")),
        (command(1, NEVER, latched(2, true)), of("i04_s2_on")),
        (command(2, NEVER, latched(2, false)), of("i05_s2_off_again")),
        (command(1, NEVER, timed(1, Act::On, traccar)), of("i07_timed_output_on")),
    ]
}

#[test]
fn known_commands_are_written_byte_for_byte_and_read() {
    for (command, hex) in known() {
        assert_eq!(hex::encode(command.write(Polarity::OneIsOn)), hex);
        let payload = hex::decode(hex).unwrap();
        assert_eq!(OutputControl::parse(&payload, Polarity::OneIsOn), Ok(command));
    }
}

#[test]
fn a_command_without_a_number_cannot_be_made_and_is_not_read() {
    // A public encoder sends this to every device, which takes the second for a repeat.
    let payload = vectors::payload("i06_traccar_output_on");
    assert_eq!(OutputControl::parse(&payload, Polarity::OneIsOn), Err(ReadError::UniqueId));
    assert_eq!(UniqueId::new(0), Err(CommandError::UniqueId));
}

#[test]
fn which_function_is_on_is_a_setting() {
    let on = command(1, NEVER, timed(1, Act::On, Duration::from_secs(1)));
    let inverted = on.write(Polarity::ZeroIsOn);
    let off = command(1, NEVER, timed(1, Act::Off, Duration::from_secs(1)));
    assert_eq!(inverted, off.write(Polarity::OneIsOn));
    assert_eq!(OutputControl::parse(&inverted, Polarity::ZeroIsOn), Ok(on));
    assert_eq!(OutputControl::parse(&inverted, Polarity::OneIsOn), Ok(off));
    // Static signals are verified to be 1 for on.
    let latch = command(1, NEVER, latched(1, true));
    assert_eq!(latch.write(Polarity::ZeroIsOn), latch.write(Polarity::OneIsOn));
}

#[test]
fn what_the_format_cannot_say_is_refused() {
    let steps = |duration| Steps::try_from(duration).map(Steps::duration);
    for fits in [Duration::from_millis(10), Duration::from_secs(1), Duration::from_millis(655_350)] {
        assert_eq!(steps(fits), Ok(fits));
    }
    for not in [
        Duration::ZERO,
        Duration::from_millis(5),
        Duration::from_millis(1015),
        Duration::from_nanos(10_000_001),
        Duration::from_millis(655_360),
        Duration::MAX,
    ] {
        assert_eq!(steps(not), Err(CommandError::Duration(not)));
    }
    assert_eq!(TimedOutput::from_number(4), Err(CommandError::Output(4)));
    assert_eq!(TimedOutput::from_number(0), Err(CommandError::Output(0)));
    assert_eq!(Signal::from_number(3), Err(CommandError::Signal(3)));
    let text = CommandError::Duration(Duration::from_secs(700)).to_string();
    assert_eq!(text, "an output works for 0.01 to 655.35 seconds in steps of 0.01, not for 700 seconds");
}

#[test]
fn the_number_after_the_last_is_one() {
    assert_eq!(UniqueId::FIRST.get(), 1);
    assert_eq!(UniqueId::FIRST.next().get(), 2);
    assert_eq!(UniqueId::new(255).unwrap().next(), UniqueId::FIRST);
}

#[test]
fn what_is_no_command_is_not_read() {
    let of = |body: &[u8]| Payload::new().record(4, body).unwrap().finish();
    let body = |output_id: u8, data: &[u8]| {
        let length = u8::try_from(data.len()).unwrap();
        [&[1, 2, 3, 4, output_id, 9, length], data].concat()
    };
    let cases = [
        (of(&[1, 2, 3]), ReadError::Length(3)),
        (of(&[1, 2, 3, 4, 8, 9, 2, 1]), ReadError::Length(8)),
        (of(&body(5, &[1])), ReadError::OutputId(5)),
        (of(&body(8, &[2])), ReadError::State(2)),
        (of(&body(8, &[1, 0, 0])), ReadError::DataLength { output_id: 8, length: 3 }),
        (of(&body(0, &[1])), ReadError::DataLength { output_id: 0, length: 1 }),
        (of(&body(0, &[2, 1, 0])), ReadError::Function(2)),
        (of(&body(0, &[0xC1, 1, 0])), ReadError::Function(0xC1)),
        (of(&body(0, &[1, 0, 0])), ReadError::Duration),
        (Payload::new().finish(), ReadError::Commands(0)),
    ];
    for (payload, expected) in cases {
        assert_eq!(OutputControl::parse(&payload, Polarity::OneIsOn), Err(expected));
    }
    let one = body(8, &[1]);
    let two = Payload::new().record(4, &one).unwrap().record(4, &one).unwrap().finish();
    assert_eq!(OutputControl::parse(&two, Polarity::OneIsOn), Err(ReadError::Commands(2)));
    assert!(matches!(OutputControl::parse(&[2], Polarity::OneIsOn), Err(ReadError::Payload(_))));
}

fn action() -> impl Strategy<Value = Action> {
    let act = prop::sample::select(vec![Act::Off, Act::On, Act::HazardLamps, Act::Impulse]);
    let timed =
        (1_u32..=3, act, any::<Option<bool>>(), 1_u64..=65_535).prop_map(|(output, act, s1, steps)| {
            Action::Timed {
                output: TimedOutput::from_number(output).unwrap(),
                function: Function { act, s1 },
                duration: Duration::from_millis(steps * 10).try_into().unwrap(),
            }
        });
    prop_oneof![timed, (1_u32..=2, any::<bool>()).prop_map(|(signal, on)| latched(signal, on))]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn what_is_written_is_read(
        imei in prop::option::of(0..=999_999_999_999_999_u64),
        expires in any::<u32>(),
        unique_id in 1_u8..,
        action in action(),
        inverted in any::<bool>(),
    ) {
        let polarity = if inverted { Polarity::ZeroIsOn } else { Polarity::OneIsOn };
        let imei = imei.map(|number| Imei::from_number(number).unwrap());
        let command = OutputControl { imei, expires, unique_id: UniqueId::new(unique_id).unwrap(), action };
        let payload = command.write(polarity);
        prop_assert_eq!(OutputControl::parse(&payload, polarity), Ok(command));
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..20)) {
        let payload = Payload::new().record(4, &body).unwrap().finish();
        if let Ok(command) = OutputControl::parse(&payload, Polarity::OneIsOn) {
            prop_assert_eq!(command.write(Polarity::OneIsOn), payload);
        }
    }
}
