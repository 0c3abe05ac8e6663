//! Cost of decoding a packet and writing it again, for our MQTT codec and three others.
//!
//! 64 packets lie in one buffer, as after one read of a busy socket. The decision that rests on this is
//! `docs/decisions/0002-mqtt-codec.md`.
#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::time::Duration;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fleetwire_mqtt::packet::{Ack, AckKind, Connect, Level, Properties, PublishPacket, QoS, Reason};

#[path = "../codecs/mod.rs"]
mod codecs;
use codecs::Codec;

const PACKETS: usize = 64;

fn publish(level: Level, payload: usize) -> BytesMut {
    let mut out = BytesMut::new();
    PublishPacket {
        topic: "BCE/D".into(),
        payload: vec![0x5a; payload].into(),
        qos: QoS::AtLeastOnce,
        dup: false,
        retain: false,
        packet_id: 7,
        properties: Properties::default(),
    }
    .encode(&mut out, level);
    out
}

fn puback(level: Level) -> BytesMut {
    let mut out = BytesMut::new();
    Ack::new(AckKind::PubAck, 7, Reason::Success).encode(&mut out, level);
    out
}

fn connect(level: Level) -> BytesMut {
    let mut out = BytesMut::new();
    Connect {
        level,
        clean_start: true,
        keep_alive: 60,
        client_id: "867035046242895".into(),
        will: None,
        user_name: Some("bce_device".into()),
        password: Some("a-password".into()),
        properties: Properties::default(),
    }
    .encode(&mut out);
    out
}

fn bench(criterion: &mut Criterion) {
    for level in [Level::V311, Level::V5] {
        let cases = [
            ("publish_100", publish(level, 100)),
            ("publish_1024", publish(level, 1024)),
            ("puback", puback(level)),
            ("connect", connect(level)),
        ];
        for (case, packet) in cases {
            let mut group = criterion.benchmark_group(format!("mqtt_codec/{level:?}/{case}"));
            group.throughput(Throughput::Elements(PACKETS as u64));
            let template = packet.repeat(PACKETS);
            for codec in Codec::ALL {
                let mut out = BytesMut::with_capacity(template.len() * 2);
                group.bench_function(codec.name(), |bencher| {
                    bencher.iter_batched_ref(
                        || BytesMut::from(&template[..]),
                        |input| {
                            out.clear();
                            assert_eq!(codec.run(level, input, Some(&mut out)).unwrap(), PACKETS);
                        },
                        BatchSize::SmallInput,
                    );
                });
                // Others may write another form; rumqttd puts the flags of every CONNECT into the first one.
                assert!(out == template || codec != Codec::Ours, "what is written is what was read");
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(30);
    targets = bench
}
criterion_main!(benches);
