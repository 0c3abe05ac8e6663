//! Who may come in: the account's password, a client id that is an IMEI, and the registry's word on it.

use std::sync::Arc;

use fleetwire_model::{DeviceId, Imei};
use fleetwire_mqtt::packet::Connect;
use fleetwire_mqtt::{Authenticator, Grant, Peer, Refusal, TopicFilter};
use fleetwire_registry::account::ClientIds;
use fleetwire_registry::{Account, Accounts};

use crate::config::Unactivated;
use crate::directory::Directory;

/// Judges CONNECTs from memory.
#[derive(Debug)]
pub struct DeviceAuthenticator {
    accounts: Accounts,
    directory: Directory,
    unactivated: Unactivated,
}

/// What ingest needs to know of a session that was let in.
#[derive(Debug)]
pub struct Identity {
    /// Device that the session speaks for.
    pub device: DeviceId,
}

impl DeviceAuthenticator {
    /// Lets in who has an account's password, as far as the registry allows.
    pub fn new(accounts: Accounts, directory: Directory, unactivated: Unactivated) -> Self {
        Self { accounts, directory, unactivated }
    }

    /// The account, if the user name has one and the password is right.
    fn account(&self, connect: &Connect) -> Result<&Account, Refusal> {
        let name = connect.user_name.as_deref().unwrap_or_default();
        let password = connect.password.as_deref().unwrap_or_default();
        self.accounts.get(name).filter(|account| account.accepts(password)).ok_or(Refusal::BadCredentials)
    }

    /// The registry's word on a device with the right password.
    fn admit(&self, device: &DeviceId, account: &Account) -> Result<(), Refusal> {
        if !self.directory.is_caught_up() {
            return Err(Refusal::ServerUnavailable);
        }
        match self.directory.get(device) {
            Some(found) if found.model.account != account.name => Err(Refusal::NotAuthorized),
            Some(found) if !found.is_active() => Err(Refusal::NotAuthorized),
            Some(_) => Ok(()),
            None if self.unactivated == Unactivated::Hold => Ok(()),
            None => Err(Refusal::NotAuthorized),
        }
    }
}

impl Authenticator for DeviceAuthenticator {
    fn authenticate(&self, connect: &Connect, _peer: &Peer) -> Result<Grant, Refusal> {
        let account = self.account(connect)?;
        let device = match account.settings.client_ids {
            ClientIds::Imei => {
                let imei: Imei = connect.client_id.parse().map_err(|_| Refusal::BadClientId)?;
                DeviceId::from(imei)
            }
        };
        self.admit(&device, account)?;
        let filters = |patterns: &[String]| -> Result<Arc<[TopicFilter]>, Refusal> {
            let fill = |pattern: &String| TopicFilter::fill(pattern, &connect.client_id);
            patterns.iter().map(fill).collect::<Result<_, _>>().map_err(|_| Refusal::BadClientId)
        };
        Ok(Grant {
            publish: filters(&account.settings.publish)?,
            subscribe: filters(&account.settings.subscribe)?,
            ..Grant::new(Arc::new(Identity { device }))
        })
    }
}
