//! Nobody but the process itself comes in as the canary, and nobody has its session.

use fleetwire_mqtt::Insider;

use super::*;
use crate::canary::CanaryAccount;

const CANARY: &str = "$canary";

#[test]
fn only_the_process_itself_comes_in_as_the_canary_and_reaches_no_topic_of_devices() {
    let insider = Insider::default();
    let account = CanaryAccount::new(insider.clone()).unwrap();
    let door = Door::new().open().with_canary(account.clone());
    let inside = from("127.0.0.1");
    let right = || connect(CANARY, account.password(), CANARY);
    // The right password from anybody's address, also from the one that was its own a moment ago.
    assert_eq!(door.authenticate(&right(), &inside).unwrap_err(), Refusal::BadClientId);
    let expected = insider.expect(inside.address);
    let grant = door.authenticate(&right(), &inside).unwrap();
    assert!(matches!(grant.identity.downcast_ref(), Some(Identity::Canary)));
    assert!(grant.allows_publish(CANARY) && grant.publish.len() == 1 && grant.subscribe.is_empty());
    for topic in ["BCE/D", "in", "867035046242895/OUTC", "$canary/x", "$SYS"] {
        assert!(!grant.allows_publish(topic), "{topic}");
    }
    for (user, password, client_id) in [
        (CANARY, "", CANARY),
        (CANARY, "a wrong password", CANARY),
        (CANARY, account.password(), "another id"),
        (CANARY, account.password(), ""),
        ("bce_device", account.password(), CANARY),
        ("bce_device", SHARED, CANARY),
    ] {
        let refused = door.authenticate(&connect(user, password, client_id), &inside);
        assert!(refused.is_err(), "{user} {client_id}");
    }
    let keeps_its_session = Connect { clean_start: false, ..right() };
    assert!(door.authenticate(&keeps_its_session, &inside).is_err());
    drop(expected);
    assert!(door.authenticate(&right(), &inside).is_err());
}

#[test]
fn no_account_of_any_kind_has_the_client_id_of_the_canary() {
    let door = Door::new()
        .account("relay", |account| account.client_ids = ClientIds::Any)
        .account("device", |account| account.client_ids = ClientIds::Device)
        .subscriber(|_| {})
        .open();
    for (user, password) in [("relay", SHARED), ("device", SHARED), ("ops", WATCHER), (CANARY, SHARED)] {
        let refused = door.authenticate(&connect(user, password, CANARY), &from("127.0.0.1"));
        assert_eq!(refused.unwrap_err(), Refusal::BadClientId, "{user}");
    }
}

#[test]
fn two_frontends_do_not_know_each_others_canary() {
    let insider = Insider::default();
    let peer = from("127.0.0.1");
    let _expected = insider.expect(peer.address);
    let (ours, other) =
        (CanaryAccount::new(insider.clone()).unwrap(), CanaryAccount::new(Insider::default()).unwrap());
    let door = Door::new().open().with_canary(ours);
    assert!(door.authenticate(&connect(CANARY, other.password(), CANARY), &peer).is_err());
}

#[test]
fn guesses_at_the_canarys_user_name_are_failed_logins_like_all_others() {
    let mut door = Door::new();
    door.settings.logins =
        toml("address = { per_minute = 1, burst = 3 }\nclient_id = { per_minute = 1, burst = 9 }");
    let door = door.open().with_canary(CanaryAccount::new(Insider::default()).unwrap());
    let guess = |number: u32| {
        let connect = connect(CANARY, &format!("guess {number}"), &format!("id-{number}"));
        door.authenticate(&connect, &from("192.0.2.1")).unwrap_err()
    };
    let refusals: Vec<_> = (0..6).map(guess).collect();
    assert_eq!(refusals.first(), Some(&Refusal::BadCredentials));
    assert_eq!(refusals.last(), Some(&Refusal::Throttled));
}

#[test]
fn no_account_of_the_settings_can_have_the_canarys_name() {
    let accounts = BTreeMap::from([(CANARY.to_owned(), AccountSettings::imei(&["in"], &[]))]);
    let secret = |_: &str| -> Result<Option<SecretString>, std::io::Error> { Ok(Some(SHARED.into())) };
    assert!(Accounts::load(&accounts, WellKnown::Refused, secret).is_err());
    let subscribers: BTreeMap<String, SubscriberSettings> =
        BTreeMap::from([(CANARY.to_owned(), toml("from = [\"127.0.0.0/8\"]"))]);
    assert!(check(&subscribers, &BTreeMap::new()).is_err());
}
