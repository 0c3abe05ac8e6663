//! `fleetwire model`: what models there are.

use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use fleetwire_registry::{Catalogue, CodecSettings};
use fleetwire_service::exit::Exit;
use serde_json::Value;

use crate::client::{ApiFlags, Model, ModelOutput as Output, Models, encoded};
use crate::config::{self, OwnConfig};
use crate::table::{Pages, dash, facts};

/// A model says under which account a device connects, by which protocol its payloads are read, and which outputs it
/// has. This talks to the HTTP API as `fleetwire device` does.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
    #[command(flatten)]
    api: ApiFlags,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List the models
    List(ListArgs),
    /// Show a model with its topics and outputs
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The model, for example xirgo-lx41
    #[arg(value_name = "MODEL")]
    id: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn model(args: &ModelArgs) -> Result<Exit> {
    match &args.command {
        ModelCommand::List(list) => list.run(&args.api),
        ModelCommand::Show(show) => show.run(&args.api),
    }
}

/// The models that are known without asking anybody: those that are built in, and those of the configuration that is
/// named, or of the `fleetwire run` that the flags choose.
pub(crate) fn local(flags: &ApiFlags) -> Result<Catalogue> {
    let of_run = || {
        let is_run = flags.api.is_none() && flags.target.kafka.is_none();
        flags.target.running().ok().filter(|_| is_run)?.config
    };
    let file = flags.config.clone().or_else(of_run);
    let OwnConfig { models, .. } = config::load(file.as_deref())?;
    config::catalogue(&models, &CodecSettings::default(), file.as_deref())
}

impl ListArgs {
    pub(crate) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let Models { models } = serde_json::from_value(api.get("/v1/models")?)?;
            let mut out = stdout().lock();
            if self.json {
                models.iter().try_for_each(|model| writeln!(out, "{model}"))?;
                return Ok(Exit::Done);
            }
            let mut table = Pages::new(["MODEL", "NAME", "ACCOUNT", "PROTOCOL", "OUTPUTS"]);
            let row = |model| {
                let model = read(model)?;
                let outputs =
                    if model.outputs.is_empty() { "-".into() } else { model.outputs.len().to_string() };
                let protocol = protocol(&model);
                Ok([model.id, model.name, model.account, protocol, outputs])
            };
            table.print(&mut out, &models.into_iter().map(row).collect::<Result<Vec<_>>>()?)?;
            Ok(Exit::Done)
        })
    }
}

impl ShowArgs {
    fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let answer = api.get(&format!("/v1/models/{}", encoded(&self.id)))?;
            let mut out = stdout().lock();
            if self.json {
                writeln!(out, "{answer}")?;
                return Ok(Exit::Done);
            }
            let model = read(answer)?;
            let list = |texts: &[String]| dash(&texts.join(", ").replace("%c", "<client id>"));
            let mut lines = vec![
                ("model", model.id.clone()),
                ("name", model.name.clone()),
                ("account", model.account.clone()),
                ("protocol", protocol(&model)),
                ("publishes to", list(&model.publish_topics)),
                ("subscribes to", list(&model.subscribe_topics)),
                ("capabilities", list(&model.capabilities)),
            ];
            lines.extend(model.outputs.iter().map(|one| ("output", output(one))));
            facts(&mut out, &lines)?;
            Ok(Exit::Done)
        })
    }
}

fn read(model: Value) -> Result<Model> {
    serde_json::from_value(model).context("the API's answer is not understood")
}

fn protocol(model: &Model) -> String {
    if model.guess { format!("{} (a guess)", model.protocol) } else { model.protocol.clone() }
}

/// What an output is and how it works, in one line.
fn output(output: &Output) -> String {
    let Output { number, name, id, kind, confirmed_by } = output;
    let confirmed = match confirmed_by {
        Some(number) => format!("confirmed by output {number} in telemetry"),
        None => "nothing confirms it".to_owned(),
    };
    format!("{number} {name} (id {id}): {kind}, {confirmed}")
}
