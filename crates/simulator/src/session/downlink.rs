//! What comes down to a device. The client library has sent the PUBACK, or is about to, when a publish is seen here: so
//! whatever it has read is obeyed, also when the connection ends.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, Incoming, Outgoing, Publish};
use tokio::time::Instant;
use tracing::error;

use super::Client;
use crate::outputs::Verdict;
use crate::received::Received;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

impl Client<'_> {
    /// Lets the outputs switch that switch by themselves, and stores the records that are due.
    pub(super) fn pass(&mut self) {
        let now_ms = self.run.clock_ms();
        while let Some(at_ms) = self.device.outputs().pass(now_ms) {
            self.device.store(at_ms);
        }
    }

    /// When an output switches by itself next, or a record is due.
    pub(super) fn next_switch(&mut self) -> Option<Instant> {
        let at_ms = self.device.outputs().next_change_ms()?;
        let wait_ms = u64::try_from(at_ms.saturating_sub(self.run.clock_ms())).unwrap_or(0);
        Instant::now().checked_add(Duration::from_millis(wait_ms))
    }

    /// Obeys what came down.
    pub(super) async fn obey(&mut self, publish: &Publish) {
        self.pass();
        let (at, time_ms, imei) = (Instant::now(), self.run.clock_ms(), self.device.imei());
        let (mut verdict, mut command) = (Verdict::OtherDevice, None);
        if publish.topic == self.command_topic() {
            (verdict, command) = self.device.outputs().obey(&publish.payload, time_ms);
        }
        if verdict == Verdict::OtherDevice {
            error!(device = %imei, topic = publish.topic, "a command of another device came down");
        }
        self.has_progress = true;
        self.run.stats.command(verdict);
        if let Some(to) = &self.run.settings.received {
            let is_retained = publish.retain;
            let received = Received { time_ms, at, imei, verdict, command, is_retained };
            // Nobody reads any more if it fails, which is the reader's choice.
            to.send(received).await.unwrap_or_default();
        }
    }

    pub(super) fn command_topic(&self) -> String {
        format!("{}/OUTC", self.device.imei())
    }

    /// Obeys what the client has read and not told of yet.
    pub(super) async fn drain(&mut self, events: &mut EventLoop) {
        while let Some(event) = events.state.events.pop_front() {
            match event {
                Event::Incoming(Incoming::Publish(publish)) => self.obey(&publish).await,
                Event::Incoming(Incoming::PubAck(ack)) => self.acknowledged(ack.pkid),
                _ => {}
            }
        }
    }

    /// Says farewell, so that the server does not take the device for lost.
    pub(super) async fn disconnect(&mut self, client: &AsyncClient, events: &mut EventLoop) {
        if client.try_disconnect().is_err() {
            return;
        }
        let deadline = Instant::now() + FAREWELL;
        while let Ok(Ok(event)) = tokio::time::timeout_at(deadline, events.poll()).await {
            match event {
                Event::Incoming(Incoming::Publish(publish)) => self.obey(&publish).await,
                Event::Outgoing(Outgoing::Disconnect) => return,
                _ => {}
            }
        }
    }
}
