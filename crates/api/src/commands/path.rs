//! What the paths of commands name.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use fleetwire_model::DeviceId;

use super::Commands;
use super::entry::Snapshot;
use super::view::Found;
use crate::app::Shared;
use crate::problem::{Code, Refusal};
use crate::query::{Query, bad};

/// The command of the path.
#[derive(Debug)]
pub(crate) struct CommandPath(pub(crate) String);

impl FromRequestParts<Shared> for CommandPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(text) = path.map_err(|err| bad(err.body_text()))?;
        id(&text).map(Self).map_err(|err| bad(format!("the id in the path: {err}")))
    }
}

/// The output of a device of the path.
#[derive(Debug)]
pub(crate) struct OutputPath(pub(crate) DeviceId, pub(crate) u8);

impl FromRequestParts<Shared> for OutputPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refusal> {
        let path = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((device, number)) = path.map_err(|err| bad(err.body_text()))?;
        let device = device.parse().map_err(|err| bad(format!("the id in the path: {err}")))?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| is_number && *number > 0);
        let number = number.ok_or_else(|| bad("the output in the path is a number of 1 to 255"))?;
        Ok(Self(device, number))
    }
}

/// A text as the id of a command.
pub(crate) fn id(text: &str) -> Result<String, &'static str> {
    let is_id = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| text.to_owned()).ok_or("a command id has 1 to 64 printable ASCII characters without spaces")
}

/// The device that the query names.
pub(crate) fn device(query: &Query) -> Result<Option<DeviceId>, Refusal> {
    query.parsed("device")
}

/// The command of this id.
pub(crate) fn find(commands: &Commands, id: &str, device: Option<&DeviceId>) -> Result<Snapshot, Refusal> {
    match commands.view.find(id, device.map(DeviceId::as_str)) {
        Found::One(snapshot) => Ok(snapshot),
        Found::None => Err(Refusal::new(
            Code::NotFound,
            format!("no command {id} is remembered here; older ones are in the topic of command statuses"),
        )),
        Found::Several(devices) => {
            let devices = devices.join(", ");
            let detail = format!("several devices have a command {id}: {devices}; name one with `device`");
            Err(Refusal::new(Code::Ambiguous, detail))
        }
    }
}

/// The path of one command.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only; `CommandPath` reads it")]
pub(crate) struct CommandParams {
    /// Id of the command.
    #[param(example = "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB", min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    id: String,
}

/// Which device's command it is.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `device` reads it")]
pub(crate) struct DeviceParam {
    /// Device of the command, where several devices have one of this id.
    #[param(
        nullable = false,
        required = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._:-]+$"
    )]
    device: Option<String>,
}

/// The path of an output.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the document only; `OutputPath` reads it")]
pub(crate) struct OutputParams {
    /// IMEI, 15 digits, or another device id.
    #[param(example = "867035046242895", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    id: String,
    /// Number of the output, as the model has it.
    #[param(example = 1, minimum = 1, maximum = 255)]
    number: u8,
}
