//! The tasks of a process, in stages that stop one after the other.
//!
//! Stages are added in the order of the data's flow, so that a drain stops intake first and storage last.
//! A task that ends before it is told to ends the process.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::exit::Exit;

/// A task's own name and result.
type Ended = (&'static str, Result<()>);

/// Tasks that stop together.
#[derive(Debug)]
struct Stage {
    name: &'static str,
    stop: CancellationToken,
    tasks: JoinSet<Ended>,
}

impl Stage {
    /// Waits for every task; the first failure is the result.
    async fn drain(&mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            result = result.and(flatten(ended));
        }
        result
    }
}

/// All tasks of a process.
#[derive(Debug, Default)]
pub struct Stages {
    stages: Vec<Stage>,
    stopping: CancellationToken,
}

impl Stages {
    /// Cancelled as soon as the stop begins, before any stage is told.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Opens the next stage; tasks that are added from now on belong to it. The token tells them to stop.
    pub fn open(&mut self, name: &'static str) -> CancellationToken {
        let stop = CancellationToken::new();
        self.stages.push(Stage { name, stop: stop.clone(), tasks: JoinSet::new() });
        stop
    }

    /// Adds a task to the stage that was opened last.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = Result<()>> + Send + 'static) {
        if self.stages.is_empty() {
            self.open("process");
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.tasks.spawn(async move { (name, task.await) });
        }
    }

    /// Adds blocking work, on a thread of its own, to the stage that was opened last.
    pub fn spawn_blocking(&mut self, name: &'static str, work: impl FnOnce() -> Result<()> + Send + 'static) {
        if self.stages.is_empty() {
            self.open("process");
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.tasks.spawn_blocking(move || (name, work()));
        }
    }

    /// Runs until a signal, or until a task ends by itself, which is a failure; then stops stage after stage
    /// within `grace`. A second signal ends the wait at once. `signal` is called again for each.
    pub async fn run(mut self, mut signal: impl AsyncFnMut(), grace: Duration) -> Result<Exit> {
        let first = tokio::select! {
            () = signal() => None,
            failure = self.first_end() => Some(failure),
        };
        self.stopping.cancel();
        if first.is_none() {
            info!(grace_seconds = grace.as_secs(), "stopping; a second signal stops at once");
        }
        let drained = tokio::select! {
            drained = self.stop(Instant::now() + grace) => drained,
            () = signal() => {
                warn!("stopped at once by a second signal; what was not yet acknowledged comes again");
                Ok(Exit::Aborted)
            }
        };
        match first {
            Some(failure) => Err(failure),
            None => drained,
        }
    }

    /// The failure of the first task that ends.
    async fn first_end(&mut self) -> Error {
        let mut polls: Vec<_> = self.stages.iter_mut().map(|stage| &mut stage.tasks).collect();
        let ended = std::future::poll_fn(|context| {
            for tasks in &mut polls {
                if let std::task::Poll::Ready(Some(ended)) = tasks.poll_join_next(context) {
                    return std::task::Poll::Ready(ended);
                }
            }
            std::task::Poll::Pending
        })
        .await;
        match ended {
            Ok((name, Ok(()))) => anyhow!("{name} ended early"),
            other => flatten(other).err().unwrap_or_else(|| anyhow!("a task ended early")),
        }
    }

    async fn stop(&mut self, deadline: Instant) -> Result<Exit> {
        let mut exit = Exit::Done;
        let mut result = Ok(());
        for stage in &mut self.stages {
            stage.stop.cancel();
            if let Ok(drained) = timeout_at(deadline, stage.drain()).await {
                result = result.and(drained);
            } else {
                warn!(stage = stage.name, "work was left when the grace period ended");
                exit = Exit::NotDrained;
            }
        }
        result.map(|()| exit)
    }
}

fn flatten(ended: Result<Ended, JoinError>) -> Result<()> {
    let (name, result) = ended.context("a task panicked")?;
    result.with_context(|| format!("{name} failed"))
}

/// SIGINT (a person's Ctrl-C) and SIGTERM (Kubernetes, systemd). None is missed between two waits.
#[derive(Debug)]
pub struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Catches the signals from now on; they do not end the process any more. Needs a runtime.
    pub fn catch() -> Self {
        let both = signal(SignalKind::interrupt()).and_then(|i| Ok((i, signal(SignalKind::terminate())?)));
        let failed = |err| warn!(%err, "signals cannot be caught: each ends this process at once");
        Self(both.map_err(failed).ok())
    }

    /// Completes at the next signal. Signals that come close together may count as one.
    pub async fn next(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Completes at the next of the [`Signals`].
pub async fn interrupted() {
    Signals::catch().next().await;
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    /// One signal, and no other.
    fn once() -> impl AsyncFnMut() {
        let mut came = false;
        async move || {
            if std::mem::replace(&mut came, true) {
                pending::<()>().await;
            }
        }
    }

    #[tokio::test]
    async fn stages_stop_in_the_order_in_which_they_were_opened() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut stages = Stages::default();
        for name in ["intake", "work", "storage"] {
            let (stop, order) = (stages.open(name), Arc::clone(&order));
            stages.spawn(name, async move {
                stop.cancelled().await;
                order.lock().unwrap().push(name);
                Ok(())
            });
        }
        assert_eq!(stages.run(once(), GRACE).await.unwrap(), Exit::Done);
        assert_eq!(*order.lock().unwrap(), ["intake", "work", "storage"]);
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_ends_the_process() {
        let mut stages = Stages::default();
        stages.open("work");
        stages.spawn("worker", async { Ok(()) });
        let failure = stages.run(pending, GRACE).await.unwrap_err();
        assert_eq!(failure.to_string(), "worker ended early");
    }

    #[tokio::test]
    async fn a_failure_keeps_its_reason() {
        let mut stages = Stages::default();
        let stop = stages.open("work");
        stages.spawn("worker", async { Err(anyhow!("no luck")) });
        stages.spawn("other", async move {
            stop.cancelled().await;
            Ok(())
        });
        let failure = stages.run(pending, GRACE).await.unwrap_err();
        assert_eq!(format!("{failure:#}"), "worker failed: no luck");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_outlives_the_grace_period_is_told() {
        let mut stages = Stages::default();
        stages.open("work");
        stages.spawn("stuck", pending());
        assert_eq!(stages.run(once(), GRACE).await.unwrap(), Exit::NotDrained);
    }

    #[tokio::test]
    async fn a_second_signal_stops_at_once() {
        let mut stages = Stages::default();
        stages.open("work");
        stages.spawn("stuck", pending());
        assert_eq!(stages.run(async || {}, GRACE).await.unwrap(), Exit::Aborted);
    }
}
