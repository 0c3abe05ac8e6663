//! `fleetwire topics`: create the Kafka topics, or check them.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use fleetwire_kafka::{Outcome, TopicAdmin, TopicReport, TopicSettings};
use fleetwire_service::exit::Exit;

use crate::process::Usage;
use crate::target::TargetFlags;

/// The topics carry the invariants: partitions that agree, compaction where state is kept, replicas that
/// must have a record before it counts. `apply` creates what is missing and changes nothing that is there.
#[derive(Debug, Args)]
pub(crate) struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// Create the topics that are missing, and check the others
    Apply(TopicFlags),
    /// Check the topics and change nothing; exit code 1 if one would break an invariant
    Check(TopicFlags),
}

#[derive(Debug, Args)]
struct TopicFlags {
    #[command(flatten)]
    target: TargetFlags,
    /// Replicas of each partition [default: 3, or as many as there are brokers]
    #[arg(long, value_name = "N")]
    replication_factor: Option<u16>,
    /// Partitions of a topic, for example raw.v1=96; may be repeated
    #[arg(long, value_name = "TOPIC=N", value_parser = partitions)]
    partitions: Vec<(String, u16)>,
    /// How long Kafka may take to answer
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

pub(crate) fn topics(args: &TopicsArgs) -> Result<Exit> {
    let (flags, apply) = match &args.command {
        TopicsCommand::Apply(flags) => (flags, true),
        TopicsCommand::Check(flags) => (flags, false),
    };
    let target = flags.target.resolve()?;
    if target.run.is_some_and(|run| run.embedded) {
        return Err(
            Usage("the embedded log makes its own topics; name an Apache Kafka with --kafka".into()).into()
        );
    }
    let settings = TopicSettings {
        replication_factor: flags.replication_factor,
        partitions: flags.partitions.iter().cloned().collect(),
    };
    let admin = TopicAdmin::new(&target.client, target.topics, settings)?;
    let reports = if apply { admin.apply(flags.timeout) } else { admin.check(flags.timeout) }?;
    print(&reports);
    let broken = reports.iter().any(TopicReport::breaks_an_invariant);
    Ok(if broken { Exit::Failed } else { Exit::Done })
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn print(reports: &[TopicReport]) {
    for report in reports {
        let outcome = match report.outcome {
            Outcome::Created => "created",
            Outcome::Missing => "missing",
            Outcome::Found if report.mismatches.is_empty() => "fine",
            Outcome::Found => "differs",
        };
        println!("{:<8} {}", outcome, report.name);
        for mismatch in &report.mismatches {
            println!("         {mismatch}");
        }
    }
}

fn partitions(text: &str) -> Result<(String, u16), String> {
    let (topic, number) = text.split_once('=').ok_or("wants TOPIC=N, for example raw.v1=96")?;
    let number = number.parse().map_err(|err| format!("`{number}`: {err}"))?;
    Ok((topic.to_owned(), number))
}
