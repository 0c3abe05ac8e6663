//! Devices by hand: through the commands and the API, on a real Kafka with a real client, and in `fleetwire run`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::TestKafka;
use serde_json::Value;

use crate::support::{
    ApiService, DEVICE, Frontend, PASSWORD, Publish, Run, TOKEN, activate, fleetwire, output, records,
    stdout, topics, until, vector,
};

/// How long a disabled device may stay connected. The promise is a second; the machine is shared.
const CLOSED: Duration = Duration::from_secs(5);

/// The commands against an API, with a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cli<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a str,
}

impl Cli<'_> {
    fn output(self, arguments: &[&str]) -> Output {
        let mut command = fleetwire(arguments);
        command.env("FLEETWIRE_API", self.url).env("FLEETWIRE_API_TOKEN", self.token);
        command.output().unwrap()
    }

    pub(crate) fn run(self, arguments: &[&str]) -> String {
        stdout(&self.output(arguments))
    }

    pub(crate) fn json(self, arguments: &[&str]) -> Value {
        let printed = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|err| panic!("{err}: {printed}"))
    }

    /// What a command that is refused says.
    fn refused(self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        errors
    }
}

/// A device that is connected and does nothing else.
pub(crate) struct Connected(TcpStream);

impl Connected {
    pub(crate) fn open(mqtt: SocketAddr, client_id: &str) -> Self {
        let mut packet = vec![0, 4];
        packet.extend_from_slice(b"MQTT");
        packet.extend_from_slice(&[4, 0b1100_0010, 0, 60]);
        for text in [client_id, "bce_device", PASSWORD] {
            packet.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
            packet.extend_from_slice(text.as_bytes());
        }
        let mut stream = TcpStream::connect(mqtt).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&[0x10, u8::try_from(packet.len()).unwrap()]).unwrap();
        stream.write_all(&packet).unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        Self(stream)
    }

    /// Waits until the server closes the connection.
    fn closed(mut self) -> Duration {
        let began = Instant::now();
        let mut rest = Vec::new();
        // A reset is an end as well; running out of time is none.
        if let Err(err) = self.0.read_to_end(&mut rest) {
            assert_eq!(err.kind(), std::io::ErrorKind::ConnectionReset, "{err}");
        }
        began.elapsed()
    }
}

#[test]
fn a_person_lets_a_device_in_locks_it_out_and_removes_it() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let (api, frontend) = (ApiService::ready(kafka, &prefix), Frontend::ready(kafka, &prefix));
    let cli = Cli { url: &api.url, token: TOKEN };
    let payload = vector();
    let code = || Publish::sample(&payload).to(frontend.mqtt).status.code().unwrap();

    let added = cli.run(&[
        "device",
        "add",
        DEVICE,
        "--name",
        "truck 7",
        "--group",
        "north",
        "--label",
        "vehicle=truck",
    ]);
    assert!(added.contains("activated") && added.contains("bce_device"), "{added}");
    let shown = cli.json(&["device", "show", DEVICE]);
    assert_eq!(
        (&shown["status"], &shown["name"], &shown["revision"]),
        (&"active".into(), &"truck 7".into(), &1.into())
    );
    assert_eq!(shown["labels"]["vehicle"], "truck");
    for filter in
        [["--group", "north"], ["--label", "vehicle=truck"], ["--search", "truck"], ["--status", "active"]]
    {
        let listed = cli.run(&["device", "list", filter[0], filter[1]]);
        assert!(listed.starts_with("DEVICE") && listed.contains(DEVICE), "{filter:?}: {listed}");
    }
    assert!(!cli.run(&["device", "list", "--group", "south"]).contains(DEVICE));
    assert!(cli.run(&["device", "show", DEVICE]).contains("vehicle=truck"));

    until("the device comes in", || (code() == 0).then_some(()));
    let connected = Connected::open(frontend.mqtt, DEVICE);
    until("it is seen connected", || {
        let state = cli.json(&["device", "state", DEVICE]);
        (state["connected"] == true && state["registered"] == true).then_some(())
    });
    assert!(cli.run(&["device", "state", DEVICE]).contains("yes since"));

    assert!(cli.run(&["device", "disable", DEVICE, "--if-revision", "1"]).contains("revision 2"));
    let took = connected.closed();
    assert!(took < CLOSED, "{took:?}");
    assert_eq!(code(), 5, "a disabled device came in");
    let lost = cli.refused(&["device", "enable", DEVICE, "--if-revision", "1"], 1);
    assert!(lost.contains("device show"), "{lost}");
    cli.run(&["device", "enable", DEVICE]);
    until("the device comes in again", || (code() == 0).then_some(()));

    let connected = Connected::open(frontend.mqtt, DEVICE);
    let asked = cli.refused(&["device", "remove", DEVICE], 2);
    assert!(asked.contains("--yes"), "{asked}");
    assert!(cli.run(&["device", "remove", DEVICE, "--yes"]).contains("removed"));
    assert!(connected.closed() < CLOSED);
    let unknown = cli.refused(&["device", "show", DEVICE], 1);
    assert!(unknown.contains("registered"), "{unknown}");
    frontend.process.stop();
    api.process.stop();
}

#[test]
fn a_file_of_devices_is_imported_line_by_line_and_exported_again() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let api = ApiService::ready(kafka, &prefix);
    let cli = Cli { url: &api.url, token: TOKEN };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let imei = |n: u64| {
        let first_14 = 35_209_900_000_000 + n;
        format!("{first_14}{}", fleetwire_model::Imei::check_digit(first_14))
    };
    let mut text = String::from("id,model,name,labels\n");
    for n in 0..3000 {
        text.push_str(&format!("{},xirgo-lx41,\"truck, {n}\",vehicle=truck;n={n}\n", imei(n)));
        if n == 1500 {
            text.push_str("867035046242896,xirgo-lx41,typo,\nboat-7,no-such-model,boat,\n");
        }
    }
    std::fs::write(path("fleet.csv"), &text).unwrap();

    let output = cli.output(&["device", "import", &path("fleet.csv"), "--errors", &path("failed.csv")]);
    let (printed, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        printed.contains("3002 lines: 3000 created, 0 updated, 0 unchanged, 2 failed"),
        "{printed}{errors}"
    );
    assert!(errors.contains("line 1503") && errors.contains("should be 5"), "{errors}");
    assert!(errors.contains("line 1504") && errors.contains("no-such-model"), "{errors}");
    let failed = std::fs::read_to_string(path("failed.csv")).unwrap();
    assert_eq!(
        failed,
        "id,model,name,labels\n867035046242896,xirgo-lx41,typo,\nboat-7,no-such-model,boat,\n"
    );

    std::fs::write(
        path("mended.csv"),
        failed.replace("242896", "242895").replace("boat-7,no-such-model", "boat-7,ngp-generic"),
    )
    .unwrap();
    let mended = cli.run(&["device", "import", &path("mended.csv"), "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&mended).unwrap()["done"]["created"], 2, "{mended}");
    assert_eq!(cli.run(&["device", "list", "--json"]).lines().count(), 3002, "a page is missing");

    for name in ["all.jsonl", "all.csv"] {
        assert!(cli.run(&["device", "export", "-o", &path(name)]).contains("passwords"));
        let same = cli.run(&["device", "import", &path(name), "--existing", "update"]);
        assert!(same.contains("3002 lines: 0 created, 0 updated, 3002 unchanged"), "{name}: {same}");
    }
    api.process.stop();

    // Into another deployment, of which there is only the Kafka.
    let elsewhere = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &elsewhere];
    let mut import = fleetwire(&["device", "import", "-", "--format", "jsonl"]);
    import.args(flags).stdin(std::fs::File::open(path("all.jsonl")).unwrap());
    let imported = stdout(&import.output().unwrap());
    assert!(imported.contains("3002 created"), "{imported}");
    let exported = stdout(&fleetwire(&["device", "export"]).args(flags).output().unwrap());
    let of = |text: &str| -> Vec<(Value, Value)> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|device| (device["id"].clone(), device["labels"].clone())).collect()
    };
    assert_eq!(of(&exported), of(&std::fs::read_to_string(path("all.jsonl")).unwrap()));
}

#[test]
fn a_token_opens_what_its_scopes_say_and_errors_name_the_variable() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let api = ApiService::ready(kafka, &prefix);
    let reader = Cli { url: &api.url, token: ApiService::READER };
    assert!(reader.run(&["model", "list"]).contains("xirgo-lx41"));
    let refused = reader.refused(&["device", "add", DEVICE], 1);
    assert!(refused.contains("scope"), "{refused}");
    let wrong = Cli { token: "a token of nobody", ..reader }.refused(&["device", "list"], 1);
    assert!(wrong.contains("FLEETWIRE_API_TOKEN"), "{wrong}");
    let none = fleetwire(&["device", "list", "--api", &api.url]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("FLEETWIRE_API_TOKEN"), "{none:?}");
    let away = Cli { url: "http://127.0.0.1:1", ..reader }.refused(&["device", "list"], 1);
    assert!(away.contains("fleetwire api"), "{away}");
    let typo = Cli { url: "http://127.0.0.1:1", ..reader };
    assert!(
        typo.refused(&["device", "add", "867035046242896"], 2).contains("should be 5"),
        "it was asked first"
    );
    api.process.stop();
}

#[test]
fn an_api_that_nobody_could_use_does_not_start() {
    let output =
        output(&["api", "--kafka", "127.0.0.1:1", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("[api.tokens.ops]") && errors.contains("FLEETWIRE_API_TOKEN_OPS"), "{errors}");
}

#[test]
fn the_document_of_the_api_is_printed_without_starting_anything() {
    let document: Value = serde_json::from_str(&stdout(&output(&["api", "--openapi"]))).unwrap();
    assert!(document["paths"]["/v1/devices/{id}"]["get"].is_object());
}

#[test]
fn commands_that_know_only_a_kafka_are_their_own_api() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    let run = |arguments: &[&str]| stdout(&fleetwire(arguments).args(flags).output().unwrap());
    activate(kafka, &prefix, DEVICE);
    assert!(run(&["device", "list"]).contains(DEVICE));
    assert!(run(&["device", "disable", DEVICE]).contains("revision 2"));
    assert!(run(&["device", "state", DEVICE]).contains("yes, disabled"));
    assert!(run(&["device", "setup", DEVICE]).contains("BCE/D"));
    assert!(run(&["device", "held"]).contains("0 devices"));
    assert!(run(&["model", "show", "xirgo-lx41"]).contains("bce_device"));
    assert!(run(&["device", "models"]).contains("ngp-generic"));
}

#[test]
fn run_has_it_all_and_keeps_its_token_to_its_user() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start_with(&dir, |command| {
        command.args(["--public-host", "mqtt.example.com", "--region", "eu"]);
    });
    assert!(run.process.printed().contains("API      http://127.0.0.1:"), "{}", run.process.printed());
    let file = run.data_dir.join("run.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let [key, value] = run.flags();
    let cli = |arguments: &[&str]| stdout(&output(&[arguments, &[key, value]].concat()));

    let setup = cli(&["device", "setup", DEVICE]);
    for part in ["mqtt.example.com", &run.mqtt.port().to_string(), "bce_device", "BCE/D", DEVICE] {
        assert!(setup.contains(part), "{part} is missing in:\n{setup}");
    }
    let model: Value = serde_json::from_str(&cli(&["model", "show", "xirgo-lx41", "--json"])).unwrap();
    assert_eq!(model["account"], "bce_device");
    assert!(cli(&["device", "list"]).contains("published sample"));

    assert!(Publish::sample(&vector()).to(run.mqtt).status.success());
    let position = &records("positions", 1, &run.flags())[0];
    assert_eq!((&position["region"], &position["host"]), (&"eu".into(), &"mqtt.example.com".into()));
    until("the last position is known", || {
        let state: Value = serde_json::from_str(&cli(&["device", "state", DEVICE, "--json"])).unwrap();
        let latitude = state["position"]["latitude"].as_f64()?;
        assert!((latitude - 25.162_023_5).abs() < 1e-6, "{state}");
        Some(())
    });
    let connected = Connected::open(run.mqtt, DEVICE);
    assert!(cli(&["device", "disable", DEVICE]).contains("is disabled"));
    assert!(connected.closed() < CLOSED);
    run.process.stop();
}
