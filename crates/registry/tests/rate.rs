//! How fast changes are, and what the records of a million devices take; not part of a normal run. See
//! docs/decisions/0008-registry.md:
//! `cargo test --release -p fleetwire-registry --test rate -- --ignored --nocapture`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; this one tells figures"
)]

mod support;

use std::time::{Duration, Instant};

use fleetwire_model::{DeviceId, Imei};
use fleetwire_registry::registrar::{Change, Draft, Existing, Who};
use fleetwire_registry::{Applied, Catalogue};
use support::{Running, activate, id, topics};
use tokio::task::LocalSet;

const DEVICES: u32 = 1_000_000;
const BATCH: u32 = 5_000;
const SINGLE: usize = 300;

fn imei(number: u32) -> DeviceId {
    let first_14 = 86_703_504_000_000 + u64::from(number);
    Imei::from_number(first_14 * 10 + u64::from(Imei::check_digit(first_14))).unwrap().into()
}

fn import(number: u32) -> Change {
    let model = Catalogue::built_in().get(Catalogue::DEFAULT).unwrap();
    Change::Activate {
        device: imei(number),
        draft: Draft {
            name: Some(format!("truck {number}")),
            group: Some("north".to_owned()),
            ..Draft::new(model)
        },
        existing: Existing::Update,
        release_pending: false,
        if_revision: None,
    }
}

/// Bytes that this process has in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn middle(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |index| times.get(index).copied().unwrap_or_default();
    (at(times.len() / 2), at(times.len() * 99 / 100))
}

#[tokio::test]
#[ignore = "a measurement"]
async fn how_fast_changes_are() {
    let (client, topics) = topics();
    let measure = async {
        let running = Running::start(&client, &topics).await;
        let device = id("truck");
        running.one(activate(&device, "first")).await.unwrap();
        let mut times = Vec::new();
        for number in 0..SINGLE {
            let begun = Instant::now();
            running.one(activate(&device, &number.to_string())).await.unwrap();
            times.push(begun.elapsed());
        }
        println!(
            "one after the other: {:?} (half), {:?} (99 of 100)",
            middle(times.clone()).0,
            middle(times).1
        );

        let begun = Instant::now();
        let many = (0..1000).map(|number| running.one(import(number)));
        let made = futures(many).await;
        println!("1000 at once: {:?}, {made} made", begun.elapsed());

        let other = Running::start(&client, &topics).await;
        let mut times = Vec::new();
        for number in 0..20 {
            let (begun, running) = (Instant::now(), if number % 2 == 0 { &other } else { &running });
            running.one(activate(&device, &format!("by turns {number}"))).await.unwrap();
            times.push(begun.elapsed());
        }
        println!(
            "by turns in two processes: {:?} (half), {:?} (worst)",
            middle(times.clone()).0,
            times.iter().max()
        );
        other.stop().await;

        let begun = Instant::now();
        for first in (0..DEVICES).step_by(BATCH as usize) {
            let changes = (first..first + BATCH).map(import).collect();
            let applied = running.registrar.apply(changes, Who::new("import")).await;
            assert!(applied.iter().all(Result::is_ok));
        }
        let took = begun.elapsed();
        println!(
            "{DEVICES} devices in batches of {BATCH}: {took:?}, {:.0}/s",
            f64::from(DEVICES) / took.as_secs_f64()
        );

        // The first one stays, so that nothing that it would give back is counted as free.
        let (before, begun) = (resident(), Instant::now());
        let fresh = Running::start(&client, &topics).await;
        let took = begun.elapsed();
        let bytes = resident().saturating_sub(before) / u64::from(DEVICES);
        println!("a fresh process reads them in {took:?}, {bytes} bytes a device");
        assert_eq!(fresh.records.len(), DEVICES as usize + 1);
        fresh.stop().await;
        running.stop().await;
    };
    LocalSet::new().run_until(measure).await;
}

/// Waits for all of them at once; tells how many have written.
async fn futures(
    all: impl Iterator<Item = impl Future<Output = Result<Applied, fleetwire_registry::ChangeError>>>,
) -> usize {
    let mut running: Vec<_> = all.map(Box::pin).collect();
    let mut made = 0;
    std::future::poll_fn(|context| {
        running.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                made += usize::from(matches!(outcome, Ok(Applied::Created(_) | Applied::Changed(_))));
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    made
}
