//! Limits for each address, or rather for each network of the prefix lengths set: one household, one site, one
//! attacker with a /64.
//!
//! Behind a carrier's address translation thousands of devices share one address. So all of this is off unless
//! it is set.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dashmap::DashMap;
use ipnet::IpNet;

use super::{GateSettings, bucket::Bucket};
use crate::observer::TurnedAway;

/// Networks whose connect rate is remembered, twice: past this many new ones the older half is forgotten, and a
/// forgotten network has its burst again.
const REMEMBERED: usize = 50_000;

/// What is known of addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    settings: GateSettings,
    /// Networks with open connections: no more entries than connections.
    open: DashMap<IpNet, Open>,
    connects: Mutex<Remembered>,
}

/// A network with open connections.
#[derive(Debug, Default)]
struct Open {
    connections: usize,
    publishes: Arc<Mutex<Bucket>>,
}

/// A place among the connections of a network; dropping it gives it back.
#[derive(Debug)]
pub(super) struct AddressPlace {
    addresses: Arc<Addresses>,
    network: IpNet,
    publishes: Arc<Mutex<Bucket>>,
}

impl Addresses {
    /// `None` if nothing is limited by address: then nothing is kept.
    pub(super) fn new(settings: &GateSettings) -> Option<Arc<Self>> {
        let limits = [
            settings.connections_per_address.is_some(),
            settings.connect_rate_per_address.is_some(),
            settings.publish_rate_per_address.is_some(),
        ];
        limits.contains(&true).then(|| {
            Arc::new(Self { settings: settings.clone(), open: DashMap::new(), connects: Mutex::default() })
        })
    }

    /// A place for a new connection. The rate is looked at first: what fails costs a token all the same.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<AddressPlace, TurnedAway> {
        let network = self.network(address);
        if let Some(rate) = self.settings.connect_rate_per_address
            && lock(&self.connects).bucket(network).take(rate, now).is_err()
        {
            return Err(TurnedAway::AddressRate);
        }
        let mut open = self.open.entry(network).or_default();
        if self.settings.connections_per_address.is_some_and(|most| open.connections >= most.get()) {
            return Err(TurnedAway::AddressConnections);
        }
        open.connections += 1;
        let publishes = Arc::clone(&open.publishes);
        drop(open);
        Ok(AddressPlace { addresses: Arc::clone(self), network, publishes })
    }

    fn network(&self, address: IpAddr) -> IpNet {
        let len = match address {
            IpAddr::V4(_) => self.settings.ipv4_prefix,
            IpAddr::V6(_) => self.settings.ipv6_prefix,
        };
        IpNet::new(address, len).map_or_else(|_| address.into(), |network| network.trunc())
    }
}

impl AddressPlace {
    /// Takes one of the network's publishes, or says how long until there is one.
    pub(super) fn may_publish(&self, now: Instant) -> Result<(), Duration> {
        match self.addresses.settings.publish_rate_per_address {
            Some(rate) => lock(&self.publishes).take(rate, now),
            None => Ok(()),
        }
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let open = &self.addresses.open;
        if let Some(mut entry) = open.get_mut(&self.network) {
            entry.connections = entry.connections.saturating_sub(1);
        }
        open.remove_if(&self.network, |_, entry| entry.connections == 0);
    }
}

/// Connect rates of networks: two generations, so that forgetting costs nothing.
#[derive(Debug, Default)]
struct Remembered {
    newer: HashMap<IpNet, Bucket>,
    older: HashMap<IpNet, Bucket>,
}

impl Remembered {
    fn bucket(&mut self, network: IpNet) -> &mut Bucket {
        if self.newer.len() >= REMEMBERED {
            self.older = mem::take(&mut self.newer);
        }
        let older = &self.older;
        self.newer.entry(network).or_insert_with(|| older.get(&network).copied().unwrap_or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{super::bucket::Rate, *};

    fn addresses(change: impl FnOnce(&mut GateSettings)) -> Arc<Addresses> {
        let mut settings = GateSettings::default();
        change(&mut settings);
        Addresses::new(&settings).unwrap()
    }

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second: per_second.try_into().unwrap(), burst: burst.try_into().unwrap() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_is_limited_by_default() {
        assert!(Addresses::new(&GateSettings::default()).is_none());
    }

    #[test]
    fn places_of_an_address_are_counted_and_come_back_and_leave_nothing() {
        let addresses = addresses(|gate| gate.connections_per_address = 2.try_into().ok());
        let now = Instant::now();
        let one = addresses.enter(ip("192.0.2.1"), now).unwrap();
        let two = addresses.enter(ip("192.0.2.1"), now).unwrap();
        let refused = addresses.enter(ip("192.0.2.1"), now).unwrap_err();
        assert_eq!(refused, TurnedAway::AddressConnections);
        let other = addresses.enter(ip("192.0.2.2"), now).unwrap();
        drop(one);
        let three = addresses.enter(ip("192.0.2.1"), now).unwrap();
        drop((two, three, other));
        assert!(addresses.open.is_empty());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let addresses = addresses(|gate| gate.connections_per_address = 1.try_into().ok());
        let now = Instant::now();
        let _place = addresses.enter(ip("2001:db8:0:1::1"), now).unwrap();
        addresses.enter(ip("2001:db8:0:1:ffff::2"), now).unwrap_err();
        addresses.enter(ip("2001:db8:0:2::1"), now).unwrap();
    }

    #[test]
    fn connects_have_a_rate_for_each_address() {
        let addresses = addresses(|gate| gate.connect_rate_per_address = Some(rate(1, 2)));
        let now = Instant::now();
        for _ in 0..2 {
            addresses.enter(ip("192.0.2.1"), now).unwrap();
        }
        assert_eq!(addresses.enter(ip("192.0.2.1"), now).unwrap_err(), TurnedAway::AddressRate);
        addresses.enter(ip("192.0.2.2"), now).unwrap();
        addresses.enter(ip("192.0.2.1"), now + Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn publishes_share_a_rate_between_the_connections_of_an_address() {
        let addresses = addresses(|gate| gate.publish_rate_per_address = Some(rate(10, 2)));
        let now = Instant::now();
        let places =
            ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(|text| addresses.enter(ip(text), now).unwrap());
        places[0].may_publish(now).unwrap();
        places[1].may_publish(now).unwrap();
        assert_eq!(places[0].may_publish(now), Err(Duration::from_millis(100)));
        places[2].may_publish(now).unwrap();
    }

    #[test]
    fn however_many_addresses_come_memory_is_bounded() {
        let mut remembered = Remembered::default();
        for number in 0..300_000_u32 {
            remembered.bucket(IpAddr::from(number.to_be_bytes()).into());
        }
        assert!(remembered.newer.len() + remembered.older.len() <= 2 * REMEMBERED);
    }
}
