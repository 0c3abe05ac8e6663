//! The examples of plain producers in docs/examples, as they are there: each sends a command and prints its statuses,
//! which the test writes in place of a gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};

use fleetwire_apache_kafka::Distribution;
use fleetwire_kafka::{Event, Reader, ReaderOptions, partition_of};
use fleetwire_model::Topic;
use fleetwire_model::pb::{CommandState, OutputAction, command::Action};
use tokio_util::sync::CancellationToken;

use crate::client::imei;
use crate::commands::{tell, written};
use crate::server::{self, LIMIT, Server};
use crate::views::until;

#[path = "../../../../docs/examples/send_command.rs"]
#[expect(dead_code, reason = "its `main` is for those who copy it")]
mod send_command;

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// What `.ci/clients` installs for the examples.
fn installed(name: &str) -> PathBuf {
    let path = root().join(".build/examples").join(name);
    assert!(path.exists(), "{name} is not installed; run `make clients`");
    path
}

fn done(process: &mut Process) -> Output {
    let output = process.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{process:?}: {said}\n{}", String::from_utf8_lossy(&output.stdout));
    output
}

/// The contract's files.
fn contract() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("proto/fleetwire/v1")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs an example beside a gateway that rejects its command, and says what it printed.
fn run(server: &Server, device: &str, example: impl FnOnce() -> String + Send) -> String {
    std::thread::scope(|scope| {
        let running = scope.spawn(example);
        let command = until(|| {
            assert!(!running.is_finished(), "the example ended before its command had a status");
            written(server).into_iter().find(|(key, _)| key == device).map(|(_, command)| command)
        });
        let Some(Action::OutputControl(control)) = &command.action else { panic!("{command:?}") };
        assert_eq!((control.output, control.action()), (1, OutputAction::On));
        assert_eq!(control.duration.map(|duration| (duration.seconds, duration.nanos)), Some((2, 0)));
        assert!(command.expire_time.unwrap().seconds - command.issued_time.unwrap().seconds >= 60);
        tell(server, &command, 1, CommandState::Accepted, false);
        tell(server, &command, 2, CommandState::Confirmed, true);
        running.join().unwrap()
    })
}

fn brokers(server: &Server) -> &str {
    &server.kafka.brokers
}

#[test]
fn the_example_in_rust_sends_a_command_and_prints_its_statuses() {
    let (server, device) = (server::shared(), imei());
    let printed = run(server, &device, || {
        let mut out = Vec::new();
        send_command::switch_on(brokers(server), &device, server.topics.prefix(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    });
    assert_eq!(printed, "Accepted  \nConfirmed telemetry telemetry says so\n");
}

#[test]
fn the_example_in_python_sends_a_command_and_prints_its_statuses() {
    let python = installed("venv").join("bin/python");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("gen")).unwrap();
    let mut protoc = Process::new(&python);
    protoc.args(["-m", "grpc_tools.protoc", "--python_out=gen", "-I"]).arg(root().join("proto"));
    done(protoc.args(contract()).current_dir(folder.path()));
    let (server, device) = (server::shared(), imei());
    let printed = run(server, &device, || {
        let mut example = Process::new(&python);
        example.arg(root().join("docs/examples/send_command.py"));
        example.args([brokers(server), &device, server.topics.prefix()]).current_dir(folder.path());
        String::from_utf8(done(&mut example).stdout).unwrap()
    });
    let expected = "COMMAND_STATE_ACCEPTED  \nCOMMAND_STATE_CONFIRMED telemetry telemetry says so\n";
    assert_eq!(printed, expected);
}

#[test]
fn the_example_in_java_sends_a_command_and_prints_its_statuses() {
    if Process::new("javac").arg("-version").output().is_err() {
        println!("there is no javac here, so the example in Java was not compiled");
        return;
    }
    let (protobuf, folder) = (installed("java"), tempfile::tempdir().unwrap());
    let (generated, classes) = (folder.path().join("gen"), folder.path().join("classes"));
    fs::create_dir(&generated).unwrap();
    // What protoc's archive has in its folder `include` is in the jar as well.
    let mut files = fs::read_dir(&protobuf).unwrap().map(|file| file.unwrap().path());
    let jar = files.find(|path| path.extension().is_some_and(|end| end == "jar")).unwrap();
    let mut unpack = Process::new("jar");
    unpack.arg("xf").arg(jar).args(["google/protobuf/timestamp.proto", "google/protobuf/duration.proto"]);
    done(unpack.current_dir(folder.path()));
    let mut protoc = Process::new(protobuf.join("protoc"));
    protoc.arg("--java_out").arg(&generated).arg("-I").arg(root().join("proto")).arg("-I").arg(folder.path());
    done(protoc.args(contract()));
    let kafka = Distribution::fetch(&|step| println!("{step}")).unwrap().home().join("lib");
    let on_path = format!("{}/*:{}/*:{}", kafka.display(), protobuf.display(), classes.display());
    let sources = fs::read_dir(generated.join("fleetwire/v1")).unwrap().map(|file| file.unwrap().path());
    let mut javac = Process::new("javac");
    javac.args(["-nowarn", "-proc:none", "-cp", &on_path, "-d"]).arg(&classes).args(sources);
    done(javac.arg(root().join("docs/examples/SendCommand.java")));
    let (server, device) = (server::shared(), imei());
    let printed = run(server, &device, || {
        let mut example = Process::new("java");
        let log = format!("-Dlog4j2.configurationFile=file:{}", kafka.join("log4j2.properties").display());
        example.args([
            &log,
            "-cp",
            &on_path,
            "SendCommand",
            brokers(server),
            &device,
            server.topics.prefix(),
        ]);
        String::from_utf8(done(&mut example).stdout).unwrap()
    });
    let statuses: Vec<&str> = printed.lines().filter(|line| line.starts_with("COMMAND_STATE_")).collect();
    let expected = ["COMMAND_STATE_ACCEPTED  ", "COMMAND_STATE_CONFIRMED telemetry telemetry says so"];
    assert_eq!(statuses, expected, "{printed}");
}

#[test]
fn the_example_in_json_goes_through_kafkas_own_console_producer() {
    let server = server::shared();
    let topic = server.topics.name(Topic::CommandsJson);
    let json = fs::read_to_string(root().join("docs/examples/command.json")).unwrap();
    let device =
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["device_id"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    fs::write(&lines, format!("{device}|{json}")).unwrap();
    let mut console = Distribution::fetch(&|step| println!("{step}")).unwrap().java(128);
    console.args([
        "org.apache.kafka.tools.ConsoleProducer",
        "--bootstrap-server",
        brokers(server),
        "--topic",
        &topic,
    ]);
    console.args(["--reader-property", "parse.key=true", "--reader-property", "key.separator=|"]);
    done(console.stdin(Stdio::from(fs::File::open(&lines).unwrap())));
    let stop = CancellationToken::new();
    let reader = Reader::new(&server.kafka, &topic, ReaderOptions::default(), &stop).unwrap();
    let Event::Record(record) = reader.next(LIMIT).unwrap() else { panic!("nothing was written") };
    assert_eq!((record.key(), record.payload()), (Some(device.as_bytes()), Some(json.trim_end().as_bytes())));
    assert_eq!(record.partition(), partition_of(device.as_bytes(), 2));
}
