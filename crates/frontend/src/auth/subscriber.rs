//! Subscriber accounts: people and programs that watch live traffic. There are none unless settings name them.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use compact_str::CompactString;
use fleetwire_model::Imei;
use fleetwire_mqtt::packet::{Connect, QoS};
use fleetwire_mqtt::{Grant, Peer, Refusal, TopicFilter};
use fleetwire_registry::account::{AccountSettings, ClientIds, SharedPassword, is_plain_name, with_built_in};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

use super::client_id::{Space, assigned, is_subscriber_id};
use crate::identity::Identity;

/// One subscriber account, as settings give it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriberSettings {
    /// Networks from which its clients may come.
    pub from: Vec<IpNet>,
    /// Sessions at most, on each frontend; also those that are kept for a client that is away.
    #[serde(default = "SubscriberSettings::default_max_sessions")]
    pub max_sessions: usize,
    /// Filters that a subscription must lie within one of.
    #[serde(default = "SubscriberSettings::default_subscribe")]
    pub subscribe: Vec<String>,
    /// Filters that a published topic must match one of; none may reach a topic of devices.
    #[serde(default)]
    pub publish: Vec<String>,
    /// Messages that are kept for a session whose client is away.
    #[serde(default = "SubscriberSettings::default_max_queued")]
    pub max_queued: usize,
}

impl SubscriberSettings {
    const fn default_max_sessions() -> usize {
        8
    }

    fn default_subscribe() -> Vec<String> {
        vec!["#".to_owned()]
    }

    const fn default_max_queued() -> usize {
        1000
    }
}

/// Why subscriber accounts are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SubscriberError {
    /// A name that could share its password variable with another.
    #[error("subscriber name `{0}` has other characters than a-z, 0-9 and _")]
    Name(String),
    /// Both are MQTT user names.
    #[error("subscriber {0} has the name of an account of devices")]
    Account(String),
    /// Nobody could come in.
    #[error("subscriber {0}: `from` names no network")]
    Nowhere(String),
    /// A filter is none.
    #[error("subscriber {name}: `{filter}` is no topic filter")]
    Filter {
        /// The account.
        name: String,
        /// The filter.
        filter: String,
    },
    /// Topics that are the server's own.
    #[error(
        "subscriber {name}: publishing to `{filter}` is refused: topics that begin with $ are not for clients"
    )]
    Reserved {
        /// The account.
        name: String,
        /// The filter.
        filter: String,
    },
    /// It could speak for devices, or steer them.
    #[error(
        "subscriber {name}: publishing to `{filter}` is refused: it reaches `{topic}`, a topic of account {account}"
    )]
    ReachesDevices {
        /// The subscriber account.
        name: String,
        /// Its filter.
        filter: String,
        /// The account of devices.
        account: String,
        /// The topic of that account.
        topic: String,
    },
    /// No password is set, or it is the one that everybody knows.
    #[error("subscriber {name} has no password of its own; set {variable} or {variable}_FILE")]
    NoPassword {
        /// The account.
        name: String,
        /// The environment variable that would hold it.
        variable: String,
    },
    /// The password could not be read.
    #[error(transparent)]
    Secret(Box<dyn Error + Send + Sync>),
}

/// Whether subscriber accounts are usable beside the accounts of devices.
pub fn check(
    subscribers: &BTreeMap<String, SubscriberSettings>,
    accounts: &BTreeMap<String, AccountSettings>,
) -> Result<(), SubscriberError> {
    let accounts = with_built_in(accounts);
    for (name, settings) in subscribers {
        if !is_plain_name(name) {
            return Err(SubscriberError::Name(name.clone()));
        }
        if accounts.contains_key(name) {
            return Err(SubscriberError::Account(name.clone()));
        }
        if settings.from.is_empty() {
            return Err(SubscriberError::Nowhere(name.clone()));
        }
        filters(name, &settings.subscribe)?;
        for filter in filters(name, &settings.publish)?.iter() {
            check_publish(name, filter, &accounts)?;
        }
    }
    Ok(())
}

fn check_publish(
    name: &str,
    filter: &TopicFilter,
    accounts: &BTreeMap<String, AccountSettings>,
) -> Result<(), SubscriberError> {
    let (name, text) = (name.to_owned(), filter.as_str().to_owned());
    if text.starts_with('$') {
        return Err(SubscriberError::Reserved { name, filter: text });
    }
    for (account, settings) in accounts {
        let mut topics = settings.publish.iter().chain(&settings.subscribe);
        // A pattern that is no filter is no topic of anybody: the account's own check says so.
        let reached = topics.find(|topic| {
            widest(topic, settings.client_ids, filter).is_some_and(|topic| filter.overlaps(&topic))
        });
        if let Some(topic) = reached {
            let (account, topic) = (account.clone(), topic.clone());
            return Err(SubscriberError::ReachesDevices { name, filter: text, account, topic });
        }
    }
    Ok(())
}

/// Everything that a pattern may become once a client id is filled in, as far as it matters to `filter`.
fn widest(pattern: &str, client_ids: ClientIds, filter: &TopicFilter) -> Option<TopicFilter> {
    let mut asked = filter.as_str().split('/');
    let levels = pattern.split('/').map(|level| {
        let asked = asked.next().unwrap_or("#");
        let open = asked == "+" || asked == "#" || may_become(level, client_ids, asked);
        if !level.contains("%c") {
            level
        } else if open {
            "+"
        } else {
            // No topic has this level.
            "\u{1}"
        }
    });
    TopicFilter::parse(levels.collect::<Vec<_>>().join("/")).ok()
}

/// Whether a level of a pattern may become `text`. An IMEI is never a word such as `tests`.
fn may_become(level: &str, client_ids: ClientIds, text: &str) -> bool {
    let Some((before, after)) = level.split_once("%c").filter(|_| client_ids == ClientIds::Imei) else {
        return true;
    };
    let id = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    after.contains("%c") || id.is_some_and(|id| id.parse::<Imei>().is_ok())
}

fn filters(name: &str, filters: &[String]) -> Result<Arc<[TopicFilter]>, SubscriberError> {
    let parse = |filter: &String| {
        TopicFilter::parse(filter.clone())
            .map_err(|_| SubscriberError::Filter { name: name.to_owned(), filter: filter.clone() })
    };
    filters.iter().map(parse).collect()
}

/// The environment variable that holds a subscriber account's password.
pub fn password_variable(name: &str) -> String {
    format!("FLEETWIRE_SUBSCRIBER_{}_PASSWORD", name.to_uppercase())
}

/// Subscriber accounts with their passwords.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(BTreeMap<String, Arc<Subscriber>>);

/// One subscriber account.
#[derive(Debug)]
pub(super) struct Subscriber {
    name: String,
    password: SharedPassword,
    from: Vec<IpNet>,
    publish: Arc<[TopicFilter]>,
    subscribe: Arc<[TopicFilter]>,
    max_queued: usize,
    seats: Seats,
}

impl Subscribers {
    /// Names of the accounts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The accounts of `settings`, with passwords from `secret`, which is asked for
    /// `FLEETWIRE_SUBSCRIBER_<NAME>_PASSWORD`.
    pub fn load<E: Error + Send + Sync + 'static>(
        settings: &BTreeMap<String, SubscriberSettings>,
        accounts: &BTreeMap<String, AccountSettings>,
        secret: impl Fn(&str) -> Result<Option<SecretString>, E>,
    ) -> Result<Self, SubscriberError> {
        check(settings, accounts)?;
        let subscribers = settings.iter().map(|(name, settings)| {
            let variable = password_variable(name);
            let password = secret(&variable).map_err(|err| SubscriberError::Secret(Box::new(err)))?;
            let password = password.as_ref().map(SharedPassword::new).filter(|own| !own.is_well_known());
            let password = password.ok_or(SubscriberError::NoPassword { name: name.clone(), variable })?;
            let subscriber = Subscriber {
                name: name.clone(),
                password,
                from: settings.from.clone(),
                publish: filters(name, &settings.publish)?,
                subscribe: filters(name, &settings.subscribe)?,
                max_queued: settings.max_queued,
                seats: Seats::new(settings.max_sessions),
            };
            Ok((name.clone(), Arc::new(subscriber)))
        });
        subscribers.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Subscriber> {
        self.0.get(name).map(Arc::as_ref)
    }
}

impl Subscriber {
    /// Judges a client of this account. From elsewhere, a right password looks like a wrong one: a stranger does not
    /// learn that it is right.
    pub(super) fn judge(&self, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal> {
        let address = peer.address.ip().to_canonical();
        let proven = self.password.accepts(connect.password.as_deref().unwrap_or_default());
        if !proven || !self.from.iter().any(|network| network.contains(&address)) {
            return Err(Refusal::BadCredentials);
        }
        if !is_subscriber_id(&connect.client_id) {
            return Err(Refusal::BadClientId);
        }
        let space = Space::Subscriber(&self.name);
        let client_id = match &*connect.client_id {
            "" => space.session_id(&assigned()),
            own => space.session_id(own),
        };
        let seat = self.seats.take(&client_id).ok_or(Refusal::ServerBusy)?;
        Ok(Grant {
            client_id: Some(client_id),
            publish: Arc::clone(&self.publish),
            subscribe: Arc::clone(&self.subscribe),
            max_subscribe_qos: QoS::ExactlyOnce,
            max_queued: self.max_queued,
            listens: true,
            ..Grant::new(Arc::new(Identity::Subscriber { seat }))
        })
    }
}

/// Seats of one account. A client that comes back shares the seat of the session that it takes over.
#[derive(Debug, Clone)]
struct Seats {
    max: usize,
    taken: Arc<Mutex<HashMap<CompactString, Weak<Taken>>>>,
}

/// A session's place among those of its account; free again once all its holders are dropped.
#[derive(Debug, Clone)]
pub struct Seat {
    _taken: Arc<Taken>,
}

#[derive(Debug)]
struct Taken {
    client_id: CompactString,
    seats: Seats,
}

impl Seats {
    fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CompactString, Weak<Taken>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, client_id: &str) -> Option<Seat> {
        let mut taken = self.lock();
        if let Some(shared) = taken.get(client_id).and_then(Weak::upgrade) {
            return Some(Seat { _taken: shared });
        }
        // An entry whose seat is just being given back does not count.
        if taken.len() >= self.max {
            taken.retain(|_, seat| seat.strong_count() > 0);
        }
        if taken.len() >= self.max {
            return None;
        }
        let seat = Arc::new(Taken { client_id: CompactString::new(client_id), seats: self.clone() });
        taken.insert(CompactString::new(client_id), Arc::downgrade(&seat));
        Some(Seat { _taken: seat })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        // Somebody else may have the seat by now.
        if taken.get(&self.client_id).is_some_and(|seat| seat.strong_count() == 0) {
            taken.remove(&self.client_id);
        }
    }
}
