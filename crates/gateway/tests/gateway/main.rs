//! Gateways against the real Kafka, with a frontend that answers by a script: whatever dies, moves or is undone, a device
//! sees each command once, and each command ends in one way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod frontend;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use clock::Clock;
use fleetwire_model::Topic;
use fleetwire_model::pb::{CommandState as State, DeliverOutcome};
use fleetwire_model::time::to_unix_ms;
use frontend::{Frontend, Reply};
use world::{Member, Process, World, eventually, switch_on, switch_on_for};

const DEVICE: &str = "867035046242895";
const OTHER: &str = "356496042242158";

#[test]
#[ignore = "a process that other tests start and kill"]
fn a_gateway_for_another_test() {
    world::serve();
}

/// Whether every command has come to its end, and that once.
fn all_ended(world: &World, commands: &[String]) -> bool {
    let statuses = world.statuses();
    commands.iter().all(|id| {
        let ends = statuses.get(id).map_or(0, |of| of.iter().filter(|status| status.terminal).count());
        assert!(ends <= 1, "{id} ended {ends} times");
        ends == 1
    })
}

#[test]
fn a_command_of_a_connected_device_is_acknowledged_and_confirmed_by_telemetry() {
    let world = World::new(4);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    world.register(&[DEVICE]);
    world.connect(DEVICE, &frontend.address, 7);
    let member = Member::start(&world, "a", "");
    world.command(&[switch_on(DEVICE, "c1")]);
    eventually("it is acknowledged", || world.states("c1").contains(&State::Acknowledged));
    world.report(DEVICE, 1, true);
    eventually("it is confirmed", || world.states("c1").last() == Some(&State::Confirmed));
    let statuses = world.statuses().remove("c1").unwrap();
    let sequences: Vec<u32> = statuses.iter().map(|status| status.sequence).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
    let first = statuses.first().unwrap();
    assert_eq!(first.state(), State::Accepted);
    assert_eq!(first.command.as_ref().unwrap().requested_by, "test");
    let seen = frontend.seen();
    assert_eq!((seen.len(), seen[0].device.as_str(), seen[0].term), (1, DEVICE, 1));
    assert_eq!(statuses.last().unwrap().unique_id, Some(seen[0].unique_id.into()));
    // The same command once more is no other one.
    world.command(&[switch_on(DEVICE, "c1"), switch_on(DEVICE, "c2")]);
    eventually("the next one is acknowledged", || world.states("c2").contains(&State::Acknowledged));
    assert_eq!(frontend.seen_of("c1").len(), 1);
    assert_ne!(frontend.seen_of("c2")[0].unique_id, seen[0].unique_id);
    member.stop();
}

#[test]
fn a_command_waits_for_a_device_that_is_away_and_goes_out_when_it_comes() {
    let world = World::new(2);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    world.register(&[DEVICE]);
    let member = Member::start(&world, "a", "");
    world.command(&[switch_on(DEVICE, "c1")]);
    eventually("it waits", || world.states("c1").last() == Some(&State::Queued));
    assert_eq!(frontend.seen(), []);
    world.connect(DEVICE, &frontend.address, 1);
    eventually("it is acknowledged", || world.states("c1").contains(&State::Acknowledged));
    assert_eq!(frontend.seen().len(), 1);
    // One that nobody activated gets nothing.
    world.connect(OTHER, &frontend.address, 1);
    world.command(&[switch_on(OTHER, "c2")]);
    eventually("it is refused", || world.states("c2").last() == Some(&State::Rejected));
    assert_eq!(frontend.seen().len(), 1);
    member.stop();
}

#[test]
fn a_gateway_killed_in_the_middle_of_an_attempt_repeats_it_under_the_same_number() {
    let world = World::new(1);
    // The device gets it, and the gateway dies before it hears of that.
    let frontend = Frontend::start(|_, count| if count == 1 { Reply::Silence } else { Reply::Acknowledge });
    world.register(&[DEVICE]);
    world.connect(DEVICE, &frontend.address, 1);
    let first = Process::start(&world, "a", "");
    world.command(&[switch_on(DEVICE, "c1")]);
    eventually("it is under way", || frontend.seen().len() == 1);
    first.kill();
    let second = Member::start(&world, "b", "");
    eventually("it is acknowledged", || world.states("c1").contains(&State::Acknowledged));
    let seen = frontend.seen_of("c1");
    assert_eq!((seen.len(), seen[0].unique_id), (2, seen[1].unique_id));
    assert_eq!(seen.iter().filter(|seen| seen.is_obeyed).count(), 1);
    assert!(seen[1].term > seen[0].term);
    // What it reports of the first attempt counts for the second gateway too.
    world.report(DEVICE, 1, true);
    eventually("it is confirmed", || world.states("c1").last() == Some(&State::Confirmed));
    second.stop();
}

#[test]
fn gateways_that_come_and_go_deliver_each_command_once() {
    let world = World::new(4);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    let devices: Vec<String> = (0..24).map(|number| format!("3564960422421{number:02}")).collect();
    world.register(&devices.iter().map(String::as_str).collect::<Vec<_>>());
    for device in &devices {
        world.connect(device, &frontend.address, 1);
    }
    let settings = "confirm_within = '0s'\ncontradict_after = '0s'";
    let mut ids = Vec::new();
    let mut send = |round: u32| {
        let id = |device: &String| format!("{device}-{round}");
        let commands: Vec<_> = devices.iter().map(|device| switch_on(device, &id(device))).collect();
        ids.extend(devices.iter().map(id));
        world.command(&commands);
    };
    let first = Process::start(&world, "a", settings);
    send(0);
    eventually("some is delivered", || !frontend.seen().is_empty());
    let second = Process::start(&world, "b", settings);
    // Each round once some of the one before has come to a device, while partitions move.
    let some_of = |round: u32| {
        eventually("some of it is delivered", || {
            frontend.seen().iter().any(|seen| seen.command.ends_with(&format!("-{round}")))
        });
    };
    for round in 1..4 {
        send(round);
        some_of(round);
    }
    first.kill();
    send(4);
    let third = Member::start(&world, "c", settings);
    for round in 5..8 {
        send(round);
        some_of(round);
    }
    eventually("all have ended", || all_ended(&world, &ids));
    let mut obeyed: BTreeMap<String, usize> = BTreeMap::new();
    for seen in frontend.seen() {
        *obeyed.entry(seen.command).or_default() += usize::from(seen.is_obeyed);
    }
    let statuses = world.statuses();
    for id in &ids {
        let end = statuses[id].last().unwrap();
        let count = obeyed.get(id).copied().unwrap_or_default();
        match end.state() {
            State::Acknowledged | State::Confirmed => assert_eq!(count, 1, "{id}"),
            // A newer one for the same output came while nobody knew of it, or while it waited.
            State::Superseded if end.code == "maybe_published" => assert!(count <= 1, "{id}"),
            State::Superseded => assert_eq!(count, 0, "{id}"),
            other => panic!("{id} is {other:?}: {}", end.reason),
        }
    }
    third.stop();
    drop(second);
}

#[test]
fn a_clock_that_jumps_ends_commands_early_and_has_none_obeyed_twice_or_late() {
    let world = World::new(1);
    // As a real one: by its own clock.
    let frontend = Frontend::start(|request, _| {
        let expires_ms = request.expire_time.as_ref().map_or(0, to_unix_ms);
        if expires_ms <= fleetwire_service::clock::unix_ms() {
            Reply::Answer(DeliverOutcome::Expired)
        } else {
            Reply::Acknowledge
        }
    });
    world.register(&[DEVICE, OTHER]);
    world.connect(DEVICE, &frontend.address, 1);
    let clock = Clock::new();
    let _gateway = Process::start_with(&world, "a", "", |run| clock.rule(run));
    let jump = |seconds: i64| {
        clock.jump(seconds);
        eventually("the clock jumps", || clock.is_followed());
    };
    let ends = |command: &str, end: State| {
        eventually(&format!("{command} ends"), || all_ended(&world, &[command.to_owned()]));
        assert_eq!(world.states(command).last(), Some(&end), "{command}");
    };
    world.command(&[switch_on(DEVICE, "before"), switch_on(OTHER, "waits")]);
    eventually("it is acknowledged", || world.states("before").contains(&State::Acknowledged));
    world.report(DEVICE, 1, true);
    ends("before", State::Confirmed);
    eventually("it waits", || world.states("waits").last() == Some(&State::Queued));

    // An hour ahead: what is good for minutes is over, and stays so when the device comes.
    jump(3600);
    ends("waits", State::Expired);
    world.connect(OTHER, &frontend.address, 1);
    world.command(&[switch_on(DEVICE, "ahead")]);
    ends("ahead", State::Expired);

    // An hour behind: what is over seems good, and the frontend knows better.
    jump(-3600);
    world.command(&[switch_on_for(DEVICE, "late", Duration::ZERO)]);
    ends("late", State::Expired);
    world.command(&[switch_on(DEVICE, "behind")]);
    eventually("it is acknowledged", || world.states("behind").contains(&State::Acknowledged));
    // Back again, the time in which telemetry could confirm it is over.
    jump(0);
    ends("behind", State::Acknowledged);
    world.command(&[switch_on(DEVICE, "after")]);
    eventually("it is acknowledged", || world.states("after").contains(&State::Acknowledged));
    world.report(DEVICE, 1, true);
    ends("after", State::Confirmed);

    let seen = frontend.seen();
    assert!(seen.iter().all(|seen| seen.is_obeyed), "{seen:?}");
    let seen: Vec<_> = seen.iter().map(|seen| seen.command.as_str()).collect();
    assert_eq!(seen, ["before", "behind", "after"]);
}

#[test]
fn a_gateway_that_was_paused_delivers_nothing_after_another_has_its_partition() {
    let world = World::new(1);
    let frontend =
        Frontend::start(
            |request, _| {
                if request.device_id == OTHER { Reply::Silence } else { Reply::Acknowledge }
            },
        );
    world.register(&[DEVICE, OTHER]);
    world.connect(DEVICE, &frontend.address, 1);
    world.connect(OTHER, &frontend.address, 1);
    // One call at a time: the second attempt waits behind the first, noted and not begun.
    let paused = Process::start(&world, "a", "max_deliveries = 1\npuback_timeout = '20s'");
    world.command(&[switch_on(OTHER, "c1")]);
    eventually("one is under way", || frontend.seen_of("c1").len() == 1);
    world.command(&[switch_on(DEVICE, "c2")]);
    eventually("the other is noted", || world.states("c2").contains(&State::Accepted));
    paused.signal("STOP");
    let second = Member::start(&world, "b", "");
    eventually("another has delivered it", || world.states("c2").contains(&State::Acknowledged));
    frontend.follow(|_, _| Reply::Acknowledge);
    paused.signal("CONT");
    world.command(&[switch_on(DEVICE, "c3")]);
    eventually("it goes on", || world.states("c3").contains(&State::Acknowledged));
    eventually("what was under way has ended", || world.states("c1").contains(&State::Acknowledged));
    let highest = frontend.seen().iter().map(|seen| seen.term).max().unwrap();
    let terms: Vec<u64> = frontend.seen().iter().map(|seen| seen.term).collect();
    assert!(terms.is_sorted() && highest >= 2, "{terms:?}");
    assert_eq!(frontend.seen_of("c2").len(), 1);
    assert_eq!(frontend.seen_of("c1").iter().filter(|seen| seen.is_obeyed).count(), 1);
    second.stop();
    drop(paused);
}

#[test]
fn a_frontend_that_has_heard_of_a_newer_gateway_publishes_nothing() {
    let world = World::new(1);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    let stale = Frontend::start(|_, _| Reply::Answer(DeliverOutcome::StaleGateway));
    world.register(&[DEVICE]);
    world.connect(DEVICE, &stale.address, 1);
    let member = Member::start(&world, "a", "retry_min = '50ms'\nretry_max = '100ms'");
    world.command(&[switch_on(DEVICE, "c1")]);
    eventually("it was tried", || {
        world.statuses().get("c1").is_some_and(|of| of.iter().any(|status| status.state() == State::Queued))
    });
    assert_eq!(stale.seen(), []);
    // At another frontend the device gets it.
    world.connect(DEVICE, &frontend.address, 2);
    eventually("it is acknowledged", || world.states("c1").contains(&State::Acknowledged));
    assert_eq!((stale.seen().len(), frontend.seen().len(), frontend.refused()), (0, 1, 0));
    member.stop();
}

#[test]
fn topics_that_are_not_divided_alike_are_told_with_what_to_do() {
    let world = World::with(4, &[(Topic::Sessions, 3)]);
    let error = format!("{:#}", Member::start(&world, "a", "").join().unwrap_err());
    for part in ["commands.v1 has 4 partitions", "sessions.v1 has 3", "fleetwire topics apply"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_is_no_command_goes_to_the_dead_letters_and_the_others_go_on() {
    let world = World::new(2);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    world.register(&[DEVICE]);
    world.connect(DEVICE, &frontend.address, 1);
    let member = Member::start(&world, "a", "");
    let key = Some(DEVICE.as_bytes());
    world.write(
        Topic::Commands,
        &[
            (key, b"not protobuf".to_vec()),
            (None, vec![]),
            (Some(b"a b"), vec![]),
            (key, vec![0xff; 900_000]),
        ],
    );
    world.write(Topic::CommandsJson, &[(key, b"{".to_vec()), (key, vec![b'x'; 900_000])]);
    world.command(&[switch_on(DEVICE, "c1")]);
    eventually("the next one goes on", || world.states("c1").contains(&State::Acknowledged));
    eventually("all are told", || world.letters().len() >= 6);
    let letters = world.letters();
    let mut codes: Vec<_> = letters.iter().map(|letter| letter.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["bad_key", "bad_key", "not_json", "not_protobuf", "not_protobuf", "too_large"]);
    let whole = letters.iter().find(|letter| letter.code == "not_protobuf" && letter.raw_value.len() < 100);
    let whole = whole.unwrap();
    assert_eq!((&whole.raw_value[..], whole.raw_ref.is_some()), (&b"not protobuf"[..], true));
    let large = letters.iter().find(|letter| letter.code == "too_large").unwrap();
    assert!(large.raw_value.len() == 65_536 && large.reason.contains("900000"), "{}", large.reason);
    member.stop();
}

#[test]
fn commands_as_json_are_carried_out_too() {
    let world = World::new(2);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    world.register(&[DEVICE]);
    world.connect(DEVICE, &frontend.address, 1);
    let member = Member::start(&world, "a", "");
    let text = format!(
        r#"{{"command_id":"j1","device_id":"{DEVICE}","expires_in":"60s","requested_by":"erp",
            "output":{{"output":1,"action":"on","duration":"2s"}}}}"#
    );
    world.write(Topic::CommandsJson, &[(None, text.into_bytes())]);
    eventually("it is acknowledged", || world.states("j1").contains(&State::Acknowledged));
    let first = world.statuses()["j1"][0].clone();
    assert_eq!(first.command.unwrap().requested_by, "erp");
    member.stop();
}

#[test]
fn commands_in_the_partition_of_another_device_are_put_where_they_belong() {
    let world = World::new(3);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    let devices: Vec<String> = (0..6).map(|number| format!("86703504624280{number}")).collect();
    world.register(&devices.iter().map(String::as_str).collect::<Vec<_>>());
    for device in &devices {
        world.connect(device, &frontend.address, 1);
    }
    let member = Member::start(&world, "a", "");
    // As a client that counts partitions in its own way.
    let producer: rdkafka::producer::BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &world.kafka.brokers)
        .set("partitioner", "consistent_random")
        .create()
        .unwrap();
    let topic = world.name(Topic::Commands);
    for device in &devices {
        let value = prost::Message::encode_to_vec(&switch_on(device, &format!("of-{device}")));
        let record = rdkafka::producer::BaseRecord::to(&topic).key(device.as_bytes()).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    rdkafka::producer::Producer::flush(&producer, world::LIMIT).unwrap();
    eventually("all are acknowledged", || {
        devices.iter().all(|device| world.states(&format!("of-{device}")).contains(&State::Acknowledged))
    });
    assert_eq!(frontend.seen().len(), devices.len());
    member.stop();
}

#[test]
fn a_transaction_that_kafka_undid_is_worked_again_and_no_device_sees_a_command_twice() {
    let world = World::new(2);
    let frontend = Frontend::start(|_, _| Reply::Acknowledge);
    let devices: Vec<String> = (0..40).map(|number| format!("8670350462428{number:02}")).collect();
    world.register(&devices.iter().map(String::as_str).collect::<Vec<_>>());
    for device in &devices {
        world.connect(device, &frontend.address, 1);
    }
    let settings = "interval = '400ms'\ntimeout = '1s'\nconfirm_within = '0s'\ncontradict_after = '0s'";
    let gateway = Process::start(&world, "alone", settings);
    let id = |device: &String| format!("of-{device}");
    let commands: Vec<_> = devices.iter().map(|device| switch_on(device, &id(device))).collect();
    world.command(&commands[..10]);
    eventually("it works", || !frontend.seen().is_empty());
    for chunk in commands[10..].chunks(10) {
        world.command(chunk);
        // In the middle of a transaction, as a rule.
        std::thread::sleep(Duration::from_millis(250));
        gateway.signal("STOP");
        // Longer than the transaction's timeout, which nobody can watch: Kafka ends it, and shuts the producer out.
        std::thread::sleep(Duration::from_secs(3));
        gateway.signal("CONT");
    }
    let ids: Vec<String> = devices.iter().map(id).collect();
    eventually("all have ended", || all_ended(&world, &ids));
    for device in &devices {
        let obeyed = frontend.seen_of(&id(device)).iter().filter(|seen| seen.is_obeyed).count();
        assert_eq!(obeyed, 1, "{device}");
    }
    gateway.kill();
}
