//! The MQTT side of one device: connect, subscribe, publish, reconnect. A message is kept until its PUBACK
//! and sent again on the next connection, as devices do.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rumqttc::{
    AsyncClient, ClientError, ConnectReturnCode, ConnectionError, Event, EventLoop, Incoming, MqttOptions,
    Outgoing, QoS, StateError, SubscribeReasonCode, mqttbytes,
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::Settings;
use crate::budget::Budget;
use crate::device::{Device, Message};
use crate::stats::{Failure, Refusal, Stats};

/// Failures in a row after which a device stays away.
const MAX_FAILURES: u32 = 12;
/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// The largest packet, bytes: a message of 200 records is below it.
const MAX_PACKET: usize = 256 * 1024;

/// What all devices of a run share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) settings: Settings,
    pub(crate) budget: Budget,
    pub(crate) stats: std::sync::Arc<Stats>,
    pub(crate) stop: CancellationToken,
}

/// How a session ended.
enum End {
    /// Nothing more is to be sent.
    Done,
    Refused(Refusal),
    Lost(Failure),
}

/// A message that was handed over and has no PUBACK yet.
struct Unacknowledged {
    message: Message,
    since: Instant,
    packet_id: Option<u16>,
}

/// A device on its way through sessions.
pub(crate) struct Client<'a> {
    run: &'a Run,
    device: Device,
    next: Option<(Message, Instant)>,
    next_at: Instant,
    exhausted: bool,
    unacknowledged: VecDeque<Unacknowledged>,
    is_connected: bool,
    /// Whether the session brought a PUBACK.
    has_progress: bool,
    /// Until when PUBACKs are awaited, once the device is to stop.
    deadline: Option<Instant>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(run: &'a Run, device: Device) -> Self {
        Self {
            run,
            device,
            next: None,
            next_at: Instant::now(),
            exhausted: false,
            unacknowledged: VecDeque::new(),
            is_connected: false,
            has_progress: false,
            deadline: None,
        }
    }

    /// Lives until the run ends, the server refuses the device, or the device gives up.
    pub(crate) async fn live(mut self) {
        let mut rng = StdRng::seed_from_u64(self.device.imei().number());
        let mut failures = 0;
        while !self.run.stop.is_cancelled() {
            // On the heap: what a client with TLS and WebSocket inside needs is large.
            let end = Box::pin(self.session()).await;
            if std::mem::take(&mut self.is_connected) {
                self.run.stats.disconnected();
            }
            if std::mem::take(&mut self.has_progress) {
                failures = 0;
            }
            let failure = match end {
                End::Done => return,
                End::Refused(refusal) => return self.run.stats.refused(refusal),
                End::Lost(failure) => failure,
            };
            self.run.stats.failed(failure);
            failures += 1;
            if failures >= MAX_FAILURES {
                return self.run.stats.failed(Failure::GaveUp);
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1)).min(LONGEST_PAUSE);
            let jittered = pause.mul_f64(rng.random_range(0.5..1.5));
            if self.run.stop.run_until_cancelled(sleep(jittered)).await.is_none() {
                return;
            }
        }
    }

    async fn session(&mut self) -> End {
        let (client, mut events) = self.client();
        loop {
            // The poll is dropped only where nothing is under way: a packet that it holds would be lost.
            let event = {
                let mut poll = pin!(events.poll());
                loop {
                    let due = self.due();
                    if self.is_finished() {
                        break None;
                    }
                    tokio::select! {
                        event = &mut poll => break Some(event),
                        () = self.run.stop.cancelled(), if self.deadline.is_none() => {
                            self.deadline = Some(Instant::now() + self.run.settings.grace);
                            if !self.is_connected {
                                return End::Done;
                            }
                        }
                        () = until(self.deadline) => return End::Done,
                        () = until(due) => {
                            if self.send(&client).is_err() {
                                return End::Lost(Failure::Protocol);
                            }
                        }
                    }
                }
            };
            match event {
                None => return disconnect(&client, &mut events).await,
                Some(Err(error)) => return self.ended(&error),
                Some(Ok(event)) => {
                    if self.handle(event, &client).is_err() {
                        return End::Lost(Failure::Protocol);
                    }
                }
            }
        }
    }

    fn client(&self) -> (AsyncClient, EventLoop) {
        let settings = &self.run.settings;
        let mut options = MqttOptions::new(self.device.imei().to_string(), &settings.host, settings.port);
        options
            .set_credentials(&settings.account, settings.password.expose_secret())
            .set_keep_alive(settings.keep_alive)
            .set_inflight(settings.in_flight)
            .set_max_packet_size(MAX_PACKET, MAX_PACKET)
            .set_clean_session(true);
        // Room for all messages in flight, the subscription and the farewell.
        let (client, mut events) = AsyncClient::new(options, usize::from(settings.in_flight) + 2);
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        (client, events)
    }

    /// When the next message is to be sent; `None` while none may be.
    fn due(&mut self) -> Option<Instant> {
        let has_room = self.unacknowledged.len() < usize::from(self.run.settings.in_flight);
        if !self.is_connected || !has_room || self.deadline.is_some() || self.exhausted {
            return None;
        }
        if self.next.is_none() {
            let slot = self.run.budget.take();
            let message = slot.and_then(|slot| Some((slot, self.device.next_message().ok()?)));
            match message {
                Some((slot, (message, wait))) => {
                    self.next = Some((message, slot.max(self.next_at)));
                    // Not from now on: what an outage held up is sent as soon as it is over.
                    self.next_at = slot.max(self.next_at) + wait;
                }
                None => self.exhausted = true,
            }
        }
        self.next.as_ref().map(|(_, at)| *at)
    }

    fn send(&mut self, client: &AsyncClient) -> Result<(), ClientError> {
        let Some((message, _)) = self.next.take() else {
            return Ok(());
        };
        publish(client, &message)?;
        self.run.stats.published();
        let since = Instant::now();
        self.unacknowledged.push_back(Unacknowledged { message, since, packet_id: None });
        Ok(())
    }

    /// Whether nothing more is to be sent, and all that was sent has its PUBACK.
    fn is_finished(&self) -> bool {
        self.is_connected && (self.exhausted || self.deadline.is_some()) && self.unacknowledged.is_empty()
    }

    fn handle(&mut self, event: Event, client: &AsyncClient) -> Result<(), ClientError> {
        match event {
            Event::Incoming(Incoming::ConnAck(_)) => {
                self.is_connected = true;
                self.run.stats.connected();
                self.begin(client)?;
            }
            Event::Outgoing(Outgoing::Publish(packet_id)) => {
                let unnamed = |sent: &&mut Unacknowledged| sent.packet_id.is_none();
                if let Some(sent) = self.unacknowledged.iter_mut().find(unnamed) {
                    sent.packet_id = Some(packet_id);
                }
            }
            Event::Incoming(Incoming::PubAck(ack)) => self.acknowledged(ack.pkid),
            Event::Incoming(Incoming::Publish(_)) => self.run.stats.command(),
            Event::Incoming(Incoming::SubAck(ack))
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) =>
            {
                self.run.stats.failed(Failure::Subscription);
            }
            _ => {}
        }
        Ok(())
    }

    /// What a device does first: it subscribes to its commands and repeats what has no PUBACK.
    fn begin(&mut self, client: &AsyncClient) -> Result<(), ClientError> {
        client.try_subscribe(format!("{}/OUTC", self.device.imei()), QoS::AtLeastOnce)?;
        for sent in &mut self.unacknowledged {
            sent.packet_id = None;
            publish(client, &sent.message)?;
            self.run.stats.resent();
        }
        Ok(())
    }

    fn acknowledged(&mut self, packet_id: u16) {
        let place = self.unacknowledged.iter().position(|sent| sent.packet_id == Some(packet_id));
        let Some((place, sent)) = place.and_then(|place| Some((place, self.unacknowledged.remove(place)?)))
        else {
            return;
        };
        self.has_progress = true;
        if place > 0 {
            self.run.stats.out_of_order();
        }
        self.run.stats.acknowledged(sent.message.records, sent.since.elapsed());
    }

    fn ended(&self, error: &ConnectionError) -> End {
        let imei = self.device.imei();
        debug!(device = %imei, %error, "session ended");
        match error {
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::RefusedProtocolVersion => End::Refused(Refusal::ProtocolVersion),
                ConnectReturnCode::BadClientId => End::Refused(Refusal::Identifier),
                ConnectReturnCode::BadUserNamePassword => End::Refused(Refusal::Credentials),
                ConnectReturnCode::NotAuthorized => End::Refused(Refusal::NotAuthorized),
                ConnectReturnCode::ServiceUnavailable => End::Lost(Failure::Unavailable),
                ConnectReturnCode::Success => End::Lost(Failure::Protocol),
            },
            ConnectionError::NetworkTimeout
            | ConnectionError::FlushTimeout
            | ConnectionError::MqttState(StateError::AwaitPingResp) => End::Lost(Failure::Timeout),
            ConnectionError::Io(_)
            | ConnectionError::MqttState(
                StateError::Io(_)
                | StateError::ConnectionAborted
                | StateError::Deserialization(mqttbytes::Error::Io(_)),
            ) => End::Lost(Failure::Network),
            _ => End::Lost(Failure::Protocol),
        }
    }
}

fn publish(client: &AsyncClient, message: &Message) -> Result<(), ClientError> {
    client.try_publish(message.topic, QoS::AtLeastOnce, false, message.payload.clone())
}

/// Says farewell, so that the server does not take the device for lost.
async fn disconnect(client: &AsyncClient, events: &mut EventLoop) -> End {
    let farewell =
        async { while !matches!(events.poll().await, Err(_) | Ok(Event::Outgoing(Outgoing::Disconnect))) {} };
    if client.try_disconnect().is_ok() {
        tokio::time::timeout(FAREWELL, farewell).await.unwrap_or_default();
    }
    End::Done
}

/// Waits until then, or for ever.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
