//! The parts put together.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use fleetwire_service::stages::Stages;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::info;

use crate::app::{App, Dependencies, Shared};
use crate::auth::authenticate;
use crate::commands::Commands;
use crate::edge;
use crate::limits::Limits;
use crate::metrics::ApiMetrics;
use crate::openapi;
use crate::problem::{Code, Refusal};
use crate::routes::Templates;
use crate::serve::serve;
use crate::settings::ApiSettings;
use crate::trace::{Traces, tidy};

/// The API as it is served.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    /// The address in use.
    pub address: SocketAddr,
}

/// Binds the address and adds the API as a stage of its own. Open the registrar's stage after it: requests that are
/// worked on when the process stops still need it. Needs a runtime.
pub fn start(settings: &ApiSettings, needs: Dependencies, stages: &mut Stages) -> Result<Api> {
    let listen = settings.listen;
    let bound = TcpListener::bind(listen)
        .and_then(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        })
        .with_context(|| format!("the API cannot listen on {listen}; choose another `listen` in [api]"))?;
    let address = bound.local_addr().context("the API's address is unknown")?;
    let commands = {
        let kafka = (&needs.kafka, &needs.topics);
        Commands::new(&settings.commands, settings.max_requests.get(), kafka)?
    };
    let follower = commands.follower((&needs.kafka, &needs.topics), &needs.health);
    let fatal = commands.sender.fatal();
    needs.records.connect_tracer(needs.tracer.clone());
    let stop = stages.open("api");
    let app = Arc::new(App {
        commands,
        traces: Traces::new(&needs.topics),
        limits: Limits::new(settings, needs.tokens.len()),
        metrics: ApiMetrics::new(),
        templates: Templates::new(openapi::document().paths.paths.keys()),
        requests: Arc::new(Semaphore::new(settings.max_requests.get())),
        transfers: Arc::new(Semaphore::new(settings.max_transfers.get())),
        settings: settings.clone(),
        stop: stop.clone(),
        needs,
    });
    let router = router(&app);
    let tidying = tidy(Arc::clone(&app));
    let served = async move {
        serve(bound, router, app, stop).await;
        Ok(())
    };
    stages.spawn("the API", async move {
        tokio::select! {
            served = served => served,
            () = fatal.cancelled() => Err(anyhow!("the producer of commands has failed for good")),
        }
    });
    stages.spawn("requests that are over", async move {
        tidying.await;
        Ok(())
    });
    let stop = stages.open("command statuses");
    stages.spawn_blocking("command statuses", move || follower.follow(&stop));
    info!(%address, "the API is served");
    Ok(Api { address })
}

fn router(app: &Shared) -> Router {
    let limited = openapi::requests().route_layer(from_fn_with_state(app.clone(), in_time));
    let guarded =
        limited.merge(openapi::transfers()).route_layer(from_fn_with_state(app.clone(), authenticate));
    let (router, _) = guarded.merge(openapi::open()).split_for_parts();
    let panicked = {
        let app = app.clone();
        move |panic: Box<dyn std::any::Any + Send>| edge::panicked(&app, &*panic)
    };
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), edge::edge))
        .with_state(app.clone())
}

/// A request that takes too long is given up.
async fn in_time(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let limit = app.settings.request_timeout;
    timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!(
            "the request was given up after {} s; whether a change was made, GET tells",
            limit.as_secs()
        );
        Refusal::new(Code::TimedOut, detail).retry_after(5).into_response()
    })
}
