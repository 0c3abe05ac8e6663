//! The publish/subscribe fabric behind the sessions: rumqttd's router, without its listener.
//!
//! Commands are published into the router; one dispatcher link takes everything from there to the sessions'
//! inboxes, so that no device costs a link, a filter or a thread. While a session listens to what others publish,
//! that goes the same way. Both travel sealed, each under one topic: nothing from a device reaches the router's parser,
//! and the router, which keeps a little memory for ever for each topic that it meets, meets three.
//! A canary runs through it all the time: if it does not come back, the process is not ready, and if a link
//! fails, the router's thread is gone and the process ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::{Buf as _, Bytes};
use fleetwire_mqtt::Message;
use fleetwire_service::health::Condition;
use rumqttd::local::{LinkBuilder, LinkError, LinkRx, LinkTx};
use rumqttd::{Notification, Router, RouterConfig};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::mirror::{Envelope, OnTheWay};

/// Topic of commands: a number, whose meaning [`crate::downlink`] keeps, and the payload.
const DOWNLINK: &str = "down";
/// Topic of publishes for sessions that listen.
const MIRROR: &str = "mirror";
/// Topic of the canary.
const CANARY: &str = "canary";
/// How often a canary is sent.
const CANARY_EVERY: Duration = Duration::from_secs(1);
/// How long a canary may take before the process is not ready.
const CANARY_LATE: Duration = Duration::from_secs(5);

/// Why the router cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// The router's thread is gone.
    #[error("the publish/subscribe router is gone: {0}")]
    Gone(Box<LinkError>),
}

impl From<LinkError> for FabricError {
    fn from(error: LinkError) -> Self {
        Self::Gone(Box::new(error))
    }
}

/// Publishes downlink into the router. Cheap to clone.
#[derive(Clone)]
pub struct Fabric {
    link: Arc<Mutex<LinkTx>>,
    mirrored: Arc<OnTheWay>,
    commands: Arc<OnTheWay>,
}

impl std::fmt::Debug for Fabric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fabric").finish_non_exhaustive()
    }
}

/// Takes what the router forwards to the sessions.
pub struct Dispatcher {
    link: LinkRx,
    fabric: Fabric,
    // The router drops a link whose sender is gone.
    _subscriber: LinkTx,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

/// What leaves the router.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// For one session: the number under which it set out, and the payload.
    Command(u64, Bytes),
    /// For all sessions that listen to its topic.
    Message(Message),
}

/// Starts the router on a thread of its own. Blocks for its answers, shortly.
pub fn start() -> Result<(Fabric, Dispatcher), FabricError> {
    let router = Router::new(
        0,
        RouterConfig {
            max_connections: 64,
            max_outgoing_packet_count: 200,
            max_segment_size: 1 << 20,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
    )
    .spawn();
    let (mut subscriber, link, _) = LinkBuilder::new("fleetwire:dispatcher", router.clone()).build()?;
    subscriber.subscribe(DOWNLINK)?;
    subscriber.subscribe(MIRROR)?;
    subscriber.subscribe(CANARY)?;
    let (publisher, _, _) = LinkBuilder::new("fleetwire:publisher", router).build()?;
    let fabric =
        Fabric { link: Arc::new(Mutex::new(publisher)), mirrored: Arc::default(), commands: Arc::default() };
    Ok((fabric.clone(), Dispatcher { link, fabric, _subscriber: subscriber }))
}

impl Fabric {
    /// Publishes a command under a number; `false` if too much is on its way already. That the router took it says
    /// nothing about the session.
    pub(crate) fn publish(&self, number: u64, payload: &[u8]) -> Result<bool, FabricError> {
        let bytes = [&number.to_be_bytes(), payload].concat();
        let taken = self.commands.take(bytes.len());
        if taken {
            self.send(DOWNLINK.to_owned(), bytes.into())?;
        }
        Ok(taken)
    }

    /// Publishes to the sessions that listen; `false` if too much is on its way already.
    pub(crate) fn mirror(&self, envelope: &Envelope) -> Result<bool, FabricError> {
        let bytes = envelope.encode();
        let taken = self.mirrored.take(bytes.len());
        if taken {
            self.send(MIRROR.to_owned(), bytes)?;
        }
        Ok(taken)
    }

    /// Waits until [`Self::mirror`] is worth another try, at most `limit`.
    pub(crate) async fn room(&self, limit: Duration) {
        self.mirrored.room(limit).await;
    }

    /// The link keeps what it is given and only then tells the router, so that a full signal queue delays the
    /// publish until the next signal (the canary's, at the latest) and does not lose it.
    fn send(&self, topic: String, payload: Bytes) -> Result<(), FabricError> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match link.try_publish(topic, payload) {
            Ok(_) | Err(LinkError::TrySend(flume::TrySendError::Full(_))) => Ok(()),
            Err(gone) => Err(gone.into()),
        }
    }
}

impl Dispatcher {
    /// Hands everything to `deliver` until told to stop; fails when the router is gone.
    pub async fn run(
        mut self,
        stop: CancellationToken,
        condition: Condition,
        mut deliver: impl FnMut(Outgoing) + Send,
    ) -> Result<()> {
        let mut canary = interval(CANARY_EVERY);
        canary.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut last_seen, pulse) = (Instant::now(), condition.pulse());
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = canary.tick() => {
                    if last_seen.elapsed() > CANARY_LATE {
                        condition.not_ready("the publish/subscribe router does not answer");
                    }
                    self.fabric.send(CANARY.to_owned(), Bytes::new())?;
                }
                next = self.link.next() => match next {
                    Ok(Some(Notification::Forward(forward))) => {
                        let (topic, payload) = (forward.publish.topic, forward.publish.payload);
                        if topic == CANARY {
                            last_seen = Instant::now();
                            pulse.beat();
                            condition.ready();
                        } else if let Some(outgoing) = self.fabric.parse(&topic, payload) {
                            deliver(outgoing);
                        } else {
                            warn!("the router forwarded what nobody published");
                        }
                    }
                    // The router parks a link after a batch until it is told that the link is ready again.
                    Ok(Some(Notification::Unschedule)) => self.link.wake().await?,
                    Ok(_) => {}
                    Err(err) => bail!("the publish/subscribe router is gone: {err}"),
                }
            }
        }
    }
}

impl Fabric {
    fn parse(&self, topic: &[u8], mut payload: Bytes) -> Option<Outgoing> {
        if topic == MIRROR.as_bytes() {
            self.mirrored.give_back(payload.len());
            return Envelope::read(&payload, std::time::Instant::now()).map(Outgoing::Message);
        }
        if topic != DOWNLINK.as_bytes() {
            return None;
        }
        self.commands.give_back(payload.len());
        let number = payload.try_get_u64().ok()?;
        Some(Outgoing::Command(number, payload))
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_service::health::Health;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn commands_cross_the_router_in_order_and_the_canary_makes_it_ready() {
        let (fabric, dispatcher) = start().unwrap();
        let (stop, health) = (CancellationToken::new(), Health::default());
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let condition = health.condition("fabric");
        let running = dispatcher.run(stop.clone(), condition, move |outgoing| {
            let Outgoing::Command(number, payload) = outgoing else { panic!("{outgoing:?}") };
            sender.send((number, payload)).unwrap();
        });
        let test = async {
            // More than the router forwards in one batch before it parks the link.
            for number in 0..1000_u64 {
                assert!(fabric.publish(number, format!("+/#{number}").as_bytes()).unwrap());
            }
            for number in 0..1000_u64 {
                let (arrived, payload) = receiver.recv().await.unwrap();
                assert_eq!((arrived, &payload[..]), (number, format!("+/#{number}").as_bytes()));
            }
            while !health.is_ready() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ran, ()) =
            timeout(Duration::from_secs(20), async { tokio::join!(running, test) }).await.unwrap();
        ran.unwrap();
    }

    #[tokio::test]
    async fn no_more_is_on_its_way_than_the_router_keeps() {
        let (fabric, _dispatcher) = start().unwrap();
        let payload = vec![0; 64 * 1024];
        let taken = (0..100).take_while(|number| fabric.publish(*number, &payload).unwrap()).count();
        assert!((16..64).contains(&taken), "{taken}");
    }
}
