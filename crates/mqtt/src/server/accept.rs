//! Takes connections from the kernel, at the gate's pace, and turns away whom the gate does not let through.
//!
//! Nothing is read here, and nobody is waited for: one connection never delays another.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{Core, arrival, gate::Gate, listener::Bound, proxy, turn_away};
use crate::{
    access::{Authenticator, Peer, Transport},
    ingest::Ingest,
    observer::{Event, TurnedAway},
};

/// How long accepting rests after a failure such as "too many open files".
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Accepts for ever on one listener.
pub(super) async fn accept<A: Authenticator, I: Ingest>(
    bound: &Bound,
    core: &Arc<Core<A, I>>,
    tasks: &TaskTracker,
) {
    loop {
        core.gate.pace().await;
        match bound.socket.accept().await {
            Ok((stream, address)) => {
                let (address, transport) = (proxy::canonical(address), bound.at.transport);
                if let Err((why, stream)) = let_in(stream, address, transport, core, tasks) {
                    refuse(stream, transport, why, core, tasks);
                }
            }
            Err(err) if err.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(err) => {
                warn!(%err, "cannot accept");
                core.parts.observer.on(Event::AcceptFailed);
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Gives a connection a task, or gives it back.
fn let_in<A: Authenticator, I: Ingest>(
    stream: TcpStream,
    address: SocketAddr,
    transport: Transport,
    core: &Arc<Core<A, I>>,
    tasks: &TaskTracker,
) -> Result<(), (TurnedAway, TcpStream)> {
    let now = Instant::now().into_std();
    let peer = Peer { address, transport, certificate: None };
    if core.settings.insider.is(address) {
        tasks.spawn(arrival::direct(stream, Box::new(Gate::insider(peer, now)), Arc::clone(core)));
        return Ok(());
    }
    let place = match core.gate.enter(now) {
        Ok(place) => place,
        Err(why) => return Err((why, stream)),
    };
    if core.settings.proxy.trusts(address.ip()) {
        tasks.spawn(arrival::proxied(stream, peer, place, Arc::clone(core)));
        return Ok(());
    }
    match core.gate.visit(peer, place, now) {
        Ok(visit) => {
            tasks.spawn(arrival::direct(stream, visit, Arc::clone(core)));
            Ok(())
        }
        Err(why) => Err((why, stream)),
    }
}

/// Closes a connection at once, or, where it is cheap and there is room, once its client was told to wait.
fn refuse<A: Authenticator, I: Ingest>(
    stream: TcpStream,
    transport: Transport,
    why: TurnedAway,
    core: &Arc<Core<A, I>>,
    tasks: &TaskTracker,
) {
    core.parts.observer.on(Event::TurnedAway(why));
    if transport == Transport::Tcp
        && let Some(room) = core.gate.waiting_room()
    {
        tasks.spawn(turn_away::hold(stream, room, Arc::clone(core)));
    }
}
