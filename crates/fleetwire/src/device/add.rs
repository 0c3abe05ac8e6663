//! `fleetwire device add`.

use std::collections::BTreeMap;
use std::io::{Write as _, stdout};

use anyhow::Result;
use clap::Args;
use fleetwire_codec::Protocol;
use fleetwire_model::DeviceId;
use fleetwire_registry::{Catalogue, CheckDigit, Model};
use fleetwire_service::exit::Exit;
use serde_json::{Map, Value};

use super::check;
use super::password::PasswordArgs;
use crate::client::{self, Api, ApiFlags, Ask, Device};
use crate::model;
use crate::process::Usage;

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// IMEI, 15 digits; for models that speak NGP or JSON, the id under which the device connects
    #[arg(value_name = "IMEI")]
    id: String,
    /// Model; `fleetwire model list` lists them
    #[arg(long, default_value = Catalogue::DEFAULT)]
    model: String,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Group for people and programs
    #[arg(long)]
    group: Option<String>,
    /// A label, for example vehicle=truck; may be repeated, and takes the place of all labels that it has
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Accept an IMEI whose check digit is wrong
    #[arg(long)]
    accept_check_digit: bool,
    /// Account under which it connects, where it is not the model's; "" goes back to the model's
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
    /// Only if its record has this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    /// Print the device as JSON
    #[arg(long)]
    json: bool,
}

/// KEY=VALUE.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE, for example vehicle=truck")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl AddArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        let known = model::local(flags)?.get(&self.model);
        if known.is_none() && flags.api.is_none() {
            let own = "; one of your own is in the [models] of the file that --config names";
            let what = format!("no model is called `{}`; `fleetwire model list` lists them{own}", self.model);
            return Err(Usage(what).into());
        }
        let digit = if self.accept_check_digit { CheckDigit::Ignored } else { CheckDigit::Required };
        let id = check::id(&self.id, known, digit)?;
        let body = self.body()?;
        flags.with(|api| self.ask(api, &id, &body, known))
    }

    fn body(&self) -> Result<Value> {
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        for (key, value) in [("name", &self.name), ("group", &self.group), ("account", &self.account)] {
            if let Some(value) = value {
                body.insert(key.into(), value.as_str().into());
            }
        }
        if !self.labels.is_empty() {
            let labels: BTreeMap<_, _> = self.labels.iter().cloned().collect();
            body.insert("labels".into(), serde_json::to_value(labels)?);
        }
        if self.accept_check_digit {
            body.insert("accept_check_digit".into(), true.into());
        }
        self.password.put(&mut body)?;
        Ok(body.into())
    }

    fn ask(&self, api: &Api, id: &DeviceId, body: &Value, known: Option<&Model>) -> Result<Exit> {
        let path = format!("/v1/devices/{id}");
        let answer = api.change(Ask::new("PUT", &path).if_revision(self.if_revision), Some(body))?;
        let mut out = stdout().lock();
        if self.json {
            writeln!(out, "{answer}")?;
            return Ok(Exit::Done);
        }
        let device: Device = serde_json::from_value(answer)?;
        let (model, protocol) = match known {
            Some(model) => (model.name.to_owned(), model.protocol().name().to_owned()),
            None => of_api(api, &device.model)?,
        };
        writeln!(out, "device {id} is activated as {model}")?;
        if protocol == Protocol::GlobalMatix.name() {
            writeln!(
                out,
                "it comes in through the vendor's cloud, which connects as user {}",
                device.account
            )?;
        } else {
            writeln!(out, "it connects with client id {id} and user {}", device.account)?;
        }
        if let Some(password) = device.password {
            writeln!(out, "its password, which is shown this once: {password}")?;
        }
        if device.release_pending {
            writeln!(out, "what was held of it is released now, and then decoded")?;
        }
        Ok(Exit::Done)
    }
}

/// Name and protocol of a model that only the API knows.
fn of_api(api: &Api, model: &str) -> Result<(String, String)> {
    let answer = api.get(&format!("/v1/models/{}", client::encoded(model)))?;
    let model: client::Model = serde_json::from_value(answer)?;
    Ok((model.name, model.protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_a_key_and_a_value() {
        assert_eq!(label("vehicle=truck"), Ok(("vehicle".into(), "truck".into())));
        assert_eq!(label("formula = a=b"), Ok(("formula".into(), "a=b".into())));
        assert!(label("truck").unwrap_err().contains("KEY=VALUE"));
    }
}
