//! The time before a session: waits for a whole CONNECT, bounded in time and size, and has it judged.

use bytes::BytesMut;
use compact_str::CompactString;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};
use ulid::Ulid;

use super::{
    Core,
    socket::{self, Turn},
};
use crate::{
    access::{Authenticator, Peer},
    ingest::Ingest,
    observer::NotAdmitted,
    packet::Frame,
    session::{Admission, Visitor, admit},
};

/// Reads the first packet and judges it. What follows it stays in `input`; the CONNACK is left in `output`.
pub(super) async fn shake_hands<S, A, I>(
    stream: &mut S,
    peer: &Peer,
    core: &Core<A, I>,
    input: &mut BytesMut,
    output: &mut BytesMut,
) -> Result<Admission, NotAdmitted>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Authenticator,
    I: Ingest,
{
    let limit = core.settings.max_connect_size;
    let frame = tokio::select! {
        biased;
        () = core.stop.cancelled() => return Err(NotAdmitted::ShuttingDown),
        frame = timeout(core.settings.connect_timeout, first_frame(stream, input, limit)) => {
            frame.unwrap_or(Err(NotAdmitted::TimedOut))?
        }
    };
    let unix_ms = (core.parts.unix_ms)();
    let visitor = Visitor {
        session_id: session_id(unix_ms),
        peer: peer.clone(),
        now: Instant::now().into_std(),
        unix_ms,
    };
    let gate = (&*core.parts.authenticator, &core.parts.observer);
    admit(frame, visitor, &core.settings.limits, gate, output)
}

/// Waits for the first packet, of at most `limit` bytes.
pub(super) async fn first_frame<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    limit: usize,
) -> Result<Frame, NotAdmitted> {
    let mut nothing = BytesMut::new();
    loop {
        match socket::turn(stream, input, &mut nothing, true).await {
            Ok(Turn::Read) => {}
            Ok(Turn::End | Turn::Wrote) | Err(_) => return Err(NotAdmitted::Gone),
        }
        // Anything but a CONNECT is turned away by its first byte, however long it claims to be.
        if input.first().is_some_and(|first| first >> 4 != 1) {
            return Err(NotAdmitted::NotConnect);
        }
        if let Some(frame) = Frame::next(input, limit).map_err(NotAdmitted::Malformed)? {
            return Ok(frame);
        }
    }
}

fn session_id(unix_ms: u64) -> CompactString {
    let random = Ulid::generate().random();
    CompactString::new(Ulid::from_parts(unix_ms, random).to_string())
}
