//! Who may come in: clients of device accounts and of subscriber accounts, and how often they may fail.

mod client_id;
mod device;
pub mod subscriber;
#[cfg(test)]
mod tests;

use std::time::Instant;

use fleetwire_mqtt::packet::Connect;
use fleetwire_mqtt::{Authenticator, Grant, Peer, Refusal, SessionFacts};
use fleetwire_registry::Accounts;
use fleetwire_registry::account::{SharedPassword, WELL_KNOWN_PASSWORD};

use crate::auth::device::DeviceRules;
use crate::auth::subscriber::Subscribers;
use crate::canary::{self, CanaryAccount};
use crate::config::FrontendSettings;
use crate::directory::Directory;
use crate::logins::Logins;
use crate::metrics::LoginMetrics;
use crate::proofs::ProofMetrics;
use crate::revoked::Revoker;
use crate::strangers::Strangers;

/// Judges CONNECTs from memory.
#[derive(Debug)]
pub struct Doorkeeper {
    accounts: Accounts,
    devices: DeviceRules,
    subscribers: Subscribers,
    logins: Logins,
    revoker: Revoker,
    canary: Option<CanaryAccount>,
    /// Compared with where there is no account, so that the answer takes as long as for one.
    nobody: SharedPassword,
}

impl Doorkeeper {
    /// Lets in who proves to be a client of an account, as far as the registry allows.
    pub fn new(
        accounts: Accounts,
        subscribers: Subscribers,
        directory: Directory,
        settings: &FrontendSettings,
    ) -> Self {
        let proofs = ProofMetrics::new(&accounts);
        Self {
            accounts,
            revoker: Revoker::new(directory.clone()),
            devices: DeviceRules {
                directory,
                unactivated: settings.unactivated,
                strangers: Strangers::new(settings.unactivated_limits.clone(), Instant::now()),
                publish_rate: settings.sessions.publish_rate(),
                server_keep_alive: settings.sessions.server_keep_alive(),
                proofs,
            },
            subscribers,
            logins: Logins::new(&settings.logins, Instant::now(), LoginMetrics::new()),
            canary: None,
            nobody: SharedPassword::new(&WELL_KNOWN_PASSWORD.into()),
        }
    }

    /// Lets the frontend's own canary in too.
    pub(crate) fn with_canary(self, account: CanaryAccount) -> Self {
        Self { canary: Some(account), ..self }
    }

    fn judge(&self, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal> {
        // Whatever the account: sessions are found by client id, and this one is the canary's.
        if &*connect.client_id == canary::CLIENT_ID {
            return Err(Refusal::BadClientId);
        }
        let user = connect.user_name.as_deref().unwrap_or_default();
        if let Some(account) = self.accounts.get(user) {
            return self.devices.judge(account, connect, peer);
        }
        if let Some(subscriber) = self.subscribers.get(user) {
            return subscriber.judge(connect, peer);
        }
        std::hint::black_box(self.nobody.accepts(connect.password.as_deref().unwrap_or_default()));
        Err(Refusal::BadCredentials)
    }
}

impl Authenticator for Doorkeeper {
    fn authenticate(&self, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal> {
        if let Some(grant) = self.canary.as_ref().and_then(|canary| canary.admit(connect, peer)) {
            return Ok(grant);
        }
        let user = connect.user_name.as_deref().unwrap_or_default();
        let attempt = self.logins.attempt(peer.address.ip(), user, &connect.client_id, Instant::now());
        let attempt = attempt.map_err(|_| Refusal::Throttled)?;
        let judged = self.judge(connect, peer);
        match judged {
            Ok(_) => attempt.came_in(),
            Err(Refusal::BadCredentials) => attempt.failed(),
            Err(_) => {}
        }
        judged
    }

    fn still_admits(&self, session: &SessionFacts) -> bool {
        !self.revoker.revokes(&*session.identity)
    }
}
