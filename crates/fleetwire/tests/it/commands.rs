//! Commands from a producer to simulated devices and back, through two frontends, two gateways and a decoder;
//! `make command-loss-test` is the long one.

mod hostile;

use std::path::PathBuf;
use std::time::Duration;

use fleetwire_benches::commands::{
    Fleet, Follower, Kind, Life, Scene, Sender, Sent, Settings, command, imeis, ports, run,
};
use fleetwire_benches::service::Service;
use fleetwire_model::pb::command::Action;
use fleetwire_model::pb::{CancelCommand, CommandState as State, OutputAction, OutputControl, RawDownlink};
use fleetwire_model::{Imei, Topic};
use fleetwire_service::clock;
use fleetwire_simulator::{Verdict, Wiring};
use prost::Message as _;

use crate::support::until;

/// How long commands of these tests are good for.
const GOOD_FOR: Duration = Duration::from_secs(40);

/// Two frontends, two gateways, a decoder, and whoever writes and reads the topics.
struct Pipeline {
    scene: Scene,
    frontends: Vec<Service>,
    gateways: Vec<Service>,
    decoder: Service,
    sender: Sender,
    follower: Follower,
}

impl Pipeline {
    fn start(name: &str, devices: &[Imei]) -> Self {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_fleetwire"));
        let scene = Scene::new(binary, name, Duration::from_secs(20)).unwrap();
        scene.site.activate(devices.iter().copied()).unwrap();
        let frontends = [0, 1].map(|number| scene.frontend(number, "127.0.0.1:0").unwrap()).into();
        let gateways = [0, 1].map(|number| scene.gateway(number).unwrap()).into();
        let topic = scene.site.topics().name(Topic::CommandStatus);
        Self {
            decoder: scene.decoder().unwrap(),
            sender: Sender::new(&scene.site).unwrap(),
            follower: Follower::start(&scene.site.client(), &topic).unwrap(),
            scene,
            frontends,
            gateways,
        }
    }

    fn fleet(&self, devices: u32) -> Fleet {
        let fleet = Fleet::start(devices, &ports(&self.frontends).unwrap(), |settings| {
            settings.interval = Duration::from_secs(20);
            settings.ramp_up = Duration::from_millis(100);
            settings.wiring = Wiring { s1: Some(4), ..Wiring::default() };
        });
        let fleet = fleet.unwrap();
        fleet.connected(100).unwrap();
        fleet
    }

    /// Sends a command that is good for so long.
    fn send(&self, id: &str, imei: Imei, good_for: Duration, action: Action) {
        let now_ms = clock::unix_ms();
        let expires_s = u32::try_from(now_ms / 1000).unwrap() + u32::try_from(good_for.as_secs()).unwrap();
        let sent = Sent { id: id.to_owned(), imei, kind: Kind::Impossible, expires_s };
        self.sender.send(&imei.to_string(), &command(&sent, now_ms, action).encode_to_vec()).unwrap();
        self.sender.flush().unwrap();
    }

    fn switch(&self, id: &str, imei: Imei, output: u32, action: OutputAction) {
        self.send(id, imei, GOOD_FOR, switch(output, action));
    }

    /// Waits until a command is in a state, or was.
    fn reaches(&self, id: &str, state: State) -> Life {
        until(&format!("{id} is {}", state.as_str_name()), || {
            let life = self.follower.life(id)?;
            life.steps.iter().any(|(_, reached, _)| *reached == state).then_some(life)
        })
    }

    /// Waits for the end of a command, and looks whether it is this.
    fn ends(&self, id: &str, end: State) -> Life {
        let life = until(&format!("the end of {id}"), || {
            self.follower.life(id).filter(|life| life.terminal().is_some())
        });
        assert_eq!(life.terminal(), Some(end), "{id}: {life:?}");
        life
    }

    fn stop(self) {
        for service in self.gateways.into_iter().chain(self.frontends).chain([self.decoder]) {
            assert!(service.terminate().unwrap().success());
        }
        for (id, life) in self.follower.finish().unwrap() {
            let sequence: Vec<_> = life.steps.iter().map(|(sequence, _, _)| *sequence).collect();
            assert!(
                sequence.iter().copied().eq(1..=u32::try_from(sequence.len()).unwrap()),
                "{id}: {life:?}"
            );
            let ends = life.steps.iter().filter(|(_, _, terminal)| *terminal).count();
            assert_eq!((ends, life.steps.last().unwrap().2), (1, true), "{id}: {life:?}");
        }
    }
}

/// An output for two seconds where it works for a time.
fn switch(output: u32, action: OutputAction) -> Action {
    let duration = (output <= 3).then_some(prost_types::Duration { seconds: 2, nanos: 0 });
    Action::OutputControl(OutputControl { output, action: action.into(), duration })
}

#[test]
fn commands_end_as_the_device_shows_and_the_rest_says_why_not() {
    let devices = imeis(6).unwrap();
    // The last one is away at first; the one after it is nobody's.
    let [one, two, three, four, away, stranger] = devices[..] else { panic!("six devices") };
    let mut pipeline = Pipeline::start("cmd-ends", &devices[..5]);
    pipeline.switch("early", away, 2, OutputAction::On);
    let fleet = pipeline.fleet(4);

    pipeline.switch("on", one, 1, OutputAction::On);
    pipeline.switch("off", two, 2, OutputAction::Off);
    pipeline.switch("pulse", three, 3, OutputAction::Pulse);
    pipeline.switch("latched", four, 4, OutputAction::On);
    for (id, end) in [
        ("on", State::Confirmed),
        ("off", State::Confirmed),
        ("pulse", State::Confirmed),
        // Nothing tells which wire it drives.
        ("latched", State::Acknowledged),
    ] {
        let life = pipeline.ends(id, end);
        assert!(life.unique_id.is_some() && life.attempts == 1, "{id}: {life:?}");
    }

    pipeline.switch("impossible", one, 77, OutputAction::On);
    pipeline.ends("impossible", State::Rejected);
    pipeline.switch("stranger", stranger, 1, OutputAction::On);
    pipeline.ends("stranger", State::Rejected);
    pipeline.send("too-late", one, Duration::ZERO, switch(1, OutputAction::On));
    pipeline.ends("too-late", State::Expired);
    // The same id again is no other command.
    pipeline.switch("on", one, 1, OutputAction::On);
    pipeline.switch("after", one, 1, OutputAction::On);
    pipeline.ends("after", State::Confirmed);

    // Away: queued; a newer one to the same output takes the place, one is taken back, the others go in order.
    pipeline.reaches("early", State::Queued);
    pipeline.switch("newer", away, 2, OutputAction::On);
    pipeline.switch("regretted", away, 3, OutputAction::On);
    pipeline.send(
        "regret",
        away,
        GOOD_FOR,
        Action::Cancel(CancelCommand { command_id: "regretted".to_owned() }),
    );
    pipeline.ends("early", State::Superseded);
    pipeline.ends("regretted", State::Cancelled);
    let received = fleet.finish().unwrap();
    assert!(received.iter().all(|publish| publish.verdict == Verdict::Executed && !publish.is_retained));
    assert_eq!(received.len(), 5, "{received:?}");

    // A gateway and a frontend are lost while it waits.
    pipeline.gateways.remove(0).kill().unwrap();
    let lost = pipeline.frontends.remove(0);
    lost.kill().unwrap();
    let fleet = pipeline.fleet(5);
    pipeline.ends("newer", State::Confirmed);
    let received = fleet.finish().unwrap();
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!((received[0].imei, received[0].verdict), (away, Verdict::Executed));
    pipeline.stop();
}

#[test]
fn what_is_no_command_is_told_and_stops_nobody() {
    let devices = imeis(1).unwrap();
    let pipeline = Pipeline::start("cmd-bad", &devices);
    let fleet = pipeline.fleet(1);
    let imei = devices[0];
    let key = imei.to_string();
    let letters = pipeline.scene.site.topics().name(Topic::DeadLetters);
    pipeline.sender.send(&key, b"no protobuf at all \xff").unwrap();
    // Of another device than its key says.
    let sent = Sent { id: "other".to_owned(), imei, kind: Kind::Impossible, expires_s: u32::MAX };
    let other = command(&sent, clock::unix_ms(), switch(1, OutputAction::On)).encode_to_vec();
    pipeline.sender.send("867035046242895", &other).unwrap();
    let raw = |bytes| {
        Action::RawDownlink(RawDownlink { topic: format!("{imei}/OUTC"), payload: vec![7; bytes].into() })
    };
    pipeline.send("too-large", imei, GOOD_FOR, raw(300_000));
    pipeline.ends("too-large", State::Rejected);
    // No topic is allowed unless settings say so.
    pipeline.send("raw", imei, GOOD_FOR, raw(10));
    pipeline.ends("raw", State::Rejected);
    pipeline.switch("good", imei, 1, OutputAction::On);
    pipeline.ends("good", State::Confirmed);
    hostile::has_letters(&pipeline.scene.site.client(), &letters, 2);
    let received = fleet.finish().unwrap();
    assert_eq!(received.len(), 1, "{received:?}");
    pipeline.stop();
}

#[test]
fn killed_frontends_and_gateways_leave_every_command_with_one_end_and_no_device_with_two() {
    let settings = Settings {
        devices: 40,
        commands: 100,
        rate: 15.0,
        frontends: 2,
        kill_every: Duration::from_secs(3),
        pauses: 0.0,
        reconnect_every: Duration::from_secs(5),
        confirm_within: Duration::from_secs(5),
        time_to_live: Duration::from_secs(12),
        verbose: false,
        ..Settings::new(PathBuf::from(env!("CARGO_BIN_EXE_fleetwire")), 5)
    };
    let outcome = run(&settings).unwrap();
    let report = &outcome.report;
    assert!(report.holds(), "{report}");
    assert!(outcome.frontends.killed > 0 && outcome.gateways.killed > 0 && outcome.cuts > 0, "{outcome:?}");
    assert!(report.ended(State::Confirmed) > 5 && report.executed > 20, "{report}");
}
