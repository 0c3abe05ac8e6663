//! Sessions that somebody on this side ends: found by client id, by what the authenticator knows of them, or at once
//! because their grant is already out of date.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fleetwire_mqtt::packet::{Connect, Level, Property};
use fleetwire_mqtt::{Authenticator, End, Grant, Peer, Refusal, SessionFacts};
use support::{House, Wire, connect_packet, house_of, soon};

/// Lets everybody in; each session's identity is its client id. Asked again, it says what the test wants.
#[derive(Debug, Default)]
struct Registry {
    changed: Arc<AtomicBool>,
    asked_again: Arc<AtomicUsize>,
}

impl Authenticator for Registry {
    fn authenticate(&self, connect: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        Ok(Grant::new(Arc::new(connect.client_id.to_string())))
    }

    fn still_admits(&self, session: &SessionFacts) -> bool {
        assert_eq!(session.identity::<String>().unwrap(), session.client_id.as_str());
        self.asked_again.fetch_add(1, Ordering::Relaxed);
        !self.changed.load(Ordering::Relaxed)
    }
}

fn is(identity: &(dyn Any + Send + Sync), id: &str) -> bool {
    identity.downcast_ref::<String>().is_some_and(|own| own == id)
}

/// Connects with a session that outlives its connection.
async fn lasting(house: &House, id: &str) -> Wire {
    let packet =
        Connect { properties: vec![Property::SessionExpiry(600)].into(), ..connect_packet(Level::V5, id) };
    let mut bytes = bytes::BytesMut::new();
    packet.encode(&mut bytes);
    let mut wire = Wire::open(house).await;
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[1]), (0x20, 0), "let in");
    wire
}

#[tokio::test]
async fn a_session_is_closed_only_if_its_identity_says_so() {
    let house = house_of(Registry::default(), |_| {});
    let mut one = Wire::connect(&house, Level::V5, "one").await;
    let mut two = Wire::connect(&house, Level::V311, "two").await;
    assert!(!house.sessions.close_if("one", End::Administrative, |identity| is(identity, "two")));
    assert!(!house.sessions.close_if("three", End::Administrative, |_| true));
    assert_eq!(house.sessions.len(), 2);

    assert!(house.sessions.close_if("one", End::Administrative, |identity| is(identity, "one")));
    let (first, body) = one.packet().await;
    assert_eq!((first, body[0]), (0xE0, 0x98));
    one.closed().await;
    assert!(house.sessions.close_if("two", End::Administrative, |identity| is(identity, "two")));
    two.closed().await;
}

#[tokio::test]
async fn of_all_sessions_those_are_closed_of_which_it_is_said() {
    let house = house_of(Registry::default(), |_| {});
    let mut wires = Vec::new();
    for id in ["one", "two", "three", "four"] {
        wires.push(Wire::connect(&house, Level::V5, id).await);
    }
    let closed = house
        .sessions
        .close_where(End::Administrative, |identity| is(identity, "two") || is(identity, "four"));
    assert_eq!(closed, 2);
    for number in [1, 3] {
        let (first, body) = wires[number].packet().await;
        assert_eq!((first, body[0]), (0xE0, 0x98));
        wires[number].closed().await;
    }
    wires[0].send(&[0xC0, 0]).await;
    assert_eq!(wires[0].packet().await.0, 0xD0);
    assert_eq!(house.sessions.len(), 2);
}

#[tokio::test]
async fn a_session_whose_client_is_away_is_over_too() {
    let house = house_of(Registry::default(), |_| {});
    for all in [false, true] {
        drop(lasting(&house, "one").await);
        house.notes.wait_for_many("kept", 1 + usize::from(all)).await;
        assert_eq!(house.sessions.away(), 1);
        if all {
            assert_eq!(house.sessions.close_where(End::Administrative, |_| true), 1);
        } else {
            assert!(house.sessions.close_if("one", End::Administrative, |identity| is(identity, "one")));
        }
        house.notes.wait_for_many("kept_over", 1 + usize::from(all)).await;
        soon(async {
            while house.sessions.away() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_session_that_would_not_be_let_in_any_more_when_it_has_its_place_ends_at_once() {
    let registry = Registry::default();
    let (changed, asked_again) = (registry.changed.clone(), registry.asked_again.clone());
    let house = house_of(registry, |_| {});
    let mut before = Wire::connect(&house, Level::V5, "one").await;
    changed.store(true, Ordering::Relaxed);
    let mut wire = lasting(&house, "two").await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[0]), (0xE0, 0x98));
    wire.closed().await;
    assert_eq!(asked_again.load(Ordering::Relaxed), 2, "once for each session");
    before.send(&[0xC0, 0]).await;
    assert_eq!(before.packet().await.0, 0xD0);
    assert_eq!((house.sessions.len(), house.sessions.away()), (1, 0), "nothing of it is kept");
}
