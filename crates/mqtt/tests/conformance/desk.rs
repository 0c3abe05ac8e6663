//! Who may come in here: a device, an operator that listens to others, and one for every way to be refused.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use fleetwire_mqtt::{
    Authenticator, DeliveryOutcome, Downlink, Grant, Message, Peer, Refusal, Settings, TopicFilter,
    packet::{Connect, Properties, QoS},
};
use tokio::sync::oneshot;

use crate::support::{House, house_of};

/// Client id of [`crate::wire::Client::connect`].
pub const ID: &str = "c1";

/// Lets `device` and `operator` in with the password `secret`, also without a client id.
#[derive(Debug, Default)]
struct Desk(AtomicUsize);

impl Authenticator for Desk {
    fn authenticate(&self, connect: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        match connect.user_name.as_deref() {
            Some("device" | "operator") if connect.password.as_deref() == Some(b"secret") => {}
            Some("nobody") => return Err(Refusal::NotAuthorized),
            Some("banned") => return Err(Refusal::Banned),
            Some("busy") => return Err(Refusal::ServerBusy),
            Some("away") => return Err(Refusal::ServerUnavailable),
            _ => return Err(Refusal::BadCredentials),
        }
        if &*connect.client_id == "refused" {
            return Err(Refusal::BadClientId);
        }
        let assigned = connect.client_id.is_empty().then(|| self.0.fetch_add(1, Relaxed));
        let filters = |texts: [&'static str; 2]| texts.map(|text| TopicFilter::parse(text).unwrap());
        Ok(Grant {
            client_id: assigned.map(|number| format!("assigned{number}").into()),
            publish: Arc::new(filters(["d/#", "$d/#"])),
            subscribe: Arc::new(filters(["#", "$d/#"])),
            max_subscribe_qos: QoS::ExactlyOnce,
            listens: connect.user_name.as_deref() == Some("operator"),
            max_queued: if connect.user_name.as_deref() == Some("operator") { 32 } else { 0 },
            server_keep_alive: (&*connect.client_id == "hurried").then_some(1),
            ..Grant::new(Arc::new(()))
        })
    }
}

/// A running server.
pub fn house() -> House {
    house_with(|_| {})
}

/// A running server with other settings.
pub fn house_with(change: impl FnOnce(&mut Settings)) -> House {
    house_of(Desk::default(), change)
}

/// Has the server publish to the client [`ID`].
pub fn deliver(house: &House, topic: &str, qos: QoS) -> oneshot::Receiver<DeliveryOutcome> {
    deliver_payload(house, topic, qos, b"on".to_vec())
}

/// The same with a payload.
pub fn deliver_payload(
    house: &House,
    topic: &str,
    qos: QoS,
    payload: Vec<u8>,
) -> oneshot::Receiver<DeliveryOutcome> {
    let (reply, outcome) = oneshot::channel();
    house.sessions.deliver(ID, Downlink::new(topic.to_owned(), payload, qos), reply);
    outcome
}

/// A message of another client, for all who listen.
pub fn message(topic: &str, qos: QoS, payload: &[u8]) -> Message {
    Message {
        topic: topic.to_owned().into(),
        payload: payload.to_vec().into(),
        qos,
        retain: false,
        properties: Properties::default(),
        expires: None,
        from: "other".into(),
    }
}

/// A message that is to be retained.
pub fn retained(topic: &str, qos: QoS, payload: &[u8]) -> Message {
    Message { retain: true, ..message(topic, qos, payload) }
}
