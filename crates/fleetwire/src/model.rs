//! `fleetwire model`: what models there are.

use std::collections::BTreeMap;
use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use fleetwire_registry::{Catalogue, CodecSettings, ModelSettings};
use fleetwire_service::exit::Exit;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{ApiFlags, Model, Models, encoded};
use crate::config;

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

/// What a configuration says of models; what else is in it is for others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnModels {
    models: BTreeMap<String, ModelSettings>,
}

/// The models that are known without asking anybody: those that are built in, and those of the configuration that is
/// named, or of the `fleetwire run` that the flags choose.
pub(crate) fn local(flags: &ApiFlags) -> Result<Catalogue> {
    let of_run = || {
        let is_run = flags.api.is_none() && flags.target.kafka.is_none();
        flags.target.running().ok().filter(|_| is_run)?.config
    };
    let file = flags.config.clone().or_else(of_run);
    let OwnModels { models } = config::load(file.as_deref())?;
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
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(["MODEL", "NAME", "ACCOUNT", "PROTOCOL", "OUTPUTS"]);
            for model in models {
                let model = read(model)?;
                let outputs = if model.outputs.is_empty() { "-".into() } else { model.outputs.len().to_string() };
                table.add_row([model.id.clone(), model.name.clone(), model.account.clone(), protocol(&model), outputs]);
            }
            writeln!(out, "{}", table.trim_fmt())?;
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
            let list = |texts: &[String]| if texts.is_empty() { "-".to_owned() } else { texts.join(", ") };
            writeln!(out, "model          {}", model.id)?;
            writeln!(out, "name           {}", model.name)?;
            writeln!(out, "account        {}", model.account)?;
            writeln!(out, "protocol       {}", protocol(&model))?;
            writeln!(out, "publishes to   {}", list(&model.publish_topics))?;
            writeln!(out, "subscribes to  {}", list(&model.subscribe_topics))?;
            writeln!(out, "capabilities   {}", list(&model.capabilities))?;
            for output in &model.outputs {
                writeln!(out, "output         {}", fields(output))?;
            }
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

/// An object as "name value" pairs; what it has not is left out.
fn fields(object: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Some(object) = object.as_object() else { return text(object) };
    let known = object.iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some(""));
    known.map(|(name, value)| format!("{name} {}", text(value))).collect::<Vec<_>>().join(", ")
}
