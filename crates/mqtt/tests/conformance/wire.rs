//! Packets built and taken apart by hand, and a client that speaks them.

use fleetwire_mqtt::{Outcome, Publish};

use crate::{
    desk::ID,
    support::{House, Wire},
};

/// The protocol level of MQTT 3.1.1.
pub const V311: u8 = 4;
/// The protocol level of MQTT 5.0.
pub const V5: u8 = 5;

pub const PINGREQ: [u8; 2] = [0xC0, 0];
pub const PINGRESP: [u8; 2] = [0xD0, 0];
pub const DISCONNECT: [u8; 2] = [0xE0, 0];

/// A variable byte integer in its shortest form.
pub fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value % 128).unwrap();
        value /= 128;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// First byte, remaining length, body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first], &*variable(body.len()), body].concat()
}

/// Text or binary data with its length before it.
pub fn text(value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [&u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// Properties with their length before them.
pub fn properties(list: &[u8]) -> Vec<u8> {
    [&*variable(list.len()), list].concat()
}

/// One user property.
pub fn user_property(key: &str, value: &str) -> Vec<u8> {
    [vec![0x26], text(key), text(value)].concat()
}

/// What only MQTT 5 has.
fn only_v5(level: u8, bytes: Vec<u8>) -> Vec<u8> {
    if level == V5 { bytes } else { Vec::new() }
}

/// A CONNECT. Flags follow from the fields; `flip` turns some of them over.
#[derive(Clone)]
pub struct Connect {
    pub first: u8,
    pub name: Vec<u8>,
    pub level: u8,
    pub flip: u8,
    pub clean: bool,
    pub keep_alive: u16,
    pub properties: Vec<u8>,
    pub id: Vec<u8>,
    pub will: Option<Will>,
    pub user: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    /// Bytes after the last field.
    pub tail: Vec<u8>,
}

#[derive(Clone)]
pub struct Will {
    pub qos: u8,
    pub retain: bool,
    pub properties: Vec<u8>,
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Connect {
    pub fn new(level: u8) -> Self {
        Self {
            first: 0x10,
            name: b"MQTT".to_vec(),
            level,
            flip: 0,
            clean: true,
            keep_alive: 60,
            properties: Vec::new(),
            id: ID.into(),
            will: None,
            user: Some(b"device".to_vec()),
            password: Some(b"secret".to_vec()),
            tail: Vec::new(),
        }
    }

    /// Of the account that listens to others.
    pub fn operator(level: u8) -> Self {
        Self { user: Some(b"operator".into()), ..Self::new(level) }
    }

    /// Of that account, for a session that outlives its connection.
    pub fn lasting(level: u8) -> Self {
        let properties = only_v5(level, vec![0x11, 0, 0, 0x0E, 0x10]);
        Self { clean: false, properties, ..Self::operator(level) }
    }

    /// With the will `gone` on the topic `d/will`.
    pub fn with_will(level: u8, qos: u8, retain: bool) -> Self {
        let will = Will { qos, retain, properties: vec![], topic: b"d/will".into(), payload: b"gone".into() };
        Self { will: Some(will), ..Self::new(level) }
    }

    fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| 4 | will.qos << 3 | u8::from(will.retain) << 5);
        let fields = [(self.clean, 2), (self.password.is_some(), 0x40), (self.user.is_some(), 0x80)];
        fields.iter().fold(will, |flags, (set, bit)| flags | if *set { *bit } else { 0 }) ^ self.flip
    }

    pub fn body(&self) -> Vec<u8> {
        let mut body = [text(&self.name), vec![self.level, self.flags()]].concat();
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(only_v5(self.level, properties(&self.properties)));
        body.extend(text(&self.id));
        if let Some(will) = &self.will {
            body.extend(only_v5(self.level, properties(&will.properties)));
            body.extend(text(&will.topic));
            body.extend(text(&will.payload));
        }
        for field in [&self.user, &self.password].into_iter().flatten() {
            body.extend(text(field));
        }
        [body, self.tail.clone()].concat()
    }

    pub fn bytes(&self) -> Vec<u8> {
        packet(self.first, &self.body())
    }
}

/// A PUBLISH; `flags` are the low four bits of its first byte, and the packet id is left out with QoS 0.
pub fn publish(level: u8, flags: u8, topic: impl AsRef<[u8]>, id: u16, payload: &[u8]) -> Vec<u8> {
    publish_with(level, flags, topic, id, (&[], payload))
}

/// A PUBLISH with properties.
pub fn publish_with(
    level: u8,
    flags: u8,
    topic: impl AsRef<[u8]>,
    id: u16,
    (list, payload): (&[u8], &[u8]),
) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 6 != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(only_v5(level, properties(list)));
    packet(0x30 | flags, &[&*body, payload].concat())
}

/// A SUBSCRIBE of filters, each with its options byte.
pub fn subscribe(level: u8, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let entries: Vec<u8> =
        filters.iter().flat_map(|(filter, options)| [text(filter), vec![*options]].concat()).collect();
    packet(0x82, &[&id.to_be_bytes()[..], &*only_v5(level, vec![0]), &*entries].concat())
}

/// An UNSUBSCRIBE.
pub fn unsubscribe(level: u8, id: u16, filters: &[&str]) -> Vec<u8> {
    let entries: Vec<u8> = filters.iter().flat_map(text).collect();
    packet(0xA2, &[&id.to_be_bytes()[..], &*only_v5(level, vec![0]), &*entries].concat())
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP without a reason code.
pub fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}

/// A PUBLISH from the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    pub flags: u8,
    pub topic: Vec<u8>,
    /// 0 with QoS 0.
    pub id: u16,
    pub properties: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Published {
    pub fn qos(&self) -> u8 {
        self.flags >> 1 & 3
    }

    pub fn dup(&self) -> bool {
        self.flags & 8 != 0
    }

    pub fn retain(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// Cuts a field off the front.
fn cut(rest: &mut &[u8], len: usize) -> Vec<u8> {
    let (head, tail) = rest.split_at(len);
    *rest = tail;
    head.to_vec()
}

fn cut_u16(rest: &mut &[u8]) -> u16 {
    let bytes = cut(rest, 2);
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn cut_variable(rest: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = cut(rest, 1)[0];
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// Takes properties apart: identifier and value, text without its length.
pub fn cut_properties(rest: &mut &[u8]) -> Vec<(u8, Vec<u8>)> {
    let len = cut_variable(rest);
    let bytes = cut(rest, len);
    let (mut inner, mut list) = (&*bytes, Vec::new());
    while !inner.is_empty() {
        let id = cut(&mut inner, 1)[0];
        let value = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => cut(&mut inner, 1),
            0x13 | 0x21..=0x23 => cut(&mut inner, 2),
            0x02 | 0x11 | 0x18 | 0x27 => cut(&mut inner, 4),
            0x0B => variable(cut_variable(&mut inner)),
            0x26 => [0, 1]
                .map(|_| {
                    let len = cut_u16(&mut inner).into();
                    text(cut(&mut inner, len))
                })
                .concat(),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => {
                let len = cut_u16(&mut inner).into();
                cut(&mut inner, len)
            }
            _ => panic!("no such property: {id:#x}"),
        };
        list.push((id, value));
    }
    list
}

/// The value of a property.
pub fn find(list: &[(u8, Vec<u8>)], id: u8) -> Option<&[u8]> {
    list.iter().find(|(found, _)| *found == id).map(|(_, value)| &**value)
}

/// A CONNACK of MQTT 5: flags, reason code and properties.
pub fn cut_connack(body: &[u8]) -> (u8, u8, Vec<(u8, Vec<u8>)>) {
    let mut rest = &body[2..];
    let list = cut_properties(&mut rest);
    assert_eq!(rest, b"", "nothing follows the properties");
    (body[0], body[1], list)
}

/// A client with a socket.
pub struct Client {
    pub wire: Wire,
    level: u8,
}

impl Client {
    /// A socket, and nothing said yet.
    pub async fn open(house: &House, level: u8) -> Self {
        Self { wire: Wire::open(house).await, level }
    }

    /// Connects as [`ID`] and takes the CONNACK.
    pub async fn connect(house: &House, level: u8) -> Self {
        Self::enter(house, &Connect::new(level)).await.0
    }

    /// Connects under another client id.
    pub async fn connect_as(house: &House, level: u8, id: &str) -> Self {
        Self::enter(house, &Connect { id: id.into(), ..Connect::new(level) }).await.0
    }

    /// Sends a CONNECT that must be accepted, and gives the body of the CONNACK.
    pub async fn enter(house: &House, connect: &Connect) -> (Self, Vec<u8>) {
        let mut client = Self::open(house, connect.level).await;
        client.send(&connect.bytes()).await;
        let (first, body) = client.packet().await;
        assert_eq!((first, body[1]), (0x20, 0), "CONNACK that lets in, not {body:02x?}");
        (client, body)
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes).await;
    }

    /// The next packet: first byte and body.
    pub async fn packet(&mut self) -> (u8, Vec<u8>) {
        self.wire.packet().await
    }

    /// The next packet is this one, byte for byte.
    pub async fn expect(&mut self, bytes: &[u8]) {
        let (first, body) = self.packet().await;
        assert_eq!(packet(first, &body), bytes);
    }

    /// Subscribes and expects these codes.
    pub async fn subscribed(&mut self, filters: &[(&str, u8)], codes: &[u8]) {
        self.send(&subscribe(self.level, 0x0707, filters)).await;
        let answer = [&[7, 7][..], &only_v5(self.level, vec![0]), codes].concat();
        self.expect(&packet(0x90, &answer)).await;
    }

    /// A PUBLISH from the server.
    pub async fn published(&mut self) -> Published {
        let (first, body) = self.packet().await;
        assert_eq!(first >> 4, 3, "PUBLISH, not {first:#x} {body:02x?}");
        let (mut rest, flags) = (&*body, first & 15);
        let len = cut_u16(&mut rest).into();
        let topic = cut(&mut rest, len);
        let id = if flags & 6 == 0 { 0 } else { cut_u16(&mut rest) };
        let properties = if self.level == V5 { cut_properties(&mut rest) } else { Vec::new() };
        Published { flags, topic, id, properties, payload: rest.to_vec() }
    }

    /// Nothing came before the answer to a PINGREQ, and the connection still stands.
    pub async fn quiet(&mut self) {
        self.send(&PINGREQ).await;
        self.expect(&PINGRESP).await;
    }

    /// The server closed, and said nothing more.
    pub async fn closed(&mut self) {
        self.wire.closed().await;
    }

    /// The server ends the connection: an MQTT 5 client is told `reason`, another nothing.
    pub async fn ended(&mut self, reason: u8, case: &str) {
        if self.level == V5 {
            let (first, body) = self.packet().await;
            assert_eq!((first, body[0]), (0xE0, reason), "{case}");
        }
        self.closed().await;
    }

    /// The server takes this CONNECT for malformed: an MQTT 5 client is told `reason`, another nothing.
    pub async fn turned_away(&mut self, connect: &[u8], reason: u8, case: &str) {
        self.send(connect).await;
        if self.level == V5 {
            let (first, body) = self.packet().await;
            assert_eq!((first, &body[..2]), (0x20, &[0, reason][..]), "{case}");
        }
        self.closed().await;
    }
}

/// A client that sends these bytes loses its connection.
pub async fn breach(house: &House, level: u8, bytes: &[u8], reason: u8, case: &str) {
    let mut client = Client::connect(house, level).await;
    client.send(bytes).await;
    client.ended(reason, case).await;
}

/// A client that sends these bytes keeps its connection. Answers are not looked at.
pub async fn tolerated(house: &House, level: u8, bytes: &[u8]) {
    let mut client = Client::connect(house, level).await;
    client.send(bytes).await;
    client.send(&unsubscribe(level, 0xBEEF, &["none"])).await;
    loop {
        let (first, body) = client.packet().await;
        assert_ne!(first, 0xE0, "{bytes:02x?}");
        if first == 0xB0 && body[..2] == [0xBE, 0xEF] {
            break;
        }
    }
    client.send(&DISCONNECT).await;
    client.closed().await;
}

/// The next publish that reached ingest; it is stored.
pub async fn stored(house: &House) -> Publish {
    let (publish, receipt) = house.store.next().await;
    receipt.complete(Outcome::Stored);
    publish
}
