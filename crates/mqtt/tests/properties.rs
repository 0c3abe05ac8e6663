//! What holds for every input: bytes of a stream, and interleavings of a session.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use std::{collections::VecDeque, sync::Arc, thread, time::Instant};

use bytes::{Bytes, BytesMut};
use fleetwire_mqtt::{
    FailureReason, Limits, Observer, Outcome, Peer, Receipt,
    packet::{
        Connect, Frame, Level, Packet, PacketError, Properties, Property, PublishPacket, QoS, Subscribe,
        Subscription, Unsubscribe, Will,
    },
    session::{Session, Step, Visitor, admit},
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use support::{Door, connect, publish};

const LIMIT: usize = 2048;

/// Everything that a stream decodes to, fed in `chunks`.
fn decode(level: Level, chunks: &[&[u8]]) -> (Vec<Result<Packet, PacketError>>, Option<PacketError>) {
    let (mut input, mut packets) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            match Frame::next(&mut input, LIMIT) {
                Ok(Some(frame)) => packets.push(Packet::decode(frame, level)),
                Ok(None) => break,
                Err(err) => return (packets, Some(err)),
            }
        }
    }
    (packets, None)
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::V31), Just(Level::V311), Just(Level::V5)]
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

fn name() -> impl Strategy<Value = bytestring::ByteString> {
    "[a-zé/]{1,12}".prop_map(Into::into)
}

fn payload() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..64).prop_map(Into::into)
}

fn properties(level: Level) -> impl Strategy<Value = Properties> {
    let one = ("[a-z]{0,4}", "[a-z]{0,4}")
        .prop_map(|(key, value)| Property::UserProperty(key.into(), value.into()));
    vec(one, 0..if level.is_v5() { 4 } else { 1 }).prop_map(Into::into)
}

prop_compose! {
    fn a_publish(level: Level)(
        topic in name(), payload in payload(), qos in qos(), dup: bool, retain: bool, id in 1u16..,
        properties in properties(level),
    ) -> Packet {
        let packet_id = if qos == QoS::AtMostOnce { 0 } else { id };
        let dup = dup && qos > QoS::AtMostOnce;
        Packet::Publish(PublishPacket { topic, payload, qos, dup, retain, packet_id, properties })
    }
}

prop_compose! {
    fn a_connect(level: Level)(
        client_id in name(), keep_alive: u16, clean_start: bool, user_name in option::of(name()),
        password in option::of(payload()),
        will in option::of((name(), payload(), qos(), any::<bool>(), properties(level))),
        properties in properties(level),
    ) -> Packet {
        let will = will.map(|(topic, payload, qos, retain, properties)| {
            Will { topic, payload, qos, retain, properties }
        });
        let password = password.filter(|_| user_name.is_some() || level.is_v5());
        Packet::Connect(Box::new(Connect {
            level, clean_start, keep_alive, client_id, will, user_name, password, properties,
        }))
    }
}

fn a_subscribe(level: Level) -> impl Strategy<Value = Packet> {
    let one = (name(), qos()).prop_map(|(filter, qos)| Subscription { filter, qos, options: 0 });
    (1u16.., vec(one, 1..5), properties(level)).prop_map(|(packet_id, subscriptions, properties)| {
        Packet::Subscribe(Subscribe { packet_id, subscriptions, properties })
    })
}

fn an_unsubscribe(level: Level) -> impl Strategy<Value = Packet> {
    (1u16.., vec(name(), 1..5), properties(level)).prop_map(|(packet_id, filters, properties)| {
        Packet::Unsubscribe(Unsubscribe { packet_id, filters, properties })
    })
}

fn a_packet() -> impl Strategy<Value = (Level, Packet)> {
    level().prop_flat_map(|level| {
        let packet =
            prop_oneof![a_publish(level), a_connect(level), a_subscribe(level), an_unsubscribe(level)];
        (Just(level), packet)
    })
}

fn encode(packet: &Packet, level: Level) -> BytesMut {
    let mut out = BytesMut::new();
    match packet {
        Packet::Connect(packet) => packet.encode(&mut out),
        Packet::Publish(packet) => packet.encode(&mut out, level),
        Packet::Subscribe(packet) => packet.encode(&mut out, level),
        Packet::Unsubscribe(packet) => packet.encode(&mut out, level),
        other => panic!("not made here: {other:?}"),
    }
    out
}

/// Without the properties that a level below 5 cannot carry.
fn as_carried(packet: Packet, level: Level) -> Packet {
    let mut packet = packet;
    if !level.is_v5() {
        match &mut packet {
            Packet::Connect(connect) => {
                connect.properties = Properties::default();
                if let Some(will) = &mut connect.will {
                    will.properties = Properties::default();
                }
            }
            Packet::Publish(packet) => packet.properties = Properties::default(),
            Packet::Subscribe(packet) => packet.properties = Properties::default(),
            Packet::Unsubscribe(packet) => packet.properties = Properties::default(),
            _ => {}
        }
    }
    packet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic_and_no_split_matters(
        level in level(),
        packets in vec(prop_oneof![
            vec(any::<u8>(), 0..40),
            (a_packet(), vec((any::<Index>(), any::<u8>()), 0..3)).prop_map(|((level, packet), changes)| {
                let mut bytes = encode(&packet, level).to_vec();
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            }),
        ], 0..4),
        cuts in vec(any::<Index>(), 0..5),
    ) {
        let stream = packets.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(level, &[&stream]), decode(level, &chunks));
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same((level, packet) in a_packet()) {
        let bytes = encode(&packet, level);
        if let Packet::Publish(publish) = &packet {
            prop_assert_eq!(publish.size(level), bytes.len());
        }
        let (packets, rest) = decode(level, &[&bytes]);
        prop_assert_eq!((packets, rest), (vec![Ok(as_carried(packet, level))], None));
    }
}

/// One move of the world around a session.
#[derive(Debug, Clone)]
enum Move {
    /// The client publishes, to a granted topic or not.
    Publish(QoS, bool),
    /// Ingest answers one of the open publishes, on another thread.
    Answer(Index, Option<Outcome>),
    /// The session looks for answers.
    Settle,
}

fn a_move() -> impl Strategy<Value = Move> {
    let outcome = prop_oneof![
        8 => Just(Some(Outcome::Stored)),
        1 => Just(Some(Outcome::Failed(FailureReason::NotStored))),
        1 => Just(None),
    ];
    prop_oneof![
        4 => (qos(), prop::bool::weighted(0.9)).prop_map(|(qos, granted)| Move::Publish(qos, granted)),
        4 => (any::<Index>(), outcome).prop_map(|(which, outcome)| Move::Answer(which, outcome)),
        1 => Just(Move::Settle),
    ]
}

/// What is known of a publish that waits for its answer packet.
#[derive(Debug, Clone, Copy)]
struct Expected {
    id: u16,
    qos: QoS,
    stored: Option<bool>,
}

struct World {
    session: Session,
    level: Level,
    out: BytesMut,
    open: Vec<(u16, Receipt)>,
    expected: VecDeque<Expected>,
    next_id: u16,
}

impl World {
    fn new(level: Level) -> Self {
        let mut out = BytesMut::new();
        let frame = Frame::next(&mut connect(level, "867035046242895"), LIMIT).unwrap().unwrap();
        let visitor = Visitor {
            session_id: "session".into(),
            peer: Peer::tcp(([127, 0, 0, 1], 1).into()),
            now: Instant::now(),
            unix_ms: 0,
        };
        let limits = Limits { max_in_flight: 6, ..Limits::default() };
        let observer: Arc<dyn Observer> = Arc::new(());
        let session = admit(frame, visitor, &limits, (&Door, &observer), &mut out).unwrap();
        let session = session.begin(None, &mut out);
        out.clear();
        Self { session, level, out, open: Vec::new(), expected: VecDeque::new(), next_id: 0 }
    }

    /// Makes a move; `false` once the session has ended.
    fn make(&mut self, step: &Move) -> bool {
        match step {
            Move::Publish(qos, granted) => self.publish(*qos, *granted),
            Move::Answer(which, outcome) if !self.open.is_empty() => {
                let open = self.open.swap_remove(which.index(self.open.len()));
                self.answer(open, *outcome);
                true
            }
            Move::Answer(..) => true,
            Move::Settle => self.settle(),
        }
    }

    fn answer(&mut self, (id, receipt): (u16, Receipt), outcome: Option<Outcome>) {
        let waiting = self.expected.iter_mut().find(|expected| expected.id == id).unwrap();
        waiting.stored = Some(outcome == Some(Outcome::Stored));
        let answering = thread::spawn(move || match outcome {
            Some(outcome) => receipt.complete(outcome),
            None => drop(receipt),
        });
        answering.join().unwrap();
    }

    fn publish(&mut self, qos: QoS, granted: bool) -> bool {
        // A client that keeps to its Receive Maximum, and a driver that keeps to the window.
        let unreleased = usize::from(self.level.is_v5()) * self.session.in_flight();
        if !self.session.wants_packets() || unreleased >= 6 {
            return true;
        }
        self.next_id += 1;
        let id = self.next_id;
        let topic = if granted { "BCE/D" } else { "BCE/X" };
        let mut bytes = publish(self.level, topic, qos, id);
        let frame = Frame::next(&mut bytes, LIMIT).unwrap().unwrap();
        match self.session.receive(frame, Instant::now(), 0, &mut self.out).unwrap() {
            Step::Offer(publish, receipt) => {
                assert!(granted, "only granted topics are offered");
                assert_eq!(publish.packet_id, if qos == QoS::AtMostOnce { 0 } else { id });
                self.open.push((id, receipt));
                self.expected.push_back(Expected { id, qos, stored: None });
            }
            Step::Nothing => {
                assert!(!granted);
                if qos > QoS::AtMostOnce || !self.level.is_v5() {
                    self.expected.push_back(Expected { id, qos, stored: Some(false) });
                }
            }
            Step::Answered { .. } | Step::Subscribed(_) => panic!("no downlink was sent"),
        }
        true
    }

    /// Settles, and compares every answer packet with what is known.
    fn settle(&mut self) -> bool {
        let ended = self.session.settle(Instant::now, &mut self.out).is_err();
        while let Some(frame) = Frame::next(&mut self.out, LIMIT).unwrap() {
            let expected = loop {
                let expected = self.expected.pop_front().unwrap();
                if expected.qos > QoS::AtMostOnce {
                    break expected;
                }
                assert!(expected.stored.is_some(), "nothing overtakes an open publish");
            };
            let kind = if expected.qos == QoS::ExactlyOnce { 5 } else { 4 };
            let acknowledged = frame.body.get(2).is_none_or(|reason| *reason < 0x80);
            let id = u16::from_be_bytes([frame.body[0], frame.body[1]]);
            assert_eq!((frame.kind(), id), (kind, expected.id), "answers keep the order");
            assert_eq!(Some(acknowledged), expected.stored, "acknowledged means stored");
            if kind == 5 && acknowledged {
                self.release(id);
            }
        }
        !ended
    }

    fn release(&mut self, id: u16) {
        let [high, low] = id.to_be_bytes();
        let frame = Frame { first: 0x62, body: Bytes::from(vec![2, 0][..0].to_vec()), padded: false };
        let frame = Frame { body: Bytes::copy_from_slice(&[high, low]), ..frame };
        let mut out = BytesMut::new();
        self.session.receive(frame, Instant::now(), 0, &mut out).unwrap();
        assert_eq!(&out[..], [0x70, 2, high, low]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn answers_keep_the_order_and_acknowledge_only_what_is_stored(
        level in level(),
        moves in vec(a_move(), 0..80),
    ) {
        let mut world = World::new(level);
        let mut alive = true;
        for step in &moves {
            alive = alive && world.make(step);
        }
        // In the end everything is answered: by an acknowledgement, or by the end of the session.
        while alive && let Some(open) = world.open.pop() {
            world.answer(open, Some(Outcome::Stored));
        }
        if alive && world.settle() {
            prop_assert!(world.expected.iter().all(|left| left.qos == QoS::AtMostOnce));
            prop_assert_eq!(world.session.in_flight(), 0);
            prop_assert!(world.session.wants_packets());
        } else {
            prop_assert!(level < Level::V5, "a v5 client is told, not closed");
            prop_assert!(world.expected.iter().any(|left| left.stored == Some(false)));
        }
    }
}
