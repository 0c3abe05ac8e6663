//! One device: publishes at its interval, whatever the frontends do; keeps what is not acknowledged, and sends it again
//! after a reconnect; goes where a server refers it to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use fleetwire_model::Imei;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::fleet::Shared;
use super::goodbye::{self, Goodbye};
use super::ledger::{DeviceLedger, Published};
use super::payload;
use crate::site::{ACCOUNT, PASSWORD, TOPIC};
use crate::wire::{self, Packet, Publish, Qos, Version, kind};

/// Before the next attempt to connect, milliseconds.
const BACKOFF_MS: std::ops::Range<u64> = 20..200;
/// How long a connection may take to be there.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A session that leaves publishes without any answer for this long is given up.
const SILENCE: Duration = Duration::from_mins(1);
/// Publishes that a device keeps; while it has so many, nothing new falls due.
const MOST_PENDING: usize = 10_000;

/// What a device is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) imei: Imei,
    pub(super) version: Version,
    /// When its first publish is due.
    pub(super) first_due: Instant,
}

/// A publish without an answer.
struct Pending {
    number: u32,
    due: Instant,
    /// The step of the run in which it was due.
    step: usize,
    packet_id: u16,
}

pub(super) struct Device {
    identity: Identity,
    shared: Arc<Shared>,
    random: StdRng,
    ledger: DeviceLedger,
    pending: VecDeque<Pending>,
    /// So many of them, from the oldest on, are written to the present connection.
    on_wire: usize,
    due: Instant,
    referred_to: Option<SocketAddr>,
    last_id: u16,
}

impl Device {
    pub(super) fn new(identity: Identity, shared: Arc<Shared>, random: StdRng) -> Self {
        Self {
            identity,
            shared,
            random,
            ledger: DeviceLedger::default(),
            pending: VecDeque::new(),
            on_wire: 0,
            due: identity.first_due,
            referred_to: None,
            last_id: 0,
        }
    }

    /// Publishes until the fleet finishes and everything is acknowledged, or until it is abandoned.
    pub(super) async fn run(mut self) -> DeviceLedger {
        let abandoned = self.shared.abandon.clone();
        abandoned.run_until_cancelled(self.sessions()).await;
        self.ledger
    }

    async fn sessions(&mut self) {
        while !self.is_done() {
            if self.session().await.is_err() {
                sleep(Duration::from_millis(self.random.random_range(BACKOFF_MS))).await;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.shared.finish.is_cancelled() && self.pending.is_empty()
    }

    /// From CONNECT to the end of the connection; `Ok` when the device itself ended it.
    async fn session(&mut self) -> Result<()> {
        self.on_wire = 0;
        let referred_to = self.referred_to.take();
        let frontend = referred_to.or_else(|| self.shared.balancer.pick(&mut self.random));
        let frontend = frontend.context("no frontend takes connections")?;
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut stream = timeout(CONNECT_LIMIT, self.open(frontend, &mut input)).await??;
        let _seat = self.shared.balancer.enter(frontend);
        self.ledger.sessions += 1;
        self.ledger.referred += u64::from(referred_to.is_some());
        let leave = self.leaves_at();
        let mut heard = Instant::now();
        loop {
            let leaving = leave.is_some_and(|at| Instant::now() >= at);
            self.fall_due();
            if !leaving {
                self.write_pending(&mut output)?;
            }
            if self.on_wire == 0 {
                if leaving || self.is_done() {
                    wire::disconnect(&mut output);
                    stream.write_all(&output).await?;
                    return Ok(stream.shutdown().await?);
                }
                heard = Instant::now();
            }
            ensure!(heard.elapsed() < SILENCE, "no answer for {SILENCE:?}");
            if !output.is_empty() {
                timeout(SILENCE, stream.write_all(&output)).await??;
                output.clear();
            }
            tokio::select! {
                count = stream.read_buf(&mut input) => {
                    ensure!(count? > 0, "closed by the server");
                    heard = Instant::now();
                    self.take(&mut input)?;
                }
                () = sleep_until(self.due), if !self.shared.finish.is_cancelled() => {}
                () = sleep(Duration::from_millis(200)) => {}
            }
        }
    }

    async fn open(&self, frontend: SocketAddr, input: &mut BytesMut) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(frontend).await?;
        stream.set_nodelay(true)?;
        let mut hello = BytesMut::new();
        let client_id = self.identity.imei.to_string();
        wire::connect(&mut hello, self.identity.version, &client_id, ACCOUNT, PASSWORD);
        stream.write_all(&hello).await?;
        loop {
            if let Some(packet) = wire::next(input)? {
                ensure!(packet.connack()? == 0, "CONNACK {}", packet.connack()?);
                return Ok(stream);
            }
            ensure!(stream.read_buf(input).await? > 0, "closed before CONNACK");
        }
    }

    /// When it ends the session by itself.
    fn leaves_at(&mut self) -> Option<Instant> {
        let mean = self.shared.reconnect_every?;
        Some(Instant::now() + mean.mul_f64(-f64::ln(1.0 - self.random.random_range(0.0..1.0))))
    }

    /// Takes a new number for each publish that is due.
    fn fall_due(&mut self) {
        let now = Instant::now();
        while self.due <= now && !self.shared.finish.is_cancelled() {
            if self.pending.len() >= MOST_PENDING {
                self.due = now + self.shared.interval;
                return;
            }
            let Ok(number) = u32::try_from(self.ledger.publishes.len()) else { return };
            self.ledger.publishes.push(Published::default());
            self.shared.published.fetch_add(1, Relaxed);
            let step = self.shared.steps.now();
            self.pending.push_back(Pending { number, due: self.due, step, packet_id: 0 });
            self.due += self.shared.interval;
        }
    }

    /// Writes what is pending, as much as may wait for an answer.
    fn write_pending(&mut self, output: &mut BytesMut) -> Result<()> {
        while self.on_wire < self.shared.window {
            let Some(pending) = self.pending.get_mut(self.on_wire) else { return Ok(()) };
            // The window is far smaller than the range of ids, and they are used in turn.
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            pending.packet_id = self.last_id;
            let number = pending.number;
            let place = self.ledger.publishes.get_mut(usize::try_from(number)?);
            let published = place.context("a number that was never used")?;
            let payload = payload::write(self.identity.imei, number)?;
            let publish = Publish {
                topic: TOPIC,
                payload: &payload,
                qos: Qos::AtLeastOnce,
                packet_id: self.last_id,
                dup: published.written > 0,
            };
            wire::publish(output, self.identity.version, publish);
            published.written += 1;
            self.on_wire += 1;
        }
        Ok(())
    }

    fn take(&mut self, input: &mut BytesMut) -> Result<()> {
        while let Some(packet) = wire::next(input)? {
            match packet.kind {
                kind::PUBACK => self.answered(&packet)?,
                goodbye::KIND => {
                    let goodbye = Goodbye::read(&packet.body).context("a malformed DISCONNECT")?;
                    if goodbye.reason == goodbye::USE_ANOTHER_SERVER {
                        self.ledger.sent_elsewhere += 1;
                        self.referred_to = goodbye.server;
                    }
                    bail!("DISCONNECT with reason {:#04x}", goodbye.reason);
                }
                other => bail!("packet type {other}"),
            }
        }
        Ok(())
    }

    fn answered(&mut self, packet: &Packet) -> Result<()> {
        let id = packet.packet_id()?;
        if packet.reason() >= 0x80 {
            self.ledger.refused += 1;
            // Sent again by a new session, so that the order holds.
            bail!("refused with reason {:#04x}", packet.reason());
        }
        let at = self.pending.iter().take(self.on_wire).position(|pending| pending.packet_id == id);
        let at = at.context("an answer to nothing")?;
        self.ledger.answers_out_of_order += u64::from(at > 0);
        let Some(pending) = self.pending.remove(at) else { return Ok(()) };
        self.on_wire -= 1;
        if let Some(published) = self.ledger.publishes.get_mut(usize::try_from(pending.number)?) {
            published.acknowledged = true;
        }
        self.shared.acknowledged.fetch_add(1, Relaxed);
        let steps = &self.shared.steps;
        steps.puback.record(steps.counted_at(pending.step), pending.due.elapsed())
    }
}
