//! HTTP/1.1 connections: accepted, served, and closed in an orderly way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::app::Shared;

/// How long to wait after a connection could not be accepted, for example for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until told to stop; then no new request is taken, and those that are worked on end.
pub(crate) async fn serve(listener: TcpListener, router: Router, app: Shared, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(app.settings.max_connections.get()));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            // Nobody closes it.
            let permit = room.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Some((Ok((stream, peer)), permit)) => {
                let connection =
                    connection(stream, peer, router.clone(), (app.clone(), stop.clone(), permit));
                drop(connections.spawn(connection));
            }
            Some((Err(err), _)) => {
                warn!(%err, "a connection could not be accepted");
                app.metrics.accept_failures.increment(1);
                tokio::time::sleep(PAUSE).await;
            }
            None => break,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    (app, stop, permit): (Shared, CancellationToken, OwnedSemaphorePermit),
) {
    app.metrics.connections.increment(1);
    // Answers are small and must not wait for each other's acknowledgement.
    if let Err(err) = stream.set_nodelay(true) {
        debug!(%err, "TCP_NODELAY was not set");
    }
    let stream = crate::stall::Stall::new(stream, app.settings.idle_timeout);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.header_timeout)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(err) = result {
        debug!(%err, %peer, "an HTTP connection ended");
    }
    app.metrics.connections.decrement(1);
    drop(permit);
}
