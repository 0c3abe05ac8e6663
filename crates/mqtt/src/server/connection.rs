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
    hub::Subscriber,
    mailbox::{Closing, DeliveryOutcome, Mailbox, Reply, may_send, tell},
    parked::{self, Parked},
    sessions::Place,
    socket::{self, Turn},
};
use crate::{
    access::Authenticator,
    ingest::{Ingest, Publish},
    observer::Event,
    packet::{self, Frame},
    receipt::Receipt,
    session::{Admission, End, Sent, Session, Step, Subscribed},
};

/// Bytes of unwritten answers at which a client is not read any more.
const MAX_OUTPUT: usize = 64 * 1024;
/// How long the last packets of a connection may take to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of input up to which a client that has to wait is read on.
const LOOK_AHEAD: usize = 4 * 1024;
/// How long a connection that is replaced may take to hand over what its client has sent before.
const LAST_WORD: Duration = Duration::from_millis(20);
/// When nothing has a deadline, the timer looks again after this.
const FAR: Duration = Duration::from_hours(1);

/// What is left of a session once its connection is closed: a will that has to find room, or all of it.
pub(super) type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Serves one stream from its first byte to its last; hands out what is left of the session.
///
/// The parts that an idle connection is past, or not yet at, are boxed: they cost nothing while it is idle.
pub(super) async fn serve<'a, S, A, I>(stream: S, visit: &Visit, core: &'a Core<A, I>) -> Option<Waiting<'a>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authenticator,
    I: Ingest,
{
    let mut connection = Box::pin(open(stream, visit, core)).await?;
    let end = connection.run().await;
    Box::pin(connection.end(end)).await
}

/// From the first byte to a session, or to a refusal.
async fn open<'v, 'c, S, A, I>(
    mut stream: S,
    visit: &'v Visit,
    core: &'c Core<A, I>,
) -> Option<Box<Connection<'v, 'c, S, A, I>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authenticator,
    I: Ingest,
{
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let admission = match shake_hands(&mut stream, &visit.peer, core, &mut input, &mut output).await {
        Ok(admission) => admission,
        Err(cause) => {
            debug!(peer = %visit.peer.address, code = cause.code(), "not admitted");
            core.tell(visit, Event::NotAdmitted(cause));
            socket::close(&mut stream, output, CLOSE_TIMEOUT).await;
            return None;
        }
    };
    let entered = enter(admission, core, &mut output).await;
    core.tell(visit, Event::Admitted { took: Instant::now().into_std() - visit.came });
    Some(Box::new(Connection::new(stream, entered, (visit, core), input, output)))
}

/// A session with its place among the sessions.
struct Entered {
    session: Session,
    mailbox: Arc<Mailbox>,
    subscriber: Option<Arc<Subscriber>>,
    place: Place,
}

/// Enters a client among the sessions, which ends an older connection of it, and begins its session.
async fn enter<A, I>(admission: Admission, core: &Core<A, I>, output: &mut BytesMut) -> Entered {
    let grant = admission.grant();
    let (capacity, keeps) = (core.settings.max_inbox.max(grant.max_queued), grant.max_queued > 0);
    let listens = grant.listens;
    let mailbox = Mailbox::new(admission.answers().clone(), grant.identity.clone(), capacity, keeps);
    let (place, older) = core.sessions.enter(admission.client_id(), &mailbox);
    let inherited = match older {
        Some(older) if admission.resumes() => parked::claim(&older, &mailbox).await,
        Some(older) => {
            older.close(Closing::Now(End::TakenOver));
            None
        }
        None => None,
    };
    let (kept, subscriber) = inherited.map_or((None, None), |i| (Some(*i.kept), i.subscriber));
    let was_kept = kept.is_some();
    let session = admission.begin(kept, output);
    match (was_kept, session.was_resumed()) {
        (_, true) => core.parts.observer.on(Event::Resumed(session.facts())),
        (true, false) => core.parts.observer.on(Event::KeptOver(session.facts())),
        (false, false) => {}
    }
    let hub = &core.sessions.hub;
    let subscriber = match subscriber {
        Some(subscriber) if listens && session.was_resumed() => {
            hub.subscribe(&subscriber, session.subscriptions());
            Some(subscriber)
        }
        Some(other) => {
            // It belongs to a session that ended, because another account's client took its id.
            hub.leave(&other);
            listens.then(|| hub.enter(&session.facts().client_id, &mailbox))
        }
        None => listens.then(|| hub.enter(&session.facts().client_id, &mailbox)),
    };
    Entered { session, mailbox, subscriber, place }
}

/// A connection whose client is let in.
struct Connection<'v, 'c, S, A, I> {
    stream: S,
    visit: &'v Visit,
    core: &'c Core<A, I>,
    session: Session,
    mailbox: Arc<Mailbox>,
    subscriber: Option<Arc<Subscriber>>,
    place: Place,
    input: BytesMut,
    output: BytesMut,
    /// When `output` began to wait.
    output_since: Option<Instant>,
    /// A publish that ingest gave back.
    held: Option<(Publish, Receipt)>,
    /// Downlinks that wait for their last answer.
    waiting: Vec<(u16, Reply)>,
    /// Until when nothing more is taken from a client that publishes too fast.
    pause: Option<Instant>,
    /// Bytes of the input that were looked through for PINGREQs, and PINGREQs that were answered there.
    looked_ahead: usize,
    pings_ahead: usize,
    /// Whether the client has said everything that it will say.
    heard_all: bool,
    /// Whether the client was served in the last turn, so that its silence is its own.
    served: bool,
    draining: bool,
    /// Both times of the last socket read.
    read_at: Instant,
    read_at_ms: u64,
}

impl<'v, 'c, S, A, I> Connection<'v, 'c, S, A, I>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Authenticator,
    I: Ingest,
{
    fn new(
        stream: S,
        entered: Entered,
        (visit, core): (&'v Visit, &'c Core<A, I>),
        input: BytesMut,
        output: BytesMut,
    ) -> Self {
        let Entered { session, mailbox, subscriber, place } = entered;
        // A drain that began before this entry did not see it.
        if core.stop.is_cancelled() {
            mailbox.close(Closing::Drain);
        }
        core.parts.observer.on(Event::Connected(session.facts()));
        for subscribed in session.subscriptions() {
            let (facts, qos) = (session.facts(), subscribed.qos);
            core.parts.observer.on(Event::StillSubscribed(facts, &subscribed.filter, qos));
        }
        // Nor did a close see it that came between the judgement of its CONNECT and this entry.
        if !mailbox.is_ending() && !core.parts.authenticator.still_admits(session.facts()) {
            mailbox.close(Closing::Now(End::Administrative));
        }
        Self {
            stream,
            visit,
            core,
            mailbox,
            subscriber,
            place,
            input,
            output,
            output_since: None,
            held: None,
            waiting: Vec::new(),
            pause: None,
            looked_ahead: 0,
            pings_ahead: 0,
            heard_all: false,
            served: true,
            draining: false,
            read_at: Instant::now(),
            read_at_ms: session.facts().connected_at_ms,
            session,
        }
    }

    /// Answers who still waits, says goodbye, and parks the session, which may go on elsewhere meanwhile.
    async fn end(self, end: End) -> Option<Waiting<'c>> {
        let Self { mut stream, core, session, mailbox, subscriber, place, mut output, waiting, held, .. } =
            self;
        drop(held);
        let facts = session.facts();
        for qos in session.unanswered() {
            core.parts.observer.on(Event::PublishUnanswered(facts, qos));
        }
        core.parts.observer.on(Event::Disconnected(facts, end));
        debug!(session = %facts.session_id, client = %facts.client_id, code = end.code(), "session ended");
        for (_, reply) in waiting {
            tell(reply, DeliveryOutcome::Unacknowledged);
        }
        session.say_goodbye(end, core.settings.server_reference.as_ref(), &mut output);
        let parked = Parked::new(core, session.park(end), mailbox, subscriber, place);
        let mut waiting: Waiting<'c> = Box::pin(parked.wait());
        let mut closing = pin!(async {
            if !matches!(end, End::PeerGone | End::WriteTimeout) {
                socket::close(&mut stream, output, CLOSE_TIMEOUT).await;
            }
        });
        tokio::select! {
            () = closing.as_mut() => Some(waiting),
            () = waiting.as_mut() => {
                closing.await;
                None
            }
        }
    }

    async fn run(&mut self) -> End {
        let mut timer = pin!(sleep_until(self.due()));
        loop {
            let moved = match self.advance() {
                Ok(()) => self.wait(timer.as_mut()).await,
                Err(end) => Err(end),
            };
            match moved {
                Ok(()) => {}
                Err(End::TakenOver) => return self.last_word().await,
                Err(end) => return end,
            }
        }
    }

    /// How a connection ends that a newer one replaces. A client that said goodbye and came again at once has left by
    /// itself, although its DISCONNECT is not read yet, and must not leave a will: what has arrived is taken first.
    async fn last_word(&mut self) -> End {
        let hear = async {
            while self.input.len() < LOOK_AHEAD {
                let turn = socket::turn(&mut self.stream, &mut self.input, &mut self.output, true).await;
                let Ok(Turn::Read | Turn::Wrote) = turn else { break };
            }
        };
        // Most clients that are replaced are gone, and say nothing more.
        let _in_time = timeout(LAST_WORD, hear).await;
        match self.take_packets() {
            Err(end @ (End::Disconnected | End::DisconnectedWithWill)) => end,
            _ => End::TakenOver,
        }
    }

    /// Does everything that can be done without waiting.
    fn advance(&mut self) -> Result<(), End> {
        match self.mailbox.closing() {
            Some(Closing::Now(end)) => return Err(end),
            Some(Closing::Claimed) => return Err(End::TakenOver),
            Some(Closing::Drain) => self.draining = true,
            None => {}
        }
        if self.pause.is_some_and(|until| Instant::now() >= until) {
            self.pause = None;
        }
        if let Some((publish, receipt)) = self.held.take() {
            self.offer(publish, receipt);
        }
        self.take_packets()?;
        self.send_downlinks();
        if self.draining && self.session.in_flight() == 0 && self.output.is_empty() {
            return Err(End::ShuttingDown);
        }
        Ok(())
    }

    /// Takes packets from the input as long as there is room for what they ask.
    fn take_packets(&mut self) -> Result<(), End> {
        loop {
            self.session.settle(|| Instant::now().into_std(), &mut self.output)?;
            if !self.serves() || self.output.len() >= MAX_OUTPUT || !self.address_may_publish() {
                break;
            }
            let limit = self.session.limits().max_packet_size;
            let before = self.input.len();
            match Frame::next(&mut self.input, limit).map_err(End::Malformed)? {
                Some(frame) => {
                    self.looked_ahead = self.looked_ahead.saturating_sub(before - self.input.len());
                    self.receive(frame)?;
                }
                None if self.heard_all => return Err(End::PeerGone),
                None => break,
            }
        }
        self.look_ahead();
        Ok(())
    }

    /// Whether the peer's address may publish, if a publish is next; if not, the client waits for a while.
    fn address_may_publish(&mut self) -> bool {
        if self.core.settings.gate.publish_rate_per_address.is_none() {
            return true;
        }
        let whole_publish =
            Frame::peek(&self.input).is_some_and(|(first, size)| first >> 4 == 3 && size <= self.input.len());
        let asked = if whole_publish { self.visit.may_publish(Instant::now().into_std()) } else { Ok(()) };
        if let Err(wait) = asked {
            self.pause = Some(Instant::now() + wait);
            self.core.parts.observer.on(Event::Throttled(self.session.facts()));
        }
        asked.is_ok()
    }

    /// Whether the client's next packet may be taken, as far as the client itself does not stand in the way.
    fn serves(&self) -> bool {
        !self.draining && self.held.is_none() && self.pause.is_none() && self.session.wants_packets()
    }

    /// Whether the socket is to be read. A client that is not served is read a little further, so that its
    /// PINGREQs are seen.
    fn reads(&self) -> bool {
        !self.heard_all
            && self.output.len() < MAX_OUTPUT
            && (self.serves() || !self.draining && self.input.len() < LOOK_AHEAD)
    }

    /// Answers PINGREQs that stand behind publishes which have to wait, so that the client does not take this
    /// server for dead.
    fn look_ahead(&mut self) {
        while !self.serves()
            && self.output.len() < MAX_OUTPUT
            && let Some(rest) = self.input.get(self.looked_ahead..)
            && let Some((first, size)) = Frame::peek(rest)
            && size <= rest.len()
        {
            if (first, size) == (0xC0, 2) {
                packet::write_pingresp(&mut self.output);
                self.pings_ahead += 1;
            }
            self.looked_ahead += size;
        }
    }

    fn receive(&mut self, frame: Frame) -> Result<(), End> {
        let now = self.read_at.into_std();
        if self.pings_ahead > 0 && (frame.first, frame.body.len()) == (0xC0, 0) {
            self.pings_ahead -= 1;
            self.session.excuse_silence(now);
            return Ok(());
        }
        let is_publish = frame.kind() == 3;
        match self.session.receive(frame, now, self.read_at_ms, &mut self.output)? {
            Step::Nothing => {}
            Step::Offer(publish, receipt) => self.offer(publish, receipt),
            Step::Answered { packet_id, reason } => self.answered(packet_id, reason),
            Step::Subscribed(granted) => self.subscribed(&granted),
        }
        if is_publish {
            self.pause = self.session.pause(now).map(Instant::from_std);
            if self.pause.is_some() {
                self.core.parts.observer.on(Event::Throttled(self.session.facts()));
            }
        }
        Ok(())
    }

    /// Lets a session that listens listen to what it is subscribed to now, and sends it what is retained.
    fn subscribed(&self, granted: &[(Subscribed, bool)]) {
        let Some(subscriber) = &self.subscriber else { return };
        let (hub, facts) = (&self.core.sessions.hub, self.session.facts());
        hub.subscribe(subscriber, self.session.subscriptions());
        for (subscribed, existed) in granted {
            if subscribed.wants_retained(*existed) {
                let dropped = hub.send_retained(&self.mailbox, subscribed, self.read_at.into_std());
                (0..dropped).for_each(|_| self.core.parts.observer.on(Event::MessageDropped(facts)));
            }
        }
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
            if !may_send(&reply) {
                continue;
            }
            let now = Instant::now().into_std();
            match self.session.deliver(&downlink, now, &mut self.output) {
                Sent::AwaitsAnswer(packet_id) if reply.is_some() => self.waiting.push((packet_id, reply)),
                Sent::AwaitsAnswer(_) => {}
                Sent::Unacknowledged => tell(reply, DeliveryOutcome::Sent),
                Sent::NotSubscribed => tell(reply, DeliveryOutcome::NotSubscribed),
                Sent::TooLarge => tell(reply, DeliveryOutcome::TooLarge),
                Sent::Expired => tell(reply, DeliveryOutcome::Expired),
            }
        }
    }

    /// Waits until something can move: the socket, an answer, the mailbox, ingest, or time.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>) -> Result<(), End> {
        let (serves, reads) = (self.serves(), self.reads());
        if serves && !self.served {
            self.session.excuse_silence(Instant::now().into_std());
        }
        self.served = serves;
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
            moved = socket::turn(&mut self.stream, &mut self.input, &mut self.output, reads) => {
                match moved {
                    Ok(Turn::Read) => {
                        self.read_at = Instant::now();
                        self.read_at_ms = (self.core.parts.unix_ms)();
                        Ok(())
                    }
                    Ok(Turn::Wrote) => Ok(()),
                    // What it sent before is still taken, as soon as there is room.
                    Ok(Turn::End) if !serves => {
                        self.heard_all = true;
                        Ok(())
                    }
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

    /// When time itself may change something.
    fn due(&self) -> Instant {
        let silence = self.served.then(|| Instant::from_std(self.session.deadline()));
        let write = self.output_since.map(|since| since + self.core.settings.write_timeout);
        let due = [silence, write, self.pause].into_iter().flatten().min();
        due.unwrap_or_else(|| Instant::now() + FAR)
    }

    fn check_time(&self, now: Instant) -> Result<(), End> {
        if self.output_since.is_some_and(|since| now >= since + self.core.settings.write_timeout) {
            return Err(End::WriteTimeout);
        }
        // A client that this server does not serve cannot be blamed for its silence; one that does not read what
        // it is sent can.
        if self.served && now.into_std() >= self.session.deadline() {
            return Err(End::KeepAlive);
        }
        Ok(())
    }
}
