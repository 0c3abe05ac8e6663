//! A frontend by a script: it answers calls as it is told, remembers terms as a real one does, and notes what a device
//! would see.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleetwire_codec::iotm::output::{OutputControl, Polarity};
use fleetwire_downlink::rpc::downlink_service_server::DownlinkService;
use fleetwire_downlink::{DownlinkServerSettings, Server, Tokens};
use fleetwire_model::pb::{DeliverOutcome, DeliverRequest, DeliverResponse};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// What becomes of a call that is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The device gets it and acknowledges.
    Acknowledge,
    /// The device gets it; the answer never comes.
    Silence,
    /// Nothing is published.
    Answer(DeliverOutcome),
}

/// A publish that a device got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) device: String,
    pub(crate) command: String,
    pub(crate) unique_id: u8,
    /// Whether the device obeys: it drops one with the number of the one before.
    pub(crate) is_obeyed: bool,
    pub(crate) term: u64,
}

type Script = Box<dyn Fn(&DeliverRequest, usize) -> Reply + Send>;

/// What the frontend knows.
#[derive(Default)]
struct Known {
    terms: HashMap<u32, u64>,
    /// Command that each device acknowledged last.
    acknowledged: HashMap<String, String>,
    last_unique_id: HashMap<String, u8>,
    seen: Vec<Seen>,
    refused: usize,
    calls: BTreeMap<String, usize>,
}

/// A frontend.
pub(crate) struct Frontend {
    pub(crate) address: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    known: Mutex<Known>,
    script: Mutex<Script>,
}

impl Frontend {
    /// Serves on a port of its own. `script` says what becomes of the n-th call of a command, from 1.
    pub(crate) fn start(script: impl Fn(&DeliverRequest, usize) -> Reply + Send + 'static) -> Self {
        let shared = Arc::new(Shared { known: Mutex::default(), script: Mutex::new(Box::new(script)) });
        let stop = CancellationToken::new();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = DownlinkServerSettings { listen, ..DownlinkServerSettings::default() };
        let server = Server::bind(&settings, Tokens::default()).unwrap();
        let address = server.advertised().to_owned();
        let (service, stopping) = (Service(Arc::clone(&shared)), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(server.run(service, stopping, Duration::ZERO)).unwrap();
        });
        Self { address, shared, stop, thread: Some(thread) }
    }

    /// Another script from now on.
    pub(crate) fn follow(&self, script: impl Fn(&DeliverRequest, usize) -> Reply + Send + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// What devices got, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.known.lock().unwrap().seen.clone()
    }

    /// What devices got of a command.
    pub(crate) fn seen_of(&self, command: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.command == command).collect()
    }

    /// Calls in the name of an older term.
    pub(crate) fn refused(&self) -> usize {
        self.shared.known.lock().unwrap().refused
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Service(Arc<Shared>);

impl Service {
    fn take(&self, request: &DeliverRequest) -> Reply {
        let mut guard = self.0.known.lock().unwrap();
        let known = &mut *guard;
        let term = known.terms.entry(request.partition).or_default();
        if request.term < *term {
            known.refused += 1;
            return Reply::Answer(DeliverOutcome::StaleGateway);
        }
        *term = request.term;
        if known.acknowledged.get(&request.device_id) == Some(&request.command_id) {
            return Reply::Answer(DeliverOutcome::Acknowledged);
        }
        let count = known.calls.entry(request.command_id.clone()).or_default();
        *count += 1;
        let reply = self.0.script.lock().unwrap()(request, *count);
        if let Reply::Answer(_) = reply {
            return reply;
        }
        let control = OutputControl::parse(&request.payload, Polarity::default()).unwrap();
        let unique_id = control.unique_id.get();
        let before = known.last_unique_id.insert(request.device_id.clone(), unique_id);
        known.seen.push(Seen {
            device: request.device_id.clone(),
            command: request.command_id.clone(),
            unique_id,
            is_obeyed: before != Some(unique_id),
            term: request.term,
        });
        if reply == Reply::Acknowledge {
            known.acknowledged.insert(request.device_id.clone(), request.command_id.clone());
        }
        reply
    }
}

#[tonic::async_trait]
impl DownlinkService for Service {
    async fn deliver(&self, request: Request<DeliverRequest>) -> Result<Response<DeliverResponse>, Status> {
        let outcome = match self.take(request.get_ref()) {
            Reply::Acknowledge => DeliverOutcome::Acknowledged,
            Reply::Answer(outcome) => outcome,
            Reply::Silence => {
                tokio::time::sleep(Duration::from_mins(10)).await;
                DeliverOutcome::Unacknowledged
            }
        };
        Ok(Response::new(DeliverResponse { outcome: outcome.into(), time: None }))
    }
}
