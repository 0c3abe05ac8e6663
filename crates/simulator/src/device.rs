//! What one device sends, message by message: a function of its number, the seed and the settings. Three
//! models take turns, after captures of real ones: a plain tracker, one with driver key and cell, and one
//! on the vehicle's bus. All of them report the states of their outputs, and store a record when one is switched.

use std::collections::VecDeque;
use std::time::{Duration, UNIX_EPOCH};

use fleetwire_codec::iotm::write::{Payload, WriteError};
use fleetwire_codec::iotm::{Gps, Value};
use fleetwire_model::Imei;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::journey::Journey;
use crate::outputs::{Outputs, States};
use crate::{Settings, fleet};

/// Topic of telemetry.
const TELEMETRY_TOPIC: &str = "BCE/D";
/// Topic of events.
const EVENT_TOPIC: &str = "BCE/E";
/// Codes of events that captures hold; what they mean is not public.
const EVENT_CODES: &[(u8, u8)] = &[(0, 1), (100, 51), (221, 0)];
/// Sensor ids of the states of OUT1 to OUT4.
const OUTPUT_IDS: [u16; 4] = [0x0094, 0x0095, 0x0096, 0x009A];
/// Records of switched outputs that a device keeps until it can send them; the oldest goes first, as in a full memory.
const MOST_STORED: usize = 200;
/// In the closed loop a device sends what it stored since then, seconds before the run.
const BACKLOG_S: u32 = 24 * 3600;

/// One message on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MQTT topic.
    pub topic: &'static str,
    /// IOTM payload.
    pub payload: Vec<u8>,
    /// Telemetry and event records in it.
    pub records: u32,
}

/// The kind of device.
#[derive(Debug, Clone, Copy)]
enum Model {
    Light,
    LightPlus,
    Can,
}

/// A device and the vehicle that it is in.
#[derive(Debug)]
pub struct Device {
    imei: Imei,
    model: Model,
    rng: StdRng,
    journey: Journey,
    driver: u32,
    /// The device's clock, seconds since 1970.
    clock_s: u32,
    /// When the next message leaves, by the settings; no record is later than that.
    now_s: f64,
    /// Records that are still without a fix.
    lost: u32,
    last_fix: Option<Gps>,
    ignition: bool,
    event_due: bool,
    settings: Pace,
    outputs: Outputs,
    /// Time and items of records that a switched output made the device store.
    stored: VecDeque<(u32, Vec<(u16, Value<'static>)>)>,
}

/// What a device needs of the settings.
#[derive(Debug, Clone)]
struct Pace {
    interval_s: f64,
    least_records: u32,
    most_records: u32,
    /// When the run began, seconds since 1970: no output was on before.
    start_s: u32,
}

impl Device {
    /// The device of this number; `None` if the settings leave no IMEI for it.
    pub fn new(settings: &Settings, index: u32) -> Option<Self> {
        let stream = (u64::from(index) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = StdRng::seed_from_u64(settings.seed ^ stream);
        let start = settings.start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_s = u32::try_from(start.as_secs()).unwrap_or(u32::MAX);
        let interval_s = u32::try_from(settings.interval.as_secs()).unwrap_or(BACKLOG_S);
        let memory_s = if settings.is_closed_loop() { BACKLOG_S } else { interval_s };
        let journey = Journey::new(&mut rng);
        let imei = fleet::imei(settings.first_imei_14, index)?;
        Some(Self {
            imei,
            model: match index % 3 {
                0 => Model::LightPlus,
                1 => Model::Can,
                _ => Model::Light,
            },
            driver: rng.random_range(10_000_000..100_000_000),
            ignition: journey.ignition(),
            journey,
            clock_s: start_s.saturating_sub(memory_s),
            now_s: start_s.into(),
            lost: 0,
            last_fix: None,
            event_due: true,
            rng,
            settings: Pace {
                interval_s: settings.interval.as_secs_f64(),
                least_records: *settings.records.start(),
                most_records: *settings.records.end(),
                start_s,
            },
            outputs: Outputs::new(imei, settings.wiring),
            stored: VecDeque::new(),
        })
    }

    /// Its identity, which is its MQTT client identifier too.
    pub const fn imei(&self) -> Imei {
        self.imei
    }

    /// The next message, and the time until the one after it.
    pub fn next_message(&mut self) -> Result<(Message, Duration), WriteError> {
        if std::mem::take(&mut self.event_due) {
            return Ok((self.event()?, Duration::ZERO));
        }
        let range = self.settings.least_records..=self.settings.most_records;
        let records = self.rng.random_range(range);
        let message = self.telemetry(records)?;
        let wait_s = self.settings.interval_s * self.rng.random_range(0.8..1.2);
        self.now_s += wait_s;
        Ok((message, Duration::try_from_secs_f64(wait_s).unwrap_or(Duration::MAX)))
    }

    /// Its outputs.
    pub(crate) const fn outputs(&mut self) -> &mut Outputs {
        &mut self.outputs
    }

    /// Stores a record of this instant, milliseconds since 1970: an output was switched.
    pub(crate) fn store(&mut self, at_ms: i64) {
        let now = u32::try_from(at_ms / 1000).unwrap_or(u32::MAX);
        let time = if self.settings.interval_s > 0.0 {
            // What is sent later is not older.
            let passed = now.saturating_sub(self.clock_s);
            self.clock_s += passed;
            self.journey.advance(passed, &mut self.rng);
            self.clock_s
        } else {
            // Beside the backlog.
            now
        };
        let items = self.items(time);
        if self.stored.len() >= MOST_STORED {
            self.stored.pop_front();
        }
        self.stored.push_back((time, items));
    }

    /// Whether a record of a switched output waits.
    pub(crate) fn has_stored(&self) -> bool {
        !self.stored.is_empty()
    }

    /// A message with the records of switched outputs that wait.
    pub(crate) fn stored_message(&mut self) -> Result<Message, WriteError> {
        let mut payload = Payload::new().imei(self.imei);
        let mut records = 0;
        for (time_s, items) in self.stored.drain(..) {
            payload = payload.telemetry(time_s, &items)?;
            records += 1;
        }
        Ok(Message { topic: TELEMETRY_TOPIC, payload: payload.finish(), records })
    }

    fn event(&mut self) -> Result<Message, WriteError> {
        let pick = self.rng.random_range(0..EVENT_CODES.len());
        let (function, code) = EVENT_CODES.get(pick).copied().unwrap_or_default();
        let firmware = match self.model {
            Model::Can => "Q07_02_003",
            Model::Light | Model::LightPlus => "FT2P",
        };
        let payload = Payload::new().imei(self.imei).event(self.clock_s, function, code, firmware)?;
        Ok(Message { topic: EVENT_TOPIC, payload: payload.finish(), records: 1 })
    }

    /// Records since the last message, evenly spaced; in the closed loop a second apart.
    fn telemetry(&mut self, records: u32) -> Result<Message, WriteError> {
        let passed = whole_u32(self.now_s).saturating_sub(self.clock_s);
        let most = if self.settings.interval_s > 0.0 { u32::MAX } else { 1 };
        let spacing = (passed / records).min(most);
        let mut payload = Payload::new().imei(self.imei);
        for _ in 0..records {
            self.clock_s += spacing;
            self.journey.advance(spacing, &mut self.rng);
            payload = self.record(payload)?;
        }
        Ok(Message { topic: TELEMETRY_TOPIC, payload: payload.finish(), records })
    }

    fn record(&mut self, payload: Payload) -> Result<Payload, WriteError> {
        let items = self.items(self.clock_s);
        payload.telemetry(self.clock_s, &items)
    }

    fn items(&mut self, time_s: u32) -> Vec<(u16, Value<'static>)> {
        let changed = self.ignition != self.journey.ignition();
        self.ignition = self.journey.ignition();
        self.event_due |= changed;
        let gps = self.gps();
        let mut items = match self.model {
            Model::Light => self.light_items(gps),
            Model::LightPlus => self.light_plus_items(gps, changed),
            Model::Can => self.can_items(gps),
        };
        let states = if time_s < self.settings.start_s { States::default() } else { self.outputs.states() };
        items.extend(OUTPUT_IDS.into_iter().zip(states.map(Value::Bool)));
        items
    }

    /// The GPS structure; without a fix it repeats the last coordinates and nothing else.
    fn gps(&mut self) -> Gps {
        if self.lost == 0 && self.rng.random_bool(0.02) {
            self.lost = self.rng.random_range(1..6);
        }
        if let Some(last) = self.last_fix.filter(|_| self.lost > 0) {
            self.lost -= 1;
            return Gps { speed_kmh: 0, hdop_tenths: 0, satellites: 0, course_deg: 0, altitude_m: 0, ..last };
        }
        let (latitude, longitude) = self.journey.position();
        let moving = self.journey.speed_kmh() >= 1.0;
        let fix = Gps {
            latitude: narrow(latitude),
            longitude: narrow(longitude),
            speed_kmh: whole(self.journey.speed_kmh()),
            hdop_tenths: self.rng.random_range(7..26),
            satellites: self.rng.random_range(5..16),
            course_deg: if moving { whole(self.journey.heading_deg()) } else { 0 },
            altitude_m: i16::try_from(metres(self.journey.altitude_m())).unwrap_or(i16::MAX),
        };
        self.last_fix = Some(fix);
        fix
    }

    fn supply_mv(&mut self) -> Value<'static> {
        let nominal = if self.ignition { 13_900..14_600 } else { 12_300..12_800 };
        Value::Unsigned(self.rng.random_range(nominal))
    }

    /// As capture I00 has it.
    fn light_items(&mut self, gps: Gps) -> Vec<(u16, Value<'static>)> {
        vec![
            (0xB002, Value::Float64(self.journey.odometer_m())),
            (0x300B, Value::Unsigned(gps.course_deg.into())),
            (0x3000, self.supply_mv()),
            (0x2000, Value::Unsigned(gps.speed_kmh.into())),
            (0xD000, Value::Gps(gps)),
            (0x0013, Value::Bool(self.ignition)),
            (0x006D, Value::Bool(false)),
        ]
    }

    /// As capture I11 has it: the distance only where something changed.
    fn light_plus_items(&mut self, gps: Gps, changed: bool) -> Vec<(u16, Value<'static>)> {
        let (mcc, mnc) = self.journey.network();
        let registered = !self.rng.random_bool(0.05);
        let network = |code: u32| {
            if registered { Value::Unsigned(code.into()) } else { Value::Zero }
        };
        let mut items = Vec::with_capacity(15);
        if changed || gps.speed_kmh > 0 {
            items.push((0xB002, Value::Float64(self.journey.odometer_m())));
        }
        let driver = if self.ignition { self.driver } else { 0 };
        items.extend([
            (0x5000, Value::Unsigned(driver.into())),
            (0x3000, self.supply_mv()),
            (0x3008, network(mcc)),
            (0xD000, Value::Gps(gps)),
            (0x006D, Value::Bool(self.ignition)),
            (0x0013, Value::Bool(self.ignition)),
            (0x2003, network(mnc)),
            (0x2005, network(self.rng.random_range(53..90))),
            (0x0002, Value::Bool(gps.speed_kmh > 0)),
            (0x000B, Value::Bool(registered)),
            (0x0012, Value::Bool(false)),
            (0x001E, Value::Bool(self.ignition)),
        ]);
        items
    }

    /// As captures I12 and I13 have it, with a vehicle on the bus.
    fn can_items(&mut self, gps: Gps) -> Vec<(u16, Value<'static>)> {
        let on = u64::from(self.ignition);
        let eighths_of_rpm = on * self.rng.random_range(6_000..20_000);
        let five_metres = self.journey.odometer_m() / 5.0;
        vec![
            (0xB002, Value::Float64(self.journey.odometer_m())),
            (0x300B, Value::Unsigned(gps.course_deg.into())),
            (0x3000, self.supply_mv()),
            (0x3004, Value::Unsigned(self.rng.random_range(3_190..4_150))),
            (0x4003, Value::Unsigned(u64::from(whole_u32(five_metres)))),
            (0x300C, Value::Unsigned(eighths_of_rpm)),
            (0x2007, Value::Unsigned(self.rng.random_range(60..240))),
            (0x2008, Value::Unsigned(on * self.rng.random_range(110..130))),
            (0x2000, Value::Unsigned(gps.speed_kmh.into())),
            (0xD000, Value::Gps(gps)),
            (0x2001, Value::Unsigned(gps.satellites.into())),
            (0x2005, Value::Unsigned(self.rng.random_range(53..90))),
            (0x0013, Value::Bool(self.ignition)),
            (0x0002, Value::Bool(gps.speed_kmh > 0)),
        ]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the device sends coordinates as f32")]
const fn narrow(degrees: f64) -> f32 {
    degrees as f32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
const fn whole(number: f64) -> u16 {
    number.round() as u16
}

#[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
const fn metres(number: f64) -> i32 {
    number.round() as i32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
const fn whole_u32(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
