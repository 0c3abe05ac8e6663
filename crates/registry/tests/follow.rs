//! Services that follow the registry in a real Kafka: ready when they know it, and quick to see what changes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod topic;

use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_registry::Notice;
use topic::{LIMIT, RegistryTopic, Service, device, eventually};

const ID: &str = "867035046242895";

fn new_topic() -> RegistryTopic {
    RegistryTopic::create(TestKafka::shared().unwrap().bootstrap(), 4, &[])
}

#[test]
fn a_service_is_ready_only_when_it_knows_every_device() {
    let topic = new_topic();
    let first = 350_000_000_000_000_u64;
    for number in first..first + 20_000 {
        topic.put(&number.to_string(), Some(&device("xirgo-lx41")));
    }
    topic.flush();
    let service = Service::start(&topic);
    assert!(!service.health.is_ready(), "nothing can be read in no time");
    eventually("the service is ready", || service.health.is_ready());
    assert_eq!(service.devices.len(), 20_000);
}

#[test]
fn a_change_is_visible_in_every_service_within_a_second() {
    let topic = new_topic();
    let services = [(); 3].map(|()| Service::ready(&topic));
    let id: DeviceId = ID.parse().unwrap();
    let mut longest = Duration::ZERO;
    for round in 0..30 {
        let status = if round % 2 == 0 { DeviceStatus::Active } else { DeviceStatus::Disabled };
        topic.write(ID, Some(&Device { status: status.into(), ..device("xirgo-lx41") }));
        // Kafka has it now.
        let took = eventually("every service sees the change", || {
            services.iter().all(|one| one.devices.get(&id).is_some_and(|found| found.status == status))
        });
        longest = longest.max(took);
    }
    topic.write(ID, None);
    let took = eventually("every service sees the removal", || {
        services.iter().all(|service| service.devices.get(&id).is_none())
    });
    longest = longest.max(took);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[tokio::test]
async fn whoever_watches_hears_of_a_change_that_came_through_kafka() {
    let (topic, service) = tokio::task::spawn_blocking(|| {
        let topic = new_topic();
        let service = Service::ready(&topic);
        (topic, service)
    })
    .await
    .unwrap();
    let mut changes = service.devices.watch(10);
    assert_eq!(changes.next().await, Notice::Everything);
    tokio::task::spawn_blocking(move || topic.write(ID, Some(&device("xirgo-lx41")))).await.unwrap();
    let notice = tokio::time::timeout(LIMIT, changes.next()).await.unwrap();
    assert_eq!(notice, Notice::Device(ID.parse().unwrap()));
    assert!(service.devices.get(&ID.parse().unwrap()).unwrap().is_direct());
}
