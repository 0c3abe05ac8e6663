//! Clients of device accounts: the password, the client id, the certificate, and the registry's word.

use std::sync::Arc;
use std::time::Instant;

use compact_str::CompactString;
use fleetwire_model::{DeviceId, Imei};
use fleetwire_mqtt::packet::Connect;
use fleetwire_mqtt::{Grant, Peer, Refusal, TopicFilter};
use fleetwire_registry::account::{ClientIds, EmptyClientId, PasswordRule};
use fleetwire_registry::{Account, Login};

use super::client_id::{Space, assigned, choose, is_device_id, is_relay_id};
use crate::config::Unactivated;
use crate::directory::Directory;
use crate::downlink::Desk;
use crate::handover::Handover;
use crate::identity::Identity;
use crate::proofs::{Proof, ProofMetrics};
use crate::record::Head;
use crate::revoked::Admitted;
use crate::strangers::{Strangers, Visit};

/// Judges clients of device accounts.
#[derive(Debug)]
pub(super) struct DeviceRules {
    pub(super) directory: Directory,
    pub(super) unactivated: Unactivated,
    pub(super) strangers: Strangers,
    /// Publishes a second of one session.
    pub(super) publish_rate: Option<u32>,
    /// Keep-alive that MQTT 5 devices are told to use, seconds.
    pub(super) server_keep_alive: Option<u16>,
    pub(super) proofs: ProofMetrics,
}

/// The client as its CONNECT and its certificate describe it.
struct Claim {
    client_id: CompactString,
    /// The device that the client id means, where it means one.
    device: Option<DeviceId>,
    login: Option<Login>,
}

impl DeviceRules {
    /// Judges a client of `account`. Nothing but "bad credentials" is said before the password is right.
    pub(super) fn judge(&self, account: &Account, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal> {
        // Before the registry is read, a device with a password of its own looks like one without.
        if !self.directory.is_caught_up() {
            return Err(Refusal::ServerUnavailable);
        }
        let claim = self.claim(account, connect, peer);
        let own = claim.as_ref().ok().and_then(|claim| claim.login.as_ref()?.password);
        let password = connect.password.as_deref().unwrap_or_default();
        let proof = match (account.settings.password, own) {
            // `claim` is an error without a certificate.
            (PasswordRule::Certificate, _) => Some(Proof::Certificate),
            (PasswordRule::Required | PasswordRule::Own, Some(own)) => {
                own.accepts(password).then_some(Proof::Own)
            }
            (PasswordRule::Own, None) => None,
            (PasswordRule::Required, None) => account.opened_by(password).map(Proof::Shared),
        };
        let proof = proof.ok_or(Refusal::BadCredentials)?;
        let claim = claim?;
        let visit = match &claim.device {
            Some(device) => self.admit(device, claim.login.as_ref(), account, peer)?,
            None => None,
        };
        let grant = grant(account, connect, claim, visit)?;
        self.proofs.count(&account.name, proof);
        Ok(Grant { publish_rate: self.publish_rate, server_keep_alive: self.server_keep_alive, ..grant })
    }

    /// Who the client says it is.
    fn claim(&self, account: &Account, connect: &Connect, peer: &Peer) -> Result<Claim, Refusal> {
        let settings = &account.settings;
        let fits = |name: &str| match settings.client_ids {
            ClientIds::Imei => name.parse::<Imei>().is_ok(),
            ClientIds::Device => is_device_id(name),
            ClientIds::Any => is_relay_id(name),
        };
        let given = match settings.client_ids {
            ClientIds::Imei | ClientIds::Device => CompactString::new(&*connect.client_id),
            ClientIds::Any => Space::Relay(&account.name).own_part(&connect.client_id),
        };
        let mut client_id = choose(&given, peer, settings.certificate, fits)?;
        if client_id.is_empty() && settings.empty_client_id == EmptyClientId::Assign {
            client_id = assigned();
        }
        if !fits(&client_id) {
            return Err(Refusal::BadClientId);
        }
        if settings.client_ids == ClientIds::Any {
            return Ok(Claim { client_id, device: None, login: None });
        }
        let device: DeviceId = client_id.parse().map_err(|_| Refusal::BadClientId)?;
        let login = self.directory.login(&device);
        // Whoever registered a device with a wrong digit was asked about it.
        let mistyped = |imei: Imei| settings.client_ids == ClientIds::Imei && !imei.has_valid_check_digit();
        if settings.imei_check_digit && login.is_none() && device.imei().is_some_and(mistyped) {
            return Err(Refusal::BadClientId);
        }
        Ok(Claim { client_id, device: Some(device), login })
    }

    /// The registry's word on a device that has proven itself. One that nobody activated comes as a visitor.
    fn admit(
        &self,
        device: &DeviceId,
        login: Option<&Login>,
        account: &Account,
        peer: &Peer,
    ) -> Result<Option<Visit>, Refusal> {
        match login {
            Some(found) if found.account() != account.name => Err(Refusal::NotAuthorized),
            Some(found) if !found.device.is_active() => Err(Refusal::NotAuthorized),
            Some(_) => Ok(None),
            None if self.unactivated == Unactivated::Hold => {
                let entered = self.strangers.enter(peer.address.ip(), device, Instant::now());
                entered.map(Some).map_err(|_| Refusal::QuotaExceeded)
            }
            None => Err(Refusal::NotAuthorized),
        }
    }
}

fn grant(account: &Account, connect: &Connect, claim: Claim, visit: Option<Visit>) -> Result<Grant, Refusal> {
    let Claim { client_id, device, login } = claim;
    let filters = |patterns: &[String]| -> Result<Arc<[TopicFilter]>, Refusal> {
        let fill = |pattern: &String| TopicFilter::fill(pattern, &client_id);
        patterns.iter().map(fill).collect::<Result<_, _>>().map_err(|_| Refusal::BadClientId)
    };
    let (publish, subscribe) = (filters(&account.settings.publish)?, filters(&account.settings.subscribe)?);
    let (session_id, identity) = if let Some(device) = device {
        (
            Some(client_id).filter(|id| *id != *connect.client_id),
            Identity::Device {
                device,
                admitted: Admitted::new(&account.name, login.as_ref()),
                visit,
                handover: Handover::default(),
                desk: Desk::default(),
                head: Head::default(),
            },
        )
    } else {
        let session_id = Space::Relay(&account.name).session_id(&client_id);
        (Some(session_id), Identity::Relay { client_id, head: Head::default() })
    };
    Ok(Grant { client_id: session_id, publish, subscribe, ..Grant::new(Arc::new(identity)) })
}
