//! Command gateway: every command gets to its device, or it is known why not.

pub mod machine;
pub mod order;
