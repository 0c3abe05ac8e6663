//! What stands between an accepted socket and a served stream: a proxy's header, TLS, the WebSocket upgrade; all
//! in the connection's own task, and within a time limit.

use std::{future::Future, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use tracing::debug;

use super::{Core, connection, flushed::Flushed, gate::Visit, proxy, tls, websocket};
use crate::{
    access::{Authenticator, ClientCertificate, Peer, Transport},
    ingest::Ingest,
    observer::{Event, HandshakeFault, NotAdmitted, TurnedAway},
};

/// A stream with packets in it. One type for all but plain TCP: a call through a table costs nothing beside what
/// these streams do.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Wrapped = (Box<dyn Stream>, Option<Arc<ClientCertificate>>);

/// Why a connection did not get as far as MQTT.
enum Lost {
    Fault(NotAdmitted),
    TurnedAway(TurnedAway),
}

impl From<HandshakeFault> for Lost {
    fn from(fault: HandshakeFault) -> Self {
        Self::Fault(NotAdmitted::Handshake(fault))
    }
}

/// Serves a connection that came by itself.
pub(super) async fn direct<A: Authenticator, I: Ingest>(
    stream: TcpStream,
    visit: Box<Visit>,
    core: Arc<Core<A, I>>,
) {
    let deadline = Instant::now() + core.settings.handshake_timeout;
    core.tell(&visit, Event::Opened);
    serve(stream, visit, deadline, &core).await;
}

/// Serves a connection that a trusted proxy passes on. The limits are those of the address that it names.
pub(super) async fn proxied<A: Authenticator, I: Ingest>(
    mut stream: TcpStream,
    mut peer: Peer,
    place: OwnedSemaphorePermit,
    core: Arc<Core<A, I>>,
) {
    let came = Instant::now();
    let deadline = came + core.settings.handshake_timeout;
    core.parts.observer.on(Event::Opened);
    let proxy = peer.address;
    let named = Box::pin(limited(deadline, &core, proxy::read(&mut stream))).await;
    let named = named.and_then(|read| read.map_err(Lost::from));
    let visit = named.and_then(|named| {
        peer.address = named.unwrap_or(proxy);
        core.gate.visit(peer, place, Instant::now().into_std()).map_err(Lost::TurnedAway)
    });
    match visit {
        Ok(mut visit) => {
            visit.came = came.into_std();
            serve(stream, visit, deadline, &core).await;
        }
        Err(lost) => {
            core.parts.observer.on(give_up(proxy, &lost));
            core.parts.observer.on(Event::Closed);
        }
    }
}

/// Serves a connection, once whatever its transport needs is agreed.
async fn serve<A: Authenticator, I: Ingest>(
    stream: TcpStream,
    mut visit: Box<Visit>,
    deadline: Instant,
    core: &Core<A, I>,
) {
    if let Err(err) = stream.set_nodelay(true) {
        debug!(peer = %visit.peer.address, %err, "cannot turn Nagle's algorithm off");
    }
    let left = if visit.peer.transport == Transport::Tcp {
        connection::serve(stream, &visit, core).await
    } else {
        match Box::pin(wrap(stream, visit.peer.transport, deadline, core)).await {
            Ok((stream, certificate)) => {
                visit.peer.certificate = certificate;
                connection::serve(stream, &visit, core).await
            }
            Err(lost) => {
                core.tell(&visit, give_up(visit.peer.address, &lost));
                None
            }
        }
    };
    core.tell(&visit, Event::Closed);
    drop(visit);
    // A session may wait for its client, who then comes through the gate again.
    if let Some(left) = left {
        left.await;
    }
}

/// Shakes hands. A peer that says nothing does not take a turn from others.
async fn wrap<A, I>(
    stream: TcpStream,
    transport: Transport,
    deadline: Instant,
    core: &Core<A, I>,
) -> Result<Wrapped, Lost> {
    if !matches!(limited(deadline, core, stream.peek(&mut [0])).await?, Ok(1)) {
        return Err(HandshakeFault::Gone.into());
    }
    let turn = timeout_at(deadline, core.gate.handshake());
    let _turn = turn.await.unwrap_or(Err(TurnedAway::Handshakes)).map_err(Lost::TurnedAway)?;
    // Its whole time again: who has waited is not to be lost for it.
    let deadline = Instant::now() + core.settings.handshake_timeout;
    limited(deadline, core, shake_hands(stream, transport, core)).await?.map_err(Lost::from)
}

async fn shake_hands<A, I>(
    stream: TcpStream,
    transport: Transport,
    core: &Core<A, I>,
) -> Result<Wrapped, HandshakeFault> {
    let (websocket, observer) = (&core.settings.websocket, &core.parts.observer);
    if matches!(transport, Transport::Tcp | Transport::WebSocket) {
        let stream = websocket::accept(stream, websocket, Arc::clone(observer)).await?;
        return Ok((Box::new(Flushed::new(stream)), None));
    }
    // Binding has made sure that there is one.
    let config = core.tls.as_ref().ok_or(HandshakeFault::Tls)?.current();
    let (stream, certificate) = tls::accept(stream, config).await?;
    if transport == Transport::Tls {
        return Ok((Box::new(Flushed::new(stream)), certificate));
    }
    let stream = websocket::accept(stream, websocket, Arc::clone(observer)).await?;
    Ok((Box::new(Flushed::new(stream)), certificate))
}

/// Waits until the deadline at most, and not when the server stops.
async fn limited<T, A, I>(
    deadline: Instant,
    core: &Core<A, I>,
    what: impl Future<Output = T>,
) -> Result<T, Lost> {
    tokio::select! {
        biased;
        () = core.stop.cancelled() => Err(Lost::Fault(NotAdmitted::ShuttingDown)),
        done = timeout_at(deadline, what) => done.map_err(|_| HandshakeFault::TimedOut.into()),
    }
}

/// What the observer is told of a connection that is lost.
fn give_up(peer: SocketAddr, lost: &Lost) -> Event<'static> {
    let (event, reason) = match lost {
        Lost::Fault(fault) => (Event::NotAdmitted(*fault), fault.code()),
        Lost::TurnedAway(why) => (Event::TurnedAway(*why), why.code()),
    };
    debug!(%peer, reason, "no handshake");
    event
}
