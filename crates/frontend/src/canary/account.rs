//! The account of the canary, and who may use it: nobody but the process itself.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use fleetwire_mqtt::packet::{Connect, QoS};
use fleetwire_mqtt::{Grant, Insider, Peer, TopicFilter};
use fleetwire_registry::{PasswordHash, password};
use secrecy::{ExposeSecret as _, SecretString};

use crate::identity::Identity;

/// Its user name. No account of the settings can have it: their names have no `$`.
pub(crate) const USER: &str = "$canary";
/// Its client id. No device and no relay can have it, and ids of subscribers are kept apart by a prefix.
pub(crate) const CLIENT_ID: &str = "$canary";
/// The one topic that it may publish to. No filter that begins with a wildcard matches it.
pub(crate) const TOPIC: &str = "$canary";

/// What the frontend and its canary agree on. Clones share.
#[derive(Clone)]
pub(crate) struct CanaryAccount {
    password: Arc<SecretString>,
    hash: PasswordHash,
    insider: Insider,
    topics: Arc<[TopicFilter]>,
}

impl CanaryAccount {
    /// An account with a password that nobody has seen, for a client that comes as the insider.
    pub(crate) fn new(insider: Insider) -> Result<Self> {
        let password = password::generate();
        let hash = PasswordHash::new(password.as_bytes()).context("the canary has no password")?;
        let topic = TopicFilter::parse(TOPIC).context("the canary has no topic")?;
        Ok(Self { password: Arc::new(password.into()), hash, insider, topics: Arc::new([topic]) })
    }

    /// Where the server expects it.
    pub(crate) const fn insider(&self) -> &Insider {
        &self.insider
    }

    /// What it shows.
    pub(crate) fn password(&self) -> &str {
        self.password.expose_secret()
    }

    /// What a CONNECT may do that is the canary's; none for anybody else.
    pub(crate) fn admit(&self, connect: &Connect, peer: &Peer) -> Option<Grant> {
        let is_meant = connect.user_name.as_deref() == Some(USER)
            && &*connect.client_id == CLIENT_ID
            && connect.clean_start;
        let is_ours = is_meant
            && self.insider.is(peer.address)
            && self.hash.accepts(connect.password.as_deref().unwrap_or_default());
        is_ours.then(|| Grant {
            publish: Arc::clone(&self.topics),
            max_subscribe_qos: QoS::AtMostOnce,
            ..Grant::new(Arc::new(Identity::Canary))
        })
    }
}

impl fmt::Debug for CanaryAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanaryAccount").field("insider", &self.insider).finish_non_exhaustive()
    }
}
