//! Fleets that behave like the real devices: IOTM trackers on plausible journeys, each with a real MQTT
//! client of its own.
//!
//! They obey output control as the vendor describes it, and can be made to lose their connections at random.
//!
//! What a device sends is a function of the seed, its number and the settings ([`Device`]); when it gets
//! there is the network's affair ([`run`]). Nothing is printed here: a caller shows [`Stats`] while a run
//! lasts, and the [`Report`] after it; [`Received`] tells what came down to the devices, one by one.

mod budget;
mod device;
mod fleet;
mod journey;
mod outputs;
mod received;
mod run;
mod session;
mod settings;
mod stats;

pub use device::{Device, Message};
pub use fleet::imei;
pub use outputs::{Verdict, Wiring};
pub use received::{CommandLog, Received};
pub use run::{SimulateError, run};
pub use settings::{Invalid, Server, Settings};
pub use stats::{Failure, Refusal, Report, Snapshot, Stats};
