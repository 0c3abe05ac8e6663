//! Settings of the limits for devices that nobody activated.

use std::num::NonZeroU32;

use ipnet::IpNet;
use serde::Deserialize;

/// What devices that nobody activated may do; the section `[frontend.unactivated_limits]`. Of an IPv6 address, the
/// first 64 bits count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StrangerLimits {
    /// Sessions from one address at a time.
    pub address_sessions: usize,
    /// Sessions of this frontend at a time.
    pub sessions: usize,
    /// Different device ids from one address within an hour.
    pub address_ids_per_hour: usize,
    /// Publishes from one address.
    pub address_messages: Rate,
    /// Payload bytes from one address.
    pub address_bytes: Rate,
    /// Publishes of this frontend.
    pub messages: Rate,
    /// Payload bytes of this frontend.
    pub bytes: Rate,
    /// Networks whose addresses have no limits of their own: load balancers that hide the address of a device.
    pub exempt: Vec<IpNet>,
    /// Device ids that are remembered when their sessions are over.
    pub remembered: usize,
}

/// How much may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// A limit that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum StrangerLimitsError {
    /// Nothing could come in.
    Zero,
    /// One publish may be larger than a whole burst, and would never be taken.
    Burst,
}

impl StrangerLimitsError {
    /// What is wrong and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Zero => {
                "[frontend.unactivated_limits] `sessions`, `address_sessions` and `address_ids_per_hour` must be at least 1; `unactivated = \"reject\"` refuses all"
            }
            Self::Burst => {
                "[frontend.unactivated_limits] the bursts of `bytes` and `address_bytes` must be at least `max_packet_bytes`"
            }
        }
    }
}

impl Rate {
    pub(super) const fn new(per_second: u32, burst: u32) -> Self {
        match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
            (Some(per_second), Some(burst)) => Self { per_second, burst },
            _ => Self { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN },
        }
    }
}

impl Default for StrangerLimits {
    /// Room for a depot of some hundred new trackers behind one address, each with a backlog.
    fn default() -> Self {
        Self {
            address_sessions: 1000,
            sessions: 10_000,
            address_ids_per_hour: 1000,
            address_messages: Rate::new(200, 20_000),
            address_bytes: Rate::new(65_536, 33_554_432),
            messages: Rate::new(2000, 100_000),
            bytes: Rate::new(524_288, 134_217_728),
            exempt: Vec::new(),
            remembered: 100_000,
        }
    }
}

impl StrangerLimits {
    /// Finds limits that cannot be used.
    pub fn check(&self, max_packet_bytes: usize) -> Result<(), StrangerLimitsError> {
        let numbers = [self.address_sessions, self.sessions, self.address_ids_per_hour];
        if numbers.contains(&0) {
            return Err(StrangerLimitsError::Zero);
        }
        let is_small =
            |rate: Rate| usize::try_from(rate.burst.get()).is_ok_and(|burst| burst < max_packet_bytes);
        if [self.address_bytes, self.bytes].into_iter().any(is_small) {
            return Err(StrangerLimitsError::Burst);
        }
        Ok(())
    }
}
