//! Every way of not being let in, with made-up peers.

mod canary;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use fleetwire_model::pb::{self, DeviceStatus};
use fleetwire_mqtt::packet::{Level, Properties, QoS};
use fleetwire_mqtt::{ClientCertificate, Transport};
use fleetwire_registry::account::{
    AccountSettings, CertificateName, ClientIds, EmptyClientId, PasswordRule, WellKnown,
};
use fleetwire_registry::{Devices, PasswordHash};
use prost::Message as _;
use secrecy::SecretString;
use tokio::sync::watch;

use super::subscriber::{SubscriberError, SubscriberSettings, check};
use super::*;
use crate::config::Unactivated;
use crate::identity::Identity;

const DEVICE: &str = "867035046242895";
const OTHER: &str = "865209039554705";
const SHARED: &str = "the account's password";
const OWN: &str = "a password of one device";
const WATCHER: &str = "a watcher's password";

/// A front door with everything that can be set.
struct Door {
    accounts: BTreeMap<String, AccountSettings>,
    subscribers: BTreeMap<String, SubscriberSettings>,
    devices: Arc<Devices>,
    settings: FrontendSettings,
    caught_up: bool,
}

impl Door {
    fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            devices: Arc::default(),
            settings: FrontendSettings::default(),
            caught_up: true,
        }
    }

    fn account(mut self, name: &str, change: impl FnOnce(&mut AccountSettings)) -> Self {
        let mut account = AccountSettings::imei(&["in/%c"], &["%c/out"]);
        change(&mut account);
        self.accounts.insert(name.to_owned(), account);
        self
    }

    fn subscriber(mut self, change: impl FnOnce(&mut SubscriberSettings)) -> Self {
        let mut settings: SubscriberSettings = toml("from = [\"127.0.0.0/8\"]");
        change(&mut settings);
        self.subscribers.insert("ops".to_owned(), settings);
        self
    }

    fn device(self, id: &str, change: impl FnOnce(&mut pb::Device)) -> Self {
        let mut device = pb::Device {
            device_id: id.to_owned(),
            model: "xirgo-lx41".to_owned(),
            status: DeviceStatus::Active.into(),
            ..pb::Device::default()
        };
        change(&mut device);
        self.devices.apply(id.as_bytes(), Some(&device.encode_to_vec())).unwrap();
        self
    }

    fn open(self) -> Doorkeeper {
        let secret = |name: &str| -> Result<Option<SecretString>, std::io::Error> {
            Ok(Some(if name.contains("SUBSCRIBER") { WATCHER } else { SHARED }.into()))
        };
        let accounts = Accounts::load(&self.accounts, WellKnown::Refused, secret).unwrap();
        let subscribers = Subscribers::load(&self.subscribers, &self.accounts, secret).unwrap();
        let directory = Directory::new(self.devices, watch::channel(self.caught_up).1);
        Doorkeeper::new(accounts, subscribers, directory, &self.settings)
    }
}

fn toml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    fleetwire_service::settings::parse(text).unwrap()
}

fn connect(user: &str, password: &str, client_id: &str) -> Connect {
    Connect {
        level: Level::V5,
        clean_start: true,
        keep_alive: 60,
        client_id: client_id.into(),
        will: None,
        user_name: Some(user.into()),
        password: Some(password.to_owned().into()),
        properties: Properties::default(),
    }
}

fn from(address: &str) -> Peer {
    Peer::tcp(SocketAddr::new(address.parse().unwrap(), 4000))
}

fn with_certificate(common_name: Option<&str>, alternative_names: &[&str]) -> Peer {
    let certificate = ClientCertificate {
        common_name: common_name.map(str::to_owned),
        alternative_names: alternative_names.iter().map(|&name| name.to_owned()).collect(),
    };
    Peer { transport: Transport::Tls, certificate: Some(Arc::new(certificate)), ..from("127.0.0.1") }
}

fn enter(door: &Doorkeeper, user: &str, password: &str, client_id: &str) -> Result<Grant, Refusal> {
    door.authenticate(&connect(user, password, client_id), &from("127.0.0.1"))
}

fn session_id(grant: &Grant) -> &str {
    grant.client_id.as_deref().unwrap_or_default()
}

#[test]
fn a_device_with_the_accounts_password_comes_in_with_its_own_topics_only() {
    let door = Door::new().device(DEVICE, |_| {}).open();
    let grant = enter(&door, "bce_device", SHARED, DEVICE).unwrap();
    assert!(grant.allows_publish("BCE/D") && !grant.allows_publish("865209039554705/OUTC"));
    assert!(grant.allows_subscribe("867035046242895/OUTC"));
    for filter in ["#", "+/OUTC", "865209039554705/OUTC", "$SYS/#", "$share/g/867035046242895/OUTC"] {
        assert!(!grant.allows_subscribe(filter), "{filter}");
    }
    assert!(grant.client_id.is_none() && !grant.listens && grant.max_queued == 0);
}

#[test]
fn who_has_no_right_password_learns_nothing_else() {
    let door = Door::new().device(DEVICE, |device| device.status = DeviceStatus::Disabled.into()).open();
    for (user, client_id) in [
        ("bce_device", DEVICE),
        ("bce_device", "no imei"),
        ("bce_device", ""),
        ("nobody", DEVICE),
        ("", DEVICE),
        ("BCE_DEVICE", DEVICE),
    ] {
        let refused = enter(&door, user, "wrong", client_id).unwrap_err();
        assert_eq!(refused, Refusal::BadCredentials, "{user} {client_id}");
    }
    let without = Connect { user_name: None, password: None, ..connect("", "", DEVICE) };
    assert_eq!(door.authenticate(&without, &from("127.0.0.1")).unwrap_err(), Refusal::BadCredentials);
}

#[test]
fn a_hostile_name_is_refused_whatever_it_holds() {
    let door = Door::new().account("many", |account| account.client_ids = ClientIds::Any).open();
    let long = "x".repeat(64 * 1024);
    for client_id in ["#", "+", "a/b", "../OUTC", "$SYS", "a\0b", "a b", "é", "%c", "", &long] {
        for user in ["bce_device", "many"] {
            let refused = enter(&door, user, SHARED, client_id).unwrap_err();
            assert_eq!(refused, Refusal::BadClientId, "{user} {client_id}");
        }
    }
    for user in [long.as_str(), "many\0", "many ", "sub:many"] {
        assert_eq!(enter(&door, user, SHARED, OTHER).unwrap_err(), Refusal::BadCredentials);
    }
    assert_eq!(enter(&door, "bce_device", &long, OTHER).unwrap_err(), Refusal::BadCredentials);
}

#[test]
fn an_imei_with_a_wrong_digit_comes_in_only_if_a_person_registered_it() {
    let (wrong, odd) = ("867035046242896", "867035046242897");
    let door = Door::new().device(odd, |_| {}).open();
    assert_eq!(enter(&door, "bce_device", SHARED, wrong).unwrap_err(), Refusal::BadClientId);
    assert!(enter(&door, "bce_device", SHARED, odd).is_ok());
    let lax = Door::new().account("bce_device", |account| account.imei_check_digit = false).open();
    assert!(enter(&lax, "bce_device", SHARED, wrong).is_ok());
}

#[test]
fn a_device_with_a_password_of_its_own_does_not_open_with_the_shared_one() {
    let hash = PasswordHash::new(OWN.as_bytes()).unwrap().to_bytes();
    let door = Door::new().device(DEVICE, |device| device.password_hash = hash.into()).open();
    assert!(enter(&door, "bce_device", OWN, DEVICE).is_ok());
    assert_eq!(enter(&door, "bce_device", SHARED, DEVICE).unwrap_err(), Refusal::BadCredentials);
    assert_eq!(enter(&door, "bce_device", OWN, OTHER).unwrap_err(), Refusal::BadCredentials);
    assert!(enter(&door, "bce_device", SHARED, OTHER).is_ok());
}

#[test]
fn the_registry_has_the_last_word() {
    let door = Door::new()
        .account("own", |_| {})
        .device(DEVICE, |device| device.status = DeviceStatus::Disabled.into())
        .device(OTHER, |device| device.account = "own".to_owned());
    let door = door.open();
    assert_eq!(enter(&door, "bce_device", SHARED, DEVICE).unwrap_err(), Refusal::NotAuthorized);
    assert_eq!(enter(&door, "bce_device", SHARED, OTHER).unwrap_err(), Refusal::NotAuthorized);
    assert!(enter(&door, "own", SHARED, OTHER).is_ok());

    let mut strict = Door::new();
    strict.settings.unactivated = Unactivated::Reject;
    assert_eq!(enter(&strict.open(), "bce_device", SHARED, DEVICE).unwrap_err(), Refusal::NotAuthorized);
    let early = Door { caught_up: false, ..Door::new() }.open();
    assert_eq!(enter(&early, "bce_device", SHARED, DEVICE).unwrap_err(), Refusal::ServerUnavailable);
}

#[test]
fn a_client_of_an_account_for_many_never_has_a_devices_session() {
    let door = Door::new().device(DEVICE, |_| {}).account("many", |account| {
        account.client_ids = ClientIds::Any;
        account.empty_client_id = EmptyClientId::Assign;
    });
    let door = door.open();
    let grant = enter(&door, "many", SHARED, DEVICE).unwrap();
    assert_eq!(session_id(&grant), "acc:many:867035046242895");
    assert!(grant.allows_publish("in/867035046242895") && !grant.allows_publish("BCE/D"));
    let first = enter(&door, "many", SHARED, "").unwrap();
    let second = enter(&door, "many", SHARED, "").unwrap();
    assert!(session_id(&first).starts_with("acc:many:") && session_id(&first) != session_id(&second));
    // It comes back with what it was told.
    let again = enter(&door, "many", SHARED, session_id(&first)).unwrap();
    assert_eq!(session_id(&again), session_id(&first));
}

#[test]
fn a_certificates_name_stands_in_for_the_client_id() {
    for (rule, peer) in [
        (CertificateName::CommonName, with_certificate(Some(DEVICE), &[OTHER])),
        (CertificateName::AlternativeName, with_certificate(Some(OTHER), &["device.example", DEVICE])),
    ] {
        let door = Door::new().account("tls", |account| account.certificate = rule).open();
        let enter =
            |client_id: &str, peer: &Peer| door.authenticate(&connect("tls", SHARED, client_id), peer);
        assert_eq!(session_id(&enter("", &peer).unwrap()), DEVICE);
        assert!(enter(DEVICE, &peer).unwrap().client_id.is_none());
        assert_eq!(enter(OTHER, &peer).unwrap_err(), Refusal::NotAuthorized);
        assert_eq!(enter(DEVICE, &from("127.0.0.1")).unwrap_err(), Refusal::NotAuthorized);
        for useless in [with_certificate(None, &[]), with_certificate(Some("truck"), &["#", "a/b"])] {
            assert_eq!(enter("", &useless).unwrap_err(), Refusal::NotAuthorized);
        }
        let wrong = door.authenticate(&connect("tls", "wrong", DEVICE), &peer);
        assert_eq!(wrong.unwrap_err(), Refusal::BadCredentials);
    }
}

#[test]
fn a_certificate_can_take_the_place_of_the_password() {
    let door = Door::new().account("tls", |account| {
        account.certificate = CertificateName::CommonName;
        account.password = PasswordRule::Certificate;
    });
    let door = door.open();
    let without_password = Connect { password: None, ..connect("tls", "", "") };
    let peer = with_certificate(Some(DEVICE), &[]);
    assert_eq!(session_id(&door.authenticate(&without_password, &peer).unwrap()), DEVICE);
    let refused = door.authenticate(&connect("tls", SHARED, DEVICE), &from("127.0.0.1"));
    assert_eq!(refused.unwrap_err(), Refusal::NotAuthorized);
}

#[test]
fn too_many_failures_are_refused_before_the_password_is_looked_at() {
    let door = Door::new().device(DEVICE, |_| {}).open();
    while enter(&door, "bce_device", "wrong", DEVICE).unwrap_err() == Refusal::BadCredentials {}
    assert_eq!(enter(&door, "bce_device", SHARED, DEVICE).unwrap_err(), Refusal::Throttled);
    let elsewhere = door.authenticate(&connect("bce_device", SHARED, DEVICE), &from("192.0.2.7"));
    assert!(elsewhere.is_ok(), "the device itself, from its own address");
    assert!(enter(&door, "bce_device", SHARED, OTHER).is_ok(), "another behind the same address");
}

#[test]
fn a_subscriber_comes_in_from_its_networks_with_a_session_of_its_own_name() {
    let door = Door::new().subscriber(|settings| settings.publish = vec!["tests/#".to_owned()]).open();
    let grant = enter(&door, "ops", WATCHER, DEVICE).unwrap();
    assert_eq!(session_id(&grant), "sub:ops:867035046242895");
    assert!(grant.listens && grant.max_queued == 1000 && grant.max_subscribe_qos == QoS::ExactlyOnce);
    assert!(grant.allows_subscribe("#") && grant.allows_subscribe("+/OUTC"));
    assert!(grant.allows_publish("tests/a") && !grant.allows_publish("BCE/D"));
    assert!(matches!(grant.identity.downcast_ref(), Some(Identity::Subscriber { .. })));
    let assigned = enter(&door, "ops", WATCHER, "").unwrap();
    assert!(session_id(&assigned).starts_with("sub:ops:") && session_id(&assigned).len() > 20);

    let mapped = door.authenticate(&connect("ops", WATCHER, "a"), &from("::ffff:127.0.0.1"));
    assert!(mapped.is_ok());
    for (password, address) in [("wrong", "127.0.0.1"), (WATCHER, "192.0.2.1"), (WATCHER, "::1")] {
        let refused = door.authenticate(&connect("ops", password, "a"), &from(address));
        assert_eq!(refused.unwrap_err(), Refusal::BadCredentials, "{address}");
    }
    assert_eq!(enter(&door, "ops", SHARED, "a").unwrap_err(), Refusal::BadCredentials);
    assert_eq!(enter(&door, "ops", WATCHER, &"x".repeat(257)).unwrap_err(), Refusal::BadClientId);
    assert_eq!(enter(&door, "ops", WATCHER, "a\nb").unwrap_err(), Refusal::BadClientId);
}

#[test]
fn a_subscriber_account_has_a_number_of_sessions_and_a_client_that_comes_back_needs_no_second() {
    let door = Door::new().subscriber(|settings| settings.max_sessions = 2).open();
    let first = enter(&door, "ops", WATCHER, "one").unwrap();
    let second = enter(&door, "ops", WATCHER, "two").unwrap();
    assert_eq!(enter(&door, "ops", WATCHER, "three").unwrap_err(), Refusal::ServerBusy);
    let again = enter(&door, "ops", WATCHER, "one").unwrap();
    drop(first);
    assert_eq!(enter(&door, "ops", WATCHER, "three").unwrap_err(), Refusal::ServerBusy);
    drop(again);
    assert!(enter(&door, "ops", WATCHER, "three").is_ok());
    drop(second);
}

#[test]
fn a_device_that_is_no_imei_comes_in_with_its_own_password_and_no_other() {
    let door = Door::new();
    let device = pb::Device {
        device_id: "truck-7".into(),
        model: "xirgo-lx41".into(),
        account: "ngp_device".into(),
        status: DeviceStatus::Active.into(),
        password_hash: PasswordHash::new(OWN.as_bytes()).unwrap().to_bytes().into(),
        ..pb::Device::default()
    };
    door.devices.apply(b"truck-7", Some(&device.encode_to_vec())).unwrap();
    let door = door.open();
    let grant = enter(&door, "ngp_device", OWN, "truck-7").unwrap();
    assert!(grant.publish.iter().any(|filter| filter.as_str() == "ngp/truck-7"));
    for (password, id) in [(SHARED, "truck-7"), ("", "truck-7"), (OWN, "truck-8"), (SHARED, "truck-8")] {
        assert_eq!(enter(&door, "ngp_device", password, id).unwrap_err(), Refusal::BadCredentials, "{id}");
    }
    assert_eq!(enter(&door, "ngp_device", OWN, "acc:ops:1").unwrap_err(), Refusal::BadCredentials);
}

/// An account whose client ids may be any word.
fn many() -> AccountSettings {
    let account = AccountSettings::imei(&["in/dev-%c"], &["to/%c/set"]);
    AccountSettings { client_ids: ClientIds::Any, ..account }
}

#[test]
fn a_subscriber_that_could_speak_for_devices_or_steer_them_is_refused_at_the_start() {
    let accounts = BTreeMap::from([("many".to_owned(), many())]);
    let publish = |filter: &str| {
        let settings: SubscriberSettings = toml(&format!("from = [\"::1/128\"]\npublish = [\"{filter}\"]"));
        check(&BTreeMap::from([("ops".to_owned(), settings)]), &accounts)
    };
    for filter in [
        "#",
        "BCE/D",
        "BCE/#",
        "+/+",
        "BCE/+",
        "+/OUTC",
        "867035046242895/OUTC",
        "867035046242895/#",
        "in/+",
        "in/dev-1",
        "to/word/set",
        "to/+/set",
        "to/#",
        "+/#",
    ] {
        let refused = publish(filter).unwrap_err();
        assert!(matches!(refused, SubscriberError::ReachesDevices { .. }), "{filter}: {refused}");
        assert!(refused.to_string().contains(filter), "{refused}");
    }
    for filter in ["$SYS/x", "$share/g/x", "$x/#"] {
        assert!(matches!(publish(filter), Err(SubscriberError::Reserved { .. })), "{filter}");
    }
    for filter in ["", "a#", "a/#/b", "a\\u0000"] {
        assert!(matches!(publish(filter), Err(SubscriberError::Filter { .. })), "{filter}");
    }
    for filter in ["tests/#", "TopicA/+", "ops/OUTC", "ops/+/note", "BCE/D/x", "a", "in", "to/x/y"] {
        assert!(publish(filter).is_ok(), "{filter}");
    }
}

#[test]
fn a_subscriber_that_is_not_usable_is_refused_at_the_start() {
    let of = |name: &str, text: &str| {
        check(&BTreeMap::from([(name.to_owned(), toml(text))]), &BTreeMap::new()).unwrap_err()
    };
    assert!(matches!(of("ops", "from = []"), SubscriberError::Nowhere(_)));
    assert!(matches!(of("Ops", "from = [\"::/0\"]"), SubscriberError::Name(_)));
    assert!(matches!(of("bce_device", "from = [\"::/0\"]"), SubscriberError::Account(_)));
    let settings = BTreeMap::from([("ops".to_owned(), toml("from = [\"::/0\"]"))]);
    for password in [None, Some("secretword")] {
        let secret =
            |_: &str| -> Result<Option<SecretString>, std::io::Error> { Ok(password.map(Into::into)) };
        let refused = Subscribers::load(&settings, &BTreeMap::new(), secret).unwrap_err();
        assert!(refused.to_string().contains("FLEETWIRE_SUBSCRIBER_OPS_PASSWORD"), "{refused}");
    }
}
