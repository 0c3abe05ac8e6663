//! Failed logins are slowed down: for each address, and for each client id.
//!
//! Two things must not follow from it. An attacker elsewhere must not be able to keep a device out by failing in its
//! name; and a device that came in from an address must not be kept out because others behind the same address (a
//! mobile carrier's gateway) fail. So what decides is how the last login of the same user and client id from the same
//! address ended:
//!
//! - it came in the last time: neither limit holds it back;
//! - it has not tried lately: the limit of the client id does not hold it back, so that whoever has the right
//!   password needs one attempt;
//! - it failed lately: both limits hold.
//!
//! Everything here is a bounded number of hashes; no text of a client is kept.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use metrics::Counter;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};
use serde::Deserialize;

use crate::metrics::LoginMetrics;

/// How long a failure of an address with a client id is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);

/// How many logins may fail; the section `[frontend.logins]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSettings {
    /// Failures from one address; of an IPv6 address, the first 64 bits count.
    pub address: FailureLimit,
    /// Failures with one client id, wherever from.
    pub client_id: FailureLimit,
    /// Networks that are never slowed down: load balancers that hide the address of a device, private networks.
    pub exempt: Vec<IpNet>,
    /// Addresses, client ids, and pairs of the two, that are remembered; of each, the oldest are forgotten first.
    pub remembered: usize,
}

/// A limit of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureLimit {
    /// Failures a minute, in the long run.
    pub per_minute: NonZeroU32,
    /// Failures that may come at once.
    pub burst: NonZeroU32,
}

impl FailureLimit {
    const fn new(per_minute: u32, burst: u32) -> Self {
        match (NonZeroU32::new(per_minute), NonZeroU32::new(burst)) {
            (Some(per_minute), Some(burst)) => Self { per_minute, burst },
            _ => Self { per_minute: NonZeroU32::MIN, burst: NonZeroU32::MIN },
        }
    }
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            address: FailureLimit::new(60, 120),
            client_id: FailureLimit::new(6, 10),
            exempt: Vec::new(),
            remembered: 100_000,
        }
    }
}

/// The failed logins of a frontend.
#[derive(Debug)]
pub struct Logins {
    exempt: Vec<IpNet>,
    /// Times are counted from here.
    start: Instant,
    hasher: RandomState,
    addresses: Buckets,
    client_ids: Buckets,
    pairs: Memory<Pair>,
    metrics: LoginMetrics,
}

/// How the last login of a user and a client id from an address ended.
#[derive(Debug, Clone, Copy)]
enum Pair {
    CameIn,
    FailedAt(Duration),
}

/// A login that may be tried.
#[derive(Debug)]
pub struct Attempt<'a> {
    logins: &'a Logins,
    /// None where nothing is counted.
    keys: Option<Keys>,
    now: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Keys {
    address: u64,
    client_id: Option<u64>,
    pair: u64,
}

/// Too many logins failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled;

impl Logins {
    /// Nobody has failed yet.
    pub fn new(settings: &LoginSettings, start: Instant, metrics: LoginMetrics) -> Self {
        let buckets = |limit, of| Buckets::new(limit, settings.remembered, LoginMetrics::forgotten(of));
        Self {
            exempt: settings.exempt.clone(),
            start,
            hasher: RandomState::new(),
            addresses: buckets(settings.address, "address"),
            client_ids: buckets(settings.client_id, "client_id"),
            pairs: memory(settings.remembered, LoginMetrics::forgotten("pair")),
            metrics,
        }
    }

    /// Whether a login may be tried now. Asked before any work for its password.
    pub fn attempt(
        &self,
        address: IpAddr,
        user: &str,
        client_id: &str,
        now: Instant,
    ) -> Result<Attempt<'_>, Throttled> {
        let (address, now) = (address.to_canonical(), now.saturating_duration_since(self.start));
        if self.exempt.iter().any(|network| network.contains(&address)) {
            return Ok(Attempt { logins: self, keys: None, now });
        }
        let keys = self.keys(address, user, client_id);
        let held_back = match self.pairs.get(&keys.pair) {
            Some(Pair::CameIn) => None,
            Some(Pair::FailedAt(at)) if now.saturating_sub(at) < REMEMBERED => {
                self.empty_address(keys, now).or_else(|| self.empty_client_id(keys, now))
            }
            _ => self.empty_address(keys, now),
        };
        match held_back {
            Some(by) => {
                self.metrics.throttled(by);
                Err(Throttled)
            }
            None => Ok(Attempt { logins: self, keys: Some(keys), now }),
        }
    }

    fn empty_address(&self, keys: Keys, now: Duration) -> Option<&'static str> {
        self.addresses.is_empty(keys.address, now).then_some("address")
    }

    fn empty_client_id(&self, keys: Keys, now: Duration) -> Option<&'static str> {
        keys.client_id.filter(|&id| self.client_ids.is_empty(id, now)).map(|_| "client_id")
    }

    fn keys(&self, address: IpAddr, user: &str, client_id: &str) -> Keys {
        let prefix = match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        let prefix = (address.is_ipv6(), prefix);
        Keys {
            address: self.hasher.hash_one(prefix),
            // Clients without an id have nothing in common.
            client_id: (!client_id.is_empty()).then(|| self.hasher.hash_one(client_id)),
            pair: self.hasher.hash_one((prefix, user, client_id)),
        }
    }
}

impl Attempt<'_> {
    /// The client came in.
    pub fn came_in(&self) {
        if let Some(keys) = self.keys {
            self.logins.pairs.insert(keys.pair, Pair::CameIn);
        }
    }

    /// The user or the password was wrong.
    pub fn failed(&self) {
        if let Some(keys) = self.keys {
            self.logins.addresses.take(keys.address, self.now);
            if let Some(client_id) = keys.client_id {
                self.logins.client_ids.take(client_id, self.now);
            }
            self.logins.pairs.insert(keys.pair, Pair::FailedAt(self.now));
        }
    }
}

/// Token buckets, one a key: each failure takes a token. A bucket is the time at which it will be full again, so one
/// that is not there is full. Two failures at the very same moment may take one token only; that is near enough.
#[derive(Debug)]
struct Buckets {
    /// Time in which a token comes back.
    interval: Duration,
    /// How long a bucket with all its tokens taken needs to be full again.
    whole: Duration,
    full_at: Memory<Duration>,
}

impl Buckets {
    fn new(limit: FailureLimit, capacity: usize, forgotten: Counter) -> Self {
        let interval = Duration::from_mins(1) / limit.per_minute.get();
        let whole = interval.saturating_mul(limit.burst.get());
        Self { interval, whole, full_at: memory(capacity, forgotten) }
    }

    fn is_empty(&self, key: u64, now: Duration) -> bool {
        let until_full = self.full_at.get(&key).unwrap_or_default().saturating_sub(now);
        until_full + self.interval > self.whole
    }

    fn take(&self, key: u64, now: Duration) {
        let full_at = self.full_at.get(&key).unwrap_or_default().max(now) + self.interval;
        self.full_at.insert(key, full_at.min(now + self.whole));
    }
}

/// Something about a bounded number of keys.
type Memory<T> = Cache<u64, T, UnitWeighter, DefaultHashBuilder, Forgotten>;

fn memory<T: Clone>(capacity: usize, forgotten: Counter) -> Memory<T> {
    let bound = capacity as u64;
    Cache::with(capacity, bound, UnitWeighter, DefaultHashBuilder::default(), Forgotten(forgotten))
}

/// Counts the keys that had to go.
#[derive(Clone)]
struct Forgotten(Counter);

impl<T> Lifecycle<u64, T> for Forgotten {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: u64, _: T) {
        self.0.increment(1);
    }
}

impl std::fmt::Debug for Forgotten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forgotten")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "867035046242895";

    struct Bench {
        logins: Logins,
        start: Instant,
    }

    fn bench(change: impl FnOnce(&mut LoginSettings)) -> Bench {
        let mut settings = LoginSettings::default();
        change(&mut settings);
        let start = Instant::now();
        Bench { logins: Logins::new(&settings, start, LoginMetrics::new()), start }
    }

    impl Bench {
        /// One wrong login; whether it was tried at all.
        fn fails(&self, address: &str, client_id: &str, seconds: u64) -> bool {
            self.attempt(address, client_id, seconds).inspect(Attempt::failed).is_ok()
        }

        /// One right login; whether it was let in.
        fn comes_in(&self, address: &str, client_id: &str, seconds: u64) -> bool {
            self.attempt(address, client_id, seconds).inspect(Attempt::came_in).is_ok()
        }

        fn attempt(&self, address: &str, client_id: &str, seconds: u64) -> Result<Attempt<'_>, Throttled> {
            let now = self.start + Duration::from_secs(seconds);
            self.logins.attempt(address.parse().unwrap(), "bce_device", client_id, now)
        }
    }

    #[test]
    fn an_address_that_fails_too_often_is_held_back_and_another_is_not() {
        let bench = bench(|_| {});
        let tried = (0..1000).filter(|n| bench.fails("192.0.2.1", &format!("client-{n}"), 0)).count();
        assert_eq!(tried, 120);
        assert!(!bench.comes_in("192.0.2.1", DEVICE, 0));
        assert!(bench.comes_in("192.0.2.2", DEVICE, 0));
        assert!(bench.comes_in("192.0.2.1", DEVICE, 1), "a token comes back every second");
    }

    #[test]
    fn a_client_id_that_fails_too_often_is_held_back_where_it_failed() {
        let bench = bench(|_| {});
        let tried = (0..1000).filter(|_| bench.fails("192.0.2.1", DEVICE, 0)).count();
        assert_eq!(tried, 10);
        assert!(!bench.comes_in("192.0.2.1", DEVICE, 9));
        assert!(bench.comes_in("192.0.2.1", DEVICE, 10));
    }

    #[test]
    fn an_attacker_elsewhere_never_keeps_a_device_out() {
        let bench = bench(|_| {});
        for second in 0..600 {
            // Many addresses keep the bucket of the client id empty.
            for address in 0..20 {
                bench.fails(&format!("192.0.2.{address}"), DEVICE, second);
            }
            // The device roams: it comes from an address that it never had.
            let address = format!("198.51.100.{}", second % 250);
            assert!(bench.comes_in(&address, DEVICE, second), "{second}");
        }
    }

    #[test]
    fn an_attacker_with_many_addresses_gets_one_guess_from_each() {
        let bench = bench(|_| {});
        let guesses = (0..250_u32)
            .map(|address| (0..50).filter(|_| bench.fails(&format!("192.0.2.{address}"), DEVICE, 0)).count());
        assert!(guesses.sum::<usize>() <= 250 + 10);
    }

    #[test]
    fn a_device_that_came_in_is_not_held_back_by_others_behind_its_address() {
        let bench = bench(|_| {});
        assert!(bench.comes_in("192.0.2.1", DEVICE, 0));
        while bench.fails("192.0.2.1", "another", 1) || bench.fails("192.0.2.1", "a third", 1) {}
        for n in 0..1000 {
            bench.fails("192.0.2.1", &format!("client-{n}"), 1);
        }
        assert!(!bench.comes_in("192.0.2.1", "new", 1));
        assert!(bench.comes_in("192.0.2.1", DEVICE, 1));
    }

    #[test]
    fn a_wrong_password_after_a_right_one_has_its_limits_again() {
        let bench = bench(|_| {});
        assert!(bench.comes_in("192.0.2.1", DEVICE, 0));
        assert_eq!((0..100).filter(|_| bench.fails("192.0.2.1", DEVICE, 0)).count(), 10);
    }

    #[test]
    fn coming_in_as_one_user_gives_no_free_guesses_at_another() {
        let bench = bench(|_| {});
        let guess = |second: u64| {
            assert!(bench.comes_in("192.0.2.1", DEVICE, second));
            let now = bench.start + Duration::from_secs(second);
            let attempt = bench.logins.attempt("192.0.2.1".parse().unwrap(), "ops", DEVICE, now);
            attempt.inspect(Attempt::failed).is_ok()
        };
        assert_eq!((0..100).filter(|_| guess(0)).count(), 10);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_and_a_mapped_one_as_its_ipv4() {
        let bench = bench(|_| {});
        let tried = (0..1000).filter(|n| bench.fails(&format!("2001:db8::{n:x}"), &format!("c{n}"), 0));
        assert_eq!(tried.count(), 120);
        assert!(bench.comes_in("2001:db8:0:1::1", DEVICE, 0));
        while bench.fails("::ffff:192.0.2.1", DEVICE, 0) {}
        assert!(!bench.comes_in("192.0.2.1", DEVICE, 0));
    }

    #[test]
    fn an_exempt_network_is_never_held_back() {
        let bench = bench(|settings| settings.exempt = vec!["10.0.0.0/8".parse().unwrap()]);
        assert!((0..1000).all(|_| bench.fails("10.1.2.3", DEVICE, 0)));
    }

    #[test]
    fn any_number_of_keys_takes_bounded_memory() {
        let bench = bench(|settings| settings.remembered = 1000);
        let long = "x".repeat(64 * 1024);
        for n in 0..50_000_u32 {
            let address = std::net::Ipv4Addr::from_bits(n);
            bench.fails(&address.to_string(), &format!("{n}{}", if n == 0 { &long } else { "" }), 0);
        }
        let logins = &bench.logins;
        for kept in [logins.addresses.full_at.len(), logins.client_ids.full_at.len(), logins.pairs.len()] {
            assert!(kept <= 1000, "{kept}");
        }
    }
}
