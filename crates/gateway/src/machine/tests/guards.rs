//! Guard rules.

use std::time::Duration;

use fleetwire_model::pb::command::Action as Asked;
use fleetwire_model::pb::{self, CommandState, OutputAction};

use super::world::World;
use crate::machine::{Event, Motion};

fn at(world: &World, seconds_ago: i64, speed_kmh: Option<f64>) -> Motion {
    Motion { fix_time_ms: world.now_ms - seconds_ago * 1000, speed_kmh }
}

#[test]
fn no_output_is_switched_on_while_the_vehicle_moves_or_nobody_knows() {
    let mut world = World::new();
    world.guards.max_speed_kmh = Some(5.0);
    world.connect();
    world.motion = Some(at(&world, 0, Some(5.1)));
    let id = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&id), ["accepted", "rejected:guard_speed."]);
    for unknown in [None, Some(at(&world, 0, None))] {
        world.motion = unknown;
        let id = world.switch(1, OutputAction::On);
        assert_eq!(world.states(&id).last().unwrap(), "rejected:guard_speed.");
    }
    world.motion = Some(at(&world, 0, Some(80.0)));
    let off = world.switch(1, OutputAction::Off);
    world.acknowledge();
    assert_eq!(world.state(&off), CommandState::Acknowledged);
    world.motion = Some(at(&world, 0, Some(5.0)));
    world.switch(1, OutputAction::On);
    world.acknowledge();
}

#[test]
fn the_guard_looks_when_the_command_goes_and_not_when_it_came() {
    let mut world = World::new();
    world.guards.max_speed_kmh = Some(5.0);
    world.motion = Some(at(&world, 0, Some(0.0)));
    let id = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&id), ["accepted", "queued:device_away"]);
    world.motion = Some(at(&world, 0, Some(90.0)));
    world.connect();
    assert!(world.attempts.is_empty());
    assert_eq!(world.states(&id).last().unwrap(), "rejected:guard_speed.");
}

#[test]
fn without_a_recent_fix_nothing_is_switched_on() {
    let mut world = World::new();
    world.guards.fix_within = Some(Duration::from_mins(1));
    world.connect();
    for stale in [None, Some(at(&world, 61, Some(0.0)))] {
        world.motion = stale;
        let id = world.switch(1, OutputAction::Pulse);
        assert_eq!(world.state(&id), CommandState::Rejected);
        let id = world.switch(1, OutputAction::On);
        assert_eq!(world.states(&id).last().unwrap(), "rejected:guard_fix.");
    }
    world.motion = Some(at(&world, 60, None));
    world.switch(1, OutputAction::On);
    world.acknowledge();
}

#[test]
fn a_device_gets_no_more_commands_than_its_rate_also_over_a_restart() {
    let mut world = World::new();
    world.guards.rate = Some((2, Duration::from_mins(1)));
    world.connect();
    for _ in 0..2 {
        world.switch(1, OutputAction::On);
        world.acknowledge();
        world.pass(Duration::from_secs(10));
    }
    world.restart();
    let third = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&third), ["rejected:guard_rate."]);
    world.pass(Duration::from_secs(41));
    let fourth = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&fourth), ["accepted"]);
}

#[test]
fn a_command_that_needs_four_eyes_goes_when_another_person_approves() {
    let mut world = World::new();
    world.guards.four_eyes = true;
    world.connect();
    let id = world.switch(1, OutputAction::On);
    assert_eq!(world.states(&id), ["accepted", "queued:awaiting_approval"]);
    let approve = |by: &str, world: &mut World| {
        let action = Asked::Approve(pb::ApproveCommand { command_id: id.clone() });
        let mut command = world.command(action, Duration::from_mins(1));
        command.requested_by = by.to_owned();
        let own = command.command_id.clone();
        world.apply(Event::Command(command));
        world.states(&own)
    };
    assert_eq!(approve("ann", &mut world), ["rejected:same_person."]);
    assert_eq!(approve("", &mut world), ["rejected:same_person."]);
    world.restart();
    assert_eq!(approve("bob", &mut world), ["confirmed:done."]);
    assert_eq!(approve("eve", &mut world), ["rejected:not_waiting."]);
    world.acknowledge();
    assert_eq!(world.executed.len(), 1);
}

#[test]
fn what_nobody_approves_holds_nothing_up_and_expires() {
    let mut world = World::new();
    world.guards.four_eyes = true;
    world.connect();
    let id = world.switch(1, OutputAction::On);
    world.pass(Duration::from_mins(1));
    assert_eq!(world.states(&id).last().unwrap(), "expired:awaiting_approval.");
}
