//! An API for as long as one command takes, for a deployment of which only the Kafka is named.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fleetwire_api::{ApiSettings, CommandSettings, Scope, Tokens};
use fleetwire_registry::{CodecSettings, account};
use fleetwire_service::exit::Exit;
use fleetwire_service::health::{Health, State};
use fleetwire_service::stages::interrupted;
use tokio::time::timeout;

use super::{Api, ApiFlags, TokenSource};
use crate::config::{self, OwnConfig, Process};
use crate::parts::{ApiParts, Parts};
use crate::process;

/// How long the registry may take to be read. A million devices take a few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the parts may take to stop once the command is done.
const GRACE: Duration = Duration::from_secs(10);

/// Does work with an API in this process. It changes the registry as any other does, and only looks at who knocks and
/// where devices are. `history`: how far back it knows what became of commands.
pub(super) fn with(
    flags: &ApiFlags,
    history: Duration,
    work: impl FnOnce(&Api) -> Result<Exit>,
) -> Result<Exit> {
    let file = flags.config.as_deref();
    let config: OwnConfig = config::load(file)?;
    account::check(&config.accounts)?;
    config.public.check()?;
    let catalogue = config::catalogue(&config.models, &CodecSettings::default(), file)?;
    let target = flags.target.resolve()?;
    let token = Tokens::generate();
    let mut tokens = Tokens::default();
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    tokens.add(&format!("cli:{user}"), Scope::ALL, &token)?;
    process::block_on(async {
        let process = Process { grace: GRACE, region: config.process.region, ..Process::default() };
        let mut parts = Parts::new(&process, target.client, target.topics);
        let registering = parts.registering(&config.accounts);
        let (knocks, states) = parts.add_views();
        let public = config.public.of(&process, None);
        let needs = ApiParts { catalogue, accounts: &config.accounts, knocks, states, public, tokens };
        let settings = ApiSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            commands: CommandSettings { history, ..CommandSettings::default() },
            ..ApiSettings::default()
        };
        let address = parts.add_api(&settings, needs, &registering)?;
        parts.add_registrar(registering);
        let health = parts.health.clone();
        let done = match timeout(PATIENCE, health.until_ready()).await {
            Ok(()) => {
                let api = Api::new(&format!("http://{address}"), token, TokenSource::Process)?;
                tokio::task::block_in_place(|| work(&api))
            }
            Err(_) => unready(&health),
        };
        stop(parts, done).await
    })
}

/// Stops the parts. If one of them failed, that is why the work did.
async fn stop(parts: Parts, done: Result<Exit>) -> Result<Exit> {
    let mut is_over = false;
    let signal = async || {
        if std::mem::replace(&mut is_over, true) {
            interrupted().await;
        }
    };
    match (parts.stages.run(signal, GRACE).await, done) {
        (Ok(_), done) => done,
        (Err(err), Err(_)) => Err(err),
        (Err(err), Ok(_)) => Err(err).context("the command is done, but"),
    }
}

fn unready(health: &Health) -> Result<Exit> {
    let report = health.report();
    let reasons = report.iter().filter_map(|(name, state)| match state {
        State::Ready => None,
        State::NotReady(reason) => Some(format!("{name}: {reason}")),
    });
    bail!(
        "Kafka was not ready within {} seconds: {}",
        PATIENCE.as_secs(),
        reasons.collect::<Vec<_>>().join("; ")
    )
}
