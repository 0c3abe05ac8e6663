//! One connection: feeds its session from the socket, its publishes to ingest, and its answers back.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until, timeout},
};
use tracing::debug;

use super::{
    Core,
    gate::Visit,
    handshake::shake_hands,
    mailbox::{Closing, DeliveryOutcome, Mailbox, Reply, tell},
    sessions::Place,
    socket::{self, Turn},
};
use crate::{
    access::{Authenticator, Peer},
    ingest::{Ingest, Publish},
    observer::Event,
    packet::Frame,
    receipt::{FailureReason, Receipt},
    session::{End, Sent, Session, Step},
};

/// Bytes of unwritten answers at which a client is not read any more.
const MAX_OUTPUT: usize = 64 * 1024;
/// How long the last packets of a connection may take to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long ingest may take to find room for a will.
const WILL_TIMEOUT: Duration = Duration::from_secs(30);
/// When nothing has a deadline, the timer looks again after this.
const FAR: Duration = Duration::from_hours(1);

/// Serves one stream from its first byte to its last.
///
/// The parts that an idle connection is past, or not yet at, are boxed: they cost nothing while it is idle.
pub(super) async fn serve<S, A, I>(stream: S, visit: &Visit, core: &Core<A, I>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authenticator,
    I: Ingest,
{
    let Some(mut connection) = Box::pin(open(stream, visit.peer.clone(), core)).await else {
        return;
    };
    let end = connection.run().await;
    Box::pin(connection.end(end)).await;
}

/// From the first byte to a session, or to a refusal.
async fn open<S, A, I>(mut stream: S, peer: Peer, core: &Core<A, I>) -> Option<Box<Connection<'_, S, A, I>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authenticator,
    I: Ingest,
{
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    match shake_hands(&mut stream, &peer, core, &mut input, &mut output).await {
        Ok(session) => Some(Box::new(Connection::new(stream, session, core, input, output))),
        Err(cause) => {
            debug!(peer = %peer.address, code = cause.code(), "not admitted");
            core.parts.observer.on(Event::NotAdmitted(cause));
            socket::close(&mut stream, output, CLOSE_TIMEOUT).await;
            None
        }
    }
}

/// A connection whose client is let in.
struct Connection<'a, S, A, I> {
    stream: S,
    core: &'a Core<A, I>,
    session: Session,
    mailbox: Arc<Mailbox>,
    place: Place,
    input: BytesMut,
    output: BytesMut,
    /// When `output` began to wait.
    output_since: Option<Instant>,
    /// A publish that ingest gave back.
    held: Option<(Publish, Receipt)>,
    /// Downlinks that wait for their PUBACK.
    waiting: Vec<(u16, Reply)>,
    /// Whether the socket was read in the last turn.
    reading: bool,
    draining: bool,
    /// Both times of the last socket read.
    read_at: Instant,
    read_at_ms: u64,
}

impl<'a, S, A, I> Connection<'a, S, A, I>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authenticator,
    I: Ingest,
{
    /// Enters the client among the sessions, which ends an older connection of it.
    fn new(stream: S, session: Session, core: &'a Core<A, I>, input: BytesMut, output: BytesMut) -> Self {
        let mailbox = Mailbox::new(session.answers().clone());
        let place = core.sessions.enter(&session.facts().client_id, &mailbox);
        // A drain that began before this entry did not see it.
        if core.stop.is_cancelled() {
            mailbox.close(Closing::Drain);
        }
        core.parts.observer.on(Event::Connected(session.facts()));
        Self {
            stream,
            core,
            mailbox,
            place,
            input,
            output,
            output_since: None,
            held: None,
            waiting: Vec::new(),
            reading: true,
            draining: false,
            read_at: Instant::now(),
            read_at_ms: session.facts().connected_at_ms,
            session,
        }
    }

    /// Leaves the sessions, answers who still waits, says goodbye, and publishes the will.
    async fn end(self, end: End) {
        let Self { mut stream, core, mut session, place, mut output, waiting, held, .. } = self;
        drop((place, held));
        core.parts.observer.on(Event::Disconnected(session.facts(), end));
        let facts = session.facts();
        debug!(session = %facts.session_id, client = %facts.client_id, code = end.code(), "session ended");
        for (_, reply) in waiting {
            tell(reply, DeliveryOutcome::Unacknowledged);
        }
        let will = session.finish(end, (core.parts.unix_ms)(), &mut output);
        if !matches!(end, End::PeerGone | End::WriteTimeout) {
            socket::close(&mut stream, output, CLOSE_TIMEOUT).await;
        }
        drop(stream);
        if let Some((publish, receipt)) = will {
            publish_will(core, &session, publish, receipt).await;
        }
    }

    async fn run(&mut self) -> End {
        let mut timer = pin!(sleep_until(self.due()));
        loop {
            if let Err(end) = self.advance() {
                return end;
            }
            if let Err(end) = self.wait(timer.as_mut()).await {
                return end;
            }
        }
    }

    /// Does everything that can be done without waiting.
    fn advance(&mut self) -> Result<(), End> {
        match self.mailbox.closing() {
            Some(Closing::Now(end)) => return Err(end),
            Some(Closing::Drain) => self.draining = true,
            None => {}
        }
        if let Some((publish, receipt)) = self.held.take() {
            self.offer(publish, receipt);
        }
        loop {
            self.session.settle(&mut self.output)?;
            if !self.may_read() {
                break;
            }
            let limit = self.session.limits().max_packet_size;
            let frame = Frame::next(&mut self.input, limit).map_err(End::Malformed)?;
            let Some(frame) = frame else { break };
            self.receive(frame)?;
        }
        self.send_downlinks();
        if self.draining && self.session.in_flight() == 0 && self.output.is_empty() {
            return Err(End::ShuttingDown);
        }
        Ok(())
    }

    fn may_read(&self) -> bool {
        !self.draining
            && self.held.is_none()
            && self.output.len() < MAX_OUTPUT
            && self.session.wants_packets()
    }

    fn receive(&mut self, frame: Frame) -> Result<(), End> {
        let now = self.read_at.into_std();
        match self.session.receive(frame, now, self.read_at_ms, &mut self.output)? {
            Step::Nothing => {}
            Step::Offer(publish, receipt) => self.offer(publish, receipt),
            Step::Answered { packet_id, reason } => self.answered(packet_id, reason),
        }
        Ok(())
    }

    fn offer(&mut self, publish: Publish, receipt: Receipt) {
        let parts = &self.core.parts;
        self.held = parts.ingest.offer(self.session.facts(), publish, receipt).err();
        if self.held.is_some() {
            parts.observer.on(Event::IngestFull(self.session.facts()));
        }
    }

    fn answered(&mut self, packet_id: u16, reason: u8) {
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == packet_id) {
            let (_, reply) = self.waiting.swap_remove(at);
            let rejected = reason >= 0x80;
            tell(
                reply,
                if rejected { DeliveryOutcome::Rejected(reason) } else { DeliveryOutcome::Acknowledged },
            );
        }
    }

    fn send_downlinks(&mut self) {
        while self.session.wants_downlink() && self.output.len() < MAX_OUTPUT {
            let Some((downlink, reply)) = self.mailbox.next() else {
                break;
            };
            // Whoever asked has given up, so it must not arrive any more.
            if reply.is_closed() {
                continue;
            }
            match self.session.deliver(&downlink, &mut self.output) {
                Sent::AwaitsAnswer(packet_id) => self.waiting.push((packet_id, reply)),
                Sent::Unacknowledged => tell(reply, DeliveryOutcome::Sent),
                Sent::NotSubscribed => tell(reply, DeliveryOutcome::NotSubscribed),
                Sent::TooLarge => tell(reply, DeliveryOutcome::TooLarge),
            }
        }
    }

    /// Waits until something can move: the socket, an answer, the mailbox, ingest, or time.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>) -> Result<(), End> {
        let reading = self.may_read();
        if reading && !self.reading {
            self.session.excuse_silence(Instant::now().into_std());
        }
        self.reading = reading;
        self.output_since = match self.output_since {
            _ if self.output.is_empty() => None,
            None => Some(Instant::now()),
            since => since,
        };
        let due = self.due();
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            () = self.session.answers().rung() => Ok(()),
            moved = socket::turn(&mut self.stream, &mut self.input, &mut self.output, reading) => {
                match moved {
                    Ok(Turn::Read) => {
                        self.read_at = Instant::now();
                        self.read_at_ms = (self.core.parts.unix_ms)();
                        Ok(())
                    }
                    Ok(Turn::Wrote) => Ok(()),
                    Ok(Turn::End) | Err(_) => Err(End::PeerGone),
                }
            }
            () = self.core.parts.ingest.room(), if self.held.is_some() => Ok(()),
            () = timer.as_mut() => {
                self.check_time(Instant::now())?;
                timer.reset(self.due());
                Ok(())
            }
        }
    }

    /// When time itself may end the connection.
    fn due(&self) -> Instant {
        let silence = self.reading.then(|| Instant::from_std(self.session.deadline()));
        let write = self.output_since.map(|since| since + self.core.settings.write_timeout);
        let due = [silence, write].into_iter().flatten().min();
        due.unwrap_or_else(|| Instant::now() + FAR)
    }

    fn check_time(&self, now: Instant) -> Result<(), End> {
        if self.output_since.is_some_and(|since| now >= since + self.core.settings.write_timeout) {
            return Err(End::WriteTimeout);
        }
        // A client that this server does not read cannot be blamed for its silence.
        if self.reading && now.into_std() >= self.session.deadline() {
            return Err(End::KeepAlive);
        }
        Ok(())
    }
}

/// Finds room for a will. Its receipt answers nobody: a will that is not stored is only counted.
async fn publish_will<A: Authenticator, I: Ingest>(
    core: &Core<A, I>,
    session: &Session,
    publish: Publish,
    receipt: Receipt,
) {
    let place = async {
        let mut next = Some((publish, receipt));
        while let Some((publish, receipt)) = next.take() {
            next = core.parts.ingest.offer(session.facts(), publish, receipt).err();
            if next.is_some() {
                core.parts.ingest.room().await;
            }
        }
    };
    if timeout(WILL_TIMEOUT, place).await.is_err() {
        core.parts.observer.on(Event::PublishFailed(session.facts(), FailureReason::NotStored));
    }
}
