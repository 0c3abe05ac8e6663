//! What a client says of a device, and what the registry is asked to do with it.

use std::collections::BTreeMap;

use fleetwire_model::DeviceId;
use fleetwire_model::pb;
use fleetwire_registry::registrar::{MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS};
use fleetwire_registry::{
    Catalogue, CheckDigit, Draft, Model, OwnPassword, PasswordHash, Patch, device_id, password,
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::app::App;
use crate::devices::RESERVED;
use crate::problem::{Code, Refusal};

/// A device to activate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDevice {
    /// IMEI, 15 digits; for models that speak NGP or JSON, the id under which the device connects.
    #[schema(example = "867035046242895", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    pub(crate) id: String,
    /// Key of its model; `GET /v1/models` lists them.
    #[schema(example = "xirgo-fms500-light-iotm", min_length = 1, max_length = 64)]
    pub(crate) model: String,
    /// Name for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "truck 7", max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) name: Option<String>,
    /// Group for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "north", max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) group: Option<String>,
    /// All of its labels.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = labels)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Account (MQTT user name) under which it connects, where it is not its model's; empty for the model's.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "bce_device", max_length = 64)]
    pub(crate) account: Option<String>,
    /// A password of its own, 16 to 128 bytes: the account's does not open it then.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 16, max_length = 128, write_only)]
    pub(crate) password: Option<String>,
    /// Make a password of its own; the answer shows it once.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) generate_password: bool,
    /// Take the IMEI although its check digit is wrong.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) accept_check_digit: bool,
}

/// A device to activate, or what is to be different of one. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutDevice {
    /// Key of its model; `GET /v1/models` lists them.
    #[schema(example = "xirgo-fms500-light-iotm", min_length = 1, max_length = 64)]
    pub(crate) model: String,
    /// Name for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "truck 7", max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) name: Option<String>,
    /// Group for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "north", max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) group: Option<String>,
    /// All of its labels.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = labels)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Account (MQTT user name) under which it connects; empty for the model's.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "bce_device", max_length = 64)]
    pub(crate) account: Option<String>,
    /// A password of its own, 16 to 128 bytes: the account's does not open it then.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 16, max_length = 128, write_only)]
    pub(crate) password: Option<String>,
    /// Make a password of its own; the answer shows it once.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) generate_password: bool,
    /// Take its own password away: the account's opens it.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) remove_password: bool,
    /// Take the IMEI although its check digit is wrong.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) accept_check_digit: bool,
}

/// What is to be different of a device. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchDevice {
    /// Key of its model.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "xirgo-lx41", min_length = 1, max_length = 64)]
    pub(crate) model: Option<String>,
    /// Name for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "truck 7", max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) name: Option<String>,
    /// Group for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "north", max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) group: Option<String>,
    /// All of its labels, in place of those that it has.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = labels)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Account (MQTT user name) under which it connects; empty for the model's.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, example = "bce_device", max_length = 64)]
    pub(crate) account: Option<String>,
    /// A password of its own, 16 to 128 bytes: the account's does not open it then.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 16, max_length = 128, write_only)]
    pub(crate) password: Option<String>,
    /// Make a password of its own; the answer shows it once.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) generate_password: bool,
    /// Take its own password away: the account's opens it again.
    #[serde(default)]
    #[schema(default = false)]
    pub(crate) remove_password: bool,
}

/// `null` is no way to leave something out.
pub(crate) fn present<'de, D, T>(value: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(value).map(Some)
}

/// No control characters.
const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

fn labels() -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(MAX_LABEL_VALUE))
        .pattern(Some(PRINTABLE));
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_LABEL_KEY))
        .pattern(Some(PRINTABLE));
    let labels = ObjectBuilder::new()
        .description(Some("All of its labels, 32 at most."))
        .max_properties(Some(MAX_LABELS))
        .property_names(Some(Schema::Object(key.build())))
        .additional_properties(Some(AdditionalProperties::from(text)))
        .examples([serde_json::json!({ "vehicle": "truck" })]);
    RefOr::T(Schema::Object(labels.build()))
}

/// What a request does with the device's own password.
#[derive(Debug, Default)]
pub(crate) struct PasswordWish {
    pub(crate) given: Option<String>,
    pub(crate) generate: bool,
    pub(crate) remove: bool,
}

impl PasswordWish {
    /// What the registry is asked for, and the password to show. `before` is the device's record, if it has one: a
    /// password that it has already is no change.
    pub(crate) fn read(self, before: Option<&pb::Device>) -> Result<(OwnPassword, Option<String>), Refusal> {
        let hash = |text: &str| {
            let hash = PasswordHash::new(text.as_bytes());
            hash.map_err(|err| Refusal::new(Code::Invalid, format!("`password`: {err}")))
        };
        match self {
            Self { given: None, generate: false, remove: false } => Ok((OwnPassword::Keep, None)),
            Self { given: None, generate: false, remove: true } => Ok((OwnPassword::Remove, None)),
            Self { given: None, generate: true, remove: false } => {
                let password = password::generate();
                Ok((OwnPassword::Set(hash(&password)?), Some(password)))
            }
            Self { given: Some(text), generate: false, remove: false } => {
                let new = hash(&text)?;
                let known = before.and_then(|record| PasswordHash::from_bytes(&record.password_hash));
                let same = known.is_some_and(|known| known.accepts(text.as_bytes()));
                Ok((if same { OwnPassword::Keep } else { OwnPassword::Set(new) }, None))
            }
            Self { .. } => {
                let detail =
                    "of `password`, `generate_password` and `remove_password` at most one is possible";
                Err(Refusal::new(Code::Invalid, detail))
            }
        }
    }
}

/// The model of a key.
pub(crate) fn model(catalogue: Catalogue, key: &str) -> Result<&'static Model, Refusal> {
    catalogue.get(key).ok_or_else(|| {
        Refusal::new(Code::Invalid, format!("`model`: no model is called `{key}`; GET /v1/models lists them"))
    })
}

/// The account as the registry keeps it: the model's own is not written down, so that the device follows its model.
pub(crate) fn own_account(account: Option<String>, model: Option<&Model>) -> Option<String> {
    account.map(|name| if model.is_some_and(|model| model.account == name) { String::new() } else { name })
}

/// The id of a device of a model that a client gives.
pub(crate) fn id(text: &str, model: &Model, check_digit: CheckDigit) -> Result<DeviceId, Refusal> {
    if RESERVED.contains(&text) {
        let detail = format!("`id`: `{text}` is a path of this API; choose another");
        return Err(Refusal::new(Code::Invalid, detail));
    }
    device_id(text, model, check_digit).map_err(|err| Refusal::new(Code::Invalid, format!("`id`: {err}")))
}

/// Whether a wrong check digit is taken.
pub(crate) const fn check_digit(accepted: bool) -> CheckDigit {
    if accepted { CheckDigit::Ignored } else { CheckDigit::Required }
}

impl NewDevice {
    /// The device, what the registry is to write of it, and the password to show.
    pub(crate) fn read(self, app: &App) -> Result<(DeviceId, Draft, Option<String>), Refusal> {
        let model = model(app.needs.catalogue, &self.model)?;
        let device = id(&self.id, model, check_digit(self.accept_check_digit))?;
        let wish = PasswordWish { given: self.password, generate: self.generate_password, remove: false };
        let (password, shown) = wish.read(None)?;
        let account = own_account(self.account, Some(model));
        let draft =
            Draft { model, name: self.name, group: self.group, labels: self.labels, account, password };
        Ok((device, draft, shown))
    }
}

impl PutDevice {
    /// What the registry is to write of the device, and the password to show.
    pub(crate) fn read(self, app: &App, device: &DeviceId) -> Result<(Draft, Option<String>), Refusal> {
        let model = model(app.needs.catalogue, &self.model)?;
        let before = app.needs.records.get(device);
        let is_known = before.as_ref().is_some_and(|record| record.model == self.model);
        id(device.as_str(), model, check_digit(self.accept_check_digit || is_known))?;
        let wish = PasswordWish {
            given: self.password,
            generate: self.generate_password,
            remove: self.remove_password,
        };
        let (password, shown) = wish.read(before.as_ref())?;
        let account = own_account(self.account, Some(model));
        let draft =
            Draft { model, name: self.name, group: self.group, labels: self.labels, account, password };
        Ok((draft, shown))
    }
}

impl PatchDevice {
    /// What is to be different of the device, and the password to show.
    pub(crate) fn read(self, app: &App, before: &pb::Device) -> Result<(Patch, Option<String>), Refusal> {
        let catalogue = app.needs.catalogue;
        let model = self.model.as_deref().map(|key| model(catalogue, key)).transpose()?;
        let wish = PasswordWish {
            given: self.password,
            generate: self.generate_password,
            remove: self.remove_password,
        };
        let (password, shown) = wish.read(Some(before))?;
        let account = own_account(self.account, model.or_else(|| catalogue.get(&before.model)));
        let patch =
            Patch { model, name: self.name, group: self.group, labels: self.labels, account, password };
        Ok((patch, shown))
    }
}
