//! Limits for devices that nobody activated: the account's password is shared, so whoever has it must not be able to
//! fill the held topic, or to crowd others out.
//!
//! What counts is who has a session (of several with one id, one counts), how many ids an address comes with within
//! an hour, and what they publish, for each address and for the whole frontend. Everything here is bounded; no text of
//! a client is kept.

mod bucket;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleetwire_model::DeviceId;
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Gauge};

use bucket::Flow;
pub use settings::{Rate, StrangerLimits, StrangerLimitsError};

const UNACTIVATED_SESSIONS: Metric = Metric::gauge(
    "fleetwire_frontend_unactivated_sessions",
    "Sessions that were let in although nobody had activated their device; several of one device \
     count once.",
)
.worry("Near the limit: see [operations.md](operations.md#held-devices).");
const UNACTIVATED_REFUSED: Metric = Metric::counter(
    "fleetwire_frontend_unactivated_refused_total",
    "What devices that nobody activated did beyond a limit of `[frontend.unactivated_limits]`. Not \
     acknowledged.",
)
.from_start(&[Label::words(
    "limit",
    &[
        "address_sessions",
        "sessions",
        "address_ids",
        "address_messages",
        "address_bytes",
        "messages",
        "bytes",
    ],
)
.note("the first three of CONNECTs, the others of publishes")])
.worry(
    "`address_*`: a depot that is larger than the limit, or somebody with the shared password. \
     The others: strangers crowd each other out.",
);
const UNACTIVATED_ADDRESSES_FORGOTTEN: Metric = Metric::counter(
    "fleetwire_frontend_unactivated_addresses_forgotten_total",
    "Addresses whose ids of the last hour were forgotten early: more than `remembered`.",
)
.worry("It grows: many ids from many addresses.");

/// What is counted here.
pub(crate) const METRICS: &[Metric] =
    &[UNACTIVATED_SESSIONS, UNACTIVATED_REFUSED, UNACTIVATED_ADDRESSES_FORGOTTEN];

/// How long an id of an address counts.
const HOUR: Duration = Duration::from_hours(1);

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Sessions of one address.
    AddressSessions,
    /// Sessions of all.
    Sessions,
    /// Ids of one address within an hour.
    AddressIds,
    /// Publishes of one address.
    AddressMessages,
    /// Bytes of one address.
    AddressBytes,
    /// Publishes of all.
    Messages,
    /// Bytes of all.
    Bytes,
}

impl Limit {
    pub(crate) const ALL: [Self; 7] = [
        Self::AddressSessions,
        Self::Sessions,
        Self::AddressIds,
        Self::AddressMessages,
        Self::AddressBytes,
        Self::Messages,
        Self::Bytes,
    ];

    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AddressSessions => "address_sessions",
            Self::Sessions => "sessions",
            Self::AddressIds => "address_ids",
            Self::AddressMessages => "address_messages",
            Self::AddressBytes => "address_bytes",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

/// The devices at this frontend that nobody activated. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Strangers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: StrangerLimits,
    hasher: RandomState,
    start: Instant,
    all: Flow,
    crowd: Mutex<Crowd>,
    refused: CounterFamily,
    forgotten: Counter,
    sessions: Gauge,
}

/// Who is here, and who was lately.
#[derive(Debug, Default)]
struct Crowd {
    addresses: HashMap<u64, Address>,
    sessions: usize,
    /// Ids of all addresses.
    ids: usize,
}

#[derive(Debug)]
struct Address {
    ids: HashMap<u64, Id>,
    sessions: usize,
    flow: Arc<Flow>,
}

#[derive(Debug, Clone, Copy)]
struct Id {
    sessions: usize,
    seen: Duration,
}

/// A session of a device that was let in although nobody had activated it; counted until it is dropped.
#[derive(Debug)]
pub struct Visit {
    strangers: Strangers,
    address: u64,
    id: u64,
    flow: Option<Arc<Flow>>,
}

impl Strangers {
    /// Nobody is here.
    pub fn new(limits: StrangerLimits, start: Instant) -> Self {
        Self(Arc::new(Shared {
            all: Flow::new(limits.messages, limits.bytes),
            limits,
            hasher: RandomState::new(),
            start,
            crowd: Mutex::default(),
            refused: UNACTIVATED_REFUSED.family_with(&Limit::ALL.map(Limit::code)),
            forgotten: UNACTIVATED_ADDRESSES_FORGOTTEN.to_counter(),
            sessions: UNACTIVATED_SESSIONS.to_gauge(),
        }))
    }

    /// A session of such a device begins, if no limit is reached.
    pub fn enter(&self, address: IpAddr, device: &DeviceId, now: Instant) -> Result<Visit, Limit> {
        let entered = self.0.enter(address.to_canonical(), device, now);
        match entered {
            Ok((address, id, flow)) => Ok(Visit { strangers: self.clone(), address, id, flow }),
            Err(limit) => {
                self.0.refused.increment(limit.code());
                Err(limit)
            }
        }
    }
}

impl Visit {
    /// Whether a publish of so many bytes may be stored.
    pub fn may_publish(&self, bytes: usize, now: Instant) -> Result<(), Limit> {
        let shared = &self.strangers.0;
        let now = now.saturating_duration_since(shared.start);
        let own = self.flow.as_ref().map_or(Ok(()), |flow| {
            flow.take(bytes, now).map_err(|of| of.limit(Limit::AddressMessages, Limit::AddressBytes))
        });
        let taken = own
            .and_then(|()| shared.all.take(bytes, now).map_err(|of| of.limit(Limit::Messages, Limit::Bytes)));
        if let Err(limit) = taken {
            shared.refused.increment(limit.code());
        }
        taken
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let shared = &self.strangers.0;
        let mut crowd = shared.crowd();
        crowd.leave(self.address, self.id);
        shared.show(&crowd);
    }
}

impl Shared {
    fn enter(
        &self,
        address: IpAddr,
        device: &DeviceId,
        now: Instant,
    ) -> Result<(u64, u64, Option<Arc<Flow>>), Limit> {
        let (limits, now) = (&self.limits, now.saturating_duration_since(self.start));
        let is_exempt = limits.exempt.iter().any(|network| network.contains(&address));
        let prefix = match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        let key = self.hasher.hash_one((address.is_ipv6(), prefix));
        let id = self.hasher.hash_one(device);
        let mut crowd = self.crowd();
        let all = crowd.sessions;
        let place = crowd.addresses.entry(key).or_insert_with(|| Address {
            ids: HashMap::new(),
            sessions: 0,
            flow: Arc::new(Flow::new(limits.address_messages, limits.address_bytes)),
        });
        let before = place.ids.len();
        let verdict = place.judge(id, now, if is_exempt { None } else { Some(limits) });
        // Whoever comes back takes the place of the session that it had.
        let is_new = !place.is_here(id);
        let verdict = match verdict {
            Ok(()) if is_new && all >= limits.sessions => Err(Limit::Sessions),
            verdict => verdict,
        };
        let flow = (!is_exempt).then(|| Arc::clone(&place.flow));
        if verdict.is_ok() {
            place.enter(id, now);
        }
        let (after, is_empty) = (place.ids.len(), place.ids.is_empty());
        crowd.ids = (crowd.ids + after).saturating_sub(before);
        crowd.sessions += usize::from(verdict.is_ok() && is_new);
        if is_empty {
            crowd.addresses.remove(&key);
        }
        self.forgotten.increment(crowd.stay_within(limits.remembered, now));
        self.show(&crowd);
        verdict.map(|()| (key, id, flow))
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        // Nothing here can be left half done, so a panic elsewhere does not matter.
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    fn show(&self, crowd: &Crowd) {
        self.sessions.set(crowd.sessions as f64);
    }
}

impl Address {
    fn is_here(&self, id: u64) -> bool {
        self.ids.get(&id).is_some_and(|id| id.sessions > 0)
    }

    fn judge(&mut self, id: u64, now: Duration, limits: Option<&StrangerLimits>) -> Result<(), Limit> {
        let Some(limits) = limits else { return Ok(()) };
        if self.is_here(id) {
            return Ok(());
        }
        if self.sessions >= limits.address_sessions {
            return Err(Limit::AddressSessions);
        }
        if !self.ids.contains_key(&id) && self.ids.len() >= limits.address_ids_per_hour {
            self.forget_before(now);
            if self.ids.len() >= limits.address_ids_per_hour {
                return Err(Limit::AddressIds);
            }
        }
        Ok(())
    }

    fn enter(&mut self, id: u64, now: Duration) {
        let id = self.ids.entry(id).or_insert(Id { sessions: 0, seen: now });
        self.sessions += usize::from(id.sessions == 0);
        id.sessions += 1;
        id.seen = now;
    }

    /// Forgets ids that are not here and were not within the hour.
    fn forget_before(&mut self, now: Duration) {
        self.ids.retain(|_, id| id.sessions > 0 || now.saturating_sub(id.seen) < HOUR);
    }
}

impl Crowd {
    fn leave(&mut self, address: u64, id: u64) {
        let Some(place) = self.addresses.get_mut(&address) else { return };
        let Some(id) = place.ids.get_mut(&id) else { return };
        id.sessions = id.sessions.saturating_sub(1);
        if id.sessions == 0 {
            place.sessions = place.sessions.saturating_sub(1);
            self.sessions = self.sessions.saturating_sub(1);
        }
    }

    /// Forgets first what is older than an hour and then, if that is not enough, all who are not here. Says how many
    /// addresses were forgotten early.
    fn stay_within(&mut self, remembered: usize, now: Duration) -> u64 {
        if self.ids.saturating_sub(self.sessions) <= remembered {
            return 0;
        }
        self.addresses.values_mut().for_each(|place| place.forget_before(now));
        self.addresses.retain(|_, place| !place.ids.is_empty());
        let count = |addresses: &HashMap<u64, Address>| addresses.values().map(|place| place.ids.len()).sum();
        self.ids = count(&self.addresses);
        let mut forgotten = 0;
        // Half, so that it does not have to be done again at once.
        if self.ids.saturating_sub(self.sessions) > remembered / 2 {
            for place in self.addresses.values_mut() {
                let before = place.ids.len();
                place.ids.retain(|_, id| id.sessions > 0);
                forgotten += u64::from(place.ids.len() < before);
            }
            self.addresses.retain(|_, place| !place.ids.is_empty());
            self.ids = count(&self.addresses);
        }
        forgotten
    }
}
