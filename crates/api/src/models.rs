//! Models: which there are, how each connects, what it can do.

use axum::Json;
use axum::extract::{FromRequestParts as _, Path, Request, State};
use axum::http::Uri;
use fleetwire_registry::{Capability, Model as Entry, OutputProfile};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, Shared};
use crate::problem::{Code, Refusal};
use crate::query::{Query, bad};

/// A device model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    /// Its key.
    #[schema(example = "xirgo-fms500-light-iotm")]
    id: &'static str,
    /// Name for people.
    #[schema(example = "Xirgo Global (BCE) FMS500 Light IOTM")]
    name: &'static str,
    /// Account (MQTT user name) under which its devices connect.
    #[schema(example = "bce_device")]
    account: &'static str,
    /// Protocol of its payloads.
    #[schema(example = "iotm")]
    protocol: &'static str,
    /// Whether nobody has compared how its payloads are read with real ones.
    guess: bool,
    /// Topics that its account may publish to; `%c` stands for the client id.
    #[schema(example = json!(["BCE/D", "BCE/E", "BCE/F", "BCE/R"]))]
    publish_topics: Vec<String>,
    /// Topics that its account may subscribe to; `%c` stands for the client id.
    #[schema(example = json!(["%c/OUTC"]))]
    subscribe_topics: Vec<String>,
    /// Its outputs.
    outputs: Vec<Output>,
    /// What it can do, besides telling where it is.
    #[schema(example = json!(["device_events", "timed_outputs"]))]
    capabilities: Vec<&'static str>,
}

/// An output of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Output {
    /// Number by which people and programs ask for it.
    #[schema(minimum = 1, maximum = 255, example = 1)]
    number: u8,
    /// Name for people; may be empty.
    #[schema(example = "OUT1")]
    name: String,
    /// What the device knows it as.
    #[schema(example = "out1")]
    id: &'static str,
    /// "timed": works for a time; "latched": stays as it is told.
    #[schema(example = "timed")]
    kind: &'static str,
    /// Number of the output in telemetry whose state confirms a command, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 255, example = 1)]
    confirmed_by: Option<u8>,
}

/// The models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// In the order of their keys.
    models: Vec<Model>,
}

/// The path of a model.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only")]
pub(crate) struct ModelParams {
    /// Key of the model.
    #[param(example = "xirgo-fms500-light-iotm", min_length = 1)]
    id: String,
}

impl Model {
    pub(crate) fn new(entry: &'static Entry, app: &App) -> Self {
        let account = app.needs.accounts.get(entry.account);
        Self {
            id: entry.id,
            name: entry.name,
            account: entry.account,
            protocol: entry.protocol().name(),
            guess: entry.codec.is_guess(),
            publish_topics: account.map(|account| account.publish.clone()).unwrap_or_default(),
            subscribe_topics: account.map(|account| account.subscribe.clone()).unwrap_or_default(),
            outputs: outputs(&entry.outputs),
            capabilities: entry.capabilities().into_iter().map(Capability::code).collect(),
        }
    }
}

fn outputs(profile: &OutputProfile) -> Vec<Output> {
    let output = |output: &fleetwire_registry::outputs::Output| Output {
        number: output.number,
        name: output.name.clone(),
        id: output.id.code(),
        kind: output.id.kind(),
        confirmed_by: output.confirmed_by,
    };
    profile.outputs.iter().map(output).collect()
}

/// List the models.
#[utoipa::path(
    get, path = "/v1/models", tag = "models", operation_id = "listModels",
    responses((status = 200, description = "Every model", body = ModelList))
)]
pub(crate) async fn list(State(app): State<Shared>, uri: Uri) -> Result<Json<ModelList>, Refusal> {
    Query::read(&uri, &[])?;
    let models = app.needs.catalogue.all().iter().map(|entry| Model::new(entry, &app));
    Ok(Json(ModelList { models: models.collect() }))
}

/// Show a model.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "models", operation_id = "getModel",
    params(ModelParams),
    responses(
        (status = 200, description = "The model", body = Model),
        (status = 404, description = "There is no such model"),
    )
)]
pub(crate) async fn get(State(app): State<Shared>, request: Request) -> Result<Json<Model>, Refusal> {
    Query::read(request.uri(), &[])?;
    let (mut parts, _) = request.into_parts();
    let path = Path::<String>::from_request_parts(&mut parts, &app).await;
    let Path(id) = path.map_err(|err| bad(err.body_text()))?;
    let entry = app.needs.catalogue.get(&id);
    let entry = entry.ok_or_else(|| Refusal::new(Code::NotFound, format!("no model is called `{id}`")))?;
    Ok(Json(Model::new(entry, &app)))
}
