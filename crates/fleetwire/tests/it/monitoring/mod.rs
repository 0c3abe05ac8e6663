//! The dashboards and alerts of deploy/ with a real Prometheus that scrapes a running pipeline: every query and every
//! rule is run, and alerts fire by their faults and go quiet again.

mod dashboards;
mod pipeline;
mod prometheus;
mod scaled;

use std::collections::BTreeSet;

use serde_json::Value;

use dashboards::{Query, read};
use pipeline::Pipeline;
use prometheus::{Prometheus, now};

/// Rules are so many times as quick as shipped: five minutes are five seconds.
const FACTOR: u64 = 60;

/// Queries that show nothing here, by their panel, and why.
const EMPTY: [(&str, &str); 1] = [(
    "fleetwire / Commands: Failed or contradicted",
    "no device does other than it was told; deploy/prometheus/tests/commands.yml has the alert on it",
)];

/// Alerts that the faults of the test are about.
const FAULTS: [&str; 10] = [
    "FleetwireLoginsFailing",
    "FleetwireDeadLetters",
    "FleetwireDecoderAbsent",
    "FleetwirePositionsStopped",
    "FleetwireGatewayAbsent",
    "FleetwireKafkaDeliveryFailures",
    "FleetwireKafkaConsumerErrors",
    "FleetwirePubackBudgetFast",
    "FleetwireNotReady",
    "FleetwireNothingScraped",
];

#[test]
fn alerts_fire_by_their_faults_and_go_quiet_and_every_query_of_a_dashboard_shows_data() {
    let mut pipeline = Pipeline::start();
    let people = pipeline.people();
    let mut prometheus = Prometheus::start(&pipeline.targets(), FACTOR);
    let begin = now();
    prometheus.wait_for_series("fleetwire:positions_errors:ratio_rate1h >= 0");
    prometheus.wait_for_quiet(&FAULTS);

    let mut moments = vec![begin];
    bad_devices(&pipeline, &mut prometheus, &mut moments);
    stopped_processes(&mut pipeline, &mut prometheus, &mut moments);
    stopped_kafka(&mut pipeline, &mut prometheus, &mut moments);
    moments.push(now());

    drop(people);
    let mut wrong = rules_work(&prometheus);
    wrong.extend(dashboards_show_data(&prometheus, &moments));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    prometheus.stop();
    pipeline.stop();
}

/// Wrong passwords, payloads that are no telemetry, and a record that is no command.
fn bad_devices(pipeline: &Pipeline, prometheus: &mut Prometheus, moments: &mut Vec<f64>) {
    let alerts = ["FleetwireLoginsFailing", "FleetwireDeadLetters"];
    pipeline.bad_command();
    let bad = pipeline.bad_devices();
    moments.push(prometheus.wait_for(&alerts));
    drop(bad);
    prometheus.wait_for_quiet(&alerts);
}

/// The decoder and the command gateway are gone.
fn stopped_processes(pipeline: &mut Pipeline, prometheus: &mut Prometheus, moments: &mut Vec<f64>) {
    let alerts = ["FleetwireDecoderAbsent", "FleetwirePositionsStopped", "FleetwireGatewayAbsent"];
    pipeline.decoder.stop();
    pipeline.gateway.stop();
    moments.push(prometheus.wait_for(&alerts));
    pipeline.decoder.start_again();
    pipeline.gateway.start_again();
    prometheus.wait_for_quiet(&alerts);
}

/// Kafka is gone.
fn stopped_kafka(pipeline: &mut Pipeline, prometheus: &mut Prometheus, moments: &mut Vec<f64>) {
    let alerts = [
        "FleetwireKafkaDeliveryFailures",
        "FleetwireKafkaConsumerErrors",
        "FleetwirePubackBudgetFast",
        "FleetwireNotReady",
    ];
    pipeline.kafka.kill(0).unwrap();
    moments.push(prometheus.wait_for(&alerts));
    pipeline.kafka.restart(0).unwrap();
    prometheus.wait_for_quiet(&alerts);
}

/// Every rule was evaluated without an error and can be asked by itself; recording rules have made series, and
/// the metrics of alerts are there. What is wrong.
fn rules_work(prometheus: &Prometheus) -> Vec<String> {
    let data = prometheus.get("rules", &[]).unwrap();
    let groups = data["groups"].as_array().unwrap().iter();
    let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 50, "rules were not loaded");
    let mut wrong = Vec::new();
    let mut metrics = BTreeSet::new();
    for rule in rules {
        let (name, query) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
        if rule["health"] != "ok" {
            wrong.push(format!("{name}: {rule}"));
        }
        if let Err(error) = prometheus.at(query, now()) {
            wrong.push(format!("{name}: {error}"));
        }
        if rule["type"] == "recording" {
            metrics.insert(name);
        }
        metrics.extend(names(query));
    }
    for name in metrics {
        let found = prometheus.at(&format!("count(last_over_time({name}[5m]))"), now());
        if !found.as_ref().is_ok_and(|found| !found.is_empty()) {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    wrong
}

/// Names of metrics in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words
        .filter(|word| ["fleetwire_", "fleetwire:", "process_"].iter().any(|prefix| word.starts_with(prefix)))
}

/// Every query of a panel gives series with numbers and with the labels of its legend; every variable can be asked for.
/// What is wrong.
fn dashboards_show_data(prometheus: &Prometheus, moments: &[f64]) -> Vec<String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some minutes")]
    let range_s = (now() - moments[0]).ceil() as u64;
    let (queries, variables) = read(range_s);
    assert!(queries.len() > 100 && variables.len() > 10, "dashboards were not read");
    let mut wrong = Vec::new();
    for query in &queries {
        let Query { place, expr, .. } = query;
        let reason = EMPTY.iter().find(|(empty, _)| place == empty);
        match (query.run(prometheus, moments), reason) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(error), None) => wrong.push(format!("{place}: {error}: {expr}")),
            (Ok(()), Some((_, reason))) => wrong.push(format!("{place} shows data, in spite of: {reason}")),
        }
    }
    for variable in &variables {
        let path = format!("label/{}/values", variable.label);
        if let Err(error) = prometheus.get(&path, &[("match[]", &variable.series)]) {
            wrong.push(format!("{variable:?}: {error}"));
        }
    }
    wrong
}
