//! What a run is: how many devices, how fast, how long.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::fleet;
use crate::outputs::{OUTPUTS, Wiring};
use crate::received::Received;

/// Where devices may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host name or address of the MQTT listener.
    pub host: String,
    /// Port of the MQTT listener.
    pub port: u16,
}

/// A run of a fleet.
#[derive(Debug, Clone)]
pub struct Settings {
    /// MQTT listeners, one at least; each connection goes to one of them at random.
    pub servers: Vec<Server>,
    /// MQTT user name, the account of the devices.
    pub account: String,
    /// Password of the account.
    pub password: SecretString,
    /// How many devices.
    pub devices: u32,
    /// First 14 digits of the IMEI of device 0; the others follow it.
    pub first_imei_14: u64,
    /// Mean time between two messages of one device. Zero is the closed loop: each device sends as soon as
    /// fewer than `in_flight` messages are unacknowledged.
    pub interval: Duration,
    /// Telemetry records in one message, at least and at most; within 1..=200.
    pub records: RangeInclusive<u32>,
    /// Unacknowledged messages that one device has at most, 1..=1000.
    pub in_flight: u16,
    /// The devices start spread over this time.
    pub ramp_up: Duration,
    /// Keep-alive of the sessions; zero turns it off, otherwise at least a second.
    pub keep_alive: Duration,
    /// Messages of the whole run at most.
    pub messages: Option<u64>,
    /// Time of the whole run at most.
    pub duration: Option<Duration>,
    /// Messages a second of the whole fleet at most.
    pub rate: Option<f64>,
    /// How long a device that is stopped waits for the PUBACKs that are still out.
    pub grace: Duration,
    /// Mean time after which a device loses its connection; absent if it never does by itself.
    pub reconnect_every: Option<Duration>,
    /// How the outputs are set up.
    pub wiring: Wiring,
    /// Takes everything that comes down to the devices. While it is full, devices wait.
    pub received: Option<mpsc::Sender<Received>>,
    /// Equal seeds give equal journeys.
    pub seed: u64,
    /// Time of the first records, by the devices' clocks. The caller's clock, so that a run can be repeated
    /// byte for byte. In the closed loop the devices send what they stored in the day before.
    pub start: SystemTime,
}

impl Settings {
    /// Settings for a first look: 20 devices, a message each in five seconds, until it is stopped.
    pub fn new(host: impl Into<String>, port: u16, password: SecretString, start: SystemTime) -> Self {
        Self {
            servers: vec![Server { host: host.into(), port }],
            account: "bce_device".to_owned(),
            password,
            devices: 20,
            first_imei_14: 86_703_504_000_000,
            interval: Duration::from_secs(5),
            records: 1..=5,
            in_flight: 4,
            ramp_up: Duration::from_secs(1),
            keep_alive: Duration::from_mins(1),
            messages: None,
            duration: None,
            rate: None,
            grace: Duration::from_secs(5),
            reconnect_every: None,
            wiring: Wiring::default(),
            received: None,
            seed: 1,
            start,
        }
    }

    /// Refuses what no fleet can be.
    pub fn validate(&self) -> Result<(), Invalid> {
        let checks = [
            (self.devices >= 1, Invalid::Devices),
            (fleet::imei(self.first_imei_14, self.devices).is_some(), Invalid::Imei),
            (self.first_imei_14 >= 10_000_000_000_000, Invalid::Imei),
            (!self.records.is_empty(), Invalid::Records),
            (*self.records.start() >= 1 && *self.records.end() <= 200, Invalid::Records),
            ((1..=1000).contains(&self.in_flight), Invalid::InFlight),
            (self.keep_alive.is_zero() || self.keep_alive >= Duration::from_secs(1), Invalid::KeepAlive),
            (!self.servers.is_empty(), Invalid::Servers),
            (self.reconnect_every.is_none_or(|mean| mean >= Duration::from_millis(100)), Invalid::Reconnect),
            (self.wired().all(|output| (1..=OUTPUTS).contains(&output.into())), Invalid::Wiring),
            (self.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0), Invalid::Rate),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, invalid)) => Err(invalid),
            None => Ok(()),
        }
    }

    fn wired(&self) -> impl Iterator<Item = u8> {
        [self.wiring.s1, self.wiring.s2].into_iter().flatten()
    }

    /// Whether devices send as fast as they are acknowledged.
    pub fn is_closed_loop(&self) -> bool {
        self.interval.is_zero()
    }
}

/// A setting that no fleet can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No devices.
    #[error("a fleet has one device at least")]
    Devices,
    /// The IMEIs do not fit into 15 digits.
    #[error("the first 14 digits of every IMEI are a number of 14 digits")]
    Imei,
    /// An empty range, or one that leaves 1..=200.
    #[error("a message has 1 to 200 records, the smaller number first")]
    Records,
    /// Out of 1..=1000.
    #[error("a device has 1 to 1000 messages in flight")]
    InFlight,
    /// Between zero and a second.
    #[error("keep-alive is off or a second at least")]
    KeepAlive,
    /// Nowhere to connect.
    #[error("a fleet has a server to connect to")]
    Servers,
    /// Hardly ever connected.
    #[error("devices lose their connection every 100 ms or less often")]
    Reconnect,
    /// An output that no device has.
    #[error("a static signal drives an output from 1 to 4")]
    Wiring,
    /// Not a positive number.
    #[error("a rate is more than zero messages a second")]
    Rate,
}
