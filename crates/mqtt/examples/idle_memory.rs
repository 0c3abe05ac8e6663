//! What an idle connection costs in memory: connects many clients and compares the resident size before and after.
//!
//! `cargo run --release -p fleetwire-mqtt --example idle_memory -- 20000 --tls` (Linux; `--ws` and `--wss` too).
//! Each side needs a file descriptor a connection.
#![expect(clippy::print_stdout, reason = "a figure is what it is for")]

mod crowd;

use std::{fs, io};

use crowd::{Crowd, Fallible, Helper, Task};
use tokio_util::sync::CancellationToken;

fn resident_kib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)
}

/// The crowd's side: one client, so that the server is warm; then all the others, one after the other.
async fn connect_all(crowd: &Crowd, count: usize) -> Fallible<()> {
    let mut clients = vec![crowd.client(count).await?];
    println!("warm");
    crowd::told_to_go_on().await?;
    for number in 0..count {
        clients.push(crowd.client(number).await?);
    }
    println!("connected");
    crowd::told_to_go_on().await
}

async fn measure(task: &Task, helper: &mut Helper) -> Fallible<()> {
    helper.answer().await?;
    let before = resident_kib()?;
    helper.go_on().await?;
    helper.answer().await?;
    let used = resident_kib()?.saturating_sub(before) * 1024;
    let each = used / task.count.max(1) as u64;
    println!("{} idle connections ({}), {each} bytes each", task.count, task.transport.code());
    Ok(())
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let task = Task::from_args()?;
    if let Some(crowd) = task.crowd()? {
        return connect_all(&crowd, task.count).await;
    }
    let (server, address, folder) = crowd::serve(task.transport)?;
    let stop = CancellationToken::new();
    let mut helper = Helper::start(&task, address, &folder)?;
    let measured = tokio::select! {
        () = server.run(stop) => Err("the server ended early".into()),
        measured = measure(&task, &mut helper) => measured,
    };
    helper.end().await?;
    measured
}
