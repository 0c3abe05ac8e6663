use fleetwire_model::pb;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

const ID: &str = "867035046242895";

fn record(id: &str, model: &str, status: DeviceStatus) -> Vec<u8> {
    pb::Device { device_id: id.into(), model: model.into(), status: status.into(), ..pb::Device::default() }
        .encode_to_vec()
}

#[test]
fn the_newest_record_of_a_device_counts_and_a_tombstone_removes_it() {
    for id in [ID, "truck-7", "86703504624289", "8670350462428955"] {
        let (devices, key) = (Devices::default(), id.as_bytes());
        let id = id.parse::<DeviceId>().unwrap();
        devices.apply(key, Some(&record(id.as_str(), "xirgo-lx41", DeviceStatus::Active))).unwrap();
        assert!(devices.get(&id).unwrap().is_active());
        assert_eq!((devices.get(&id).unwrap().model.id, devices.len()), ("xirgo-lx41", 1));
        devices.apply(key, Some(&record(id.as_str(), "xirgo-lx41", DeviceStatus::Disabled))).unwrap();
        assert!(!devices.get(&id).unwrap().is_active());
        assert_eq!(devices.len(), 1);
        devices.apply(key, None).unwrap();
        assert!(devices.get(&id).is_none() && devices.is_empty());
        devices.apply(key, None).unwrap();
        assert_eq!(devices.len(), 0);
    }
}

#[test]
fn an_imei_is_not_the_id_that_has_the_same_number() {
    let devices = Devices::default();
    let id = "004999010640000";
    devices.apply(id.as_bytes(), Some(&record(id, "xirgo-lx41", DeviceStatus::Active))).unwrap();
    assert!(devices.get(&id.parse().unwrap()).is_some());
    assert!(devices.get(&"4999010640000".parse().unwrap()).is_none());
}

#[test]
fn a_device_may_have_an_account_and_a_password_of_its_own() {
    let (devices, id) = (Devices::default(), ID.parse().unwrap());
    let apply = |account: &str, password_hash: Vec<u8>| {
        let record = pb::Device {
            device_id: ID.into(),
            model: "xirgo-lx41".into(),
            account: account.into(),
            password_hash: password_hash.into(),
            ..pb::Device::default()
        };
        devices.apply(ID.as_bytes(), Some(&record.encode_to_vec()))
    };
    apply("", Vec::new()).unwrap();
    let login = devices.login(&id).unwrap();
    assert_eq!((login.account(), login.password), ("bce_device", None));
    let hash = PasswordHash::new(b"sixteen letters!").unwrap().to_bytes();
    assert!(apply("own", hash.clone()).unwrap().is_some());
    let login = devices.login(&id).unwrap();
    assert_eq!(login.account(), "own");
    assert!(login.password.unwrap().accepts(b"sixteen letters!"));
    assert!(apply("own", hash.clone()).unwrap().is_none(), "nothing changed");
    assert!(apply("other", hash).unwrap().is_some());

    assert_eq!(apply("", b"plain text".to_vec()).unwrap_err(), RecordError::Password);
    let locked = devices.login(&id).unwrap().password.unwrap();
    assert!(!locked.accepts(b"plain text") && !locked.accepts(b""));

    assert!(apply("", Vec::new()).unwrap().is_some());
    let login = devices.login(&id).unwrap();
    assert_eq!((login.account(), login.password), ("bce_device", None));
    assert!(devices.own.is_empty(), "nothing is left of what it had");
}

#[test]
fn a_removed_device_leaves_nothing_of_its_own() {
    let devices = Devices::default();
    let record = pb::Device {
        device_id: "truck-7".into(),
        model: "ngp-generic".into(),
        password_hash: PasswordHash::new(b"sixteen letters!").unwrap().to_bytes().into(),
        ..pb::Device::default()
    };
    devices.apply(b"truck-7", Some(&record.encode_to_vec())).unwrap();
    assert_eq!(devices.own.len(), 1);
    devices.apply(b"truck-7", None).unwrap();
    assert!(devices.own.is_empty() && devices.others.is_empty());
}

#[test]
fn a_record_that_cannot_be_used_removes_the_device() {
    let (devices, id) = (Devices::default(), ID.parse().unwrap());
    let good = record(ID, "xirgo-lx41", DeviceStatus::Active);
    let mut changes = devices.watch(10);
    assert_eq!(changes.try_next(), Some(Notice::Everything));
    let bad = [
        record(ID, "toaster", DeviceStatus::Active),
        record("111111111111111", "xirgo-lx41", DeviceStatus::Active),
        vec![0xff],
        vec![0x08, 1],
        vec![0x12, 1, 0xff],
    ];
    for value in bad {
        devices.apply(ID.as_bytes(), Some(&good)).unwrap();
        assert!(devices.apply(ID.as_bytes(), Some(&value)).is_err());
        assert!(devices.get(&id).is_none());
        for _ in 0..2 {
            assert_eq!(changes.try_next(), Some(Notice::Device(id.clone())));
        }
    }
    assert!(matches!(devices.apply(b"a/b", None), Err(RecordError::Key)));
    assert!(matches!(devices.apply(b"\xff", None), Err(RecordError::Key)));
}

#[test]
fn a_device_of_which_publishes_are_held_is_active_and_not_direct() {
    let (devices, id) = (Devices::default(), ID.parse().unwrap());
    let mut device = pb::Device {
        device_id: ID.into(),
        model: "xirgo-lx41".into(),
        status: DeviceStatus::Active.into(),
        release_pending: true,
        ..pb::Device::default()
    };
    devices.apply(ID.as_bytes(), Some(&device.encode_to_vec())).unwrap();
    let found = devices.get(&id).unwrap();
    assert!(found.is_active() && !found.is_direct());
    device.release_pending = false;
    let seen = devices.apply(ID.as_bytes(), Some(&device.encode_to_vec())).unwrap().unwrap();
    assert!(seen.before.unwrap().release_pending && seen.after.unwrap().is_direct());
    assert!(devices.get(&id).unwrap().is_direct());
}

#[test]
fn only_what_is_kept_counts_as_a_change() {
    let devices = Devices::default();
    let mut feed = devices.watch(10);
    assert_eq!(feed.try_next(), Some(Notice::Everything));
    let mut device = pb::Device {
        device_id: ID.into(),
        model: "xirgo-lx41".into(),
        status: DeviceStatus::Active.into(),
        ..pb::Device::default()
    };
    let seen = devices.apply(ID.as_bytes(), Some(&device.encode_to_vec())).unwrap().unwrap();
    assert!(seen.before.is_none() && seen.after.unwrap().is_active());
    device.name = "a truck".into();
    device.revision = 2;
    assert!(devices.apply(ID.as_bytes(), Some(&device.encode_to_vec())).unwrap().is_none());
    assert_eq!(feed.try_next(), Some(Notice::Device(ID.parse().unwrap())));
    assert_eq!(feed.try_next(), None);
}

#[test]
fn a_reader_never_sees_the_account_of_one_record_with_the_password_of_another() {
    let (devices, id) = (Devices::default(), ID.parse().unwrap());
    let hash = PasswordHash::new(b"sixteen letters!").unwrap().to_bytes();
    let record = |account: &str, password: &[u8], status: DeviceStatus| {
        let device = pb::Device {
            device_id: ID.into(),
            model: "xirgo-lx41".into(),
            account: account.into(),
            password_hash: password.to_vec().into(),
            status: status.into(),
            ..pb::Device::default()
        };
        device.encode_to_vec()
    };
    // A password of its own goes with being disabled, and none with being active.
    let records = [record("own", &hash, DeviceStatus::Disabled), record("", &[], DeviceStatus::Active)];
    devices.apply(ID.as_bytes(), Some(&records[0])).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for value in records.iter().cycle().take(20_000) {
                devices.apply(ID.as_bytes(), Some(value)).unwrap();
            }
        });
        for _ in 0..20_000 {
            let login = devices.login(&id).unwrap();
            let has_own = login.account() == "own";
            assert_eq!((login.password.is_some(), login.device.is_active()), (has_own, !has_own));
        }
    });
}

fn any_device() -> impl Strategy<Value = pb::Device> {
    let text = "[a-z0-9é-]{0,20}";
    let labels = prop::collection::btree_map(text, text, 0..4);
    let hash = prop::collection::vec(any::<u8>(), 0..60);
    let who = ("[0-9]{15}|[a-z0-9-]{1,20}", "xirgo-lx41|xirgo-lx42|[a-z0-9-]{0,20}", text, -1..5_i32);
    let what = (text, text, labels, hash, any::<u64>(), any::<bool>(), any::<Option<i64>>());
    (who, what).prop_map(|((device_id, model, account, status), what)| {
        let (name, group, labels, hash, revision, release_pending, created) = what;
        pb::Device {
            device_id,
            model,
            account,
            status,
            name,
            group,
            labels: labels.into_iter().collect(),
            password_hash: hash.into(),
            revision,
            created_time: created.map(fleetwire_model::time::from_unix_ms),
            updated_time: created.map(fleetwire_model::time::from_unix_ms),
            updated_by: "cli:anna".into(),
            release_pending,
            change_id: "01K".into(),
        }
    })
}

proptest! {
    #[test]
    fn a_view_is_what_the_message_says(devices in prop::collection::vec(any_device(), 0..3), other in any::<u64>()) {
        // Several messages one behind the other are one message, and later fields may come.
        let mut value: Vec<u8> = devices.iter().flat_map(prost::Message::encode_to_vec).collect();
        fleetwire_model::wire::number(&mut value, 100, other);
        fleetwire_model::wire::text(&mut value, 101, "later");
        let device = pb::Device::decode(&*value).unwrap();
        let expected = RecordView {
            device_id: &device.device_id,
            model: &device.model,
            account: &device.account,
            status: device.status(),
            password_hash: &device.password_hash,
            release_pending: device.release_pending,
        };
        prop_assert_eq!(RecordView::read(&value), Ok(expected));
    }

    #[test]
    fn no_bytes_panic(key in prop::collection::vec(any::<u8>(), 0..20), value in prop::collection::vec(any::<u8>(), 0..80)) {
        let devices = Devices::default();
        let _outcome = devices.apply(&key, Some(&value));
        prop_assert!(devices.len() <= 1);
    }
}
