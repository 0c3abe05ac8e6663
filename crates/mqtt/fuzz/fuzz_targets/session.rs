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
    Authenticator, Downlink, FailureReason, Grant, Limits, Observer, Outcome, Peer, Receipt, Refusal,
    TopicFilter,
    packet::{Connect, Frame, QoS},
    session::{End, Kept, Session, Step, Visitor, admit},
};
use libfuzzer_sys::fuzz_target;

struct Open;

impl Authenticator for Open {
    fn authenticate(&self, _: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        let filter = |text: &'static str| TopicFilter::parse(text).unwrap();
        Ok(Grant {
            publish: Arc::new([filter("a"), filter("b/+")]),
            subscribe: Arc::new([filter("c/#")]),
            max_subscribe_qos: QoS::ExactlyOnce,
            publish_rate: Some(3),
            max_queued: 2,
            listens: true,
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
    max_topic_length: 64,
    max_topic_levels: 4,
    max_session_expiry: Duration::from_secs(60),
    idle_timeout: Duration::from_secs(60),
};

/// Acts on the open receipts as one byte of input says.
fn act(byte: u8, open: &mut Vec<Receipt>, session: &mut Session, out: &mut BytesMut) -> u64 {
    if byte & 0x80 != 0 && session.wants_downlink() {
        let qos = if byte & 0x40 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        session.deliver(&Downlink::new("c/d", "x", qos), Instant::now(), out);
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

/// What one connection did to the counts.
#[derive(Default)]
struct Counts {
    stored: u64,
    pubacks: u64,
}

/// Drives one connection to its end; `None` if the input ends first.
fn drive<'a>(
    session: &mut Session,
    actions: &mut impl Iterator<Item = &'a u8>,
    input: &mut BytesMut,
    out: &mut BytesMut,
) -> Option<(End, u64)> {
    let (now, mut counts, mut open, mut last) = (Instant::now(), Counts::default(), Vec::new(), 0);
    let end = loop {
        counts.pubacks += count_pubacks(out);
        assert!(counts.pubacks <= counts.stored, "acknowledged means stored");
        counts.stored += act(*actions.next()?, &mut open, session, out);
        if let Err(end) = session.settle(Instant::now, out) {
            break end;
        }
        if !session.wants_packets() {
            // Ingest answers everything in the end.
            counts.stored += open.len() as u64;
            open.drain(..).for_each(|receipt: Receipt| receipt.complete(Outcome::Stored));
            if let Err(end) = session.settle(Instant::now, out) {
                break end;
            }
            assert!(session.wants_packets() || session.in_flight() == 0);
        }
        if !session.wants_packets() {
            return None;
        }
        let frame = Frame::next(input, LIMITS.max_packet_size).ok()??;
        match session.receive(frame, now, 0, out) {
            Ok(Step::Offer(publish, receipt)) => {
                assert!(publish.sequence == last + 1 && !publish.topic.is_empty());
                last = publish.sequence;
                open.push(receipt);
            }
            Ok(_) => {}
            Err(end) => break end,
        }
        session.pause(now);
        assert!(session.in_flight() <= 8, "window is bounded");
        assert!(session.subscriptions().len() <= LIMITS.max_subscriptions);
    };
    assert!(counts.stored <= last);
    Some((end, last))
}

/// Connections of one client, one after the other, each with what the one before left.
fn run(actions: &[u8], stream: &[u8]) -> Option<()> {
    let observer: Arc<dyn Observer> = Arc::new(());
    let mut out = BytesMut::new();
    let mut input = BytesMut::from(stream);
    let mut actions = actions.iter().cycle();
    let mut kept = None;
    loop {
        let peer = Peer::tcp(SocketAddr::from(([127, 0, 0, 1], 1)));
        let visitor = Visitor { session_id: "s".into(), peer, now: Instant::now(), unix_ms: 0 };
        let first = Frame::next(&mut input, LIMITS.max_packet_size).ok()??;
        let admission = admit(first, visitor, &LIMITS, (&Open, &observer), &mut out).ok()?;
        let kept_before: Option<Kept> = kept.take().filter(|_| admission.resumes());
        let mut session = admission.begin(kept_before, &mut out);
        let (end, last) = drive(&mut session, &mut actions, &mut input, &mut out)?;
        session.say_goodbye(end, None, &mut out);
        count_pubacks(&mut out);
        let (mut parked, keep) = session.park(end);
        parked.settle();
        if !keep || parked.will_delay().is_some_and(|delay| delay.is_zero()) {
            let will = parked.take_will(0);
            assert!(will.is_none_or(|(will, _receipt)| will.will && will.sequence == last + 1));
        }
        kept = keep.then_some(parked);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((actions, stream)) = data.split_first_chunk::<8>() else { return };
    run(actions, stream);
});
