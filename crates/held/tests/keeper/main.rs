//! Keepers against the real Kafka: what is held is released in its order, once, whoever dies in between.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use fleetwire_model::Topic;
use fleetwire_model::pb::DeviceStatus::{Active, Disabled};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use world::{LIMIT, Member, Process, World, eventually};

const DEVICE: &str = "867035046242895";
const OTHER: &str = "356496042242158";

fn all(count: u64) -> Vec<u64> {
    (0..count).collect()
}

#[test]
#[ignore = "a process that other tests start and kill"]
fn a_keeper_for_another_test() {
    world::keep();
}

#[test]
fn an_activation_releases_what_is_held_in_its_order_and_what_comes_meanwhile_follows() {
    let world = World::new(2);
    let producer = world.producer();
    let mut member = Member::start(&world, "a");
    for hundred in 0..5 {
        for device in [DEVICE, OTHER] {
            world.hold(&producer, device, hundred * 100..(hundred + 1) * 100);
        }
    }
    eventually("both knock", || {
        let knocks = world.knocks();
        knocks.len() == 2 && knocks.values().all(|knock| knock.messages == 500)
    });
    let knock = world.knocks().remove(DEVICE).unwrap();
    assert_eq!((knock.account.as_str(), knock.remote_address.as_str()), ("bce_device", "192.0.2.7:1234"));
    assert_eq!((knock.bytes, knock.frontend_id.as_str()), (50_000, "frontend-0"));
    assert!(knock.first_time.is_some() && knock.last_offset > knock.first_offset);

    world.register(DEVICE, Active, true);
    // It goes on while it is released, and after it.
    for number in 500..560 {
        world.hold(&producer, DEVICE, number..number + 1);
        std::thread::sleep(Duration::from_millis(50));
    }
    eventually("everything is there", || world.raw_of(DEVICE).len() >= 560);
    eventually("the registry is to be told", || {
        member.released.try_recv().is_ok_and(|device| device.as_str() == DEVICE)
    });
    // Until every frontend knows, some still comes this way.
    world.hold(&producer, DEVICE, 560..570);
    world.register(DEVICE, Active, false);
    world.hold(&producer, DEVICE, 570..580);
    eventually("the knock is over", || !world.knocks().contains_key(DEVICE));
    eventually("the last ones are there", || world.raw_of(DEVICE).len() >= 580);
    assert_eq!(world.raw_of(DEVICE), all(580));
    assert_eq!(world.raw_of(OTHER), all(0));
    assert_eq!(world.knocks().remove(OTHER).unwrap().messages, 500);
    member.stop();
}

#[test]
fn a_keeper_that_is_killed_in_the_middle_of_a_release_loses_and_repeats_nothing() {
    // How much is released between two looks depends on the machine.
    let came_in_time = [150_000, 300_000, 600_000].into_iter().any(kill_in_the_middle);
    assert!(came_in_time, "every release was over before its keeper was killed");
}

/// Kills two keepers during a release of so many publishes, and looks at what came; whether one was killed in time.
fn kill_in_the_middle(count: u64) -> bool {
    let world = World::new(1);
    let producer = world.producer();
    world.hold(&producer, DEVICE, 0..count);
    let first = Process::start(&world, "a");
    eventually("it knocks", || world.knocks().remove(DEVICE).is_some_and(|knock| knock.messages == count));
    world.register(DEVICE, Active, true);
    let released = || world.knocks().remove(DEVICE).map_or(0, |knock| knock.released);
    eventually("the release is under way", || released() > 0);
    first.kill();
    let after_first = released();
    // One that comes in its place, and is killed as well; then one of another name.
    let second = Process::start(&world, "a");
    eventually("the release goes on", || released() > after_first || after_first == count);
    second.kill();
    let after_second = released();
    let third = Member::start(&world, "b");
    world.hold(&producer, DEVICE, count..count + 100);
    let everything = count + 100;
    eventually("everything is there", || world.raw_of(DEVICE).len() as u64 >= everything);
    assert_eq!(world.raw_of(DEVICE), all(everything));
    third.stop();
    after_first < count || after_second < count
}

#[test]
fn keepers_that_come_and_go_share_releases_and_repeat_nothing() {
    let world = World::new(4);
    let producer = world.producer();
    let devices: Vec<String> = (0..24).map(|number| format!("device-{number}")).collect();
    for device in &devices {
        world.hold(&producer, device, 0..2_000);
    }
    let first = Member::start(&world, "a");
    eventually("they knock", || {
        let knocks = world.knocks();
        knocks.len() == devices.len() && knocks.values().all(|knock| knock.messages == 2_000)
    });
    world.register_all(devices.iter().map(String::as_str), Active, true);
    eventually("some is released", || !world.raw().is_empty());
    let second = Member::start(&world, "b");
    for hundred in 20..25 {
        for device in &devices {
            world.hold(&producer, device, hundred * 100..(hundred + 1) * 100);
        }
    }
    eventually("they share", || [&first, &second].iter().all(|m| m.monitor.health().partitions == 2));
    first.stop();
    for device in &devices {
        world.hold(&producer, device, 2_500..2_600);
    }
    eventually("everything is there", || {
        let raw = world.raw();
        raw.len() == devices.len() && raw.values().all(|numbers| numbers.len() >= 2_600)
    });
    for (device, numbers) in world.raw() {
        assert_eq!(numbers, all(2_600), "{device}");
    }
    second.stop();
}

#[test]
fn what_is_held_of_a_disabled_device_stays_until_it_is_enabled() {
    let world = World::new(1);
    let producer = world.producer();
    world.register(DEVICE, Disabled, false);
    world.register(OTHER, Active, false);
    let member = Member::start(&world, "a");
    world.hold(&producer, DEVICE, 0..100);
    // One that is active and has nothing held goes on at once, which also shows that the others were read.
    world.hold(&producer, OTHER, 0..100);
    eventually("the active one goes on", || world.raw_of(OTHER).len() == 100);
    assert_eq!(world.raw_of(DEVICE), all(0));
    world.register(DEVICE, Active, true);
    eventually("it is released", || world.raw_of(DEVICE).len() >= 100);
    assert_eq!(world.raw_of(DEVICE), all(100));
    member.stop();
}

#[test]
fn what_the_topic_no_longer_has_is_passed_over_and_a_knock_of_nothing_ends() {
    let world = World::new(1);
    let producer = world.producer();
    world.hold(&producer, OTHER, 0..100);
    world.hold(&producer, DEVICE, 0..100);
    let member = Member::start(&world, "a");
    eventually("both knock", || world.knocks().get(DEVICE).is_some_and(|knock| knock.messages == 100));
    member.stop();
    // Everything of one, and half of the other.
    delete_below(&world, 150);
    let member = Member::start(&world, "a");
    eventually("nothing is kept of one", || !world.knocks().contains_key(OTHER));
    world.register(DEVICE, Active, true);
    eventually("the rest is released", || world.raw_of(DEVICE).len() >= 50);
    eventually("it is known to be everything", || {
        world.knocks().get(DEVICE).is_some_and(|knock| knock.released_offset == 200)
    });
    assert_eq!(world.raw_of(DEVICE), (50..100).collect::<Vec<_>>());
    member.stop();
}

fn delete_below(world: &World, offset: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &world.kafka.brokers).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&world.name(Topic::Held), 0, Offset::Offset(offset)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(LIMIT));
    runtime.block_on(admin.delete_records(&offsets, &options)).unwrap();
}
