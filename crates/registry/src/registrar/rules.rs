//! What people may say of a device.

use std::collections::{BTreeMap, BTreeSet};

use fleetwire_model::DeviceId;

use super::change::{ChangeError, Patch};
use crate::catalogue::Model;
use crate::device_rule::has_imei;

/// Characters of a name.
pub const MAX_NAME: usize = 128;
/// Characters of a group.
pub const MAX_GROUP: usize = 64;
/// Labels of a device.
pub const MAX_LABELS: usize = 32;
/// Characters of a label's key.
pub const MAX_LABEL_KEY: usize = 64;
/// Characters of a label's value.
pub const MAX_LABEL_VALUE: usize = 256;

/// The rules of a deployment.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// Accounts that devices may connect under; `None` takes any name.
    pub(super) accounts: Option<BTreeSet<String>>,
}

impl Rules {
    /// Whether a device of a model may have this id.
    #[expect(clippy::unused_self, reason = "a rule like the others")]
    pub(super) fn check_id(&self, device: &DeviceId, model: &Model) -> Result<(), ChangeError> {
        if !has_imei(model) || device.imei().is_some() {
            return Ok(());
        }
        invalid(format!("`{device}` is no IMEI, and a device of model {} has one: 15 digits", model.id))
    }

    /// Whether all that is said is possible.
    pub(super) fn check(&self, patch: &Patch) -> Result<(), ChangeError> {
        text("a name", patch.name.as_deref(), MAX_NAME)?;
        text("a group", patch.group.as_deref(), MAX_GROUP)?;
        patch.labels.as_ref().map_or(Ok(()), labels)?;
        self.check_account(patch.account.as_deref().unwrap_or_default())
    }

    fn check_account(&self, account: &str) -> Result<(), ChangeError> {
        let Some(known) = self.accounts.as_ref().filter(|known| !known.contains(account)) else {
            return Ok(());
        };
        if account.is_empty() {
            return Ok(());
        }
        let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        invalid(format!(
            "there is no account `{account}`: use one of {known}, or leave it empty for the model's"
        ))
    }
}

fn labels(labels: &BTreeMap<String, String>) -> Result<(), ChangeError> {
    if labels.len() > MAX_LABELS {
        return invalid(format!("a device has at most {MAX_LABELS} labels, these are {}", labels.len()));
    }
    labels.iter().try_for_each(|(key, value)| {
        if key.is_empty() {
            return invalid("a label needs a key: give it one, or leave it out".to_owned());
        }
        text("the key of a label", Some(key), MAX_LABEL_KEY)?;
        text("the value of a label", Some(value), MAX_LABEL_VALUE)
    })
}

fn text(what: &str, text: Option<&str>, most: usize) -> Result<(), ChangeError> {
    let text = text.unwrap_or_default();
    let length = text.chars().count();
    if length > most {
        return invalid(format!("{what} has at most {most} characters, this has {length}: shorten it"));
    }
    match text.chars().position(char::is_control) {
        None => Ok(()),
        Some(index) => invalid(format!(
            "{what} has no control characters, and character {} is one: leave it out",
            index + 1
        )),
    }
}

fn invalid(reason: String) -> Result<(), ChangeError> {
    Err(ChangeError::Invalid(reason))
}
