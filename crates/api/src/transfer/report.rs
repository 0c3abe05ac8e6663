//! What an import tells while it goes on: lines of JSON.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use fleetwire_registry::Applied;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::Shared;
use crate::transfer::driven::Out;

/// How often progress is told, at least.
const EVERY: Duration = Duration::from_secs(1);

/// A line of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Told<'a> {
    Progress { lines: u64, written: u64, unchanged: u64, failed: u64 },
    Error { line: u64, id: Option<&'a str>, code: &'a str, detail: &'a str },
    Done { lines: u64, created: u64, updated: u64, unchanged: u64, failed: u64, complete: bool },
}

/// What became of the lines so far.
#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    failed: u64,
}

/// Counts lines, and tells of them.
#[derive(Debug)]
pub(crate) struct Report {
    app: Shared,
    out: Out,
    ticks: Interval,
    counts: Counts,
}

impl Report {
    pub(crate) fn new(app: Shared, out: Out) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        Self { app, out, ticks, counts: Counts::default() }
    }

    /// Waits for something, and tells the progress meanwhile.
    pub(crate) async fn attend<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                biased;
                _ = self.ticks.tick() => self.progress().await,
                done = &mut what => return done,
            }
        }
    }

    /// A line was read.
    pub(crate) const fn line(&mut self) {
        self.counts.lines += 1;
    }

    /// The device of a line is as the line says.
    pub(crate) fn applied(&mut self, applied: &Applied) {
        let (counter, word) = match applied {
            Applied::Created(_) => (&mut self.counts.created, "created"),
            Applied::Changed(_) | Applied::Removed(_) => (&mut self.counts.updated, "updated"),
            Applied::Unchanged(_) => (&mut self.counts.unchanged, "unchanged"),
        };
        *counter += 1;
        self.app.metrics.import_lines.increment(word);
    }

    /// A line failed.
    pub(crate) async fn failed(&mut self, line: u64, id: Option<&str>, code: &str, detail: &str) {
        self.counts.failed += 1;
        self.app.metrics.import_lines.increment("failed");
        self.tell(&Told::Error { line, id, code, detail }).await;
    }

    /// The import ends before its end, at this line.
    pub(crate) async fn stopped(&mut self, line: u64, code: &str, detail: &str) {
        self.tell(&Told::Error { line, id: None, code, detail }).await;
    }

    /// The last line.
    pub(crate) async fn done(self, complete: bool) {
        let Counts { lines, created, updated, unchanged, failed } = self.counts;
        self.tell(&Told::Done { lines, created, updated, unchanged, failed, complete }).await;
    }

    async fn progress(&self) {
        let Counts { lines, created, updated, unchanged, failed } = self.counts;
        self.tell(&Told::Progress { lines, written: created + updated, unchanged, failed }).await;
    }

    async fn tell(&self, told: &Told<'_>) {
        // Numbers and texts: this cannot fail. If nobody takes the line, the work ends with it.
        let mut line = serde_json::to_vec(told).unwrap_or_default();
        line.push(b'\n');
        let _gone = self.out.send(Bytes::from(line)).await;
    }
}
