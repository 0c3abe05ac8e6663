//! A whole connection's bytes, with answers that come late, out of order or never: nothing panics, the window
//! stays bounded, and never more is acknowledged than was stored.
#![no_main]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use fleetwire_mqtt::{
    Authenticator, Downlink, FailureReason, Grant, Limits, Observer, Outcome, Peer, Receipt, Refusal, TopicFilter,
    packet::{Connect, Frame, QoS},
    session::{Session, Step, Visitor, admit},
};
use libfuzzer_sys::fuzz_target;

struct Open;

impl Authenticator for Open {
    fn authenticate(&self, _: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        let filter = |text: &'static str| TopicFilter::parse(text).unwrap();
        Ok(Grant {
            publish: Arc::new([filter("a"), filter("b/+")]),
            subscribe: Arc::new([filter("c/#")]),
            ..Grant::new(Arc::new(()))
        })
    }
}

const LIMITS: Limits = Limits {
    max_in_flight: 4,
    max_in_flight_bytes: 256,
    max_packet_size: 512,
    max_subscriptions: 2,
    max_topic_aliases: 2,
    max_outbound: 2,
    idle_timeout: Duration::from_secs(60),
};

/// Acts on the open receipts as one byte of input says.
fn act(byte: u8, open: &mut Vec<Receipt>, session: &mut Session, out: &mut BytesMut) -> u64 {
    if byte & 0x80 != 0 && session.wants_downlink() {
        let downlink = Downlink { topic: "c/d".into(), payload: "x".into(), qos: QoS::AtLeastOnce };
        session.deliver(&downlink, out);
    }
    if open.is_empty() || byte & 3 == 0 {
        return 0;
    }
    let receipt = open.swap_remove(usize::from(byte >> 2) % open.len());
    match byte & 3 {
        1 => drop(receipt),
        2 => receipt.complete(Outcome::Failed(FailureReason::QuotaExceeded)),
        _ => {
            receipt.complete(Outcome::Stored);
            return 1;
        }
    }
    0
}

/// Counts the PUBACKs without a reason code of failure, and empties `out`.
fn count_pubacks(out: &mut BytesMut) -> u64 {
    let mut count = 0;
    while let Some(frame) = Frame::next(out, usize::MAX).unwrap() {
        count += u64::from(frame.kind() == 4 && frame.body.len() == 2);
    }
    assert!(out.is_empty(), "answers are whole packets");
    count
}

fn run(actions: &[u8], stream: &[u8]) -> Option<()> {
    let observer: Arc<dyn Observer> = Arc::new(());
    let (now, mut out) = (Instant::now(), BytesMut::new());
    let mut input = BytesMut::from(stream);
    let visitor =
        Visitor { session_id: "s".into(), peer: Peer::tcp(SocketAddr::from(([127, 0, 0, 1], 1))), now, unix_ms: 0 };
    let first = Frame::next(&mut input, LIMITS.max_packet_size).ok()??;
    let mut session = admit(first, visitor, &LIMITS, (&Open, &observer), &mut out).ok()?;
    let mut actions = actions.iter().cycle();
    let (mut open, mut stored, mut pubacks, mut last) = (Vec::new(), 0, 0, 0);
    let end = loop {
        pubacks += count_pubacks(&mut out);
        assert!(pubacks <= stored, "acknowledged means stored");
        stored += act(*actions.next()?, &mut open, &mut session, &mut out);
        if let Err(end) = session.settle(&mut out) {
            break end;
        }
        if !session.wants_packets() {
            // Ingest answers everything in the end.
            stored += open.len() as u64;
            open.drain(..).for_each(|receipt: Receipt| receipt.complete(Outcome::Stored));
            if let Err(end) = session.settle(&mut out) {
                break end;
            }
            assert!(session.wants_packets() || session.in_flight() == 0);
        }
        if !session.wants_packets() {
            return None;
        }
        let frame = Frame::next(&mut input, LIMITS.max_packet_size).ok()??;
        match session.receive(frame, now, 0, &mut out) {
            Ok(Step::Offer(publish, receipt)) => {
                assert!(publish.sequence == last + 1 && !publish.topic.is_empty());
                last = publish.sequence;
                open.push(receipt);
            }
            Ok(_) => {}
            Err(end) => break end,
        }
        assert!(session.in_flight() <= 8, "window is bounded");
    };
    assert!(stored <= last);
    if let Some((will, _receipt)) = session.finish(end, 0, &mut out) {
        assert!(will.will && will.sequence == last + 1);
    }
    Some(())
}

fuzz_target!(|data: &[u8]| {
    let Some((actions, stream)) = data.split_first_chunk::<8>() else { return };
    run(actions, stream);
});
