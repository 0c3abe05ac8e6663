//! What `fleetwire export` writes, `fleetwire import` takes back.

use fleetwire_apache_kafka::TestKafka;
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{DEVICE, activate, fleetwire, stdout, topics};

/// A device with a password of its own, and one that was removed.
fn fill(flags: &[&str]) {
    let ask = |arguments: &[&str]| {
        let output = fleetwire(arguments).args(flags).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    ask(&["device", "add", "356496042242156", "--model", "xirgo-lx41", "--label", "depot=north"]);
    ask(&["device", "add", "356496042242141", "--model", "xirgo-lx41", "--accept-check-digit"]);
    ask(&["device", "remove", "356496042242141", "--yes"]);
}

fn devices(flags: &[&str]) -> Vec<Value> {
    let output = fleetwire(&["device", "export", "--format", "jsonl"]).args(flags).output().unwrap();
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_backup_of_one_cluster_is_the_registry_of_another() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let (here, there) = (topics(kafka), topics(kafka));
    let (from, to) =
        (["--kafka", kafka, "--topic-prefix", &here], ["--kafka", kafka, "--topic-prefix", &there]);
    activate(kafka, &here, DEVICE);
    fill(&from);
    let dir = tempdir().unwrap();
    let file = dir.path().join("fleet.jsonl");
    let path = file.to_str().unwrap();
    let output = fleetwire(&["export", "-o", path]).args(from).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    // A file that was cut short is refused before anything is written.
    let whole = std::fs::read(&file).unwrap();
    let cut = dir.path().join("cut.jsonl");
    std::fs::write(&cut, &whole[..whole.len() - 200]).unwrap();
    let output = fleetwire(&["import", cut.to_str().unwrap()]).args(to).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut short"), "{output:?}");

    let trial = fleetwire(&["import", "--dry-run", path]).args(to).output().unwrap();
    assert!(
        trial.status.success() && String::from_utf8_lossy(&trial.stderr).contains("can go into"),
        "{trial:?}"
    );
    assert_eq!(devices(&to), Vec::<Value>::new());
    let output = fleetwire(&["import", path]).args(to).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (before, after) = (devices(&from), devices(&to));
    assert_eq!(before.len(), 2, "{before:?}");
    assert_eq!(before, after);

    // Once more into what is filled only if that is meant.
    let output = fleetwire(&["import", path]).args(to).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--into-filled"), "{output:?}");
    let output = fleetwire(&["import", "--into-filled", path]).args(to).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(devices(&to), before);
}
