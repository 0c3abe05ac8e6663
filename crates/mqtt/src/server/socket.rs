//! Reading and writing a stream without keeping a buffer for it while it is idle.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

/// The most that one read takes.
const CHUNK: usize = 16 * 1024;
/// How long, and for how many bytes, a closed connection is still read, so that unread input does not make the
/// kernel throw away what was written last.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;

thread_local! {
    /// Every connection of a thread reads through this and keeps only what came.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a turn of the stream did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Bytes were appended to the input.
    Read,
    /// Bytes were taken from the output.
    Wrote,
    /// The other end will send no more.
    End,
}

/// Writes what is there to write, and reads if `reading`; resolves after the first of both that moves. Safe to
/// cancel.
pub(super) async fn turn<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    output: &mut BytesMut,
    reading: bool,
) -> io::Result<Turn> {
    poll_fn(|cx| {
        if !output.is_empty()
            && let Poll::Ready(written) = write(stream, output, cx)
        {
            return Poll::Ready(written.map(|()| Turn::Wrote));
        }
        if reading {
            let count = ready!(read(stream, input, cx))?;
            return Poll::Ready(Ok(if count == 0 { Turn::End } else { Turn::Read }));
        }
        Poll::Pending
    })
    .await
}

fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    output: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let count = ready!(Pin::new(stream).poll_write(cx, output))?;
    if count == 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    output.advance(count);
    if output.is_empty() {
        // Drops the memory: most connections are idle most of the time.
        *output = BytesMut::new();
    }
    Poll::Ready(Ok(()))
}

fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    SCRATCH.with(|cell| {
        let mut scratch = cell.take();
        scratch.resize(CHUNK, 0);
        let mut chunk = ReadBuf::new(&mut scratch);
        let polled = Pin::new(stream).poll_read(cx, &mut chunk);
        let count = chunk.filled().len();
        if count > 0 {
            if input.is_empty() {
                // A new allocation of just this size, so that no payload keeps more alive than its read.
                *input = BytesMut::with_capacity(count);
            }
            input.extend_from_slice(chunk.filled());
        }
        cell.set(scratch);
        polled.map_ok(|()| count)
    })
}

/// Writes what is left and closes the stream, within `limit`.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut output: BytesMut,
    limit: Duration,
) {
    if output.is_empty() {
        return;
    }
    let flush = async {
        stream.write_all_buf(&mut output).await?;
        stream.shutdown().await
    };
    if matches!(timeout(limit, flush).await, Ok(Ok(()))) {
        // What comes now is of no interest, and neither is how it ends.
        let _ = timeout(LINGER, discard(stream)).await;
    }
}

async fn discard<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut left = LINGER_BYTES;
    let mut input = BytesMut::new();
    while left > 0 && turn(stream, &mut input, &mut BytesMut::new(), true).await? == Turn::Read {
        left = left.saturating_sub(input.len());
        input.clear();
    }
    Ok(())
}
