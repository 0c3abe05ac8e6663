//! The smallest MQTT 3.1.1 server that a fleet can be tried on: it acknowledges what it is told to, and
//! remembers everything.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{ConnAck, Packet, PingResp, PubAck, Publish, SubAck};
use rumqttc::{ConnectReturnCode, QoS, SubscribeReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the server does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    /// Answer to CONNECT; acceptance if absent.
    pub(crate) refuse: Option<ConnectReturnCode>,
    /// The first connection of each device is cut at its publish of this number, which gets no PUBACK.
    pub(crate) cut_at: Option<usize>,
    /// Publishes get no PUBACK at all.
    pub(crate) silent: bool,
    /// Payloads that each device gets on its command topic, one after each of its subscriptions.
    pub(crate) commands: Vec<Vec<u8>>,
}

/// What came, by client identifier.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) connects: usize,
    pub(crate) subscriptions: Vec<String>,
    pub(crate) publishes: Vec<(String, Bytes)>,
    pub(crate) farewells: usize,
    pub(crate) acknowledged: Vec<u16>,
    pub(crate) most_in_flight: usize,
    pub(crate) login: Option<(String, String)>,
}

pub(crate) type Clients = Arc<Mutex<HashMap<String, Client>>>;

/// Listens as long as the set lives.
pub(crate) async fn listen(manners: Manners, tasks: &mut JoinSet<()>) -> (SocketAddr, Clients) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let clients = Clients::default();
    let seen = Arc::clone(&clients);
    tasks.spawn(async move {
        let mut sessions = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (seen, manners) = (Arc::clone(&seen), manners.clone());
            sessions.spawn(async move { serve(stream, manners, seen).await });
        }
    });
    (address, clients)
}

/// Serves one connection; `None` once it is over.
async fn serve(mut stream: TcpStream, manners: Manners, seen: Clients) -> Option<()> {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut id = String::new();
    let mut publishes = 0;
    loop {
        let mut in_flight = 0;
        while let Ok(packet) = Packet::read(&mut input, 1 << 20) {
            let mut clients = seen.lock().unwrap();
            if let Packet::Connect(connect) = &packet {
                id.clone_from(&connect.client_id);
            }
            let client = clients.entry(id.clone()).or_default();
            match packet {
                Packet::Connect(connect) => {
                    client.connects += 1;
                    client.login = connect.login.map(|login| (login.username, login.password));
                    let code = manners.refuse.unwrap_or(ConnectReturnCode::Success);
                    ConnAck::new(code, false).write(&mut output).unwrap();
                }
                Packet::Subscribe(subscribe) => {
                    let topic = subscribe.filters.first().unwrap().path.clone();
                    let granted = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
                    SubAck::new(subscribe.pkid, granted).write(&mut output).unwrap();
                    if let Some(command) = manners.commands.get(client.subscriptions.len()) {
                        let mut publish = Publish::new(&topic, QoS::AtLeastOnce, command.clone());
                        publish.pkid = u16::try_from(client.subscriptions.len()).unwrap() + 1;
                        publish.write(&mut output).unwrap();
                    }
                    client.subscriptions.push(topic);
                }
                Packet::Publish(publish) => {
                    assert_eq!((publish.qos, publish.retain), (QoS::AtLeastOnce, false));
                    publishes += 1;
                    in_flight += 1;
                    client.most_in_flight = client.most_in_flight.max(in_flight);
                    client.publishes.push((publish.topic, publish.payload));
                    if client.connects == 1 && manners.cut_at == Some(publishes) {
                        return None;
                    }
                    if !manners.silent {
                        PubAck::new(publish.pkid).write(&mut output).unwrap();
                    }
                }
                Packet::PubAck(ack) => client.acknowledged.push(ack.pkid),
                Packet::PingReq => PingResp.write(&mut output).map(drop).unwrap(),
                Packet::Disconnect => client.farewells += 1,
                other => panic!("{other:?}"),
            }
        }
        stream.write_all(&output.split()).await.ok()?;
        if manners.refuse.is_some() && !id.is_empty() || stream.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
}
