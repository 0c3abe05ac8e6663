//! Random orders of events: whatever happens, each command ends once, and the device does what it should at most once.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwire_codec::iotm::output::Action;
use fleetwire_model::pb::{CommandState, CommandStatus, OutputAction};
use proptest::prelude::*;

use super::world::{Done, World, switch};
use crate::machine::{Delivered, Event};

/// Something that happens.
#[derive(Debug, Clone)]
enum Happens {
    Command {
        output: u32,
        is_on: bool,
        seconds: u64,
        is_seen_twice: bool,
    },
    Connect,
    Disconnect,
    /// The frontend takes the oldest attempt; this is told, if it fits what happened.
    Attempt(Told),
    Telemetry {
        output: u8,
        is_on: bool,
    },
    Pass {
        ms: u64,
    },
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Told {
    Truth,
    /// The device got it, and its PUBACK did not come.
    NoAnswer,
    /// The frontend died, after the publish or before.
    Died {
        before: bool,
    },
    Refusal(Delivered),
    /// The gateway dies before it hears of it.
    GatewayDied,
}

fn happens() -> impl Strategy<Value = Happens> {
    let refusal = prop::sample::select(vec![
        Delivered::NotConnected,
        Delivered::StaleEpoch,
        Delivered::NotSubscribed,
        Delivered::Busy,
        Delivered::StaleGateway,
        Delivered::Unreachable,
    ]);
    let told = prop_oneof![
        4 => Just(Told::Truth),
        2 => Just(Told::NoAnswer),
        2 => any::<bool>().prop_map(|before| Told::Died { before }),
        2 => refusal.prop_map(Told::Refusal),
        1 => Just(Told::GatewayDied),
    ];
    prop_oneof![
        4 => (1..=5_u32, any::<bool>(), 1..90_u64, any::<bool>()).prop_map(
            |(output, is_on, seconds, is_seen_twice)| Happens::Command { output, is_on, seconds, is_seen_twice }
        ),
        3 => Just(Happens::Connect),
        1 => Just(Happens::Disconnect),
        8 => told.prop_map(Happens::Attempt),
        2 => (1..=3_u8, any::<bool>()).prop_map(|(output, is_on)| Happens::Telemetry { output, is_on }),
        3 => prop_oneof![0..50_u64, 0..5_000_u64, 0..60_000_u64].prop_map(|ms| Happens::Pass { ms }),
        1 => Just(Happens::Restart),
    ]
}

fn play(events: Vec<Happens>) -> World {
    let mut world = World::new();
    for event in events {
        match event {
            Happens::Command { output, is_on, seconds, is_seen_twice } => {
                let action = if is_on { OutputAction::On } else { OutputAction::Off };
                let command = world.command(switch(output, action, None), Duration::from_secs(seconds));
                if is_seen_twice {
                    world.apply_twice(Event::Command(command));
                } else {
                    world.apply(Event::Command(command));
                }
            }
            Happens::Connect => world.connect(),
            Happens::Disconnect => world.disconnect(),
            Happens::Attempt(told) => attempt(&mut world, told),
            Happens::Telemetry { output, is_on } => world.telemetry(output, is_on),
            Happens::Pass { ms } => world.pass(Duration::from_millis(ms)),
            Happens::Restart => {
                world.restart();
                world.pass(Duration::ZERO);
            }
        }
        assert!(world.attempts.len() <= 1, "two attempts at a time");
    }
    // All attempts end, and time goes by.
    for _ in 0..200 {
        attempt(&mut world, Told::Truth);
        world.pass(Duration::from_secs(10));
    }
    world
}

fn attempt(world: &mut World, told: Told) {
    if let Told::Refusal(result) = told {
        if !world.attempts.is_empty() {
            let attempt = world.attempts.remove(0);
            world.outcome(&attempt, result);
        }
        return;
    }
    if matches!(told, Told::Died { before: true }) {
        if !world.attempts.is_empty() {
            let attempt = world.attempts.remove(0);
            world.outcome(&attempt, Delivered::Unknown);
        }
        return;
    }
    let Some((attempt, is_published)) = world.publish() else { return };
    match (told, is_published) {
        (Told::GatewayDied, _) => {
            world.restart();
            world.pass(Duration::ZERO);
        }
        (Told::Died { .. }, _) => world.outcome(&attempt, Delivered::Unknown),
        (Told::NoAnswer, true) => world.outcome(&attempt, Delivered::Unacknowledged),
        (_, true) => world.outcome(&attempt, Delivered::Acknowledged),
        (_, false) if world.now_ms >= attempt.expire_time_ms => world.outcome(&attempt, Delivered::Expired),
        (_, false) => world.outcome(&attempt, Delivered::StaleEpoch),
    }
}

/// Which state may follow which.
fn may_follow(before: CommandState, after: CommandState) -> bool {
    use CommandState::{
        Accepted, Acknowledged, Confirmed, Contradicted, Expired, Failed, Published, Queued, Rejected,
        Superseded, Unspecified,
    };
    match before {
        Unspecified => matches!(after, Accepted | Rejected | Expired),
        Accepted => matches!(after, Queued | Published | Rejected | Expired | Failed | Superseded),
        Queued => matches!(after, Published | Rejected | Expired | Failed | Superseded),
        Published => matches!(after, Acknowledged | Failed | Superseded),
        Acknowledged => matches!(after, Acknowledged | Confirmed | Contradicted),
        _ => false,
    }
}

fn check(world: &World) -> Result<(), TestCaseError> {
    prop_assert!(world.machine.is_idle(), "something never ends");
    let mut by_command: BTreeMap<&str, Vec<&CommandStatus>> = BTreeMap::new();
    for status in &world.statuses {
        by_command.entry(&status.command_id).or_default().push(status);
    }
    for (id, statuses) in by_command {
        let mut before = CommandState::Unspecified;
        for (number, status) in (1..).zip(&statuses) {
            prop_assert_eq!(status.sequence, number);
            prop_assert_eq!(status.command.is_some(), number == 1);
            prop_assert_eq!(status.terminal, usize::try_from(number).unwrap() == statuses.len());
            prop_assert!(may_follow(before, status.state()), "{:?} after {:?}", status.state(), before);
            before = status.state();
        }
        let done: Vec<&Done> = world.executed.iter().filter(|done| done.command_id == id).collect();
        prop_assert!(done.len() <= 1, "carried out twice: {}", id);
        let last = statuses.last().unwrap();
        match last.state() {
            CommandState::Acknowledged | CommandState::Confirmed | CommandState::Contradicted => {
                prop_assert_eq!(done.len(), 1, "{} was not carried out", id);
            }
            CommandState::Failed => {}
            CommandState::Superseded if last.code == "maybe_published" => {}
            _ => prop_assert!(done.is_empty(), "{} was carried out and is {:?}", id, last),
        }
    }
    for done in &world.executed {
        prop_assert!(done.at_ms <= done.expires_ms, "carried out too late: {:?}", done);
    }
    in_order(&world.executed)
}

/// Commands have rising numbers in their ids.
fn in_order(executed: &[Done]) -> Result<(), TestCaseError> {
    let mut last = BTreeMap::new();
    for done in executed {
        let output = match done.action {
            Action::Timed { output, .. } => output.id(),
            Action::Latched { signal, .. } => signal.id(),
        };
        let number: u32 = done.command_id.trim_start_matches('c').parse().unwrap();
        let before = last.insert(output, number);
        prop_assert!(before.is_none_or(|before| before < number), "{:?} then {}", before, number);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn every_command_ends_once_and_is_carried_out_at_most_once_in_order_and_in_time(
        events in prop::collection::vec(happens(), 1..80)
    ) {
        check(&play(events))?;
    }
}
