//! One behaviour at a time.

use std::time::Duration;

use fleetwire_codec::iotm::output::{Act, Action, Function, OutputControl, Polarity, TimedOutput};
use fleetwire_model::pb::command::Action as Asked;
use fleetwire_model::pb::{self, OutputAction};

use super::world::{START, World, switch, target};
use crate::machine::{Delivered, Event};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_connected_device_gets_a_command_at_once_and_telemetry_confirms_it() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&id), ["accepted"]);
    world.acknowledge();
    world.pass(Duration::from_secs(2));
    world.telemetry(1, true);
    assert_eq!(world.states(&id), ["accepted", "published", "acknowledged", "confirmed."]);
    let last = world.last(&id);
    assert_eq!((last.sequence, last.attempts, last.evidence.as_ref().unwrap().offset), (4, 1, START + 2000));
    assert!(world.machine.is_idle());
}

#[test]
fn a_device_that_is_away_gets_its_commands_in_order_when_it_comes() {
    let mut world = World::new();
    let one = world.switch(1, OutputAction::On);
    let two = world.switch(2, OutputAction::On);
    let three = world.switch(4, OutputAction::Off);
    assert_eq!(world.states(&one), ["accepted", "queued:device_away"]);
    assert_eq!(world.states(&two), ["accepted", "queued:in_turn"]);
    world.connect();
    for _ in 0..3 {
        assert_eq!(world.attempts.len(), 1, "one at a time");
        world.acknowledge();
    }
    let order: Vec<&str> = world.executed.iter().map(|done| done.command_id.as_str()).collect();
    assert_eq!(order, [&one, &two, &three]);
    assert_eq!(world.states(&three).last().unwrap(), "acknowledged:no_confirmation.");
}

#[test]
fn a_newer_command_for_the_output_takes_the_place_of_one_that_waits() {
    let mut world = World::new();
    let on = world.switch(1, OutputAction::On);
    let other = world.switch(2, OutputAction::On);
    let off = world.switch(1, OutputAction::Off);
    assert_eq!(world.states(&on), ["accepted", "queued:device_away", "superseded."]);
    world.connect();
    world.acknowledge();
    world.acknowledge();
    let order: Vec<&str> = world.executed.iter().map(|done| done.command_id.as_str()).collect();
    assert_eq!(order, [&other, &off]);
}

#[test]
fn a_newer_command_for_the_output_waits_for_one_that_is_on_its_way() {
    let mut world = World::new();
    world.connect();
    let on = world.switch(1, OutputAction::On);
    let off = world.switch(1, OutputAction::Off);
    assert_eq!(world.states(&off), ["accepted", "queued:in_turn"]);
    world.acknowledge();
    // Telemetry would tell of the newer one.
    assert_eq!(world.states(&on).last().unwrap(), "acknowledged:unconfirmed.");
    world.acknowledge();
    assert_eq!(world.executed.len(), 2);
}

#[test]
fn a_repeat_is_told_apart_by_the_device_and_another_command_is_not_taken_for_one() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    let (attempt, published) = world.publish().unwrap();
    assert!(published);
    world.outcome(&attempt, Delivered::Unknown);
    // Another number now would switch twice.
    world.connect();
    let again = world.attempts.first().unwrap().clone();
    assert_eq!((again.attempt, &again.payload), (2, &attempt.payload));
    world.acknowledge();
    assert_eq!(world.executed.len(), 1);
    assert_eq!(world.states(&id), ["accepted", "queued:retry", "published", "acknowledged"]);
    let next = world.switch(2, OutputAction::On);
    world.acknowledge();
    assert_eq!(world.executed.len(), 2);
    assert_ne!(world.last(&next).unique_id, world.last(&id).unique_id);
}

#[test]
fn the_number_stays_the_same_over_a_restart_in_the_middle_of_an_attempt() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    let (attempt, _) = world.publish().unwrap();
    world.restart();
    world.pass(Duration::ZERO);
    assert_eq!(world.attempts.first().unwrap().payload, attempt.payload);
    // What the earlier gateway hears is of no interest.
    world.outcome(&attempt, Delivered::NotConnected);
    world.acknowledge();
    assert_eq!(world.executed.len(), 1);
    assert_eq!(world.states(&id), ["accepted", "published", "acknowledged"]);
}

#[test]
fn numbers_go_round_without_zero_and_are_never_that_of_the_command_before() {
    let mut world = World::new();
    world.connect();
    let mut before = None;
    for _ in 0..600 {
        world.switch(1, OutputAction::On);
        let payload = world.attempts.first().unwrap().payload.clone();
        let id = OutputControl::parse(&payload, Polarity::OneIsOn).unwrap().unique_id;
        assert_ne!(Some(id), before);
        before = Some(id);
        world.acknowledge();
    }
    assert_eq!(world.executed.len(), 600);
}

#[test]
fn a_command_that_was_never_published_expires_and_one_that_was_fails() {
    let mut world = World::new();
    let away = world.switch(1, OutputAction::On);
    world.pass(MINUTE);
    assert_eq!(world.states(&away), ["accepted", "queued:device_away", "expired:device_away."]);
    world.connect();
    let silent = world.switch(1, OutputAction::On);
    let (attempt, _) = world.publish().unwrap();
    world.outcome(&attempt, Delivered::Unacknowledged);
    world.pass(MINUTE);
    assert_eq!(world.states(&silent), ["accepted", "published", "failed:unacknowledged."]);
    assert!(world.machine.is_idle());
}

#[test]
fn what_is_over_by_the_clock_of_a_frontend_is_over_though_the_gateways_is_behind() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    let attempt = world.attempts.remove(0);
    world.outcome(&attempt, Delivered::Expired);
    assert_eq!(world.states(&id), ["accepted", "expired:expired."]);
    // One that may have been carried out before has failed.
    let id = world.switch(2, OutputAction::On);
    let attempt = world.attempts.remove(0);
    world.outcome(&attempt, Delivered::Unknown);
    world.pass(Duration::from_secs(5));
    let attempt = world.attempts.remove(0);
    world.outcome(&attempt, Delivered::Expired);
    assert_eq!(world.states(&id).last().unwrap(), "failed:unacknowledged.");
    assert!(world.machine.is_idle() && world.attempts.is_empty());
}

#[test]
fn attempts_that_fail_are_made_again_with_growing_pauses_until_the_session_is_another() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    for pause in [500, 1000, 2000] {
        let (attempt, _) = world.publish().unwrap();
        world.outcome(&attempt, Delivered::Unreachable);
        assert_eq!(world.machine.next_wake_ms(), Some(world.now_ms + pause));
        world.pass(Duration::from_millis(pause.unsigned_abs() - 1));
        assert!(world.attempts.is_empty());
        world.pass(Duration::from_millis(1));
        assert_eq!(world.attempts.len(), 1);
    }
    let (attempt, _) = world.publish().unwrap();
    world.outcome(&attempt, Delivered::StaleEpoch);
    world.connect();
    world.acknowledge();
    assert_eq!(world.last(&id).attempts, 5);
    assert_eq!(world.executed.len(), 1);
}

#[test]
fn the_device_is_told_the_expiry_in_whole_seconds_and_never_a_later_one() {
    let mut world = World::new();
    world.connect();
    let command = world.command(switch(1, OutputAction::On, None), Duration::from_millis(1999));
    world.apply(Event::Command(command));
    let attempt = world.attempts.first().unwrap();
    let control = OutputControl::parse(&attempt.payload, Polarity::OneIsOn).unwrap();
    assert_eq!(i64::from(control.expires), START / 1000 + 1);
    assert_eq!(attempt.expire_time_ms, START + 1000);
    let too_short = world.command(switch(2, OutputAction::On, None), Duration::from_millis(999));
    let id = too_short.command_id.clone();
    world.apply(Event::Command(too_short));
    assert_eq!(world.states(&id), ["expired:expired."]);
}

#[test]
fn an_expiry_far_away_is_brought_forward() {
    let mut world = World::new();
    let command = world.command(switch(1, OutputAction::On, None), Duration::from_hours(1000));
    world.apply(Event::Command(command));
    assert_eq!(world.machine.next_wake_ms(), Some(START + 86_400_000));
}

#[test]
fn telemetry_of_the_other_state_contradicts_once_the_device_had_time() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    world.acknowledge();
    world.pass(Duration::from_secs(5));
    world.telemetry(1, false);
    assert_eq!(world.states(&id).last().unwrap(), "acknowledged", "too early to tell");
    world.pass(Duration::from_secs(1));
    world.telemetry(2, false);
    assert_eq!(world.states(&id).last().unwrap(), "acknowledged", "another output");
    world.telemetry(1, false);
    assert_eq!(world.states(&id).last().unwrap(), "contradicted.");
}

#[test]
fn what_an_output_does_after_a_short_time_on_contradicts_nothing() {
    let mut world = World::new();
    world.connect();
    let pulse = switch(1, OutputAction::Pulse, Some(Duration::from_secs(2)));
    let command = world.command(pulse, MINUTE);
    let id = command.command_id.clone();
    world.apply(Event::Command(command));
    world.acknowledge();
    let function = Function::new(Act::On);
    let duration = Duration::from_secs(2).try_into().unwrap();
    let action = Action::Timed { output: TimedOutput::Out1, function, duration };
    assert_eq!(world.executed.first().unwrap().action, action);
    world.pass(Duration::from_secs(30));
    world.telemetry(1, false);
    world.telemetry(1, true);
    assert_eq!(
        world.states(&id).last().unwrap(),
        "acknowledged",
        "nothing is said of the time when it was on"
    );
    world.pass(Duration::from_mins(5));
    assert_eq!(world.states(&id).last().unwrap(), "acknowledged:unconfirmed.");
}

#[test]
fn telemetry_of_before_the_publish_says_nothing() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    world.acknowledge();
    world.telemetry(1, true);
    assert_eq!(world.states(&id).last().unwrap(), "acknowledged", "of the same instant");
}

#[test]
fn telemetry_that_comes_before_the_acknowledgement_confirms_with_it() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    let (attempt, _) = world.publish().unwrap();
    world.pass(Duration::from_secs(1));
    world.telemetry(1, true);
    assert_eq!(world.states(&id), ["accepted"]);
    world.outcome(&attempt, Delivered::Acknowledged);
    assert_eq!(world.states(&id), ["accepted", "published", "acknowledged", "confirmed."]);
}

#[test]
fn a_command_that_came_before_has_no_effect() {
    let mut world = World::new();
    world.connect();
    let command = world.command(switch(1, OutputAction::On, None), MINUTE);
    world.apply(Event::Command(command.clone()));
    assert!(world.apply(Event::Command(command.clone())).is_repeat);
    world.acknowledge();
    world.pass(Duration::from_mins(10));
    world.restart();
    let effects = world.apply(Event::Command(command));
    assert!(effects.is_repeat && !effects.changed && effects.attempt.is_none());
    assert_eq!(world.executed.len(), 1);
}

#[test]
fn a_command_is_taken_back_only_before_it_is_on_its_way() {
    let mut world = World::new();
    let cancel = |world: &mut World, id: &str| {
        let action = Asked::Cancel(pb::CancelCommand { command_id: id.to_owned() });
        let command = world.command(action, MINUTE);
        let own = command.command_id.clone();
        world.apply(Event::Command(command));
        own
    };
    let waits = world.switch(1, OutputAction::On);
    let own = cancel(&mut world, &waits);
    assert_eq!(world.states(&waits).last().unwrap(), "cancelled.");
    assert_eq!(world.states(&own), ["confirmed:done."]);
    let own = cancel(&mut world, &waits);
    assert_eq!(world.states(&own), ["rejected:too_late."]);
    let own = cancel(&mut world, "nobody");
    assert_eq!(world.states(&own), ["rejected:unknown_command."]);
    world.connect();
    let sent = world.switch(1, OutputAction::On);
    let own = cancel(&mut world, &sent);
    assert_eq!(world.states(&own), ["rejected:too_late."]);
    world.acknowledge();
    assert_eq!(world.executed.len(), 1);
}

#[test]
fn what_the_model_or_the_registry_does_not_allow_is_rejected_with_its_reason() {
    let timed = |output| switch(output, OutputAction::On, Some(Duration::from_secs(1)));
    let mut pulse_without = switch(1, OutputAction::Pulse, None);
    let cases: Vec<(&str, Asked)> = vec![
        ("no_such_output", timed(9)),
        ("no_such_output", timed(300)),
        ("not_timed", timed(4)),
        ("not_timed", switch(4, OutputAction::Pulse, None)),
        ("bad_duration", std::mem::replace(&mut pulse_without, timed(1))),
        ("bad_duration", switch(1, OutputAction::On, Some(Duration::from_secs(656)))),
        ("bad_duration", switch(1, OutputAction::On, Some(Duration::from_millis(5)))),
        ("no_action", switch(1, OutputAction::Unspecified, None)),
        (
            "topic_not_allowed",
            Asked::RawDownlink(pb::RawDownlink { topic: "x".into(), ..Default::default() }),
        ),
    ];
    let mut world = World::new();
    for (code, action) in cases {
        let command = world.command(action, MINUTE);
        let id = command.command_id.clone();
        world.apply(Event::Command(command));
        assert_eq!(world.states(&id), [format!("rejected:{code}.")]);
    }
    world.target = Some(target("globalmatix-xtcu"));
    let id = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&id), ["rejected:unsupported."]);
    world.target = None;
    let id = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&id), ["rejected:not_activated."]);
    let mut endless = world.command(timed(1), MINUTE);
    endless.expire_time = None;
    let id = endless.command_id.clone();
    world.target = Some(target("xirgo-lx41"));
    world.apply(Event::Command(endless));
    assert_eq!(world.states(&id), ["rejected:no_expiry."]);
}

#[test]
fn a_device_that_is_disabled_meanwhile_gets_nothing() {
    let mut world = World::new();
    let id = world.switch(1, OutputAction::On);
    world.target = None;
    world.connect();
    assert!(world.attempts.is_empty());
    assert_eq!(world.states(&id).last().unwrap(), "rejected:not_activated.");
}

#[test]
fn raw_bytes_go_as_they_are() {
    let mut world = World::new();
    world.connect();
    let topic = format!("{}/OUTC", super::world::IMEI);
    let raw = pb::RawDownlink { topic: topic.clone(), payload: b"\x02raw".as_slice().into() };
    let command = world.command(Asked::RawDownlink(raw), MINUTE);
    world.apply(Event::Command(command));
    let attempt = world.attempts.first().unwrap().clone();
    assert_eq!((attempt.topic, &attempt.payload[..]), (topic, &b"\x02raw"[..]));
}

#[test]
fn raw_bytes_that_the_device_does_not_take_hold_no_other_command_up() {
    let mut world = World::new();
    world.connect();
    let topic = format!("{}/OUTC", super::world::IMEI);
    let raw = pb::RawDownlink { topic, payload: b"raw".as_slice().into() };
    let command = world.command(Asked::RawDownlink(raw), MINUTE);
    let id = command.command_id.clone();
    world.apply(Event::Command(command));
    let attempt = world.attempts.remove(0);
    let on = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&on), ["accepted", "queued:in_turn"]);
    world.outcome(&attempt, Delivered::NotSubscribed);
    world.acknowledge();
    assert_eq!(world.states(&on).last().unwrap(), "acknowledged");
    world.pass(MINUTE);
    assert_eq!(world.states(&id).last().unwrap(), "expired:retry.");
}

#[test]
fn more_commands_than_may_wait_are_rejected() {
    let mut world = World::new();
    world.rules.max_pending = 2;
    world.switch(1, OutputAction::On);
    world.switch(2, OutputAction::On);
    let third = world.switch(3, OutputAction::On);
    assert_eq!(world.states(&third), ["rejected:too_many."]);
}

#[test]
fn a_clock_that_jumps_ends_nothing_twice() {
    let mut world = World::new();
    world.connect();
    let id = world.switch(1, OutputAction::On);
    world.now_ms -= 86_400_000;
    world.apply(Event::Tick);
    world.acknowledge();
    world.now_ms += 10 * 86_400_000;
    world.apply(Event::Tick);
    world.now_ms = START;
    world.apply(Event::Tick);
    assert_eq!(world.states(&id), ["accepted", "published", "acknowledged", "acknowledged:unconfirmed."]);
}
