//! The helper against the real broker: starts, breaks and stops it, and leaves no JVM behind.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::{ApacheKafka, TestKafka};

/// Waits for a condition; time only bounds how long a failure takes.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn three_nodes_start_lose_one_and_get_it_back() {
    let mut kafka = ApacheKafka::cluster(3).unwrap();
    let bootstrap = kafka.bootstrap();
    let addresses: Vec<&str> = bootstrap.split(',').collect();
    assert_eq!(addresses.len(), 3);
    kafka.kill(1).unwrap();
    assert!(!answers(addresses[1]));
    kafka.restart(1).unwrap();
    assert!(answers(addresses[1]));
    kafka.pause(2).unwrap();
    kafka.resume(2).unwrap();
    kafka.stop().unwrap();
    assert!(!addresses.iter().any(|address| answers(address)));
}

#[test]
fn the_shared_kafka_is_started_once() {
    let first = TestKafka::shared().unwrap().bootstrap();
    let second = TestKafka::shared().unwrap().bootstrap();
    assert_eq!(first, second);
    assert!(answers(first));
}

#[test]
fn a_killed_parent_leaves_no_broker() {
    let mut parent =
        Command::new(env!("CARGO_BIN_EXE_apache-kafka")).arg("run").stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim();
    assert!(answers(address));
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the broker goes with its parent", || !answers(address));
}

#[test]
fn exec_passes_the_address_and_the_exit_code_on() {
    let output = Command::new(env!("CARGO_BIN_EXE_apache-kafka"))
        .args(["exec", "--env", "KAFKA_AT", "--", "sh", "-c", "echo \"$KAFKA_AT\"; exit 7"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    let address = String::from_utf8(output.stdout).unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(!answers(address.trim()));
}
