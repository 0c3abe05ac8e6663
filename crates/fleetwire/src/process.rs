//! What every subcommand does around its work: a runtime, a way to end, a way to say what went wrong.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Error, Result};
use fleetwire_service::exit::Exit;
use fleetwire_service::stages::{Signals, Stages};
use tokio_util::sync::CancellationToken;

/// How long threads of the runtime may take to end once all tasks have.
const RUNTIME_END: Duration = Duration::from_secs(2);

/// A mistake of the person who gave the command, rather than a failure of the program.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Says what went wrong, on standard error, and how the process ends.
#[expect(clippy::print_stderr, reason = "the last line of a failed command is for the person who gave it")]
pub(crate) fn report(error: &Error) -> Exit {
    if is_closed_pipe(error) {
        return Exit::Done;
    }
    eprintln!("error: {error:#}");
    let by_person = error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<fleetwire_service::settings::SettingsError>()
            || cause.is::<fleetwire_service::secret::SecretError>()
            || cause.is::<fleetwire_service::logs::FilterError>()
            || cause.is::<fleetwire_registry::account::AccountError>()
            || cause.is::<fleetwire_frontend::transports::TransportError>()
            || cause.is::<fleetwire_mqtt::TlsError>()
            || cause.is::<fleetwire_frontend::auth::subscriber::SubscriberError>()
    });
    if by_person { Exit::Usage } else { Exit::Failed }
}

/// Whether the reader of our output went away, as `head` does.
fn is_closed_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|err| err.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Runs a command on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not start")?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_END);
    result
}

/// Runs blocking work that a first signal stops in order, by its token, and a second one leaves at once.
pub(crate) fn interruptible(
    work: impl FnOnce(&CancellationToken) -> Result<Exit> + Send + 'static,
) -> Result<Exit> {
    block_on(async {
        let mut signals = Signals::catch();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let mut working = tokio::task::spawn_blocking(move || work(&token));
        tokio::select! {
            done = &mut working => return done.context("the work panicked")?,
            () = signals.next() => stop.cancel(),
        }
        tokio::select! {
            done = &mut working => done.context("the work panicked")?,
            () = signals.next() => Ok(Exit::Aborted),
        }
    })
}

/// Runs the stages of a service until a signal, and drains them within `grace`.
pub(crate) async fn serve(stages: Stages, grace: Duration) -> Result<Exit> {
    let mut signals = Signals::catch();
    stages.run(async || signals.next().await, grace).await
}
