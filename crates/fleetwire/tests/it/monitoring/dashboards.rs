//! Queries of the shipped dashboards, run as Grafana would run them.

use serde_json::Value;

use super::prometheus::Prometheus;
use super::scaled::repository;

/// One query of a panel, with the variables filled in.
#[derive(Debug)]
pub(crate) struct Query {
    /// Dashboard and panel.
    pub(crate) place: String,
    pub(crate) expr: String,
    instant: bool,
    legend: String,
}

/// What a query of a variable asks for: values of a label of these series.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) series: String,
    pub(crate) label: String,
}

/// All dashboards: their queries over so many seconds, and those of their variables.
pub(crate) fn read(range_s: u64) -> (Vec<Query>, Vec<Variable>) {
    let folder = repository().join("deploy/grafana/dashboards");
    let (mut queries, mut variables) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let board: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let title = board["title"].as_str().unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries.push(Query {
                    place: format!("{title}: {}", panel["title"].as_str().unwrap()),
                    expr: filled(target["expr"].as_str().unwrap(), range_s),
                    instant: target["instant"] == true,
                    legend: target["legendFormat"].as_str().unwrap_or_default().to_owned(),
                });
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            let query = filled(variable["query"].as_str().unwrap(), range_s);
            if let Some(inner) = query.strip_prefix("label_values(") {
                let (series, label) = inner.trim_end_matches(')').rsplit_once(", ").unwrap();
                variables.push(Variable { series: series.to_owned(), label: label.to_owned() });
            }
        }
    }
    (queries, variables)
}

/// The text with every variable at "All", and the intervals that Grafana would choose.
fn filled(text: &str, range_s: u64) -> String {
    let mut text = text.replace("$__rate_interval", "5s").replace("$__range", &format!("{range_s}s"));
    for variable in ["$region", "$namespace", "$pod", "$instance"] {
        text = text.replace(variable, ".*");
    }
    assert!(!text.contains('$'), "a variable that nobody fills in: {text}");
    text
}

impl Query {
    /// Runs it over a time, or, where the panel shows only what is now, at some moments. Says what is wrong with what
    /// comes: nothing, no number, or no label that the legend names.
    pub(crate) fn run(&self, prometheus: &Prometheus, moments: &[f64]) -> Result<(), String> {
        let (from, to) = (moments[0], moments[moments.len() - 1]);
        let found = if self.instant {
            let found = moments.iter().map(|moment| prometheus.at(&self.expr, *moment));
            found.collect::<Result<Vec<_>, _>>()?.concat()
        } else {
            prometheus.over(&self.expr, from, to)?
        };
        if found.is_empty() {
            return Err("no data".to_owned());
        }
        if !found.iter().any(has_number) {
            return Err("no number".to_owned());
        }
        // Without Kubernetes there are no pods.
        let named = self.legend.split("{{").skip(1).filter_map(|part| part.split("}}").next());
        for label in named.filter(|label| *label != "pod") {
            if let Some(series) = found.iter().find(|series| series["metric"].get(label).is_none()) {
                return Err(format!("no label `{label}` in {}", series["metric"]));
            }
        }
        Ok(())
    }
}

fn has_number(series: &Value) -> bool {
    let several = series["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut values = several.iter().chain(series.get("value"));
    values
        .any(|value| value[1].as_str().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite))
}
