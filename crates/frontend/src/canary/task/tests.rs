use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use fleetwire_mqtt::packet::Connect;
use fleetwire_mqtt::{
    self as mqtt, Authenticator, Event, GateSettings, Grant, Ingest, Insider, Observer, Outcome, Parts, Peer,
    ProxySettings, Publish, Rate, Receipt, Refusal, Server, SessionFacts,
};
use fleetwire_service::health::State;
use tokio::runtime::{Builder, Runtime};

use super::super::Unseen;
use super::*;

/// Lets the canary in, and hangs while its lock is held, as a core with a lock that is never given back does.
struct Door {
    account: CanaryAccount,
    lock: Arc<Mutex<()>>,
}

impl Authenticator for Door {
    fn authenticate(&self, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal> {
        let _held = self.lock.lock().unwrap();
        self.account.admit(connect, peer).ok_or(Refusal::BadCredentials)
    }
}

struct Sink;

impl Ingest for Sink {
    fn offer(&self, session: &SessionFacts, _: Publish, receipt: Receipt) -> Result<(), (Publish, Receipt)> {
        assert!(matches!(session.identity(), Some(crate::identity::Identity::Canary)));
        receipt.complete(Outcome::Stored);
        Ok(())
    }

    async fn room(&self) {}
}

/// Counts what it is told.
#[derive(Clone, Default)]
struct Told(Arc<AtomicUsize>);

impl Observer for Told {
    fn on(&self, _: Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A server on a runtime of its own with one thread, and a canary on another.
struct House {
    health: Health,
    lock: Arc<Mutex<()>>,
    told: Told,
    server: Runtime,
    canary: Option<Runtime>,
    stop: CancellationToken,
}

const SETTINGS: CanarySettings = CanarySettings {
    every: Duration::from_millis(100),
    timeout: Duration::from_millis(200),
    ready_within: Duration::from_millis(400),
    live_within: Duration::from_millis(1500),
};

impl House {
    fn open(settings: mqtt::Settings) -> Self {
        let runtime = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (server, canary) = (runtime(), runtime());
        let account = CanaryAccount::new(Insider::default()).unwrap();
        let (lock, told) = (Arc::<Mutex<()>>::default(), Told::default());
        let parts = Parts {
            authenticator: Arc::new(Door { account: account.clone(), lock: Arc::clone(&lock) }),
            ingest: Arc::new(Sink),
            observer: Arc::new(Unseen(told.clone())),
            unix_ms: || 0,
        };
        let settings = mqtt::Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            insider: account.insider().clone(),
            ..settings
        };
        let (health, stop) = (Health::default(), CancellationToken::new());
        let entered = server.enter();
        let serving = Server::bind(settings, parts).unwrap();
        drop(entered);
        let canary_task = Canary::new(SETTINGS, account, serving.local_addr().unwrap(), &health);
        server.spawn(serving.run(stop.clone()));
        canary.spawn(canary_task.run(stop.clone()));
        Self { health, lock, told, server, canary: Some(canary), stop }
    }

    fn until(&self, what: &str, reached: impl Fn(&Health) -> bool) {
        let begun = Instant::now();
        while !reached(&self.health) {
            assert!(begun.elapsed() < Duration::from_secs(20), "not {what}: {:?}", self.health);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn close(mut self) {
        self.stop.cancel();
        for runtime in [Some(self.server), self.canary.take()].into_iter().flatten() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// Every limit at the door that stands in the way of a device.
fn strict() -> mqtt::Settings {
    let one = NonZeroU32::MIN;
    mqtt::Settings {
        max_connections: 0,
        gate: GateSettings {
            connections_per_address: NonZeroUsize::new(1),
            connect_rate_per_address: Some(Rate { per_second: one, burst: one }),
            publish_rate_per_address: Some(Rate { per_second: one, burst: one }),
            ..GateSettings::default()
        },
        proxy: ProxySettings { from: vec!["127.0.0.0/8".parse().unwrap()] },
        ..mqtt::Settings::default()
    }
}

#[test]
fn no_limit_at_the_door_holds_the_canary_up_and_nobody_is_told_of_it() {
    let house = House::open(strict());
    house.until("ready", Health::is_ready);
    // Longer than a round counts, so that it is not the first alone.
    let begun = Instant::now();
    while begun.elapsed() < 2 * SETTINGS.live_within {
        assert!(house.health.is_live() && house.health.is_ready(), "{:?}", house.health.report());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(house.told.0.load(Ordering::Relaxed), 0);
    house.close();
}

#[test]
fn a_core_that_waits_for_a_lock_for_ever_is_not_ready_then_not_live_and_both_again_when_it_goes_on() {
    let house = House::open(mqtt::Settings::default());
    house.until("ready", Health::is_ready);
    let held = house.lock.lock().unwrap();
    house.until("unready", |health| !health.is_ready());
    assert!(house.health.is_live(), "readiness goes first");
    let state = house.health.report().remove(NAME);
    assert_eq!(state, Some(State::NotReady(Fault::TimedOut.words().to_owned())));
    house.until("dead", |health| !health.is_live());
    assert!(!house.health.signs().get(NAME).unwrap().is_live());
    drop(held);
    house.until("ready and live again", |health| health.is_live() && health.is_ready());
    house.close();
}

#[test]
fn a_listener_whose_threads_are_all_blocked_is_found_out_although_the_kernel_takes_connections() {
    let house = House::open(mqtt::Settings::default());
    house.until("ready", Health::is_ready);
    let (release, blocked) = mpsc::channel::<()>();
    house.server.spawn(async move { blocked.recv().ok() });
    house.until("dead", |health| !health.is_live() && !health.is_ready());
    drop(release);
    house.until("live again", |health| health.is_live() && health.is_ready());
    house.close();
}

#[test]
fn a_listener_that_is_gone_is_found_out() {
    let house = House::open(mqtt::Settings::default());
    house.until("ready", Health::is_ready);
    // The runtime takes the listener with it.
    let House { health, server, canary, stop, .. } = house;
    server.shutdown_timeout(Duration::from_secs(5));
    let begun = Instant::now();
    while health.is_live() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    let state = health.report().remove(NAME);
    assert_eq!(state, Some(State::NotReady(Fault::Unreachable.words().to_owned())));
    stop.cancel();
    canary.unwrap().shutdown_timeout(Duration::from_secs(5));
}
