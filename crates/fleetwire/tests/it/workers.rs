//! Decoder workers that die, freeze, come and go under load: what a reader of committed events sees in the end.

mod load;
mod seen;

use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;

use crate::support::{DEVICE, Decoder, activate, fleetwire, metric, topics, until};
use load::{Load, publish};
use seen::Seen;

/// A pipeline without a frontend: the test writes the raw records.
struct Fleet {
    kafka: &'static str,
    prefix: String,
    exactly_once: bool,
}

impl Fleet {
    fn new(exactly_once: bool) -> Self {
        let kafka = TestKafka::shared().unwrap().bootstrap();
        let prefix = topics(kafka);
        activate(kafka, &prefix, DEVICE);
        Self { kafka, prefix, exactly_once }
    }

    /// A worker of this name; one that was killed is followed by one of the same name.
    fn worker(&self, name: &str) -> Decoder {
        // For so long a dead worker holds the reader back.
        self.worker_with(name, "[decoder.transactions]\ntimeout = \"5s\"\n")
    }

    fn worker_with(&self, name: &str, decoder: &str) -> Decoder {
        let (prefix, exactly_once) = (&self.prefix, self.exactly_once);
        // A member that is gone is noticed after a second and a half.
        let toml = format!(
            "[process]\nreplica = \"{name}\"\n\
             [kafka.properties]\n\"session.timeout.ms\" = \"1500\"\n\"heartbeat.interval.ms\" = \"300\"\n\
             [decoder]\ngroup = \"{prefix}-decoder\"\nexactly_once = {exactly_once}\n{decoder}"
        );
        Decoder::configured(self.kafka, &self.prefix, &toml)
    }

    fn load(&self) -> Load {
        Load::start(self.kafka, &self.prefix)
    }

    fn seen(&self) -> Seen {
        Seen::of(self.kafka, &self.prefix)
    }
}

fn decoded(worker: &Decoder) -> f64 {
    metric(worker.admin, "fleetwire_decoder_completed_total", "")
}

/// Kills one worker after the other, each after it did some work; another goes on.
fn kill_again_and_again(fleet: &Fleet, kills: usize) {
    let steady = fleet.worker("steady");
    for _ in 0..kills {
        let victim = fleet.worker("victim");
        let before = decoded(&victim);
        until("the victim works", || (decoded(&victim) > before).then_some(()));
        victim.process.signal("KILL");
        victim.process.wait();
    }
    until("the steady one works", || (decoded(&steady) > 0.0).then_some(()));
    steady.process.signal("KILL");
    steady.process.wait();
}

#[test]
fn exactly_once_every_event_is_seen_once_however_often_workers_are_killed() {
    let fleet = Fleet::new(true);
    let load = fleet.load();
    kill_again_and_again(&fleet, 4);
    let raw = load.stop();
    let last = fleet.worker("victim");
    let mut seen = fleet.seen();
    seen.wait_for(raw);
    last.process.stop();
    assert_eq!(seen.finish(), (raw, 0), "raw records that were seen, and how many of them twice");
}

#[test]
fn at_least_once_nothing_is_missing_and_repeats_have_the_same_id() {
    let fleet = Fleet::new(false);
    let load = fleet.load();
    kill_again_and_again(&fleet, 3);
    let raw = load.stop();
    let last = fleet.worker("last");
    let mut seen = fleet.seen();
    seen.wait_for(raw);
    last.process.stop();
    let (found, repeated) = seen.finish();
    assert_eq!((found, seen.ids()), (raw, raw), "{repeated} were repeated");
}

#[test]
fn a_frozen_worker_that_wakes_up_has_no_part_in_the_group_and_shows_nothing() {
    let fleet = Fleet::new(true);
    let load = fleet.load();
    // Its transaction stays open for long, so that it freezes in the middle of one.
    let slow = "[decoder.transactions]\ninterval = \"3s\"\ntimeout = \"20s\"\n";
    let frozen = fleet.worker_with("frozen", slow);
    until("it has something open", || {
        (metric(frozen.admin, "fleetwire_decoder_payloads_total", "") > 100.0).then_some(())
    });
    frozen.process.signal("STOP");
    let other = fleet.worker("other");
    until("another has its partitions", || {
        (metric(other.admin, "fleetwire_kafka_assigned_partitions", "") > 3.0).then_some(())
    });
    until("another does its work", || (decoded(&other) > 1000.0).then_some(()));
    frozen.process.signal("CONT");
    until("it has to undo what it made", || {
        (metric(frozen.admin, "fleetwire_kafka_transactions_total", "undone") >= 1.0).then_some(())
    });
    let raw = load.stop();
    let mut seen = fleet.seen();
    seen.wait_for(raw);
    other.process.stop();
    frozen.process.stop();
    assert_eq!(seen.finish(), (raw, 0));
}

#[test]
fn a_worker_that_kafka_waited_for_too_long_goes_on_with_a_new_transaction() {
    let fleet = Fleet::new(true);
    let load = fleet.load();
    let brief = "[decoder.transactions]\ninterval = \"400ms\"\ntimeout = \"1s\"\n";
    let worker = fleet.worker_with("alone", brief);
    until("it works", || (decoded(&worker) > 100.0).then_some(()));
    worker.process.signal("STOP");
    // Longer than the transaction's timeout, which nobody can watch: Kafka ends it, and shuts the producer out.
    std::thread::park_timeout(Duration::from_secs(3));
    worker.process.signal("CONT");
    let before = decoded(&worker);
    until("it goes on", || (decoded(&worker) > before).then_some(()));
    let raw = load.stop();
    let mut seen = fleet.seen();
    seen.wait_for(raw);
    worker.process.stop();
    assert_eq!(seen.finish(), (raw, 0));
}

#[test]
fn workers_that_come_and_go_show_every_event_once() {
    let fleet = Fleet::new(true);
    let load = fleet.load();
    let first = fleet.worker("first");
    let second = fleet.worker("second");
    until("they share", || {
        let has = |worker: &Decoder| metric(worker.admin, "fleetwire_kafka_assigned_partitions", "");
        (has(&first) > 0.0 && has(&second) > 0.0).then_some(())
    });
    let third = fleet.worker("third");
    until("the third works", || (decoded(&third) > 0.0).then_some(()));
    first.process.stop();
    third.process.stop();
    let raw = load.stop();
    let mut seen = fleet.seen();
    seen.wait_for(raw);
    second.process.stop();
    assert_eq!(seen.finish(), (raw, 0));
}

#[test]
fn what_a_device_sends_again_is_dropped_where_a_window_is_set() {
    for exactly_once in [false, true] {
        let fleet = Fleet::new(exactly_once);
        publish(fleet.kafka, &fleet.prefix, DEVICE, 10);
        let worker = fleet.worker_with("only", "[decoder.repeats]\nwindow = 100\n");
        until("all are done", || (decoded(&worker) >= 10.0).then_some(()));
        let dropped = metric(worker.admin, "fleetwire_decoder_repeats_dropped_total", "");
        assert!((dropped - 9.0).abs() < 0.5, "{dropped} are dropped");
        worker.process.stop();
        let mut seen = fleet.seen();
        seen.wait_for(1);
        assert_eq!(seen.finish(), (1, 0));
    }
}

#[test]
fn exactly_once_is_refused_on_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("run.toml");
    std::fs::write(&config, "[decoder]\nexactly_once = true\n").unwrap();
    let mut run = fleetwire(&[
        "run",
        "--mqtt",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--api",
        "127.0.0.1:0",
        "--config",
    ]);
    let output = run.arg(&config).arg("--data-dir").arg(dir.path().join("data")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("does not isolate transactions"), "{told}");
}
