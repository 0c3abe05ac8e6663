//! The bytes inside the messages: where one ends and the next begins means nothing to MQTT.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::observer::{Event, Observer};

/// Reads binary messages as one stream of bytes, and writes each write as one of them. Pings are answered while
/// it is read.
pub(in crate::server) struct MessageStream<S> {
    socket: WebSocketStream<S>,
    /// What is left of the last message.
    rest: Bytes,
    observer: Arc<dyn Observer>,
}

impl<S> MessageStream<S> {
    pub(in crate::server) fn new(socket: WebSocketStream<S>, observer: Arc<dyn Observer>) -> Self {
        Self { socket, rest: Bytes::new(), observer }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageStream<S> {
    /// A frame that is none of ours ends the connection [MQTT-6.0.0-1]. The client is told if it can be done at
    /// once.
    fn breach(&mut self, code: CloseCode, cx: &mut Context<'_>) -> io::Error {
        self.observer.on(Event::WebSocketBreach);
        let frame = CloseFrame { code, reason: "".into() };
        let mut socket = Pin::new(&mut self.socket);
        if socket.as_mut().start_send(Message::Close(Some(frame))).is_ok() {
            let _ = socket.poll_flush(cx);
        }
        io::ErrorKind::InvalidData.into()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MessageStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => this.rest = bytes,
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(this.breach(CloseCode::Unsupported, cx)));
                }
                // tungstenite answers pings and closes by itself, with the next read.
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(_))) => return Poll::Ready(Err(this.breach(CloseCode::Size, cx))),
                // Gone without a goodbye, as mobile devices go.
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
                    return Poll::Ready(Err(this.breach(CloseCode::Protocol, cx)));
                }
                Some(Err(err)) => return Poll::Ready(Err(into_io(err))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = this.rest.len().min(buf.remaining());
        buf.put_slice(this.rest.get(..count).unwrap_or_default());
        this.rest.advance(count);
        if this.rest.is_empty() {
            // Drops the message.
            this.rest = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MessageStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.get_mut().socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(into_io)?;
        socket.start_send(Message::Binary(Bytes::copy_from_slice(buf))).map_err(into_io)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_close(cx)).map_err(into_io)?;
        Pin::new(this.socket.get_mut()).poll_shutdown(cx)
    }
}

fn into_io(err: Error) -> io::Error {
    match err {
        Error::Io(err) => err,
        other => io::Error::other(other),
    }
}

impl<S> fmt::Debug for MessageStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").finish_non_exhaustive()
    }
}
