//! A device of bare bytes, which acknowledges what and when a test wants.

use bytes::BytesMut;
use fleetwire_mqtt::packet::{
    Ack, AckKind, Connect, Frame, Level, Packet, Properties, Property, PublishPacket, QoS, Reason, Subscribe,
    Subscription,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{DEVICE, House, OUTC, soon};

pub(crate) struct Device {
    stream: TcpStream,
    input: BytesMut,
    level: Level,
}

/// A CONNECT of the first device whose session lasts.
pub(crate) fn lasting(level: Level) -> Connect {
    let expiry = level.is_v5().then_some(Property::SessionExpiry(600));
    Connect {
        level,
        clean_start: false,
        keep_alive: 60,
        client_id: DEVICE.into(),
        will: None,
        user_name: Some("bce_device".into()),
        password: Some("secretword".into()),
        properties: Vec::from_iter(expiry).into(),
    }
}

impl Device {
    /// Connects; what is kept of an earlier session is found again.
    pub(crate) async fn connect(house: &House, connect: Connect) -> Self {
        let stream = soon(TcpStream::connect(house.frontend.address)).await.unwrap();
        let mut device = Self { stream, input: BytesMut::new(), level: connect.level };
        let mut bytes = BytesMut::new();
        connect.encode(&mut bytes);
        device.send(&bytes).await;
        let connack = device.frame().await;
        assert_eq!((connack.kind(), connack.body[1]), (2, 0), "let in");
        device
    }

    /// Connects and subscribes to its commands; the epoch of its session.
    pub(crate) async fn subscribed(house: &House, connect: Connect) -> (Self, u64) {
        let mut device = Self::connect(house, connect).await;
        device.subscribe(QoS::AtLeastOnce).await;
        let session = house.session(DEVICE, 0).await;
        assert_eq!(session.frontend_address, house.address(), "where gateways find it");
        (device, session.epoch)
    }

    pub(crate) async fn subscribe(&mut self, qos: QoS) {
        let subscription = Subscription { filter: OUTC.to_owned().into(), qos, options: 0 };
        let packet =
            Subscribe { packet_id: 7, subscriptions: vec![subscription], properties: Properties::default() };
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes, self.level);
        self.send(&bytes).await;
        let suback = self.frame().await;
        assert_eq!((suback.kind(), suback.body.last()), (9, Some(&(qos as u8))));
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn frame(&mut self) -> Frame {
        soon(async {
            loop {
                if let Some(frame) = Frame::next(&mut self.input, 1 << 20).unwrap() {
                    return frame;
                }
                assert_ne!(self.stream.read_buf(&mut self.input).await.unwrap(), 0, "closed");
            }
        })
        .await
    }

    /// The next command.
    pub(crate) async fn command(&mut self) -> PublishPacket {
        let frame = self.frame().await;
        let Packet::Publish(publish) = Packet::decode(frame, self.level).unwrap() else {
            panic!("no publish")
        };
        assert_eq!((publish.qos, publish.retain, publish.dup), (QoS::AtLeastOnce, false, false));
        assert_eq!(publish.topic, OUTC);
        publish
    }

    /// Acknowledges a command.
    pub(crate) async fn acknowledge(&mut self, packet_id: u16) {
        self.answer(packet_id, Reason::Success).await;
    }

    pub(crate) async fn answer(&mut self, packet_id: u16, reason: Reason) {
        let mut bytes = BytesMut::new();
        Ack::new(AckKind::PubAck, packet_id, reason).encode(&mut bytes, self.level);
        self.send(&bytes).await;
    }

    /// Nothing comes but the answer to a question.
    pub(crate) async fn hears_nothing(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.frame().await.first, 0xD0);
    }
}
