//! The commands of one device as a state machine: events in, statuses and attempts out. No I/O and no clock.

mod types;

pub use types::{
    Attempt, Context, Delivered, Effects, Event, Guards, Motion, Outcome, Rules, SessionRef, Target,
    Telemetry,
};
