//! What every handler needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetwire_held::Knocks;
use fleetwire_kafka::ClientSettings;
use fleetwire_model::{DeviceId, Topics};
use fleetwire_registry::Catalogue;
use fleetwire_registry::account::AccountSettings;
use fleetwire_registry::records::Records;
use fleetwire_registry::registrar::Registrar;
use fleetwire_service::health::Health;
use fleetwire_state::States;
use fleetwire_trace::Tracer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::commands::Commands;
use crate::limits::Limits;
use crate::metrics::ApiMetrics;
use crate::problem::{Code, Refusal};
use crate::public::Public;
use crate::routes::Templates;
use crate::settings::ApiSettings;
use crate::tokens::Tokens;
use crate::trace::Traces;

/// What the API works with.
#[derive(Debug)]
pub struct Dependencies {
    /// Makes changes of devices.
    pub registrar: Registrar,
    /// Full records of devices.
    pub records: Arc<Records>,
    /// Models that devices may be of.
    pub catalogue: Catalogue,
    /// Every account, those that are built in as well.
    pub accounts: BTreeMap<String, AccountSettings>,
    /// Devices that nobody activated.
    pub knocks: Arc<Knocks>,
    /// Where devices are and what they last reported.
    pub states: Arc<States>,
    /// Whom to follow; it is told by the records.
    pub tracer: Tracer,
    /// Where the deployment is reached.
    pub public: Public,
    /// Who may do what.
    pub tokens: Tokens,
    /// Whether the process can take work.
    pub health: Health,
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
}

/// Shared by all requests.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) needs: Dependencies,
    pub(crate) settings: ApiSettings,
    pub(crate) limits: Limits,
    pub(crate) metrics: ApiMetrics,
    pub(crate) templates: Templates,
    pub(crate) commands: Commands,
    pub(crate) traces: Traces,
    /// Requests that may be worked on at a time.
    pub(crate) requests: Arc<Semaphore>,
    /// Imports and exports that may run at a time.
    pub(crate) transfers: Arc<Semaphore>,
    /// Told when the process stops.
    pub(crate) stop: CancellationToken,
}

/// The app as axum's state.
pub(crate) type Shared = Arc<App>;

impl App {
    /// The device's record, or that there is none.
    pub(crate) fn record(&self, id: &DeviceId) -> Result<fleetwire_model::pb::Device, Refusal> {
        self.needs
            .records
            .get(id)
            .ok_or_else(|| Refusal::new(Code::NotFound, format!("no device {id} is registered")))
    }
}
