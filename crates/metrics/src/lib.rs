//! Metrics as constants: name, type, labels and meaning beside the code that counts.
//!
//! A [`Metric`] makes its handles and describes itself to the recorder as it does so; the sections of all crates make
//! docs/metrics.md. So a metric that is exposed is documented, and says the same in both places.

mod described;
mod family;
mod metric;
mod section;

pub use described::{described, undeclared};
pub use family::CounterFamily;
pub use metric::{Kind, Label, Metric};
pub use section::{Section, Words};
