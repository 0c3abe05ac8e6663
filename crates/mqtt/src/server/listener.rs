//! Sockets that are listened on.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use super::{Settings, TlsError};
use crate::access::Transport;

/// Connections that the kernel may hold ready.
const BACKLOG: u32 = 4096;

/// Where clients connect, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// What carries the packets.
    pub transport: Transport,
    /// Address; port 0 takes a free one.
    pub address: SocketAddr,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// An address cannot be listened on.
    #[error("the {} address {address} cannot be used", transport.code())]
    Address {
        /// The address.
        address: SocketAddr,
        /// What it is for.
        transport: Transport,
        /// Why.
        source: io::Error,
    },
    /// Certificates are not usable.
    #[error("TLS cannot be served")]
    Tls(#[from] TlsError),
    /// A listener needs a certificate, and there is none.
    #[error("the {} listener needs a certificate", .0.code())]
    NoCertificate(Transport),
}

/// A listener that is bound.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) socket: TcpListener,
    pub(super) at: Listener,
}

/// Binds every listener of the settings.
pub(super) fn bind(settings: &Settings) -> Result<Vec<Bound>, BindError> {
    if settings.listeners.is_empty() {
        let plain = Listener { transport: Transport::Tcp, address: settings.listen };
        return Ok(vec![bind_one(plain)?]);
    }
    settings.listeners.iter().map(|listener| bind_one(*listener)).collect()
}

fn bind_one(listener: Listener) -> Result<Bound, BindError> {
    let Listener { transport, address } = listener;
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let address = socket.local_addr()?;
        Ok(Bound { socket, at: Listener { transport, address } })
    };
    bind().map_err(|source| BindError::Address { address, transport, source })
}
