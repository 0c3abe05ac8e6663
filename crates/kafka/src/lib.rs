//! Kafka as fleetwire uses it: a producer whose every record has an outcome, a group consumer that commits only
//! what is done, a transformer that commits it together with what was made of it, a reader without a group, the
//! topics, and an embedded log for a laptop.
//!
//! All of it is librdkafka on std threads; tokio serves only to wake tasks. Nothing here knows what a record means.

mod client;
mod consumer;
mod embedded;
mod error;
mod fenced;
mod follow;
mod heart;
mod message;
mod metrics;
mod partitioner;
mod producer;
mod range;
mod reader;
mod settings;
mod tail;
mod topics;
mod wait;
mod watermarks;

pub use consumer::{
    Assigned, Consumer, ConsumerOptions, Done, Health, Monitor, Outputs, PartitionLag, RunError, Settled,
    Start, TopicPartition, Transform, TransformError, Transformer, TransformerOptions,
};
pub use embedded::{EmbeddedError, EmbeddedLog, EmbeddedOptions};
pub use error::{ClientError, DeliveryError, FlushError, SendError};
pub use fenced::{FencedError, FencedWriter};
pub use follow::PartitionFollower;
pub use heart::Carried;
pub use message::Message;
pub use metrics::SECTIONS as METRICS;
pub use partitioner::partition_of;
pub use producer::{Delivered, Delivery, Producer, Record};
pub use range::{Range, RangeEvent, RangeProgress, RangeReader, Stretch};
pub use reader::{Event, MissingTopic, Reader, ReaderError, ReaderOptions};
pub use settings::{ClientSettings, Compression, ProducerSettings, SettingsError};
pub use tail::TailReader;
pub use topics::{Mismatch, Outcome, Severity, TopicAdmin, TopicReport, TopicSettings, TopicsError};
pub use watermarks::Watermarks;
