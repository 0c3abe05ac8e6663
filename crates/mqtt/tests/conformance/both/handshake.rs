//! From CONNECT to CONNACK, and wills.

use fleetwire_mqtt::{DeliveryOutcome, packet::QoS};

use crate::{
    desk::{ID, deliver, house, house_with},
    support::{House, soon},
    wire::*,
};

/// The CONNACK of a session that is new.
fn is_fresh(body: &[u8]) -> bool {
    body[..2] == [0, 0]
}

pub async fn another_first_packet_closes(level: u8) {
    let house = house();
    let firsts = [
        publish(level, 2, "d/x", 1, b"x"),
        ack(0x40, 1),
        ack(0x62, 1),
        subscribe(level, 1, &[("a", 0)]),
        unsubscribe(level, 1, &["a"]),
        PINGREQ.to_vec(),
        DISCONNECT.to_vec(),
        vec![0xF0, 0],
        vec![0, 0],
        vec![0x20, 2, 0, 0],
    ];
    for first in &firsts {
        let mut client = Client::open(&house, level).await;
        client.send(&[&**first, &*Connect::new(level).bytes()].concat()).await;
        client.closed().await;
    }
    assert_eq!(house.notes.count("not_admitted not_connect"), firsts.len());
    assert!(house.sessions.is_empty() && house.store.is_empty().await);
}

pub async fn a_second_connect_closes(level: u8) {
    let house = house();
    for second in [Connect::new(level), Connect { id: b"other".into(), ..Connect::new(level) }] {
        breach(&house, level, &second.bytes(), 0x82, "second CONNECT").await;
    }
    assert_eq!(house.notes.count("disconnected second_connect"), 2);
    assert!(!house.sessions.contains("other"));
}

/// With another protocol name nothing is said at all: the other end may speak another protocol.
pub async fn another_protocol_name_closes(level: u8) {
    let house = house();
    for name in [&b"mqtt"[..], b"MQTt", b"MQTTT", b"MQT", b"", b"HTTP", b"MQTT\0"] {
        let connect = Connect { name: name.to_vec(), ..Connect::new(level) };
        let mut client = Client::open(&house, level).await;
        client.send(&connect.bytes()).await;
        client.closed().await;
    }
    assert_eq!(house.notes.count("not_admitted protocol_name"), 7);
}

pub async fn the_reserved_connect_flag_closes(level: u8) {
    let house = house();
    let connect = Connect { flip: 1, ..Connect::new(level) };
    Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, "reserved flag").await;
    assert!(house.sessions.is_empty());
}

/// A CONNECT that ends too early, wherever it does, or has bytes to spare is refused.
pub async fn a_misshapen_connect_closes(level: u8) {
    let house = house();
    let whole = Connect::with_will(level, 1, false).body();
    for len in 0..whole.len() {
        let mut client = Client::open(&house, level).await;
        // Without its protocol level a CONNECT belongs to no version, so none is answered in.
        if level == V5 && len < 7 {
            client.send(&packet(0x10, &whole[..len])).await;
            client.closed().await;
        } else {
            client.turned_away(&packet(0x10, &whole[..len]), 0x81, &format!("{len} bytes")).await;
        }
    }
    let long = Connect { tail: vec![0], ..Connect::new(level) };
    Client::open(&house, level).await.turned_away(&long.bytes(), 0x81, "a byte to spare").await;
    assert!(house.sessions.is_empty() && house.store.is_empty().await);
    Client::enter(&house, &Connect::with_will(level, 1, false)).await;
}

pub async fn will_fields_must_be_there(level: u8) {
    let house = house();
    // The flag says that there is a will, and the next fields are user name and password.
    let connect = Connect { flip: 4, user: None, password: None, ..Connect::new(level) };
    Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, "no will fields").await;
    let only_topic = Connect { tail: text("d/will"), ..connect };
    Client::open(&house, level).await.turned_away(&only_topic.bytes(), 0x81, "no will payload").await;
    let (client, _) = Client::enter(&house, &Connect::with_will(level, 1, true)).await;
    drop(client);
    let will = stored(&house).await;
    assert_eq!(
        (&*will.topic, &will.payload[..], will.qos, will.retain),
        ("d/will", &b"gone"[..], QoS::AtLeastOnce, true)
    );
}

pub async fn will_bits_without_a_will_close(level: u8) {
    let house = house();
    for flip in [0x08, 0x10, 0x18, 0x20, 0x38] {
        let connect = Connect { flip, ..Connect::new(level) };
        Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, &format!("{flip:#x}")).await;
    }
}

pub async fn will_fields_without_a_will_close(level: u8) {
    let house = house();
    let connect = Connect { flip: 4, ..Connect::with_will(level, 0, false) };
    Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, "will fields").await;
}

pub async fn will_qos_is_at_most_2(level: u8) {
    let house = house();
    let connect = Connect::with_will(level, 3, false);
    Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, "QoS 3").await;
    for (qos, meant) in [(0, QoS::AtMostOnce), (1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce)] {
        drop(Client::enter(&house, &Connect::with_will(level, qos, false)).await);
        assert_eq!(stored(&house).await.qos, meant);
    }
}

/// A flag without its field and a field without its flag are both refused.
pub async fn user_name_and_password_are_there_exactly_when_their_flags_are(level: u8) {
    let house = house();
    let with = Connect::new(level);
    let cases = [
        ("user name without flag", Connect { flip: 0x80, password: None, ..with.clone() }),
        ("flag without user name", Connect { flip: 0x80, user: None, password: None, ..with.clone() }),
        ("password without flag", Connect { flip: 0x40, ..with.clone() }),
        ("flag without password", Connect { flip: 0x40, password: None, ..with }),
    ];
    for (case, connect) in cases {
        Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, case).await;
    }
}

pub async fn the_payload_is_read_in_its_order(level: u8) {
    let house = house();
    let (client, _) = Client::enter(&house, &Connect::with_will(level, 0, false)).await;
    drop(client);
    let (facts, will, _receipt) = house.store.next_with_facts().await;
    assert_eq!((&*facts.client_id, &*facts.account), (ID, "device"));
    assert_eq!((&*will.topic, &will.payload[..]), ("d/will", &b"gone"[..]));
    // User name and password in each other's place are no user name and password.
    let swapped =
        Connect { user: Some(b"secret".into()), password: Some(b"device".into()), ..Connect::new(level) };
    let mut client = Client::open(&house, level).await;
    client.send(&swapped.bytes()).await;
    assert_ne!(client.packet().await.1[1], 0);
    client.closed().await;
}

pub async fn the_client_id_names_the_session(level: u8) {
    let house = house();
    let mut first = Client::connect(&house, level).await;
    let mut other = Client::connect_as(&house, level, "c2").await;
    first.subscribed(&[("s", 0)], &[0]).await;
    other.subscribed(&[("s", 0)], &[0]).await;
    let _sent = deliver(&house, "s", QoS::AtMostOnce);
    assert_eq!(first.published().await.topic, b"s");
    other.quiet().await;
    // The same id is the same client.
    let _newer = Client::connect(&house, level).await;
    first.ended(0x8E, "takeover").await;
    other.quiet().await;
    assert_eq!(house.sessions.len(), 2);
}

pub async fn the_client_id_must_be_there(level: u8) {
    let house = house();
    let whole = Connect { user: None, password: None, ..Connect::new(level) }.body();
    let without = &whole[..whole.len() - text(ID).len()];
    Client::open(&house, level).await.turned_away(&packet(0x10, without), 0x81, "no client id").await;
}

pub async fn plain_client_ids_are_allowed(level: u8) {
    let house = house();
    let letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let ids = letters.chars().map(String::from).chain((1..=23).map(|len| letters[62 - len..].to_owned()));
    for id in ids.chain(["A".repeat(23), letters[..23].to_owned()]) {
        let mut client = Client::connect_as(&house, level, &id).await;
        assert!(house.sessions.contains(&id), "{id}");
        client.quiet().await;
    }
}

pub async fn an_accepted_connect_is_acknowledged(level: u8) {
    let house = house();
    let (mut client, body) = Client::enter(&house, &Connect::new(level)).await;
    assert!(is_fresh(&body));
    assert_eq!(body.len() == 2, level == V311);
    client.quiet().await;
    house.notes.wait_for("connected").await;
}

/// What a client sends behind a CONNECT that is refused is not looked at.
pub async fn nothing_is_processed_after_a_refusal(level: u8) {
    let house = house();
    let refused = Connect { password: Some(b"wrong".into()), ..Connect::new(level) }.bytes();
    let behind = [publish(level, 2, "d/x", 1, b"x"), PINGREQ.to_vec()].concat();
    let mut client = Client::open(&house, level).await;
    client.send(&[refused, behind].concat()).await;
    let (first, body) = client.packet().await;
    assert_eq!((first, body[1]), (0x20, if level == V5 { 0x86 } else { 4 }));
    client.closed().await;
    assert!(house.store.is_empty().await && house.sessions.is_empty());
}

/// A client need not wait for the CONNACK; everything else still comes behind it.
pub async fn connack_is_the_first_packet(level: u8) {
    let house = house();
    let mut client = Client::open(&house, level).await;
    let packets = [
        Connect::new(level).bytes(),
        PINGREQ.to_vec(),
        subscribe(level, 1, &[("s", 0)]),
        publish(level, 2, "d/x", 9, b"x"),
    ];
    client.send(&packets.concat()).await;
    assert_eq!(stored(&house).await.packet_id, 9);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(client.packet().await.0);
    }
    assert_eq!(kinds, [0x20, 0xD0, 0x90, 0x40]);
    client.quiet().await;
}

pub async fn the_newer_connection_takes_over(level: u8) {
    let house = house();
    let mut older = Client::connect(&house, level).await;
    let mut newer = Client::connect(&house, level).await;
    older.ended(0x8E, "takeover").await;
    newer.quiet().await;
    house.notes.wait_for("disconnected taken_over").await;
}

/// A clean start leaves nothing of an earlier session, neither subscriptions nor packet ids.
pub async fn a_clean_start_forgets(level: u8) {
    let house = house();
    for goodbye in [true, false] {
        let mut client = Client::connect(&house, level).await;
        client.subscribed(&[("s", 1)], &[1]).await;
        client.send(&publish(level, 4, "d/x", 5, b"x")).await;
        stored(&house).await;
        client.expect(&ack(0x50, 5)).await;
        if goodbye {
            client.send(&DISCONNECT).await;
            client.closed().await;
        }
        let (mut client, body) = Client::enter(&house, &Connect::new(level)).await;
        assert!(is_fresh(&body));
        assert_eq!(soon(deliver(&house, "s", QoS::AtLeastOnce)).await, Ok(DeliveryOutcome::NotSubscribed));
        client.send(&publish(level, 4, "d/x", 5, b"new")).await;
        assert_eq!(&stored(&house).await.payload[..], b"new");
        client.expect(&ack(0x50, 5)).await;
    }
}

async fn will_of(house: &House) -> Vec<u8> {
    let will = stored(house).await;
    assert!(will.will);
    will.payload.to_vec()
}

/// The will is published however the connection ends, but for a DISCONNECT.
pub async fn a_will_is_published_unless_the_client_says_goodbye(level: u8) {
    let house = house();
    let connect = Connect::with_will(level, 1, false);
    drop(Client::enter(&house, &connect).await);
    assert_eq!(will_of(&house).await, b"gone");
    // A breach of the protocol.
    let (mut client, _) = Client::enter(&house, &connect).await;
    client.send(&[0, 0]).await;
    assert_eq!(will_of(&house).await, b"gone");
    // The server's own decision.
    let (mut client, _) = Client::enter(&house, &connect).await;
    assert!(house.sessions.close(ID, fleetwire_mqtt::End::Administrative));
    assert_eq!(will_of(&house).await, b"gone");
    client.ended(0x98, "closed here").await;
    assert!(house.store.is_empty().await);
}

pub async fn a_goodbye_removes_the_will(level: u8) {
    let house = house();
    let (mut client, _) = Client::enter(&house, &Connect::with_will(level, 1, false)).await;
    client.send(&DISCONNECT).await;
    client.closed().await;
    house.notes.wait_for("disconnected disconnected").await;
    no_will_comes(&house, level).await;
}

pub async fn without_a_will_flag_there_is_no_will(level: u8) {
    let house = house();
    drop(Client::connect(&house, level).await);
    house.notes.wait_for("disconnected peer_gone").await;
    no_will_comes(&house, level).await;
}

/// The next that ingest gets is another client's publish: had there been a will, it would have come first.
async fn no_will_comes(house: &House, level: u8) {
    let mut other = Client::connect_as(house, level, "other").await;
    other.send(&publish(level, 2, "d/x", 1, b"after")).await;
    let next = stored(house).await;
    assert_eq!((next.will, &next.payload[..]), (false, &b"after"[..]));
    other.expect(&ack(0x40, 1)).await;
}

pub async fn a_will_is_published_once(level: u8) {
    let house = house();
    drop(Client::enter(&house, &Connect::with_will(level, 1, false)).await);
    assert_eq!(will_of(&house).await, b"gone");
    drop(Client::connect(&house, level).await);
    house.notes.wait_for("disconnected peer_gone").await;
    no_will_comes(&house, level).await;
}

/// Both retain flags of a will reach ingest as they were said.
pub async fn the_retain_flag_of_a_will_is_handed_on(level: u8) {
    let house = house();
    for retain in [false, true] {
        drop(Client::enter(&house, &Connect::with_will(level, 1, retain)).await);
        assert_eq!(stored(&house).await.retain, retain);
    }
}

/// Packets are cut from a stream of bytes, however the network splits or joins them.
pub async fn a_stream_may_be_split_anywhere(level: u8) {
    let house = house();
    let mut client = Client::open(&house, level).await;
    let stream = [
        Connect::new(level).bytes(),
        publish(level, 2, "d/x", 1, &[7; 200]),
        subscribe(level, 2, &[("s", 0)]),
        PINGREQ.to_vec(),
    ];
    for byte in stream.concat() {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(stored(&house).await.payload.len(), 200);
    for first in [0x20, 0x40, 0x90, 0xD0] {
        let got = client.packet().await.0;
        assert!([0x20, 0x40, 0x90, 0xD0].contains(&got), "{got:#x}, like {first:#x}");
    }
    client.quiet().await;
}

/// A silent client is closed after one and a half times its keep-alive, and not before.
pub async fn silence_closes(level: u8) {
    let house = house_with(|_| {});
    let connect = Connect { keep_alive: 1, ..Connect::with_will(level, 0, false) };
    let (mut client, _) = Client::enter(&house, &connect).await;
    client.quiet().await;
    let silent_since = tokio::time::Instant::now();
    client.ended(0x8D, "keep-alive").await;
    let silence = silent_since.elapsed().as_millis();
    assert!((1400..4000).contains(&silence), "{silence} ms");
    // As if the network had failed: the will is published.
    assert_eq!(will_of(&house).await, b"gone");
    house.notes.wait_for("disconnected keep_alive").await;
}
