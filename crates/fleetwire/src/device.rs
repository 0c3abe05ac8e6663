//! `fleetwire device`: activate devices, and list them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets;
use fleetwire_codec::Protocol;
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, Imei};
use fleetwire_registry::write::{Activation, Existing, OwnLogin, OwnPassword, Writer};
use fleetwire_registry::{Catalogue, CodecSettings, Model, ModelSettings, PasswordHash, password, read};
use fleetwire_service::exit::Exit;
use serde::Deserialize;

use crate::config;
use crate::json::Json;
use crate::process::Usage;
use crate::target::TargetFlags;

/// A password file may be this long; what is in it is much shorter.
const MAX_PASSWORD_FILE: u64 = 4096;

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
    /// Configuration with [models] of your own [default: that of the `fleetwire run` on this machine]
    #[arg(long, short, global = true, value_name = "FILE", env = "FLEETWIRE_CONFIG")]
    config: Option<PathBuf>,
}

/// What a configuration says of models; what else is in it is for others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnModels {
    models: BTreeMap<String, ModelSettings>,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// Activate a device by its IMEI; one that is registered gets the model and is active again
    Add(AddArgs),
    /// List the registered devices
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// List the models
    Models,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// IMEI, 15 digits; for models that speak NGP or JSON, the id under which the device connects
    #[arg(value_name = "IMEI")]
    id: String,
    /// Model; `fleetwire device models` lists them
    #[arg(long, default_value = Catalogue::DEFAULT)]
    model: String,
    /// Name for people
    #[arg(long, default_value = "")]
    name: String,
    /// Accept an IMEI whose check digit is wrong
    #[arg(long)]
    accept_check_digit: bool,
    /// Account under which it connects, where it is not the model's; "" goes back to the model's
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

/// A password of its own. Without any of these flags, what the device has stays.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct PasswordArgs {
    /// Give it a new password of its own, printed once; the account's does not open it any more
    #[arg(long)]
    own_password: bool,
    /// Give it the password of a file, or of standard input with "-": 16 to 128 bytes
    #[arg(long, value_name = "FILE")]
    own_password_file: Option<PathBuf>,
    /// Take its own password away: the account's opens it again
    #[arg(long)]
    shared_password: bool,
}

pub(crate) fn device(args: &DeviceArgs) -> Result<Exit> {
    match &args.command {
        DeviceCommand::Add(add) => add.run(&args.target, args.catalogue()?),
        DeviceCommand::List { json } => list(&args.target, *json),
        DeviceCommand::Models => {
            models(args.catalogue()?);
            Ok(Exit::Done)
        }
    }
}

impl DeviceArgs {
    /// The models of the configuration that is named, or of the `fleetwire run` that this talks to.
    fn catalogue(&self) -> Result<Catalogue> {
        let of_run = || self.target.running().ok().filter(|_| self.target.kafka.is_none())?.config;
        let file = self.config.clone().or_else(of_run);
        let OwnModels { models } = config::load(file.as_deref())?;
        config::catalogue(&models, &CodecSettings::default(), file.as_deref())
    }
}

impl AddArgs {
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    fn run(&self, flags: &TargetFlags, catalogue: Catalogue) -> Result<Exit> {
        let Self { model, name, .. } = self;
        let model = catalogue.get(model).ok_or_else(|| {
            let own = "; one of your own is in the [models] of the file that --config names";
            Usage(format!("no model is called `{model}`; `fleetwire device models` lists them{own}"))
        })?;
        let device = self.device(model)?;
        let (password, shown) = self.password.read()?;
        let login = OwnLogin { account: self.account.clone(), password };
        let target = flags.resolve()?;
        let activation = Activation { device: device.clone(), model, name: name.clone(), login };
        let by = format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()));
        let writer = Writer { client: &target.client, topics: &target.topics, by: &by, limit: PATIENCE };
        writer.activate(&[activation], Existing::Update)?;
        let account = self.account.as_deref().filter(|account| !account.is_empty());
        println!("device {device} is activated as {}", model.name);
        let account = account.unwrap_or(model.account);
        if model.protocol() == Protocol::GlobalMatix {
            println!("it comes in through the vendor's cloud, which connects as user {account}");
        } else {
            println!("it connects with client id {device} and user {account}");
        }
        if let Some(password) = shown {
            println!("its password, which is shown this once: {password}");
        }
        Ok(Exit::Done)
    }

    fn device(&self, model: &Model) -> Result<DeviceId> {
        let imei = &self.id;
        if matches!(model.protocol(), Protocol::Ngp | Protocol::Json) {
            return imei.parse().map_err(|err| Usage(format!("`{imei}`: {err}")).into());
        }
        let parsed: Imei = imei.parse().map_err(|err| Usage(format!("`{imei}`: {err}")))?;
        if !parsed.has_valid_check_digit() && !self.accept_check_digit {
            let expected = Imei::check_digit(parsed.number() / 10);
            let hint = "look for a typing mistake, or add --accept-check-digit if the device really has it";
            return Err(Usage(format!("`{imei}`: the last digit should be {expected}; {hint}")).into());
        }
        Ok(DeviceId::from(parsed))
    }
}

impl PasswordArgs {
    /// What becomes of the password, and the password to show.
    fn read(&self) -> Result<(OwnPassword, Option<String>)> {
        let hash = |text: &str| {
            let hash = PasswordHash::new(text.as_bytes()).map_err(|err| Usage(err.to_string()))?;
            Ok::<_, anyhow::Error>(OwnPassword::Set(hash))
        };
        if self.own_password {
            let password = password::generate();
            return Ok((hash(&password)?, Some(password)));
        }
        let Some(file) = &self.own_password_file else {
            let kept = if self.shared_password { OwnPassword::Remove } else { OwnPassword::Keep };
            return Ok((kept, None));
        };
        let text = if file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin().take(MAX_PASSWORD_FILE))
        } else {
            std::fs::read_to_string(file)
        };
        let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.trim_end_matches('\r'));
        Ok((hash(line)?, None))
    }
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
fn models(catalogue: Catalogue) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["MODEL", "NAME", "ACCOUNT", "PROTOCOL"]);
    for model in catalogue.all() {
        let protocol = model.protocol().name();
        let protocol =
            if model.codec.is_guess() { format!("{protocol} (a guess)") } else { protocol.to_owned() };
        table.add_row([model.id, model.name, model.account, &protocol]);
    }
    println!("{table}");
}
