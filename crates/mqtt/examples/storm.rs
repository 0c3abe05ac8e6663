//! A fleet that reconnects at once: how long until all are in again, and how long the single client waits.
//!
//! `cargo run --release -p fleetwire-mqtt --example storm -- 10000 --tls` (`--ws` and `--wss` too). The first round
//! falls into the slow start after the server's start, the later ones do not. Each client connects, publishes once
//! and waits for the PUBACK; clients and server share the machine.
#![expect(clippy::print_stdout, reason = "a figure is what it is for")]

mod crowd;

use std::{sync::Arc, time::Duration};

use crowd::{Crowd, Fallible, Helper, Task};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 3;
/// A client that failed comes again after this.
const AGAIN: Duration = Duration::from_millis(500);

/// One round: everybody at once. Returns how long each took, and how often one had to come again.
async fn round(crowd: &Arc<Crowd>, count: usize) -> Fallible<(Vec<Duration>, usize, Vec<Box<dyn Send>>)> {
    let start = Instant::now();
    let mut fleet = JoinSet::new();
    for number in 0..count {
        let crowd = Arc::clone(crowd);
        fleet.spawn(async move {
            let mut failures = 0;
            loop {
                match crowd.client(number).await {
                    Ok(client) => return (start.elapsed(), failures, client),
                    Err(_) => failures += 1,
                }
                sleep(AGAIN).await;
            }
        });
    }
    let (mut times, mut again, mut clients) = (Vec::new(), 0, Vec::new());
    while let Some(joined) = fleet.join_next().await {
        let (time, failures, client) = joined?;
        times.push(time);
        clients.push(client);
        again += failures;
    }
    Ok((times, again, clients))
}

/// The crowd's side.
async fn storm(crowd: Crowd, count: usize) -> Fallible<()> {
    let crowd = Arc::new(crowd);
    for number in 1..=ROUNDS {
        let (mut times, again, clients) = round(&crowd, count).await?;
        times.sort_unstable();
        let at = |percent: usize| times.get((count - 1) * percent / 100).copied().unwrap_or_default();
        println!(
            "round {number}: {count} in after {:.2} s, {} a second; client p50 {:.2} s, p99 {:.2} s; {again} came again",
            at(100).as_secs_f64(),
            count * 1000 / usize::try_from(at(100).as_millis())?.max(1),
            at(50).as_secs_f64(),
            at(99).as_secs_f64(),
        );
        drop(clients);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let task = Task::from_args()?;
    if let Some(crowd) = task.crowd()? {
        return storm(crowd, task.count).await;
    }
    let (server, address, folder) = crowd::serve(task.transport)?;
    println!("{} clients over {}, on one machine with their server", task.count, task.transport.code());
    let mut helper = Helper::start(&task, address, &folder)?;
    let rounds = async {
        for _ in 0..ROUNDS {
            println!("{}", helper.answer().await?);
        }
        Fallible::Ok(())
    };
    tokio::select! {
        () = server.run(CancellationToken::new()) => return Err("the server ended early".into()),
        outcome = rounds => outcome?,
    }
    helper.end().await
}
