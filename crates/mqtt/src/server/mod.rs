//! The server: accepts connections on its listeners, drives a session on each, and shuts down in order.
//!
//! One task per connection on one tracker. A connection passes `gate`, then `arrival` (PROXY header, TLS,
//! WebSocket), and enters at `connection::serve`, which takes any stream.

mod accept;
mod arrival;
mod attempt;
mod connection;
mod flushed;
mod gate;
mod handshake;
mod hub;
mod insider;
mod listener;
mod mailbox;
mod parked;
mod proxy;
mod retained;
mod sessions;
mod settings;
mod socket;
mod tls;
mod turn_away;
mod websocket;

pub use attempt::Attempt;
pub use gate::{GateSettings, Rate};
pub use hub::{Message, Published, RetainLimits};
pub use insider::{Expected, Insider};
pub use listener::{BindError, Listener};
pub use mailbox::DeliveryOutcome;
pub use proxy::ProxySettings;
pub use sessions::Sessions;
pub use settings::Settings;
pub use tls::{ClientCertificates, TlsError, TlsSettings};
pub use websocket::WebSocketSettings;

use std::{fmt, future::pending, io, net::SocketAddr, sync::Arc, time::Instant};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    access::{Authenticator, Transport},
    ingest::Ingest,
    observer::{Event, Observer},
};
use gate::{Gate, Visit};
use listener::Bound;
use mailbox::Closing;
use tls::Keeper;

/// What a frontend brings along.
#[derive(Clone)]
pub struct Parts<A, I> {
    /// Who may come in.
    pub authenticator: Arc<A>,
    /// What becomes of publishes.
    pub ingest: Arc<I>,
    /// What is told of events; `Arc::new(())` for nothing.
    pub observer: Arc<dyn Observer>,
    /// The wall clock: unix time in milliseconds. Read once per socket read.
    pub unix_ms: fn() -> u64,
}

/// What all connections of a server share.
struct Core<A, I> {
    settings: Settings,
    parts: Parts<A, I>,
    sessions: Sessions,
    gate: Gate,
    tls: Option<Arc<Keeper>>,
    stop: CancellationToken,
}

impl<A, I> Core<A, I> {
    /// Tells the observer what became of a connection, unless it is the process's own.
    fn tell(&self, visit: &Visit, event: Event<'_>) {
        if !visit.is_insider() {
            self.parts.observer.on(event);
        }
    }
}

/// An MQTT server that is bound and not yet accepting.
pub struct Server<A, I> {
    listeners: Vec<Bound>,
    tls: Option<Arc<Keeper>>,
    settings: Settings,
    parts: Parts<A, I>,
    sessions: Sessions,
}

impl<A: Authenticator, I: Ingest> Server<A, I> {
    /// Reads certificates and binds the addresses of the settings; port 0 takes a free one.
    pub fn bind(settings: Settings, parts: Parts<A, I>) -> Result<Self, BindError> {
        let keeper = |tls: &TlsSettings| Keeper::new(tls.clone(), Arc::clone(&parts.observer));
        let tls = settings.tls.as_ref().map(keeper).transpose()?.map(Arc::new);
        let secure =
            |listener: &&Listener| matches!(listener.transport, Transport::Tls | Transport::SecureWebSocket);
        if let (None, Some(listener)) = (&tls, settings.listeners.iter().find(secure)) {
            return Err(BindError::NoCertificate(listener.transport));
        }
        let listeners = listener::bind(&settings)?;
        let sessions = Sessions::new(&settings);
        Ok(Self { listeners, tls, settings, parts, sessions })
    }

    /// The first address that is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let first = self.listeners.first().map(|bound| bound.at.address);
        first.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Where clients connect, in the order of the settings.
    pub fn listeners(&self) -> Vec<Listener> {
        self.listeners.iter().map(|bound| bound.at).collect()
    }

    /// The sessions of this server, for downlinks. Clones share.
    pub fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Serves until `stop`, then drains: nothing more is read, publishes in flight are answered within the
    /// grace period, and every connection is closed.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listeners, tls, settings, parts, sessions } = self;
        let grace = settings.drain_grace;
        let gate = Gate::new(&settings.gate, settings.max_connections, Instant::now());
        let (sharing, stopping, keeper) = (sessions.clone(), stop.clone(), tls.clone());
        let core = Arc::new(Core { settings, parts, sessions: sharing, gate, tls, stop: stopping });
        let tasks = TaskTracker::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = accept_all(&listeners, &core, &tasks) => {}
            () = follow(keeper) => {}
        }
        drop(listeners);
        tasks.close();
        let drained = async {
            sessions.drain(grace / 2).await;
            tasks.wait().await;
        };
        if timeout(grace, drained).await.is_err() {
            warn!(connections = tasks.len(), "publishes still in flight after the grace period");
            sessions.close_all(Closing::Now(crate::End::ShuttingDown));
            tasks.wait().await;
        }
    }
}

/// Accepts on every listener, for ever.
async fn accept_all<A: Authenticator, I: Ingest>(
    listeners: &[Bound],
    core: &Arc<Core<A, I>>,
    tasks: &TaskTracker,
) {
    let mut all: FuturesUnordered<_> =
        listeners.iter().map(|bound| accept::accept(bound, core, tasks)).collect();
    while all.next().await.is_some() {}
}

/// Keeps certificates fresh, for ever.
async fn follow(keeper: Option<Arc<Keeper>>) {
    match keeper {
        Some(keeper) => keeper.follow().await,
        None => pending().await,
    }
}

impl<A, I> fmt::Debug for Server<A, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl<A, I> fmt::Debug for Parts<A, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
