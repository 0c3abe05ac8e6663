//! The stage of a frontend in which gateways are served. It stops before the sessions do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fleetwire_downlink::{DownlinkServerSettings, ServeError, Server, Tokens};
use fleetwire_mqtt::Sessions;
use fleetwire_service::stages::Stages;
use fleetwire_trace::Tracer;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::crossing::Crossings;
use super::metrics::CallMetrics;
use super::service::Service;
use super::terms::Terms;
use crate::fabric::Fabric;

/// How long connections may take to close once every call has its answer.
const GOODBYE: Duration = Duration::from_secs(1);

/// The address for gateways, bound.
#[derive(Debug)]
pub(crate) struct Downlinks {
    server: Option<Server>,
    max_in_flight: usize,
}

impl Downlinks {
    /// Binds the address, unless nothing is to be served.
    pub(crate) fn bind(settings: &DownlinkServerSettings, tokens: Tokens) -> Result<Self, ServeError> {
        let server = settings.enabled.then(|| Server::bind(settings, tokens)).transpose()?;
        Ok(Self { server, max_in_flight: settings.max_in_flight.min(Semaphore::MAX_PERMITS) })
    }

    /// Where gateways reach it, HOST:PORT; empty if nothing is served.
    pub(crate) fn advertised(&self) -> String {
        self.server.as_ref().map(|server| server.advertised().to_owned()).unwrap_or_default()
    }

    /// Adds the stage; says where gateways connect.
    pub(crate) fn add_to(
        self,
        stages: &mut Stages,
        sessions: Sessions,
        (fabric, crossings, tracer): (Fabric, Arc<Crossings>, Tracer),
        grace: Duration,
    ) -> Option<SocketAddr> {
        let server = self.server?;
        let (address, stop) = (server.address(), stages.open("downlink"));
        let advertised = server.advertised();
        info!(%address, advertised, "gateways may connect");
        let permits = Arc::new(Semaphore::new(self.max_in_flight));
        let cut = CancellationToken::new();
        let service = Service {
            sessions,
            fabric,
            crossings,
            permits: Arc::clone(&permits),
            stop: stop.clone(),
            cut: cut.clone(),
            terms: Terms::default(),
            metrics: CallMetrics::new(),
            tracer,
        };
        let max_in_flight = u32::try_from(self.max_in_flight).unwrap_or(u32::MAX);
        stages.spawn("gateways", async move {
            // Calls have a while to get their outcome, and then say what is known.
            let drain = async {
                stop.cancelled().await;
                let _all_in_time = timeout(grace, permits.acquire_many(max_in_flight)).await;
                cut.cancel();
            };
            let (ended, ()) = tokio::join!(server.run(service, stop.clone(), grace + GOODBYE), drain);
            Ok(ended?)
        });
        Some(address)
    }
}
