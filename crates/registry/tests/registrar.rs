//! Registrars that compete on a real Kafka: no change is lost to another, and none is half there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use fleetwire_apache_kafka::ApacheKafka;
use fleetwire_kafka::{EmbeddedLog, EmbeddedOptions, FencedWriter, Record};
use fleetwire_model::pb::{self, DeviceStatus};
use fleetwire_model::{DeviceId, Topic, Topics};
use fleetwire_registry::registrar::{Change, Once, OwnPassword, Patch, Who};
use fleetwire_registry::{Applied, ChangeError, PasswordHash};
use prost::Message as _;
use support::{LIMIT, Running, activate, committed, id, topics, topics_at, trail};
use tokio::task::LocalSet;

async fn local<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

fn revision(applied: &Applied) -> u64 {
    match applied {
        Applied::Created(device) | Applied::Changed(device) => device.revision,
        Applied::Unchanged(_) | Applied::Removed(_) => panic!("{applied:?}"),
    }
}

/// Takes changes through the life of a device; the revisions of all that were made must be whole, and the audit trail
/// must say the same.
async fn rename(running: &Running, devices: &[DeviceId], who: &str, times: u32) -> Vec<Vec<u64>> {
    let mut revisions = vec![Vec::new(); devices.len()];
    for time in 0..times {
        let changes = devices.iter().map(|device| activate(device, &format!("{who} {time}"))).collect();
        let applied = running.registrar.apply(changes, Who::new(who)).await;
        for (outcome, revisions) in applied.iter().zip(&mut revisions) {
            revisions.push(revision(outcome.as_ref().unwrap()));
        }
    }
    revisions
}

#[tokio::test]
async fn two_that_compete_lose_nothing_and_repeat_nothing() {
    let (client, topics) = topics();
    local(async {
        let one = Running::start(&client, &topics).await;
        let other = Running::start(&client, &topics).await;
        let devices: Vec<_> = (0..4).map(|n| id(&format!("truck-{n}"))).collect();
        let (by_one, by_other) =
            tokio::join!(rename(&one, &devices, "one", 10), rename(&other, &devices, "other", 10));
        for ((device, mut revisions), others) in devices.iter().zip(by_one).zip(by_other) {
            assert!(revisions.is_sorted() && others.is_sorted());
            revisions.extend(others);
            revisions.sort_unstable();
            assert_eq!(revisions, (1..=20).collect::<Vec<_>>(), "{device}");
            let trail = trail(&client, &topics, device);
            let after = |event: &pb::AuditEvent| event.after.as_ref().unwrap().revision;
            assert_eq!(trail.iter().map(after).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
            for pair in trail.windows(2) {
                assert_eq!(pair[0].after, pair[1].before);
                assert_eq!(pair[1].after.as_ref().unwrap().change_id, pair[1].audit_id);
            }
        }
        // Both see the same in the end, and so does one that starts now.
        let late = Running::start(&client, &topics).await;
        for device in &devices {
            let newest = one.one(activate(device, "last")).await.unwrap();
            let Applied::Changed(newest) = newest else { panic!("{newest:?}") };
            assert_eq!(newest.revision, 21);
            assert!(matches!(other.one(activate(device, "last")).await, Ok(Applied::Unchanged(_))));
            assert_eq!(other.records.get(device).as_ref(), Some(&newest));
            assert!(matches!(late.one(activate(device, "last")).await, Ok(Applied::Unchanged(_))));
        }
        for running in [one, other, late] {
            running.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let (client, topics) = topics();
    local(async {
        let (one, other) = (Running::start(&client, &topics).await, Running::start(&client, &topics).await);
        let device = id("truck");
        assert_eq!(revision(&one.one(activate(&device, "a")).await.unwrap()), 1);
        let disable = |if_revision| Change::SetStatus {
            device: device.clone(),
            status: DeviceStatus::Disabled,
            release_pending: false,
            if_revision,
        };
        let named = |name: &str, if_revision| Change::Update {
            device: device.clone(),
            patch: Patch { name: Some(name.to_owned()), ..Patch::default() },
            if_revision,
        };
        // Both have read revision 1.
        assert_eq!(revision(&other.one(disable(Some(1))).await.unwrap()), 2);
        assert_eq!(one.one(named("b", Some(1))).await, Err(ChangeError::Conflict { revision: 2 }));
        // A refusal is never one of an old view.
        assert_eq!(revision(&one.one(named("b", Some(2))).await.unwrap()), 3);
        assert_eq!(other.one(disable(Some(2))).await, Err(ChangeError::Conflict { revision: 3 }));
        let removed = other.one(Change::Remove { device: device.clone(), if_revision: Some(3) }).await;
        assert!(matches!(removed, Ok(Applied::Removed(before)) if before.name == "b"));
        assert_eq!(one.one(named("c", None)).await, Err(ChangeError::NotFound));
        assert_eq!(one.records.get(&device), None);
        assert_eq!(trail(&client, &topics, &device).len(), 4);
        one.stop().await;
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn changes_of_one_call_are_each_on_their_own_and_in_their_order() {
    let (client, topics) = topics();
    local(async {
        let running = Running::start(&client, &topics).await;
        let (device, missing) = (id("truck"), id("nobody"));
        let remove = |device: &DeviceId| Change::Remove { device: device.clone(), if_revision: None };
        let hash = PasswordHash::new(b"sixteen letters!").unwrap();
        let password = Patch { password: OwnPassword::Set(hash), ..Patch::default() };
        let long = Patch { name: Some("x".repeat(500)), ..Patch::default() };
        let update = |patch| Change::Update { device: device.clone(), patch, if_revision: None };
        let who = Who {
            actor: "token:ops".into(),
            request_id: "request-1".into(),
            remote_address: "192.0.2.1:5".into(),
        };
        let changes = vec![
            activate(&device, "a"),
            remove(&missing),
            update(password),
            update(long),
            remove(&device),
            activate(&device, "b"),
        ];
        let outcomes = running.registrar.apply(changes, who).await;
        assert!(matches!(&outcomes[0], Ok(Applied::Created(device)) if device.revision == 1));
        assert_eq!(outcomes[1], Err(ChangeError::NotFound));
        assert!(matches!(&outcomes[2], Ok(Applied::Changed(device)) if device.revision == 2));
        assert!(matches!(&outcomes[3], Err(ChangeError::Invalid(_))));
        assert!(matches!(&outcomes[4], Ok(Applied::Removed(_))));
        assert!(matches!(&outcomes[5], Ok(Applied::Created(device)) if device.revision == 1));
        assert_eq!(running.records.get(&device).unwrap().name, "b");

        let trail = trail(&client, &topics, &device);
        let actions: Vec<_> = trail.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["activate", "update", "remove", "activate"]);
        // That there was a password is told, and nothing of it.
        let hashes: Vec<_> = [&trail[1].before, &trail[1].after, &trail[2].before]
            .map(|device| device.as_ref().unwrap().password_hash.to_vec())
            .to_vec();
        assert_eq!(hashes, [vec![], vec![0], vec![0]]);
        assert!(trail.iter().all(|event| event.actor == "token:ops" && event.request_id == "request-1"));
        assert_eq!((trail[0].remote_address.as_str(), &trail[0].before), ("192.0.2.1:5", &None));
        assert_eq!(trail[2].after, None);
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_a_writer_leaves_when_it_dies_is_nowhere() {
    let (client, topics) = topics();
    local(async {
        let running = Running::start(&client, &topics).await;
        let device = id("truck");
        running.one(activate(&device, "before")).await.unwrap();
        // Another process takes the right to write, and dies between a device and its commit.
        let mut dying =
            FencedWriter::new(&client, &format!("{}.registry", topics.prefix()), Duration::from_mins(1));
        dying.take(LIMIT).unwrap();
        let half = pb::Device { device_id: "truck".into(), name: "half".into(), ..pb::Device::default() };
        let topic = topics.name(Topic::Devices);
        let value = half.encode_to_vec();
        let record =
            Record { topic: &topic, key: Some(b"truck"), payload: Some(&value), ..Record::default() };
        dying.send(&[record], LIMIT).unwrap();
        drop(dying);
        let applied = running.one(activate(&device, "after")).await.unwrap();
        assert_eq!(revision(&applied), 2);
        let names: Vec<_> = committed::<pb::Device>(&client, &topics, Topic::Devices)
            .into_iter()
            .map(|device| device.unwrap().name)
            .collect();
        assert_eq!(names, ["before", "after"]);
        assert_eq!(running.records.get(&device).unwrap().name, "after");
        running.stop().await;
        let again = Running::start(&client, &topics).await;
        assert_eq!((again.records.len(), again.records.get(&device).unwrap().revision), (1, 2));
        again.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_kafka_does_not_answer_is_found_out_when_it_is_back() {
    let mut kafka = ApacheKafka::single().unwrap();
    let (client, topics) = topics_at(&kafka.bootstrap());
    local(async {
        let running = Running::start(&client, &topics).await;
        let devices: Vec<_> = (0..20).map(|n| id(&format!("truck-{n}"))).collect();
        assert_eq!(rename(&running, &devices, "first", 1).await.concat(), [1; 20]);
        // Longer than a commit is waited for, at another moment of the work each time.
        let mut revisions = vec![1];
        for round in 0..4_u64 {
            let pausing = async {
                tokio::time::sleep(Duration::from_millis(3 * round)).await;
                kafka.pause(0).unwrap();
                tokio::time::sleep(Duration::from_secs(7)).await;
                kafka.resume(0).unwrap();
            };
            let who = format!("round {round}");
            let (renamed, ()) = tokio::join!(rename(&running, &devices, &who, 1), pausing);
            assert!(renamed.iter().all(|made| made == &renamed[0]), "{renamed:?}");
            revisions.extend(&renamed[0]);
        }
        assert_eq!(revisions, [1, 2, 3, 4, 5]);
        for device in &devices {
            let trail = trail(&client, &topics, device);
            let made: Vec<_> = trail.iter().map(|event| event.after.as_ref().unwrap().revision).collect();
            assert_eq!(made, revisions);
        }
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn while_kafka_is_away_a_change_is_refused_in_time_and_made_later() {
    let mut kafka = ApacheKafka::single().unwrap();
    let (client, topics) = topics_at(&kafka.bootstrap());
    local(async {
        let running = Running::start(&client, &topics).await;
        let device = id("truck");
        running.one(activate(&device, "a")).await.unwrap();
        kafka.pause(0).unwrap();
        let refused = running.one(activate(&device, "b")).await;
        assert!(matches!(refused, Err(ChangeError::Unavailable(_))), "{refused:?}");
        // The next one is told sooner.
        let begun = std::time::Instant::now();
        let refused = running.one(activate(&device, "c")).await;
        assert!(matches!(refused, Err(ChangeError::Unavailable(_))), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
        kafka.resume(0).unwrap();
        let deadline = std::time::Instant::now() + LIMIT;
        let applied = loop {
            match running.one(activate(&device, "d")).await {
                Ok(applied) => break applied,
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
        };
        let now = running.records.get(&device).unwrap();
        assert_eq!((now.name.as_str(), now.revision), ("d", revision(&applied)));
        let made = trail(&client, &topics, &device);
        assert_eq!(u64::try_from(made.len()).unwrap(), now.revision);
        running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_embedded_log_takes_changes_too_and_a_command_makes_them_without_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let topics = Topics::default();
    let options = EmbeddedOptions { data: folder.path().to_owned(), topics: topics.clone(), partitions: 4 };
    let log = EmbeddedLog::start(&options).unwrap();
    let client = log.settings();
    local(async {
        let once = Once { client: &client, topics: &topics, limit: LIMIT };
        let device = id("truck");
        let made = once.apply(&[activate(&device, "a")], &Who::new("cli:anna")).unwrap().remove(0);
        assert_eq!(revision(&made.unwrap()), 1);
        let running = Running::start(&client, &topics).await;
        assert_eq!(running.records.get(&device).unwrap().updated_by, "cli:anna");
        for round in 2..10 {
            let applied = running.one(activate(&device, &round.to_string())).await.unwrap();
            assert_eq!(revision(&applied), round);
        }
        assert_eq!(trail(&client, &topics, &device).len(), 9);
        running.stop().await;
    })
    .await;
    log.stop().unwrap();
    let log = EmbeddedLog::start(&options).unwrap();
    let client = log.settings();
    local(async {
        let again = Running::start(&client, &topics).await;
        assert_eq!(again.records.get(&id("truck")).unwrap().revision, 9);
        again.stop().await;
    })
    .await;
    log.stop().unwrap();
}
