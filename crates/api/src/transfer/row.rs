//! One line of an import, and the changes that it means.

use std::collections::BTreeMap;

use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, DeviceStatus};
use fleetwire_registry::{Change, Draft, Existing, Patch};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::app::App;
use crate::devices::{PasswordWish, Status, check_digit, id, is_held, model, own_account};
use crate::problem::Refusal;

/// What a line says of a device. Members that only the answer of the API has are taken and mean nothing, so that an
/// export can be imported.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) model: String,
    #[serde(default, deserialize_with = "given")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) group: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) account: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status: Option<Status>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) password: Option<String>,
    #[serde(default, rename = "own_password")]
    _own_password: IgnoredAny,
    #[serde(default, rename = "release_pending")]
    _release_pending: IgnoredAny,
    #[serde(default, rename = "revision")]
    _revision: IgnoredAny,
    #[serde(default, rename = "created")]
    _created: IgnoredAny,
    #[serde(default, rename = "updated")]
    _updated: IgnoredAny,
    #[serde(default, rename = "updated_by")]
    _updated_by: IgnoredAny,
}

/// `null` is no way to leave something out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// What is said of every line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) existing: Existing,
    pub(crate) accept_check_digit: bool,
}

impl Row {
    /// The device, and the changes that make it what the line says; they belong together.
    pub(crate) fn changes(self, rules: Rules, app: &App) -> Result<(DeviceId, Vec<Change>), Refusal> {
        let model = model(app.needs.catalogue, self.model.trim())?;
        let text = self.id.trim();
        let before = text.parse().ok().and_then(|id| app.needs.records.get(&id));
        let is_known = before.as_ref().is_some_and(|record| record.model == model.id);
        let device = id(text, model, check_digit(rules.accept_check_digit || is_known))?;
        let wish = PasswordWish { given: self.password, ..PasswordWish::default() };
        let (password, _) = wish.read(before.as_ref())?;
        let account = own_account(self.account, Some(model));
        let (name, group, labels) = (self.name, self.group, self.labels);
        let draft = Draft { model, name, group, labels, account, password };
        let disabled = self.status == Some(Status::Disabled);
        let changes = changes(&device, draft, before.as_ref(), (rules.existing, disabled));
        let held = is_held(app, &device);
        let pending = |mut change| {
            if let Change::Activate { release_pending, .. } = &mut change {
                *release_pending = held;
            }
            change
        };
        Ok((device, changes.into_iter().map(pending).collect()))
    }
}

/// The changes for a device that is registered as `before`. One that is to be disabled must not be active in between.
fn changes(
    device: &DeviceId,
    draft: Draft,
    before: Option<&pb::Device>,
    (existing, disabled): (Existing, bool),
) -> Vec<Change> {
    let activate = |draft, if_revision| Change::Activate {
        device: device.clone(),
        draft,
        existing,
        release_pending: false,
        if_revision,
    };
    let disable = |if_revision| Change::SetStatus {
        device: device.clone(),
        status: DeviceStatus::Disabled,
        release_pending: false,
        if_revision,
    };
    match before {
        // Both are in one transaction. Should somebody else register the device meanwhile, it stays as it is.
        None if disabled => vec![activate(draft, Some(0)), disable(Some(1))],
        Some(_) if disabled && existing == Existing::Update => {
            let Draft { model, name, group, labels, account, password } = draft;
            let patch = Patch { model: Some(model), name, group, labels, account, password };
            vec![disable(None), Change::Update { device: device.clone(), patch, if_revision: None }]
        }
        _ => vec![activate(draft, None)],
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_registry::Catalogue;

    use super::*;

    fn kinds(before: bool, existing: Existing, disabled: bool) -> Vec<&'static str> {
        let draft = Draft::new(Catalogue::built_in().get("xirgo-lx41").unwrap());
        let record = pb::Device::default();
        let device = "867035046242895".parse().unwrap();
        let changes = changes(&device, draft, before.then_some(&record), (existing, disabled));
        let kind = |change: &Change| match change {
            Change::Activate { if_revision: Some(0), .. } => "create",
            Change::Activate { .. } => "activate",
            Change::Update { .. } => "update",
            Change::SetStatus { if_revision: Some(1), .. } => "disable new",
            Change::SetStatus { .. } => "disable",
            Change::Remove { .. } | Change::Released { .. } => "other",
        };
        changes.iter().map(kind).collect()
    }

    #[test]
    fn a_device_that_is_to_be_disabled_is_never_activated_in_between() {
        assert_eq!(kinds(false, Existing::Fail, true), ["create", "disable new"]);
        assert_eq!(kinds(true, Existing::Update, true), ["disable", "update"]);
        assert_eq!(kinds(true, Existing::Keep, true), ["activate"]);
        assert_eq!(kinds(true, Existing::Fail, true), ["activate"]);
        assert_eq!(kinds(true, Existing::Update, false), ["activate"]);
        assert_eq!(kinds(false, Existing::Update, false), ["activate"]);
    }

    #[test]
    fn a_line_of_an_export_can_be_read() {
        let line = r#"{"id":"867035046242895","model":"xirgo-lx41","account":"bce_device","status":"disabled",
            "name":"","group":"","labels":{"a":"b"},"own_password":true,"release_pending":false,"revision":3,
            "created":"2026-11-25T08:30:00.000Z","updated":"2026-11-25T08:30:00.000Z","updated_by":"token:ops"}"#;
        let row: Row = serde_json::from_str(line).unwrap();
        assert_eq!((row.status, row.labels.unwrap().len()), (Some(Status::Disabled), 1));
        assert!(serde_json::from_str::<Row>(r#"{"id":"1","model":"m","nam":"x"}"#).is_err());
        assert!(serde_json::from_str::<Row>(r#"{"id":"1","model":"m","name":null}"#).is_err());
    }
}
