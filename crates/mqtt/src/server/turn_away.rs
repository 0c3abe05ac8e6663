//! A waiting room: a client over a limit is told "server busy" after a random time, so that clients which came
//! together do not come back together.

use std::sync::Arc;

use bytes::BytesMut;
use rand::Rng as _;
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

use super::{Core, handshake::first_frame, socket};
use crate::{access::Authenticator, ingest::Ingest, observer::Event, session::busy};

/// The shortest delay, as a share of the longest.
const SHORTEST: f64 = 0.2;

/// Reads the CONNECT, waits, answers it, and closes. Ends early when the server stops.
pub(super) async fn hold<A: Authenticator, I: Ingest>(
    mut stream: TcpStream,
    room: OwnedSemaphorePermit,
    core: Arc<Core<A, I>>,
) {
    let (settings, mut input, mut output) = (&core.settings, BytesMut::new(), BytesMut::new());
    let answer = async {
        let read = first_frame(&mut stream, &mut input, settings.max_connect_size);
        let Ok(Ok(frame)) = timeout(settings.connect_timeout, read).await else { return };
        busy(frame, &mut output);
        let share = rand::rng().random_range(SHORTEST..=1.0);
        sleep(settings.gate.busy_delay.mul_f64(share)).await;
    };
    tokio::select! {
        biased;
        () = core.stop.cancelled() => {}
        () = answer => {}
    }
    if !output.is_empty() {
        core.parts.observer.on(Event::ToldBusy);
        socket::close(&mut stream, output, settings.write_timeout).await;
    }
    drop(room);
}
