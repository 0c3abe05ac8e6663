//! MQTT over WebSocket with a real WebSocket client, and section 6 of the specification.

use bytes::Bytes;
use fleetwire_mqtt::{
    ClientCertificates, Outcome, Transport,
    packet::{Level, QoS},
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::{Request, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::frame::coding::CloseCode,
    },
};

use super::{
    ID, address, listen,
    pki::Pki,
    support::{House, Wire, connect, house, publish, soon},
};

fn plain() -> House {
    house(|settings| listen(settings, &[Transport::WebSocket]))
}

fn request(path: &str, subprotocol: Option<&str>) -> Request<()> {
    let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol.parse().unwrap());
    }
    request
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocketStream<S> {
    let (socket, response) = client_async(request("/mqtt", Some("mqtt")), stream).await.unwrap();
    assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "mqtt");
    socket
}

async fn open(house: &House) -> WebSocketStream<TcpStream> {
    upgrade(TcpStream::connect(house.address).await.unwrap()).await
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

/// The next bytes that the server sends, which it may cut as it likes.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        match soon(socket.next()).await.unwrap().unwrap() {
            Message::Binary(bytes) => all.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
    all
}

async fn works<S: AsyncRead + AsyncWrite + Unpin>(house: &House, socket: &mut WebSocketStream<S>) {
    socket.send(binary(&connect(Level::V311, ID))).await.unwrap();
    assert_eq!(read(socket, 4).await, [0x20, 2, 0, 0]);
    socket.send(binary(&publish(Level::V311, "BCE/D", QoS::AtLeastOnce, 7))).await.unwrap();
    house.store.next().await.1.complete(Outcome::Stored);
    assert_eq!(read(socket, 4).await, [0x40, 2, 0, 7]);
}

#[tokio::test]
async fn devices_publish_over_websocket() {
    let house = plain();
    works(&house, &mut open(&house).await).await;
    assert_eq!(house.porter.last().transport, Transport::WebSocket);
}

#[tokio::test]
async fn devices_publish_over_secure_websocket() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Optional));
    let own = pki.authority.issue(ID, &[]);
    let stream = pki.connect(address(&house, Transport::SecureWebSocket), Some(&own)).await.unwrap();
    works(&house, &mut upgrade(stream).await).await;
    let peer = house.porter.last();
    assert_eq!(peer.transport, Transport::SecureWebSocket);
    assert_eq!(peer.certificate.unwrap().common_name.as_deref(), Some(ID));
}

/// [MQTT-6.0.0-2]: frames and packets have nothing to do with each other.
#[tokio::test]
async fn a_packet_may_span_frames_and_a_frame_may_hold_packets() {
    let house = plain();
    let mut bytes = connect(Level::V311, ID).to_vec();
    for id in 1..=3 {
        bytes.extend_from_slice(&publish(Level::V311, "BCE/D", QoS::AtLeastOnce, id));
    }
    for size in [1, 2, 3, 7, 20, bytes.len()] {
        let mut socket = open(&house).await;
        for chunk in bytes.chunks(size) {
            socket.send(binary(chunk)).await.unwrap();
        }
        assert_eq!(read(&mut socket, 4).await, [0x20, 2, 0, 0], "{size}");
        for _ in 1..=3 {
            house.store.next().await.1.complete(Outcome::Stored);
        }
        assert_eq!(read(&mut socket, 12).await, [0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3], "{size}");
    }
}

/// [MQTT-6.0.0-1].
#[tokio::test]
async fn a_text_frame_closes_the_connection() {
    let house = plain();
    let mut socket = open(&house).await;
    socket.send(binary(&connect(Level::V311, ID))).await.unwrap();
    assert_eq!(read(&mut socket, 4).await, [0x20, 2, 0, 0]);
    socket.send(Message::Text("PINGREQ".into())).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = soon(socket.next()).await else { panic!("no close") };
    assert_eq!(frame.code, CloseCode::Unsupported);
    house.notes.wait_for("websocket_breach").await;
    house.notes.wait_for("disconnected peer_gone").await;
}

/// [MQTT-6.0.0-3], [MQTT-6.0.0-4].
#[tokio::test]
async fn the_subprotocol_must_be_mqtt() {
    let house = plain();
    for (offer, answer) in [("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("chat, mqtt", "mqtt")] {
        let stream = TcpStream::connect(house.address).await.unwrap();
        // The client compares what it offered with the answer as a whole, so it is not asked.
        let offered = client_async(request("/mqtt", Some(offer)), stream).await;
        match offered {
            Ok((_, response)) => assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], answer),
            Err(err) => panic!("{offer}: {err}"),
        }
    }
    for offer in [None, Some("chat"), Some("MQTT")] {
        let stream = TcpStream::connect(house.address).await.unwrap();
        let Err(Error::Http(response)) = client_async(request("/mqtt", offer), stream).await else {
            panic!("{offer:?}")
        };
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    house.notes.wait_for_many("not_admitted websocket_protocol", 3).await;
}

#[tokio::test]
async fn another_path_is_not_found() {
    let house = plain();
    let stream = TcpStream::connect(house.address).await.unwrap();
    let Err(Error::Http(response)) = client_async(request("/", Some("mqtt")), stream).await else {
        panic!("let in")
    };
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    house.notes.wait_for("not_admitted websocket_path").await;
}

#[tokio::test]
async fn pings_are_answered() {
    let house = plain();
    let mut socket = open(&house).await;
    works(&house, &mut socket).await;
    socket.send(Message::Ping("here".into())).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::Pong("here".into()));
    works_on(&mut socket).await;
}

async fn works_on(socket: &mut WebSocketStream<TcpStream>) {
    socket.send(binary(&[0xC0, 0])).await.unwrap();
    assert_eq!(read(socket, 2).await, [0xD0, 0]);
}

#[tokio::test]
async fn a_close_is_answered_and_ends_the_session() {
    let house = plain();
    let mut socket = open(&house).await;
    works(&house, &mut socket).await;
    socket.send(binary(&[0xE0, 0])).await.unwrap();
    socket.close(None).await.unwrap();
    while let Some(Ok(message)) = soon(socket.next()).await {
        assert!(message.is_close(), "{message:?}");
    }
    house.notes.wait_for("disconnected disconnected").await;
}

#[tokio::test]
async fn a_client_that_goes_without_a_goodbye_is_gone_and_no_breach() {
    let house = plain();
    let mut socket = open(&house).await;
    works(&house, &mut socket).await;
    drop(socket);
    house.notes.wait_for("disconnected peer_gone").await;
    assert_eq!(house.notes.count("websocket_breach"), 0);
}

#[tokio::test]
async fn frames_and_messages_have_a_largest_size() {
    let house = house(|settings| {
        listen(settings, &[Transport::WebSocket]);
        settings.websocket.max_message_size = 1000;
    });
    let mut socket = open(&house).await;
    works(&house, &mut socket).await;
    socket.send(binary(&[0; 1001])).await.unwrap();
    while let Some(Ok(_)) = soon(socket.next()).await {}
    house.notes.wait_for("websocket_breach").await;
}

#[tokio::test]
async fn what_is_no_upgrade_is_closed() {
    let house = house(|settings| {
        listen(settings, &[Transport::WebSocket]);
        settings.handshake_timeout = std::time::Duration::from_millis(300);
    });
    let mut mute = TcpStream::connect(house.address).await.unwrap();
    let mut slow = Wire(TcpStream::connect(house.address).await.unwrap());
    slow.send(b"GET /mqtt HTTP/1.1\r\n").await;
    let mut wire = Wire(TcpStream::connect(house.address).await.unwrap());
    wire.send(&connect(Level::V311, ID)).await;
    wire.send(b"\r\n\r\n").await;
    house.notes.wait_for("not_admitted websocket").await;
    works(&house, &mut open(&house).await).await;
    assert_eq!(soon(mute.read(&mut [0])).await.unwrap(), 0);
    slow.closed().await;
    house.notes.wait_for_many("not_admitted handshake_timeout", 2).await;
}

#[tokio::test]
async fn an_endless_request_is_cut_off() {
    use tokio::io::AsyncWriteExt as _;
    let house = plain();
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(b"GET /mqtt HTTP/1.1\r\nx: ").await.unwrap();
    let endless = async { while stream.write_all(&[b'a'; 4096]).await.is_ok() {} };
    soon(endless).await;
    house.notes.wait_for("not_admitted websocket").await;
}
