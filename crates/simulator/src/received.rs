//! What came down to devices, one by one, for whoever compares it with what was sent; and its file.

use std::io::{self, Write};
use std::path::Path;

use fleetwire_codec::iotm::output::{Act, Action, OutputControl};
use fleetwire_model::Imei;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::outputs::Verdict;

/// One publish that came down to a device.
#[derive(Debug, Clone)]
pub struct Received {
    /// When, by the device's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// When, for measuring.
    pub at: Instant,
    /// Device that received it.
    pub imei: Imei,
    /// What the device made of it.
    pub verdict: Verdict,
    /// The command; absent if it is none.
    pub command: Option<OutputControl>,
    /// The server sent it as retained, which no command may be.
    pub is_retained: bool,
}

impl Received {
    /// The line of the command log: an object of JSON.
    pub fn line(&self) -> String {
        let on = self.command.and_then(|command| match command.action {
            Action::Latched { on, .. } => Some(on),
            Action::Timed { function, .. } => match function.act {
                Act::On => Some(true),
                Act::Off => Some(false),
                Act::HazardLamps | Act::Impulse => None,
            },
        });
        let output_id = self.command.map(|command| match command.action {
            Action::Timed { output, .. } => output.id(),
            Action::Latched { signal, .. } => signal.id(),
        });
        json!({
            "time_ms": self.time_ms,
            "imei": self.imei.to_string(),
            "unique_id": self.command.map(|command| command.unique_id.get()),
            "output_id": output_id,
            "on": on,
            "expires_s": self.command.map(|command| command.expires),
            "retained": self.is_retained,
            "verdict": self.verdict.code(),
        })
        .to_string()
    }
}

/// Publishes that may wait for the writer; more of them hold the devices up.
const ROOM: usize = 10_000;

/// The command log: a file with a line for everything that comes down to a device.
#[derive(Debug)]
pub struct CommandLog {
    writer: JoinSet<io::Result<()>>,
}

impl CommandLog {
    /// Makes the file, or empties it, and starts to write what the devices of a run are told: the sender goes into
    /// [`crate::Settings::received`]. Call it within a runtime.
    pub fn create(path: &Path) -> io::Result<(Self, mpsc::Sender<Received>)> {
        let mut file = io::BufWriter::new(std::fs::File::create(path)?);
        let (sender, mut receiver) = mpsc::channel::<Received>(ROOM);
        let mut writer = JoinSet::new();
        writer.spawn_blocking(move || {
            let mut failed = Ok(());
            while let Some(first) = receiver.blocking_recv() {
                // Written until nothing more waits, then flushed: whoever reads along sees whole lines soon.
                let mut next = Some(first);
                while let Some(received) = next.filter(|_| failed.is_ok()) {
                    failed = writeln!(file, "{}", received.line());
                    next = receiver.try_recv().ok();
                }
                if failed.is_ok() {
                    failed = file.flush();
                }
            }
            failed
        });
        Ok((Self { writer }, sender))
    }

    /// Waits until all is written; the senders must be gone.
    pub async fn finish(mut self) -> io::Result<()> {
        match self.writer.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_codec::iotm::output::{Signal, UniqueId};

    use super::*;

    #[tokio::test]
    async fn every_publish_is_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("commands.jsonl");
        let (log, sender) = CommandLog::create(&path).unwrap();
        let imei = Imei::from_number(123_456_789_012_345).unwrap();
        let command = OutputControl {
            imei: Some(imei),
            expires: 1_790_000_000,
            unique_id: UniqueId::FIRST,
            action: Action::Latched { signal: Signal::S2, on: true },
        };
        let received = Received {
            time_ms: 1_789_999_999_123,
            at: Instant::now(),
            imei,
            verdict: Verdict::Executed,
            command: Some(command),
            is_retained: false,
        };
        let garbage = Received { command: None, verdict: Verdict::Garbage, ..received.clone() };
        sender.send(received).await.unwrap();
        sender.send(garbage).await.unwrap();
        drop(sender);
        log.finish().await.unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines,
            [
                json!({
                    "time_ms": 1_789_999_999_123_i64, "imei": "123456789012345", "unique_id": 1, "output_id": 9,
                    "on": true, "expires_s": 1_790_000_000, "retained": false, "verdict": "executed",
                }),
                json!({
                    "time_ms": 1_789_999_999_123_i64, "imei": "123456789012345", "unique_id": null,
                    "output_id": null, "on": null, "expires_s": null, "retained": false, "verdict": "garbage",
                }),
            ]
        );
    }
}
