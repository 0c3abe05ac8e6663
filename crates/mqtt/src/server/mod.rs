//! The listener: accepts connections, drives a session on each, and shuts down in order.
//!
//! One task per connection on one tracker. Transports other than TCP will enter at `connection::serve`, which
//! takes any stream.

mod connection;
mod handshake;
mod hub;
mod mailbox;
mod parked;
mod retained;
mod sessions;
mod settings;
mod socket;

pub use hub::{Message, Published, RetainLimits};
pub use mailbox::DeliveryOutcome;
pub use sessions::Sessions;
pub use settings::Settings;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{
    access::{Authenticator, Peer},
    ingest::Ingest,
    observer::{Event, Observer},
};
use mailbox::Closing;

/// How long accepting rests after a failure such as "too many open files".
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Connections that the kernel may hold ready.
const BACKLOG: u32 = 4096;

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
    stop: CancellationToken,
}

/// An MQTT listener that is bound and not yet accepting.
pub struct Server<A, I> {
    listener: TcpListener,
    settings: Settings,
    parts: Parts<A, I>,
    sessions: Sessions,
}

impl<A: Authenticator, I: Ingest> Server<A, I> {
    /// Binds the address of the settings; port 0 takes a free one.
    pub fn bind(settings: Settings, parts: Parts<A, I>) -> io::Result<Self> {
        let socket = if settings.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(settings.listen)?;
        let listener = socket.listen(BACKLOG)?;
        let sessions = Sessions::new(&settings);
        Ok(Self { listener, settings, parts, sessions })
    }

    /// The address that is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The sessions of this server, for downlinks. Clones share.
    pub fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Serves until `stop`, then drains: nothing more is read, publishes in flight are answered within the
    /// grace period, and every connection is closed.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, settings, parts, sessions } = self;
        let grace = settings.drain_grace;
        let core = Arc::new(Core { settings, parts, sessions: sessions.clone(), stop: stop.clone() });
        let tasks = TaskTracker::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = accept(&listener, &core, &tasks) => {}
        }
        drop(listener);
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

/// Accepts for ever. One connection never delays another.
async fn accept<A: Authenticator, I: Ingest>(
    listener: &TcpListener,
    core: &Arc<Core<A, I>>,
    tasks: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(core.settings.max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    tasks.spawn(serve(stream, peer, place, core.clone()));
                }
                Err(_) => core.parts.observer.on(Event::TurnedAway),
            },
            Err(err) if err.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(err) => {
                warn!(%err, "cannot accept");
                core.parts.observer.on(Event::AcceptFailed);
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn serve<A: Authenticator, I: Ingest>(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    core: Arc<Core<A, I>>,
) {
    if let Err(err) = stream.set_nodelay(true) {
        debug!(%peer, %err, "cannot turn Nagle's algorithm off");
    }
    core.parts.observer.on(Event::Opened);
    let parked = connection::serve(stream, Peer::tcp(peer), &core).await;
    core.parts.observer.on(Event::Closed);
    drop(place);
    if let Some(parked) = parked {
        parked.await;
    }
}

impl<A, I> fmt::Debug for Server<A, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl<A, I> fmt::Debug for Parts<A, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
