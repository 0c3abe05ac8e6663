//! The ways in: TLS, WebSocket, proxies, and the gate before them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod gate;
mod pki;
mod proxy;
mod storm;
mod tls;
mod websocket;

use std::net::SocketAddr;

use fleetwire_mqtt::{
    Listener, Outcome, Settings, Transport,
    packet::{Level, QoS},
};
use support::{House, Wire, publish};
use tokio::io::{AsyncRead, AsyncWrite};

const ID: &str = "867035046242895";

/// Listens on a free port for each transport.
fn listen(settings: &mut Settings, transports: &[Transport]) {
    let address = ([127, 0, 0, 1], 0).into();
    settings.listeners = transports.iter().map(|&transport| Listener { transport, address }).collect();
}

fn address(house: &House, transport: Transport) -> SocketAddr {
    house.listeners.iter().find(|listener| listener.transport == transport).unwrap().address
}

/// A session over this stream works in both directions.
async fn works<S: AsyncRead + AsyncWrite + Unpin>(house: &House, stream: S, id: &str) -> Wire<S> {
    let mut wire = Wire::introduce(stream, Level::V311, id).await;
    wire.send(&publish(Level::V311, "BCE/D", QoS::AtLeastOnce, 7)).await;
    house.store.next().await.1.complete(Outcome::Stored);
    assert_eq!(wire.packet().await, (0x40, vec![0, 7]));
    wire
}
