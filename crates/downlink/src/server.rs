//! A frontend's end: listens for gateways, and lets in those that may call.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server as Grpc;

use crate::MAX_MESSAGE;
use crate::error::{ServeError, SettingsError};
use crate::incoming::Incoming;
use crate::rpc::downlink_service_server::{DownlinkService, DownlinkServiceServer};
use crate::settings::DownlinkServerSettings;
use crate::switch::Switch;
use crate::token::{Guard, Tokens};

/// How often a connection is asked whether the gateway is still there, and how long the answer may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Calls of one connection beyond those that may wait for devices, so that one too many is told BUSY and does not
/// wait for its turn unheard.
const SPARE_STREAMS: usize = 1024;

/// Listens for gateways.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    advertised: String,
    builder: Grpc,
    tokens: Tokens,
    max_connections: usize,
}

impl Server {
    /// Binds the address and reads the certificates. Connections wait until [`Self::run`].
    pub fn bind(settings: &DownlinkServerSettings, tokens: Tokens) -> Result<Self, ServeError> {
        settings.check(&tokens)?;
        let streams = u32::try_from(settings.max_in_flight.saturating_add(SPARE_STREAMS)).unwrap_or(u32::MAX);
        let mut builder = Grpc::builder()
            .max_concurrent_streams(streams)
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1));
        if let Some(tls) = &settings.tls {
            builder = builder.tls_config(tls.config()?).map_err(SettingsError::Certificates)?;
        }
        let unusable = |source| ServeError::Bind { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let (advertised, max_connections) = (settings.advertised(address), settings.max_connections);
        Ok(Self { listener, address, advertised, builder, tokens, max_connections })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where gateways reach it, HOST:PORT.
    pub fn advertised(&self) -> &str {
        &self.advertised
    }

    /// Serves until told to stop; then takes no new connection, and calls that are left have `grace` to end.
    pub async fn run(
        self,
        service: impl DownlinkService,
        stop: CancellationToken,
        grace: Duration,
    ) -> Result<(), ServeError> {
        let Self { listener, address, builder, tokens, max_connections, .. } = self;
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|source| ServeError::Bind { address, source })?;
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status(crate::client::SERVICE, tonic_health::ServingStatus::Serving).await;
        let service = DownlinkServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE);
        let switch = Switch { health, downlink: service, guard: Guard::new(tokens) };
        let told = {
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                let status = tonic_health::ServingStatus::NotServing;
                reporter.set_service_status(crate::client::SERVICE, status).await;
            }
        };
        let incoming = Incoming::new(listener, max_connections);
        let serving = builder.serve_with_incoming_shutdown(switch, incoming, told);
        let cut = async {
            stop.cancelled().await;
            sleep(grace).await;
        };
        tokio::select! {
            ended = serving => ended.map_err(ServeError::Ended),
            // Whoever still holds a connection has had its answers.
            () = cut => Ok(()),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
