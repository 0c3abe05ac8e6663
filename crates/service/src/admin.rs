//! Admin HTTP of a process: liveness, readiness, metrics, and what is logged.
//!
//! It asks for no password: who may reach it is the network's affair. So nothing here shows a secret, and what can be
//! changed here is bounded: see [`crate::logs::LogFilter`].

mod log_filter;

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::health::Health;
use crate::logs::Logs;
use crate::metrics::Exposition;

const INDEX: &str = "fleetwire admin\n\n\
    /livez          200 while every part of the process comes round, 503 with what hangs otherwise\n\
    /readyz         200 when it can take work, 503 with the reasons otherwise\n\
    /metrics        Prometheus exposition\n\
    /v1/log-filter  what is logged: GET shows it, PUT changes it (?for=10m for a while), DELETE takes it back\n";

/// Longest body of a request, bytes.
const MAX_BODY: usize = 4096;

/// What people see of a process from outside.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Its metrics.
    pub metrics: Exposition,
    /// Its logs.
    pub logs: Logs,
}

/// The admin server, bound and not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    router: Router,
    logs: Logs,
}

impl Admin {
    /// Binds the address; port 0 takes a free one.
    pub async fn bind(address: SocketAddr, health: Health, telemetry: Telemetry) -> Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("admin address {address} cannot be used; choose another with --admin HOST:PORT")
        })?;
        info!(address = %listener.local_addr()?, "admin HTTP is served");
        let Telemetry { metrics, logs } = telemetry;
        let router = Router::new()
            .route("/", get(|| async { INDEX }))
            .route("/livez", get(live))
            .route("/readyz", get(ready))
            .with_state(health.clone())
            .route("/metrics", get(exposition).with_state((metrics, health)))
            .route("/v1/log-filter", log_filter::methods(logs.filter().clone()))
            .layer(DefaultBodyLimit::max(MAX_BODY));
        Ok(Self { listener, router, logs })
    }

    /// The address in use.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("the admin address is unknown")
    }

    /// Serves until told to stop.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let serving =
            axum::serve(self.listener, self.router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let (served, ()) = tokio::join!(async { serving.await }, self.logs.upkeep(&stop));
        served.context("the admin server failed")
    }
}

async fn live(State(health): State<Health>) -> Response {
    let signs = health.signs();
    let is_live = signs.values().all(crate::health::Sign::is_live);
    (status(is_live), Json(signs)).into_response()
}

async fn ready(State(health): State<Health>) -> Response {
    (status(health.is_ready()), Json(health.report())).into_response()
}

const fn status(is_fine: bool) -> StatusCode {
    if is_fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// On a thread that may wait: counting the open files of many connections takes a moment.
async fn exposition(State((metrics, health)): State<(Exposition, Health)>) -> Response {
    health.export();
    match tokio::task::spawn_blocking(move || metrics.render()).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::logs::{Format, LogSettings, Mask, RepeatSettings};
    use crate::metrics;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn a_part_that_hangs_is_told_as_not_live_with_its_name_and_a_condition_as_not_ready_with_its_reason()
     {
        let settings = LogSettings {
            filter: "info".to_owned(),
            format: Format::Json,
            mask: Mask::None,
            repeats: RepeatSettings::off(),
        };
        let telemetry =
            Telemetry { metrics: metrics::install_nothing(), logs: Logs::quiet(&settings).unwrap() };
        let (health, stop) = (Health::default(), CancellationToken::new());
        let admin = Admin::bind(([127, 0, 0, 1], 0).into(), health.clone(), telemetry).await.unwrap();
        let address = admin.address().unwrap();
        let running = admin.run(stop.clone());
        let test = async {
            let pulse = health.pulse("poll_loop");
            let condition = health.condition("kafka");
            condition.not_ready("no broker answers");
            let (status, signs) = get(address, "/livez").await;
            assert_eq!((status, signs.contains("\"state\":\"lives\"")), (200, true), "{signs}");
            let (status, reasons) = get(address, "/readyz").await;
            assert_eq!((status, reasons.contains("no broker answers")), (503, true), "{reasons}");
            let hangs = health.vital("mqtt_core", || Duration::from_secs(301));
            let (status, signs) = get(address, "/livez").await;
            assert_eq!(status, 503);
            let told = r#""mqtt_core":{"state":"hangs","silent_seconds":301,"limit_seconds":300}"#;
            assert!(signs.contains(told), "{signs}");
            drop((hangs, pulse));
            condition.ready();
            assert_eq!(get(address, "/livez").await.0, 200);
            assert_eq!(get(address, "/readyz").await.0, 200);
            stop.cancel();
        };
        let (ran, ()) = tokio::join!(running, test);
        ran.unwrap();
    }
}
