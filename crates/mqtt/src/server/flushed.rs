//! Makes "written" mean "handed to the kernel" on streams that have buffers of their own.
//!
//! Without it a connection could not see that a client has stopped to read, and nothing would push out what the
//! last write left in such a buffer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose `poll_write` is ready only once everything is flushed.
///
/// A caller that was told to wait comes back with the same bytes, perhaps with more behind them; every caller here
/// writes from the front of one buffer.
#[derive(Debug)]
pub(super) struct Flushed<S> {
    stream: S,
    /// Bytes that the stream has taken and not yet flushed.
    taken: usize,
}

impl<S> Flushed<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, taken: 0 }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flushed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.taken == 0 {
            this.taken = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        }
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut this.taken)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flushed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}
