//! The MQTT side of one device: connect, subscribe, publish, obey, reconnect. A message is kept until its PUBACK and
//! sent again on the next connection, as devices do.

mod downlink;
mod end;

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, Incoming, MqttOptions, Outgoing, QoS,
    SubscribeReasonCode,
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::Settings;
use crate::budget::Budget;
use crate::device::{Device, Message};
use crate::stats::{Failure, Stats};
use end::End;

/// Failures in a row after which a device stays away.
const MAX_FAILURES: u32 = 12;
/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A session of this length was no failure, whatever ended it.
const LONG: Duration = Duration::from_secs(10);
/// Share of lost connections that the server hears nothing of.
const SILENT: f64 = 0.25;
/// The largest packet, bytes: a message of 200 records is below it.
const MAX_PACKET: usize = 256 * 1024;

/// What all devices of a run share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) settings: Settings,
    pub(crate) budget: Budget,
    pub(crate) stats: std::sync::Arc<Stats>,
    pub(crate) stop: CancellationToken,
    /// When the devices' clocks showed the settings' start.
    pub(crate) clock: Instant,
    /// That start, milliseconds since 1970.
    pub(crate) start_ms: i64,
}

impl Run {
    /// What the devices' clocks show, milliseconds since 1970.
    pub(crate) fn clock_ms(&self) -> i64 {
        let passed = i64::try_from(self.clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(passed)
    }
}

/// A message that was handed over and has no PUBACK yet.
struct Unacknowledged {
    message: Message,
    since: Instant,
    packet_id: Option<u16>,
}

/// What a session does next.
enum Step {
    Event(Box<Result<Event, ConnectionError>>),
    Finished,
    Over(End),
}

/// A device on its way through sessions.
pub(crate) struct Client<'a> {
    run: &'a Run,
    device: Device,
    /// When the next message leaves; it is made then, of what is so then.
    next: Option<Instant>,
    next_at: Instant,
    exhausted: bool,
    unacknowledged: VecDeque<Unacknowledged>,
    is_connected: bool,
    /// Whether the session brought something.
    has_progress: bool,
    /// Until when PUBACKs are awaited, once the device is to stop.
    deadline: Option<Instant>,
    rng: StdRng,
    /// The connection before, if the server was to hear nothing of its loss: nobody reads it, nobody closes it.
    silent: Option<(AsyncClient, EventLoop)>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(run: &'a Run, device: Device) -> Self {
        Self {
            rng: StdRng::seed_from_u64(device.imei().number() ^ run.settings.seed),
            run,
            device,
            next: None,
            next_at: Instant::now(),
            exhausted: false,
            unacknowledged: VecDeque::new(),
            is_connected: false,
            has_progress: false,
            deadline: None,
            silent: None,
        }
    }

    /// Lives until the run ends, the server refuses the device, or the device gives up.
    pub(crate) async fn live(mut self) {
        let mut failures = 0;
        while !self.run.stop.is_cancelled() {
            let began = Instant::now();
            // On the heap: what a client with TLS and WebSocket inside needs is large.
            let end = Box::pin(self.session()).await;
            if std::mem::take(&mut self.is_connected) {
                self.run.stats.disconnected();
            }
            if std::mem::take(&mut self.has_progress) || began.elapsed() >= LONG {
                failures = 0;
            }
            let failure = match end {
                End::Done => return,
                End::Refused(refusal) => return self.run.stats.refused(refusal),
                End::Lost(failure) => Some(failure),
                End::Cut => None,
            };
            if let Some(failure) = failure {
                self.run.stats.failed(failure);
                failures += 1;
            } else {
                self.run.stats.cut();
            }
            if failures >= MAX_FAILURES {
                return self.run.stats.failed(Failure::GaveUp);
            }
            let doubled = 1 << failures.saturating_sub(1);
            let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
            let jittered = pause.mul_f64(self.rng.random_range(0.5..1.5));
            if self.run.stop.run_until_cancelled(sleep(jittered)).await.is_none() {
                return;
            }
        }
    }

    async fn session(&mut self) -> End {
        let Some((client, mut events)) = self.client() else {
            return End::Lost(Failure::Network);
        };
        let end = self.converse(&client, &mut events).await;
        self.drain(&mut events).await;
        let is_silent = matches!(end, End::Cut) && self.rng.random_bool(SILENT);
        self.silent = is_silent.then_some((client, events));
        end
    }

    async fn converse(&mut self, client: &AsyncClient, events: &mut EventLoop) -> End {
        let cut = self.run.settings.reconnect_every.and_then(|mean| {
            // Losses that have nothing to do with each other, so many in the mean.
            let wait = mean.mul_f64(-f64::ln(1.0 - self.rng.random_range(0.0..1.0)));
            Instant::now().checked_add(wait)
        });
        loop {
            match self.step(client, events, cut).await {
                Step::Finished => {
                    self.disconnect(client, events).await;
                    return End::Done;
                }
                Step::Over(end) => return end,
                Step::Event(event) => match *event {
                    Err(error) => {
                        debug!(device = %self.device.imei(), %error, "session ended");
                        return End::from(&error);
                    }
                    Ok(event) => {
                        if self.handle(event, client).await.is_err() {
                            return End::Lost(Failure::Protocol);
                        }
                    }
                },
            }
        }
    }

    /// Publishes what is due until something else happens.
    async fn step(&mut self, client: &AsyncClient, events: &mut EventLoop, cut: Option<Instant>) -> Step {
        // The poll is dropped only where a session ends: what it has read by then is in the event loop's queue.
        let mut poll = pin!(events.poll());
        loop {
            self.pass();
            let (due, switch) = (self.due(), self.next_switch());
            if self.is_finished() {
                return Step::Finished;
            }
            tokio::select! {
                event = &mut poll => return Step::Event(Box::new(event)),
                () = self.run.stop.cancelled(), if self.deadline.is_none() => {
                    self.deadline = Some(Instant::now() + self.run.settings.grace);
                    if !self.is_connected {
                        return Step::Over(End::Done);
                    }
                }
                () = until(self.deadline) => return Step::Over(End::Done),
                () = until(cut), if self.deadline.is_none() => return Step::Over(End::Cut),
                () = until(switch) => {}
                () = until(due) => {
                    if self.send(client).is_err() {
                        return Step::Over(End::Lost(Failure::Protocol));
                    }
                }
            }
        }
    }

    fn client(&mut self) -> Option<(AsyncClient, EventLoop)> {
        let settings = &self.run.settings;
        let server = settings.servers.get(self.rng.random_range(0..settings.servers.len()))?;
        let mut options = MqttOptions::new(self.device.imei().to_string(), &server.host, server.port);
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
        Some((client, events))
    }

    /// When the next message is to be sent; `None` while none may be.
    fn due(&mut self) -> Option<Instant> {
        let has_room = self.unacknowledged.len() < usize::from(self.run.settings.in_flight);
        if !self.is_connected || !has_room || self.deadline.is_some() {
            return None;
        }
        if self.device.has_stored() {
            return Some(Instant::now());
        }
        if self.next.is_none() && !self.exhausted {
            self.next = self.run.budget.take().map(|slot| slot.max(self.next_at));
            self.exhausted = self.next.is_none();
        }
        self.next
    }

    fn send(&mut self, client: &AsyncClient) -> Result<(), ClientError> {
        let message = if self.device.has_stored() {
            self.device.stored_message()
        } else if let Some(at) = self.next.take() {
            self.device.next_message().map(|(message, wait)| {
                // Not from now on: what an outage held up is sent as soon as it is over.
                self.next_at = at + wait;
                message
            })
        } else {
            return Ok(());
        };
        let Ok(message) = message else {
            // No message of these settings is too long to be written.
            self.exhausted = true;
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
        let has_more = self.next.is_some() || !self.exhausted || self.device.has_stored();
        self.is_connected && (!has_more || self.deadline.is_some()) && self.unacknowledged.is_empty()
    }

    async fn handle(&mut self, event: Event, client: &AsyncClient) -> Result<(), ClientError> {
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
            Event::Incoming(Incoming::Publish(publish)) => self.obey(&publish).await,
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
        client.try_subscribe(self.command_topic(), QoS::AtLeastOnce)?;
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
}

fn publish(client: &AsyncClient, message: &Message) -> Result<(), ClientError> {
    client.try_publish(message.topic, QoS::AtLeastOnce, false, message.payload.clone())
}

/// Waits until then, or for ever.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
