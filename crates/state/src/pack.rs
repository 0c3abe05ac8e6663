//! How the view keeps a device in memory: one allocation, with what is the same for many devices kept once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fleetwire_model::pb::{DeviceState, Session, SessionState};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use prost::Message as _;

use crate::frontends::Frontends;
use crate::words::Words;

/// A device as it lies in memory.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Packed {
    #[prost(message, optional, tag = "1")]
    pub(crate) session: Option<PackedSession>,
    /// Its `DeviceState` without the device id.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) state: Option<Vec<u8>>,
}

/// A session; frontend and words are numbers of the tables beside it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PackedSession {
    #[prost(fixed64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) frontend: u32,
    #[prost(bool, tag = "3")]
    pub(crate) connected: bool,
    #[prost(bool, tag = "4")]
    accepts_commands: bool,
    #[prost(sint64, tag = "5")]
    since_ms: i64,
    #[prost(uint32, tag = "6")]
    account: u32,
    #[prost(uint32, tag = "7")]
    end_reason: u32,
    #[prost(bytes = "vec", tag = "8")]
    remote: Vec<u8>,
    /// See `pack_ulid`.
    #[prost(bytes = "vec", tag = "9")]
    session_id: Vec<u8>,
}

impl Packed {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        // Only what `write` made is read.
        Self::decode(bytes).unwrap_or_default()
    }

    pub(crate) fn write(&self) -> Box<[u8]> {
        self.encode_to_vec().into_boxed_slice()
    }

    /// The device's state, with its id again.
    pub(crate) fn device_state(&self, device: &str) -> Option<DeviceState> {
        let state = DeviceState::decode(self.state.as_deref()?).ok()?;
        Some(DeviceState { device_id: device.to_owned(), ..state })
    }
}

impl PackedSession {
    /// Packs a session; its frontend is counted in by the caller.
    pub(crate) fn pack(session: &Session, frontend: u32, words: &mut Words) -> Self {
        Self {
            epoch: session.epoch,
            frontend,
            connected: session.state() == SessionState::Connected,
            accepts_commands: session.accepts_commands,
            since_ms: session.since.as_ref().map_or(0, to_unix_ms),
            account: words.number(&session.account),
            end_reason: words.number(&session.end_reason),
            remote: pack_address(&session.remote_address),
            session_id: pack_ulid(&session.session_id),
        }
    }

    pub(crate) fn unpack(&self, device: &str, frontends: &Frontends, words: &Words) -> Session {
        let (frontend_id, frontend_run, frontend_address) = frontends.names(self.frontend);
        let state = if self.connected { SessionState::Connected } else { SessionState::Disconnected };
        Session {
            device_id: device.to_owned(),
            state: state.into(),
            session_id: unpack_ulid(&self.session_id),
            epoch: self.epoch,
            frontend_id,
            frontend_run,
            frontend_address,
            since: Some(self.since_ms).filter(|ms| *ms != 0).map(from_unix_ms),
            accepts_commands: self.accepts_commands,
            remote_address: unpack_address(&self.remote),
            end_reason: words.text(self.end_reason),
            account: words.text(self.account),
        }
    }
}

/// A ULID takes 16 bytes behind a zero, and anything else what it has.
fn pack_ulid(text: &str) -> Vec<u8> {
    match ulid::Ulid::from_string(text) {
        Ok(ulid) if ulid.to_string() == text => [&[0], ulid.to_bytes().as_slice()].concat(),
        _ => text.as_bytes().to_vec(),
    }
}

fn unpack_ulid(bytes: &[u8]) -> String {
    let ulid = bytes.strip_prefix(&[0]).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    match ulid {
        Some(bytes) => ulid::Ulid::from_bytes(bytes).to_string(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// IP and port take 6 or 18 bytes behind a zero, and anything else what it has.
fn pack_address(text: &str) -> Vec<u8> {
    let Ok(address) = text.parse::<SocketAddr>() else { return text.as_bytes().to_vec() };
    let mut out = vec![0];
    match address.ip() {
        IpAddr::V4(ip) => out.extend(ip.octets()),
        IpAddr::V6(ip) => out.extend(ip.octets()),
    }
    out.extend(address.port().to_be_bytes());
    out
}

fn unpack_address(bytes: &[u8]) -> String {
    let address = match bytes {
        [0, a, b, c, d, high, low] => {
            Some((IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)), u16::from_be_bytes([*high, *low])))
        }
        [0, ip @ .., high, low] => {
            let ip = <[u8; 16]>::try_from(ip).ok().map(|ip| IpAddr::V6(Ipv6Addr::from(ip)));
            ip.map(|ip| (ip, u16::from_be_bytes([*high, *low])))
        }
        _ => None,
    };
    match address {
        Some((ip, port)) => SocketAddr::new(ip, port).to_string(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_survives_packing() {
        let (mut frontends, mut words) = (Frontends::default(), Words::default());
        for (remote, session_id) in [
            ("192.0.2.1:4711", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            ("[2001:db8::1]:4711", "not a ulid"),
            ("somewhere", ""),
            ("", "sixteen letters!"),
        ] {
            let session = Session {
                device_id: "867035046242895".into(),
                state: SessionState::Disconnected.into(),
                session_id: session_id.into(),
                epoch: 1 << 60,
                frontend_id: "f".into(),
                frontend_run: "r".into(),
                frontend_address: "10.0.0.1:9000".into(),
                since: Some(from_unix_ms(1_609_307_511_123)),
                accepts_commands: true,
                remote_address: remote.into(),
                end_reason: "peer_gone".into(),
                account: "bce_device".into(),
            };
            let frontend = frontends.enter(&session);
            let packed =
                Packed { session: Some(PackedSession::pack(&session, frontend, &mut words)), state: None };
            let read = Packed::read(&packed.write()).session.unwrap();
            let found = read.unpack("867035046242895", &frontends, &words);
            assert_eq!(found, session);
        }
    }
}
