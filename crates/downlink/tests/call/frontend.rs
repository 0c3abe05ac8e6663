//! A server whose service reads from the command's id what to do.

use std::collections::BTreeSet;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleetwire_downlink::rpc::downlink_service_server::DownlinkService;
use fleetwire_downlink::{
    CallError, Client, DownlinkClientSettings, DownlinkServerSettings, ServeError, Server, Tokens, wait_of,
};
use fleetwire_model::pb::{DeliverOutcome, DeliverRequest, DeliverResponse};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.unwrap()
}

/// Who called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Callers(Arc<Mutex<BTreeSet<SocketAddr>>>);

impl Callers {
    pub(crate) fn connections(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[tonic::async_trait]
impl DownlinkService for Callers {
    async fn deliver(&self, request: Request<DeliverRequest>) -> Result<Response<DeliverResponse>, Status> {
        self.0.lock().unwrap().extend(request.remote_addr());
        let wait = wait_of(&request);
        let outcome = match &*request.into_inner().command_id {
            "acknowledged" => DeliverOutcome::Acknowledged,
            "silent device" => {
                sleep(wait).await;
                DeliverOutcome::Unacknowledged
            }
            "nonsense" => return Err(Status::invalid_argument("nonsense")),
            "broken" => return Err(Status::internal("broken")),
            _ => pending().await,
        };
        Ok(Response::new(DeliverResponse { outcome: outcome.into(), time: None }))
    }
}

/// A frontend that runs.
pub(crate) struct Frontend {
    pub(crate) address: SocketAddr,
    pub(crate) callers: Callers,
    stop: CancellationToken,
    running: JoinHandle<Result<(), ServeError>>,
}

pub(crate) fn loopback() -> DownlinkServerSettings {
    DownlinkServerSettings { listen: ([127, 0, 0, 1], 0).into(), ..DownlinkServerSettings::default() }
}

impl Frontend {
    #[expect(clippy::disallowed_methods, reason = "the test is the service")]
    pub(crate) fn start(settings: &DownlinkServerSettings, tokens: Tokens) -> Self {
        let server = Server::bind(settings, tokens).unwrap();
        let (address, callers, stop) = (server.address(), Callers::default(), CancellationToken::new());
        assert_eq!(server.advertised(), address.to_string());
        let running = tokio::spawn(server.run(callers.clone(), stop.clone(), LIMIT));
        Self { address, callers, stop, running }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        soon(self.running).await.unwrap().unwrap();
    }
}

pub(crate) fn client(settings: DownlinkClientSettings) -> Client {
    Client::new(settings, None).unwrap()
}

/// What a call comes to.
pub(crate) async fn call(
    client: &Client,
    address: SocketAddr,
    command: &str,
    wait: Duration,
) -> Result<DeliverOutcome, CallError> {
    let request = DeliverRequest { command_id: command.into(), ..DeliverRequest::default() };
    let answer = soon(client.deliver(&address.to_string(), request, wait)).await;
    answer.map(|answer| answer.outcome())
}
