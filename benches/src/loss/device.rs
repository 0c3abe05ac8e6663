//! One device: publishes numbered payloads, keeps what is not acknowledged, and sends it again after a reconnect.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use super::fleet::Shared;
use super::ledger::DeviceLedger;
use super::payload;
use crate::site::{ACCOUNT, PASSWORD, TOPIC};
use crate::wire::{self, Publish, Qos, Version, kind};

/// Before the next attempt to connect, and how long one may take.
const BACKOFF: Duration = Duration::from_millis(50);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A session without any answer for this long is given up.
const SILENCE: Duration = Duration::from_secs(40);

/// What a device is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) index: u32,
    pub(super) imei: String,
    pub(super) version: Version,
    pub(super) interval: Option<Duration>,
}

/// A publish without an answer.
struct Pending {
    number: u64,
    qos: Qos,
    packet_id: u16,
    sent: bool,
}

pub(super) struct Device {
    identity: Identity,
    shared: Arc<Shared>,
    ledger: DeviceLedger,
    pending: VecDeque<Pending>,
    /// Publishes of quality of service 2 that are acknowledged and not released yet.
    releasing: Vec<u16>,
    last_id: u16,
    scratch: Vec<u8>,
}

impl Device {
    pub(super) fn new(identity: Identity, shared: Arc<Shared>) -> Self {
        Self {
            identity,
            shared,
            ledger: DeviceLedger::default(),
            pending: VecDeque::new(),
            releasing: Vec::new(),
            last_id: 0,
            scratch: Vec::new(),
        }
    }

    /// Publishes until the fleet finishes and everything is acknowledged, or until it is abandoned.
    pub(super) async fn run(mut self, address: SocketAddr) -> DeviceLedger {
        let abandoned = self.shared.abandon.clone();
        abandoned.run_until_cancelled(self.sessions(address)).await;
        self.ledger
    }

    async fn sessions(&mut self, address: SocketAddr) {
        while let Err(_gone) = self.session(address).await {
            self.releasing.clear();
            sleep(BACKOFF).await;
        }
    }

    /// From CONNECT to the end of the connection; `Ok` when all is done.
    async fn session(&mut self, address: SocketAddr) -> Result<()> {
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut stream = timeout(CONNECT_LIMIT, self.open(address, &mut input)).await??;
        self.ledger.sessions += 1;
        for at in 0..self.pending.len() {
            self.write(at, &mut output);
        }
        let mut due = self.identity.interval.map(|every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks
        });
        let mut heard = Instant::now();
        loop {
            let finishing = self.shared.finish.is_cancelled();
            if finishing && self.pending.is_empty() && self.releasing.is_empty() {
                wire::disconnect(&mut output);
                stream.write_all(&output).await?;
                return Ok(stream.shutdown().await?);
            }
            let room = !finishing && self.pending.len() + self.releasing.len() < self.shared.in_flight;
            if room && due.is_none() {
                self.publish(&mut output);
                continue;
            }
            if !output.is_empty() {
                stream.write_all(&output).await?;
                output.clear();
            }
            ensure!(heard.elapsed() < SILENCE, "no answer for {SILENCE:?}");
            tokio::select! {
                count = stream.read_buf(&mut input) => {
                    ensure!(count? > 0, "closed by the server");
                    heard = Instant::now();
                    self.take(&mut input, &mut output)?;
                }
                () = tick(&mut due), if room => self.publish(&mut output),
                () = sleep(Duration::from_secs(1)) => {}
                () = self.shared.finish.cancelled(), if !finishing => {}
            }
        }
    }

    async fn open(&self, address: SocketAddr, input: &mut BytesMut) -> Result<TcpStream> {
        let Identity { imei, version, .. } = &self.identity;
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut hello = BytesMut::new();
        wire::connect(&mut hello, *version, imei, ACCOUNT, PASSWORD);
        stream.write_all(&hello).await?;
        loop {
            if let Some(packet) = wire::next(input)? {
                ensure!(packet.connack()? == 0, "CONNACK {}", packet.connack()?);
                return Ok(stream);
            }
            ensure!(stream.read_buf(input).await? > 0, "closed before CONNACK");
        }
    }

    /// Takes a new number and writes its publish.
    fn publish(&mut self, output: &mut BytesMut) {
        let number = self.ledger.acknowledged.len() as u64;
        self.ledger.acknowledged.push(false);
        self.shared.published.fetch_add(1, Relaxed);
        let qos = if number % 3 == 2 { Qos::ExactlyOnce } else { Qos::AtLeastOnce };
        self.pending.push_back(Pending { number, qos, packet_id: 0, sent: false });
        self.write(self.pending.len() - 1, output);
    }

    fn write(&mut self, at: usize, output: &mut BytesMut) {
        let packet_id = self.next_id();
        let Some(pending) = self.pending.get_mut(at) else { return };
        pending.packet_id = packet_id;
        self.ledger.sent_again += u64::from(pending.sent);
        let dup = std::mem::replace(&mut pending.sent, true);
        payload::write(&mut self.scratch, self.identity.index, pending.number, self.shared.payload);
        let publish = Publish { topic: TOPIC, payload: &self.scratch, qos: pending.qos, packet_id, dup };
        wire::publish(output, self.identity.version, publish);
    }

    fn next_id(&mut self) -> u16 {
        // The window is far smaller than the range of ids, and they are used in turn.
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    fn take(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<()> {
        while let Some(packet) = wire::next(input)? {
            match packet.kind {
                kind::PUBACK => self.answered(&packet, Qos::AtLeastOnce)?,
                kind::PUBREC => {
                    self.answered(&packet, Qos::ExactlyOnce)?;
                    self.releasing.push(packet.packet_id()?);
                    wire::release(output, packet.packet_id()?);
                }
                kind::PUBCOMP => {
                    let id = packet.packet_id()?;
                    self.releasing.retain(|releasing| *releasing != id);
                }
                other => bail!("packet type {other}"),
            }
        }
        Ok(())
    }

    fn answered(&mut self, packet: &wire::Packet, qos: Qos) -> Result<()> {
        let id = packet.packet_id()?;
        if packet.reason() >= 0x80 {
            self.ledger.refused += 1;
            // Sent again by a new session, so that the order holds.
            bail!("refused with reason {}", packet.reason());
        }
        let Some(at) = self.pending.iter().position(|pending| pending.packet_id == id && pending.qos == qos)
        else {
            bail!("an answer to nothing");
        };
        self.ledger.answers_out_of_order += u64::from(at > 0);
        let Some(pending) = self.pending.remove(at) else { return Ok(()) };
        let number = usize::try_from(pending.number)?;
        if let Some(acknowledged) = self.ledger.acknowledged.get_mut(number) {
            *acknowledged = true;
        }
        self.shared.acknowledged.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// The next time to publish; never, if nothing is due by time.
async fn tick(due: &mut Option<Interval>) {
    match due {
        Some(due) => drop(due.tick().await),
        None => std::future::pending().await,
    }
}
