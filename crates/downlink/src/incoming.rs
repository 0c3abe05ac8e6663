//! Connections of gateways: bounded in number, so that each must soon prove to be one.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tonic::codegen::http::Extensions;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

/// How long a connection may take to its first call that is let in.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long nothing is accepted after that failed, for example for lack of open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections; those above the bound are closed at once.
#[derive(Debug)]
pub(crate) struct Incoming {
    listener: TcpListener,
    open: Arc<AtomicUsize>,
    max_open: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(crate) fn new(listener: TcpListener, max_open: usize) -> Self {
        Self { listener, open: Arc::default(), max_open, pause: None }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(context)) {
                Ok((stream, _)) if self.open.load(Relaxed) < self.max_open => {
                    // Without it only the latency suffers.
                    let _ = stream.set_nodelay(true);
                    return Poll::Ready(Some(Ok(Connection::new(stream, Arc::clone(&self.open)))));
                }
                Ok(_) => {}
                Err(err) => {
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                    return Poll::Ready(Some(Err(err)));
                }
            }
        }
    }
}

/// A connection, counted while it is open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Until it has proven to be a gateway's.
    patience: Option<Pin<Box<Sleep>>>,
    proof: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
}

impl Connection {
    fn new(stream: TcpStream, open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Relaxed);
        Self { stream, patience: Some(Box::pin(sleep(PATIENCE))), proof: Arc::default(), open }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.proof.load(Relaxed) {
            self.patience = None;
        }
        if let Some(patience) = &mut self.patience
            && patience.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Self::ConnectInfo {
        Caller { proof: Arc::clone(&self.proof), peer: self.stream.connect_info() }
    }
}

/// Who is at the other end of a call's connection.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    proof: Arc<AtomicBool>,
    peer: TcpConnectInfo,
}

impl Caller {
    /// A call on the connection was let in, so that it may stay.
    pub(crate) fn is_gateway(extensions: &mut Extensions) {
        let tls = extensions.get::<TlsConnectInfo<Self>>().map(TlsConnectInfo::get_ref);
        let Some(Self { proof, peer }) = extensions.get::<Self>().or(tls).cloned() else { return };
        proof.store(true, Relaxed);
        // Where tonic looks for the address.
        extensions.insert(peer);
    }
}
