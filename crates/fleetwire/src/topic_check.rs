//! What a service checks of the topics when it starts: it does not work on topics that break an invariant.

use std::time::Duration;

use anyhow::{Result, bail};
use fleetwire_kafka::{ClientSettings, Outcome, Severity, TopicAdmin, TopicReport, TopicSettings};
use fleetwire_model::Topics;
use fleetwire_service::health::Condition;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long one look may take, and how long the next one waits.
const LOOK: Duration = Duration::from_secs(5);

/// Looks at the topics until they are all there, then waits for the stop. Fails if one of them breaks an
/// invariant; while Kafka or a topic is away, the condition says so.
pub(crate) async fn run(
    client: ClientSettings,
    topics: Topics,
    settings: TopicSettings,
    condition: Condition,
    stop: CancellationToken,
) -> Result<()> {
    loop {
        let (client, topics, settings) = (client.clone(), topics.clone(), settings.clone());
        let looking = tokio::task::spawn_blocking(move || -> Result<_> {
            Ok(TopicAdmin::new(&client, topics, settings)?.check(LOOK)?)
        });
        let looked = tokio::select! {
            looked = looking => looked?,
            () = stop.cancelled() => return Ok(()),
        };
        match looked {
            Ok(reports) => match judge(&reports)? {
                None => break,
                Some(missing) => condition.not_ready(missing),
            },
            Err(err) => condition.not_ready(format!("the topics cannot be checked: {err:#}")),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
    condition.ready();
    stop.cancelled().await;
    Ok(())
}

/// What is missing, if anything is; an error if something breaks an invariant.
fn judge(reports: &[TopicReport]) -> Result<Option<String>> {
    for report in reports.iter().filter(|report| report.outcome == Outcome::Found) {
        for mismatch in &report.mismatches {
            if mismatch.severity == Severity::BreaksInvariant {
                bail!("topic {}: {mismatch}; mend it with: {}", report.name, mismatch.mend);
            }
            warn!(topic = report.name, %mismatch, "a topic differs from its default");
        }
    }
    let missing = reports.iter().find(|report| report.outcome == Outcome::Missing);
    Ok(missing.map(|report| format!("Kafka has no topic {}; `fleetwire topics apply` makes it", report.name)))
}
