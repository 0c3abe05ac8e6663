//! `fleetwire device`: activate devices, and list them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets;
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, Imei};
use fleetwire_registry::Catalogue;
use fleetwire_registry::read;
use fleetwire_registry::write::{Activation, Existing, Writer};
use fleetwire_service::clock;
use fleetwire_service::exit::Exit;

use crate::json::Json;
use crate::process::Usage;
use crate::target::TargetFlags;

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A device gets in only when a person activated it. Without --kafka this talks to the `fleetwire run` of
/// this machine.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    #[command(subcommand)]
    command: DeviceCommand,
    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// Activate a device by its IMEI; one that is registered gets the model and is active again
    Add {
        /// IMEI, 15 digits
        imei: String,
        /// Model; `fleetwire device models` lists them
        #[arg(long, default_value = Catalogue::DEFAULT)]
        model: String,
        /// Name for people
        #[arg(long, default_value = "")]
        name: String,
        /// Accept an IMEI whose check digit is wrong
        #[arg(long)]
        accept_check_digit: bool,
    },
    /// List the registered devices
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// List the models
    Models,
}

pub(crate) fn device(args: &DeviceArgs) -> Result<Exit> {
    match &args.command {
        DeviceCommand::Add { imei, model, name, accept_check_digit } => {
            add(&args.target, imei, model, name, *accept_check_digit)
        }
        DeviceCommand::List { json } => list(&args.target, *json),
        DeviceCommand::Models => {
            models();
            Ok(Exit::Done)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn add(flags: &TargetFlags, imei: &str, model: &str, name: &str, accept_check_digit: bool) -> Result<Exit> {
    let parsed: Imei = imei.parse().map_err(|err| Usage(format!("`{imei}`: {err}")))?;
    if !parsed.has_valid_check_digit() && !accept_check_digit {
        let expected = Imei::check_digit(parsed.number() / 10);
        let hint = "look for a typing mistake, or add --accept-check-digit if the device really has it";
        return Err(Usage(format!("`{imei}`: the last digit should be {expected}; {hint}")).into());
    }
    let model = Catalogue.get(model).ok_or_else(|| {
        Usage(format!("no model is called `{model}`; `fleetwire device models` lists them"))
    })?;
    let device = DeviceId::from(parsed);
    let target = flags.resolve()?;
    let activation = Activation { device: device.clone(), model, name: name.to_owned() };
    let by = format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()));
    let writer = Writer { client: &target.client, topics: &target.topics, by: &by, limit: PATIENCE };
    writer.activate(&[activation], Existing::Update, clock::unix_ms())?;
    println!("device {device} is activated as {}", model.name);
    println!("it connects with client id {device} and user {}", model.account);
    Ok(Exit::Done)
}

fn list(flags: &TargetFlags, json: bool) -> Result<Exit> {
    let target = flags.resolve()?;
    let devices = read::all(&target.client, &target.topics, PATIENCE)?;
    print_devices(&devices, json)?;
    Ok(Exit::Done)
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn print_devices(devices: &BTreeMap<String, Device>, json: bool) -> Result<()> {
    if json {
        let writer = Json::new()?;
        for device in devices.values() {
            println!("{}", writer.line(device)?);
        }
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["DEVICE", "STATUS", "MODEL", "NAME", "ACTIVATED BY"]);
    for device in devices.values() {
        let status = match device.status() {
            DeviceStatus::Active => "active",
            DeviceStatus::Disabled | DeviceStatus::Unspecified => "disabled",
        };
        table.add_row([&device.device_id, status, &device.model, &device.name, &device.updated_by]);
    }
    println!("{table}");
    println!("{} devices", devices.len());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn models() {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["MODEL", "NAME", "ACCOUNT", "PROTOCOL"]);
    for model in Catalogue.all() {
        table.add_row([model.id, model.name, model.account, model.protocol.name()]);
    }
    println!("{table}");
}
