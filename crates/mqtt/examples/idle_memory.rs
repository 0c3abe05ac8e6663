//! What an idle connection costs in memory: connects many clients and compares the resident size before and after.
//!
//! `cargo run --release -p fleetwire-mqtt --example idle_memory -- 10000` (Linux; needs two file descriptors a
//! connection). Clients are bare sockets, so that what is counted is the server's.
#![expect(clippy::print_stdout, reason = "a figure is what it is for")]

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use bytes::BytesMut;
use fleetwire_mqtt::{
    Authenticator, Grant, Ingest, Outcome, Parts, Peer, Publish, Receipt, Refusal, Server, SessionFacts,
    Settings,
    packet::{Connect, Level, Properties, PublishPacket, QoS},
};
use tokio_util::sync::CancellationToken;

struct Open;

impl Authenticator for Open {
    fn authenticate(&self, _: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        let topic = fleetwire_mqtt::TopicFilter::parse("BCE/D").map_err(|_| Refusal::ServerUnavailable)?;
        Ok(Grant { publish: Arc::new([topic]), ..Grant::new(Arc::new(())) })
    }
}

struct Sink;

impl Ingest for Sink {
    fn offer(&self, _: &SessionFacts, _: Publish, receipt: Receipt) -> Result<(), (Publish, Receipt)> {
        receipt.complete(Outcome::Stored);
        Ok(())
    }

    async fn room(&self) {}
}

/// Connects, publishes once, and waits for the PUBACK.
fn client(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    let mut bytes = BytesMut::new();
    Connect {
        level: Level::V311,
        clean_start: true,
        keep_alive: 600,
        client_id: format!("{number:015}").into(),
        will: None,
        user_name: Some("bce_device".into()),
        password: Some("a-password".into()),
        properties: Properties::default(),
    }
    .encode(&mut bytes);
    PublishPacket {
        topic: "BCE/D".into(),
        payload: vec![0; 100].into(),
        qos: QoS::AtLeastOnce,
        dup: false,
        retain: false,
        packet_id: 1,
        properties: Properties::default(),
    }
    .encode(&mut bytes, Level::V311);
    stream.write_all(&bytes)?;
    stream.read_exact(&mut [0; 8])?;
    Ok(stream)
}

fn resident_kib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let count = env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let parts = Parts {
        authenticator: Arc::new(Open),
        ingest: Arc::new(Sink),
        observer: Arc::new(()),
        unix_ms: || 0,
    };
    let settings = Settings { listen: ([127, 0, 0, 1], 0).into(), ..Settings::default() };
    let server = Server::bind(settings, parts).map_err(io::Error::other)?;
    let address = server.local_addr()?;
    let stop = CancellationToken::new();
    let (running, measured) = (
        server.run(stop.clone()),
        tokio::task::spawn_blocking(move || {
            let mut clients = vec![client(address, count)?];
            clients.reserve(count);
            let before = resident_kib()?;
            for number in 0..count {
                clients.push(client(address, number)?);
            }
            let used = resident_kib()?.saturating_sub(before) * 1024;
            println!("{count} idle connections, {} bytes each", used / count.max(1) as u64);
            io::Result::Ok(())
        }),
    );
    let measuring = async {
        let outcome = measured.await;
        stop.cancel();
        outcome
    };
    let ((), outcome) = tokio::join!(running, measuring);
    outcome.map_err(io::Error::other)?
}
