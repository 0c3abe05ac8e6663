//! Switches an output with a plain producer, and prints what becomes of it.
//!
//! ```sh
//! cargo run -- BROKERS DEVICE [PREFIX]
//! ```

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use prost::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList};

// With prost-build, in a project of your own: mod fleetwire { include!(concat!(env!("OUT_DIR"), "/fleetwire.v1.rs")); }
use fleetwire_model::pb as fleetwire;

/// Where a command was stored, or why it was not.
struct Outcomes(mpsc::SyncSender<Result<i32>>);

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let outcome = match result {
            Ok(message) => Ok(message.partition()),
            Err((error, _)) => Err(error.clone().into()),
        };
        let _ = self.0.send(outcome);
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [brokers, device, more @ ..] = arguments.as_slice() else { bail!("name the brokers and a device") };
    let prefix = more.first().map_or("fleetwire", String::as_str);
    switch_on(brokers, device, prefix, &mut std::io::stdout())
}

pub(crate) fn switch_on(brokers: &str, device: &str, prefix: &str, out: &mut impl Write) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (commands, statuses) = (format!("{prefix}.commands.v1"), format!("{prefix}.command-status.v1"));

    // It joins no group: it reads one partition, from where that ends now.
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "unused").create()?;
    let metadata = consumer.fetch_metadata(Some(&statuses), PATIENCE)?;
    let topic = metadata.topics().first().context("Kafka has no topic of statuses")?;
    let mut ends = Vec::new();
    for partition in topic.partitions() {
        let (_, end) = consumer.fetch_watermarks(&statuses, partition.id(), PATIENCE)?;
        ends.push((partition.id(), end));
    }

    // Now.
    let issued = UNIX_EPOCH + UNIX_EPOCH.elapsed()?;
    let command = fleetwire::Command {
        // Any text that no other command of the device has; a ULID or a UUID where a crate for them is at hand.
        command_id: format!("send-command-{}", UNIX_EPOCH.elapsed()?.as_nanos()),
        device_id: device.to_owned(),
        issued_time: Some(issued.into()),
        expire_time: Some((issued + Duration::from_mins(1)).into()),
        requested_by: "send_command.rs".to_owned(),
        action: Some(fleetwire::command::Action::OutputControl(fleetwire::OutputControl {
            output: 1,
            action: fleetwire::OutputAction::On.into(),
            duration: Some(Duration::from_secs(2).try_into()?),
        })),
    };

    let (told, outcome) = mpsc::sync_channel(1);
    let producer: ThreadedProducer<Outcomes> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        // Otherwise the command would be in another partition than all else of the device, and come late.
        .set("partitioner", "murmur2_random")
        .create_with_context(Outcomes(told))?;
    let value = command.encode_to_vec();
    producer.send(BaseRecord::to(&commands).key(device).payload(&value)).map_err(|(error, _)| error)?;
    producer.flush(Duration::from_secs(30))?;
    let number = outcome.recv().context("nothing is known of the command")??;

    // The statuses of a device are in the partition of the same number.
    let end = ends.iter().find(|(partition, _)| *partition == number).context("the topics differ")?.1;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&statuses, number, Offset::Offset(end))?;
    consumer.assign(&assignment)?;
    // Until it expires, and as long as telemetry may take to confirm it.
    let deadline = Instant::now() + Duration::from_mins(1 + 6);
    while Instant::now() < deadline {
        let Some(Ok(message)) = consumer.poll(Duration::from_secs(1)) else { continue };
        let status = fleetwire::CommandStatus::decode(message.payload().unwrap_or_default())?;
        if status.device_id != device || status.command_id != command.command_id {
            continue;
        }
        // Unspecified where a newer gateway has a state that this code does not know.
        writeln!(out, "{:?} {} {}", status.state(), status.code, status.reason)?;
        if status.terminal {
            break;
        }
    }
    Ok(())
}
