//! How often each token may ask, and how often an address may come without a valid one.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::settings::ApiSettings;

/// Addresses that are remembered at most; beyond, all further ones share one limit.
const MAX_ADDRESSES: usize = 65_536;

/// Limits of a process.
#[derive(Debug)]
pub(crate) struct Limits {
    tokens: Vec<DefaultDirectRateLimiter>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl Limits {
    /// For so many tokens.
    pub(crate) fn new(settings: &ApiSettings, tokens: usize) -> Self {
        let quota = Quota::per_second(settings.requests_per_second).allow_burst(settings.burst);
        let failed = Quota::per_minute(settings.failed_logins_per_minute);
        Self {
            tokens: (0..tokens).map(|_| RateLimiter::direct(quota)).collect(),
            addresses: RateLimiter::keyed(failed),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of the token at this place; the error is after how many seconds to try again.
    pub(crate) fn request(&self, token: usize) -> Result<(), u64> {
        let Some(limiter) = self.tokens.get(token) else { return Ok(()) };
        limiter.check().map_err(|wait| seconds(wait.wait_time_from(self.clock.now())))
    }

    /// Counts a request without a valid token.
    pub(crate) fn failed(&self, address: IpAddr) -> Result<(), u64> {
        let key = self.key(address);
        self.addresses.check_key(&key).map_err(|wait| seconds(wait.wait_time_from(self.clock.now())))
    }

    /// An IPv6 customer has a /64 at least, so single addresses of it are not told apart.
    fn key(&self, address: IpAddr) -> IpAddr {
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.retain_recent();
            if self.addresses.len() >= MAX_ADDRESSES {
                return IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        match address.to_canonical() {
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::from(u64::MAX) << 64)))
            }
            IpAddr::V4(address) => IpAddr::V4(address),
        }
    }
}

/// Whole seconds, rounded up, at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn some(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn limits() -> Limits {
        let settings = ApiSettings {
            requests_per_second: some(1),
            burst: some(3),
            failed_logins_per_minute: some(2),
            ..ApiSettings::default()
        };
        Limits::new(&settings, 2)
    }

    #[test]
    fn one_token_does_not_use_up_what_another_may() {
        let limits = limits();
        for _ in 0..3 {
            assert_eq!(limits.request(0), Ok(()));
        }
        assert_eq!(limits.request(0), Err(1));
        assert_eq!(limits.request(1), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let limits = limits();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(limits.failed(address("2001:db8::1")), Ok(()));
        assert_eq!(limits.failed(address("2001:db8::2")), Ok(()));
        assert!(matches!(limits.failed(address("2001:db8::3")), Err(1..=30)));
        assert_eq!(limits.failed(address("2001:db8:0:1::1")), Ok(()));
        assert_eq!(limits.failed(address("192.0.2.1")), Ok(()));
    }
}
