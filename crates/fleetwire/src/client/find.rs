//! Which API a command talks to: the one named by flags, the `fleetwire run` of this machine, or, where only a Kafka is
//! named, one in this process for as long as the command takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use fleetwire_api::CommandSettings;
use fleetwire_service::exit::Exit;
use fleetwire_service::secret;

use super::{Api, TokenSource, in_process};
use crate::process::Usage;
use crate::target::TargetFlags;

/// The client's token.
const TOKEN: &str = "FLEETWIRE_API_TOKEN";

/// Flags that choose the API.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApiFlags {
    /// URL of the API, for example `https://fleetwire.example.com`; its token is FLEETWIRE_API_TOKEN, or in the file of
    /// FLEETWIRE_API_TOKEN_FILE [default: the API of the `fleetwire run` on this machine]
    #[arg(long, global = true, value_name = "URL", env = "FLEETWIRE_API")]
    pub(crate) api: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetFlags,
    /// With --kafka: configuration with `[models]`, `[accounts]` and `[public]` of your own
    #[arg(long, short, global = true, value_name = "FILE", env = "FLEETWIRE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl ApiFlags {
    /// Does work with the API that the flags choose.
    pub(crate) fn with(&self, work: impl FnOnce(&Api) -> Result<Exit>) -> Result<Exit> {
        self.choose(Duration::ZERO, work)
    }

    /// The same, for work with commands.
    pub(crate) fn with_commands(&self, work: impl FnOnce(&Api) -> Result<Exit>) -> Result<Exit> {
        self.choose(CommandSettings::default().history, work)
    }

    /// `history`: what became of commands in so long is known to an API in this process.
    fn choose(&self, history: Duration, work: impl FnOnce(&Api) -> Result<Exit>) -> Result<Exit> {
        if let Some(url) = &self.api {
            let token = secret::read(TOKEN, |name| std::env::var(name).ok())?.ok_or_else(|| {
                let what = "one of the tokens that `fleetwire api` was started with";
                Usage(format!("the API at {url} wants a token: set {TOKEN}, or {TOKEN}_FILE to the file of it, to {what}"))
            })?;
            return work(&Api::new(url, token, TokenSource::Environment)?);
        }
        if self.target.kafka.is_some() {
            return in_process::with(self, history, work);
        }
        let run = self.target.running().map_err(|err| anyhow!("{err:#}, or an API with --api URL"))?;
        let api = run.api.ok_or_else(|| {
            anyhow!("the `fleetwire run` of this machine is of an older version: start it anew")
        })?;
        let url = format!("http://{}", reachable(api.address));
        work(&Api::new(&url, api.token.secret(), TokenSource::RunFile)?)
    }
}

/// The address at which this machine reaches a listener of its own.
pub(super) const fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_by_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(at("[::]:8080"), "[::1]:8080");
        assert_eq!(at("192.0.2.1:8080"), "192.0.2.1:8080");
    }
}
