//! The first packet: from CONNECT to CONNACK and a session, or to a refusal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use compact_str::CompactString;

use super::{Limits, Session, Watch, inbound::Inbound, outbound::Outbound};
use crate::{
    access::{Authenticator, Grant, Peer},
    ingest::SessionFacts,
    observer::{NotAdmitted, Observer},
    packet::{ConnAck, Connect, Frame, Level, Packet, PacketError, Properties, Property, Reason},
};

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

/// Judges a first packet. The CONNACK, of whatever kind, is appended to `out`.
pub fn admit(
    frame: Frame,
    visitor: Visitor,
    limits: &Limits,
    gate: (&impl Authenticator, &Arc<dyn Observer>),
    out: &mut BytesMut,
) -> Result<Session, NotAdmitted> {
    let (authenticator, observer) = gate;
    if frame.kind() != 1 {
        return Err(NotAdmitted::NotConnect);
    }
    let body = frame.body.clone();
    let connect = match Packet::decode(frame, Level::V311) {
        Ok(Packet::Connect(connect)) => *connect,
        Ok(_) => return Err(NotAdmitted::NotConnect),
        Err(err) => {
            refuse_malformed(err, &body, out);
            return Err(NotAdmitted::Malformed(err));
        }
    };
    match judge(&connect, &visitor.peer, authenticator) {
        Ok(grant) => {
            let session = Session::new(connect, grant, visitor, *limits, observer.clone());
            session.welcome(out);
            Ok(session)
        }
        Err(refusal) => {
            let (return_code, reason) = refusal.codes();
            refuse(connect.level, return_code, reason, out);
            Err(refusal)
        }
    }
}

fn judge(connect: &Connect, peer: &Peer, authenticator: &impl Authenticator) -> Result<Grant, NotAdmitted> {
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
    if connect.will.as_ref().is_some_and(|will| !grant.allows_publish(&will.topic)) {
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
            Self::AuthenticationMethod => (5, Reason::BadAuthenticationMethod),
            Self::ShuttingDown => (3, Reason::ServerShuttingDown),
            _ => (5, Reason::NotAuthorized),
        }
    }
}

fn refuse(level: Level, return_code: u8, reason: Reason, out: &mut BytesMut) {
    let code = if level.is_v5() { reason as u8 } else { return_code };
    ConnAck { code, properties: Properties::default() }.encode(out, level);
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

impl Session {
    fn new(
        connect: Connect,
        grant: Grant,
        visitor: Visitor,
        limits: Limits,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let limits = Limits { max_in_flight: limits.max_in_flight.max(1), ..limits };
        let level = connect.level;
        let keep_alive = match grant.server_keep_alive {
            Some(seconds) if level.is_v5() => seconds,
            _ => connect.keep_alive,
        };
        let silence = match keep_alive {
            0 => limits.idle_timeout,
            seconds => Duration::from_millis(u64::from(seconds) * 1500),
        };
        let properties = &connect.properties;
        let wants_words =
            level.is_v5() && !properties.iter().any(|p| matches!(p, Property::RequestProblemInformation(0)));
        let asked_for_expiry = properties.iter().any(|p| matches!(p, Property::SessionExpiry(1..)));
        Self {
            facts: SessionFacts {
                session_id: visitor.session_id,
                client_id: grant.client_id.clone().unwrap_or_else(|| CompactString::new(&*connect.client_id)),
                account: CompactString::new(connect.user_name.as_deref().unwrap_or_default()),
                peer: visitor.peer.address,
                transport: visitor.peer.transport,
                level,
                connected_at_ms: visitor.unix_ms,
                identity: grant.identity.clone(),
            },
            grant,
            observer: Watch(observer),
            silence,
            last_packet: visitor.now,
            inbound: Inbound::new(&limits, level),
            outbound: Outbound::new(&limits, &connect),
            limits,
            subscriptions: Vec::new(),
            aliases: Vec::new(),
            will: connect.will.map(Box::new),
            wants_words,
            asked_for_expiry,
            assigned_client_id: connect.client_id.is_empty(),
            sequence: 0,
        }
    }

    /// Writes the CONNACK that lets the client in.
    fn welcome(&self, out: &mut BytesMut) {
        let mut properties = Vec::new();
        if self.level().is_v5() {
            let max_packet_size = u32::try_from(self.limits.max_packet_size).unwrap_or(u32::MAX);
            properties.extend([
                Property::ReceiveMaximum(self.limits.max_in_flight),
                Property::MaximumPacketSize(max_packet_size),
                Property::TopicAliasMaximum(self.limits.max_topic_aliases),
                Property::SubscriptionIdentifierAvailable(0),
                Property::SharedSubscriptionAvailable(0),
            ]);
            properties.extend(self.grant.server_keep_alive.map(Property::ServerKeepAlive));
            if self.assigned_client_id {
                let client_id = self.facts.client_id.as_str();
                properties.push(Property::AssignedClientIdentifier(client_id.to_owned().into()));
            }
            if self.asked_for_expiry {
                properties.push(Property::SessionExpiry(0));
            }
        }
        ConnAck { code: 0, properties: properties.into() }.encode(out, self.level());
    }
}
