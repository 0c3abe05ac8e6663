//! Admin HTTP of a process: liveness, readiness, metrics.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::health::Health;
use crate::metrics::Exposition;

const INDEX: &str = "fleetwire admin\n\n\
    /livez    200 while the process runs\n\
    /readyz   200 when it can take work, 503 with the reasons otherwise\n\
    /metrics  Prometheus exposition\n";

/// The admin server, bound and not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    router: Router,
}

impl Admin {
    /// Binds the address; port 0 takes a free one.
    pub async fn bind(address: SocketAddr, health: Health, metrics: Exposition) -> Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("admin address {address} cannot be used; choose another with --admin HOST:PORT")
        })?;
        info!(address = %listener.local_addr()?, "admin HTTP is served");
        let router = Router::new()
            .route("/", get(|| async { INDEX }))
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .with_state(health)
            .route("/metrics", get(exposition).with_state(metrics));
        Ok(Self { listener, router })
    }

    /// The address in use.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("the admin address is unknown")
    }

    /// Serves until told to stop.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        axum::serve(self.listener, self.router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
            .context("the admin server failed")
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health.report())).into_response()
}

/// On a thread that may wait: counting the open files of many connections takes a moment.
async fn exposition(State(metrics): State<Exposition>) -> Response {
    match tokio::task::spawn_blocking(move || metrics.render()).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
