//! Behaviour of the state machine: by cases, and by random orders of events against a device that obeys.

mod cases;
mod guards;
mod random;
mod world;
