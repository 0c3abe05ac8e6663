//! The first packet: from CONNECT to CONNACK and a session, or to a refusal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use compact_str::CompactString;

use super::{Kept, Limits, Session, Watch, inbound::Inbound, outbound::Outbound, pace::Pace};
use crate::{
    access::{Authenticator, Grant, Peer},
    ingest::SessionFacts,
    observer::{Event, NotAdmitted, Observer},
    packet::{ConnAck, Connect, Frame, Level, Packet, PacketError, Properties, Property, Reason},
    receipt::Answers,
};

/// Bytes of a CONNACK of MQTT 5 that refuses.
const SMALLEST_CONNACK: usize = 5;
/// Bytes of the largest CONNACK that lets in, but for the client id that it assigns.
const LARGEST_CONNACK: usize = 31;

/// A connection that has sent its first packet.
#[derive(Debug)]
pub struct Visitor {
    /// ULID as text.
    pub session_id: CompactString,
    /// Address of the other end.
    pub peer: Peer,
    /// Now.
    pub now: Instant,
    /// Now, as unix time in milliseconds.
    pub unix_ms: u64,
}

/// A client that is let in and has not heard of it yet.
#[derive(Debug)]
pub struct Admission {
    connect: Box<Connect>,
    grant: Grant,
    visitor: Visitor,
    limits: Limits,
    observer: Watch,
    inbound: Inbound,
}

/// Judges a first packet. A CONNACK that refuses is appended to `out`; one that does not is written by
/// [`Admission::begin`].
pub fn admit(
    frame: Frame,
    visitor: Visitor,
    limits: &Limits,
    gate: (&impl Authenticator, &Arc<dyn Observer>),
    out: &mut BytesMut,
) -> Result<Admission, NotAdmitted> {
    let (authenticator, observer) = gate;
    if frame.kind() != 1 {
        return Err(NotAdmitted::NotConnect);
    }
    let body = frame.body.clone();
    let connect = match Packet::decode(frame, Level::V311) {
        Ok(Packet::Connect(connect)) => connect,
        Ok(_) => return Err(NotAdmitted::NotConnect),
        Err(err) => {
            refuse_malformed(err, &body, out);
            return Err(NotAdmitted::Malformed(err));
        }
    };
    let most = max_packet_size(&connect);
    let judged = judge(&connect, &visitor.peer, limits, authenticator).and_then(|grant| {
        let assigned = if connect.client_id.is_empty() { grant.client_id.as_deref() } else { None };
        let connack = LARGEST_CONNACK + assigned.map_or(0, str::len);
        if most < connack { Err(NotAdmitted::PacketsTooSmall) } else { Ok(grant) }
    });
    match judged {
        Ok(grant) => {
            let limits = Limits { max_in_flight: limits.max_in_flight.max(1), ..*limits };
            let inbound = Inbound::new(&limits, connect.level);
            Ok(Admission { connect, grant, visitor, limits, observer: Watch(observer.clone()), inbound })
        }
        Err(refusal) => {
            observer.on(Event::ConnectRefused(&connect, &visitor.peer, refusal));
            let (return_code, reason) = refusal.codes();
            if most >= SMALLEST_CONNACK {
                refuse(connect.level, return_code, reason, out);
            }
            Err(refusal)
        }
    }
}

fn judge(
    connect: &Connect,
    peer: &Peer,
    limits: &Limits,
    authenticator: &impl Authenticator,
) -> Result<Grant, NotAdmitted> {
    if connect.properties.iter().any(|p| matches!(p, Property::AuthenticationMethod(_))) {
        return Err(NotAdmitted::AuthenticationMethod);
    }
    // An id for a session that is to be found again cannot be made up (MQTT-3.1.3-8).
    if connect.client_id.is_empty() && !connect.level.is_v5() && !connect.clean_start {
        return Err(NotAdmitted::EmptyClientId);
    }
    let grant = authenticator.authenticate(connect, peer).map_err(NotAdmitted::Refused)?;
    if connect.client_id.is_empty() && grant.client_id.as_ref().is_none_or(CompactString::is_empty) {
        return Err(NotAdmitted::EmptyClientId);
    }
    let allowed = |topic: &str| limits.allow_topic(topic) && grant.allows_publish(topic);
    if connect.will.as_ref().is_some_and(|will| !allowed(&will.topic)) {
        return Err(NotAdmitted::WillNotAllowed);
    }
    Ok(grant)
}

impl NotAdmitted {
    /// CONNACK's return code of 3.x and reason code of MQTT 5.
    const fn codes(self) -> (u8, Reason) {
        match self {
            Self::Refused(refusal) => (refusal.return_code(), refusal.reason()),
            Self::EmptyClientId => (2, Reason::ClientIdentifierNotValid),
            Self::PacketsTooSmall => (5, Reason::PacketTooLarge),
            Self::AuthenticationMethod => (5, Reason::BadAuthenticationMethod),
            Self::ShuttingDown => (3, Reason::ServerShuttingDown),
            _ => (5, Reason::NotAuthorized),
        }
    }
}

fn refuse(level: Level, return_code: u8, reason: Reason, out: &mut BytesMut) {
    let code = if level.is_v5() { reason as u8 } else { return_code };
    ConnAck { session_present: false, code, properties: Properties::default() }.encode(out, level);
}

/// Answers a first packet, unjudged, with "server busy" if it is a CONNECT.
pub(crate) fn busy(frame: Frame, out: &mut BytesMut) {
    if let Ok(Packet::Connect(connect)) = Packet::decode(frame, Level::V311) {
        refuse(connect.level, 3, Reason::ServerBusy, out);
    }
}

/// Tells a client why its CONNECT is malformed, where its protocol level has words for that.
fn refuse_malformed(err: PacketError, body: &Bytes, out: &mut BytesMut) {
    match err {
        PacketError::ProtocolLevel(level) if level > Level::V5 as u8 => {
            refuse(Level::V5, 1, err.reason(), out);
        }
        PacketError::ProtocolLevel(_) => refuse(Level::V311, 1, err.reason(), out),
        _ if body.starts_with(b"\0\x04MQTT\x05") => refuse(Level::V5, 0, err.reason(), out),
        _ => {}
    }
}

impl Admission {
    /// The session's client id.
    pub fn client_id(&self) -> &str {
        self.grant.client_id.as_deref().unwrap_or(&self.connect.client_id)
    }

    /// What the session may do.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether an earlier session of the client is to go on.
    pub fn resumes(&self) -> bool {
        !self.connect.clean_start
    }

    pub(crate) const fn answers(&self) -> &Arc<Answers> {
        &self.inbound.answers
    }

    /// Begins the session, with what is left of an earlier one, and writes the CONNACK.
    ///
    /// A session of another account with the same client id does not go on, and neither does a subscription that
    /// the account may not have any more.
    pub fn begin(self, kept: Option<Kept>, out: &mut BytesMut) -> Session {
        let assigned = self.connect.client_id.is_empty();
        let mut session = self.session();
        if let Some(kept) = kept.filter(|kept| kept.facts.account == session.facts.account) {
            session.resumed = true;
            session.subscriptions = kept.subscriptions;
            session.subscriptions.retain(|held| session.grant.allows_subscribe(&held.filter));
            session.inbound.resume(kept.inbound);
            session.outbound.resume(kept.outbound);
        }
        session.welcome(assigned, out);
        let level = session.level();
        session.outbound.send_again(level, out);
        session
    }

    fn session(self) -> Session {
        let Self { connect, mut grant, visitor, limits, observer, inbound } = self;
        let level = connect.level;
        let keep_alive = match grant.server_keep_alive {
            Some(seconds) if level.is_v5() => seconds,
            _ => connect.keep_alive,
        };
        let silence = match keep_alive {
            0 => limits.idle_timeout,
            seconds => Duration::from_millis(u64::from(seconds) * 1500),
        };
        let wants_words = level.is_v5()
            && !connect.properties.iter().any(|p| matches!(p, Property::RequestProblemInformation(0)));
        let asked = asked_expiry(&connect);
        let client_id = grant.client_id.take().unwrap_or_else(|| CompactString::new(&*connect.client_id));
        Session {
            facts: SessionFacts {
                session_id: visitor.session_id,
                client_id,
                account: CompactString::new(connect.user_name.as_deref().unwrap_or_default()),
                peer: visitor.peer.address,
                transport: visitor.peer.transport,
                level,
                connected_at_ms: visitor.unix_ms,
                identity: grant.identity.clone(),
            },
            pace: grant.publish_rate.map(|rate| Pace::new(rate, visitor.now)),
            observer,
            silence,
            last_packet: visitor.now,
            inbound,
            outbound: Outbound::new(&limits, &connect, grant.max_queued > 0),
            grant,
            limits,
            subscriptions: Vec::new(),
            aliases: Vec::new(),
            wants_words,
            expiry: asked.min(limits.max_session_expiry),
            asked_for_expiry: !asked.is_zero(),
            will: connect.will.map(Box::new),
            resumed: false,
            sequence: 0,
        }
    }
}

/// The largest packet that the client takes.
pub(super) fn max_packet_size(connect: &Connect) -> usize {
    let asked = connect.properties.find(|property| match property {
        Property::MaximumPacketSize(size) => Some(*size as usize),
        _ => None,
    });
    asked.unwrap_or(usize::MAX)
}

/// How long the client wants its session to outlive the connection.
fn asked_expiry(connect: &Connect) -> Duration {
    if !connect.level.is_v5() {
        return if connect.clean_start { Duration::ZERO } else { Duration::MAX };
    }
    let seconds = connect.properties.find(|property| match property {
        Property::SessionExpiry(seconds) => Some(*seconds),
        _ => None,
    });
    match seconds {
        Some(u32::MAX) => Duration::MAX,
        seconds => Duration::from_secs(seconds.unwrap_or(0).into()),
    }
}

impl Session {
    /// Writes the CONNACK that lets the client in.
    fn welcome(&self, assigned: bool, out: &mut BytesMut) {
        let properties = if self.level().is_v5() { self.terms(assigned) } else { Vec::new() };
        ConnAck { session_present: self.resumed, code: 0, properties: properties.into() }
            .encode(out, self.level());
    }

    /// What an MQTT 5 client is told about its session; its client id only if it came without one.
    fn terms(&self, assigned: bool) -> Vec<Property> {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let mut terms = vec![
            Property::ReceiveMaximum(self.limits.max_in_flight),
            Property::MaximumPacketSize(u32::try_from(self.limits.max_packet_size).unwrap_or(u32::MAX)),
            Property::TopicAliasMaximum(self.limits.max_topic_aliases),
            Property::SharedSubscriptionAvailable(0),
        ];
        if !self.grant.listens {
            terms.push(Property::SubscriptionIdentifierAvailable(0));
        }
        terms.extend(self.grant.server_keep_alive.map(Property::ServerKeepAlive));
        if assigned {
            let client_id = self.facts.client_id.as_str();
            terms.push(Property::AssignedClientIdentifier(client_id.to_owned().into()));
        }
        if self.asked_for_expiry {
            terms.push(Property::SessionExpiry(seconds(self.expiry)));
        }
        terms
    }
}
