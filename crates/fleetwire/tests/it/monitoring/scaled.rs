//! The shipped rules with a faster clock.

use std::path::{Path, PathBuf};

/// The folder of a repository's file.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Rules with every duration divided by `factor`: those after `for:`, ranges in `[]`, and offsets. Nothing else of the
/// file changes, so the tested rules are the shipped ones. Rates are by the second whatever the range, so thresholds
/// hold; a range of five minutes at a scrape interval of 15 s sees as much as one of five seconds at 1 s.
///
/// What is measured in seconds by a number (`> 300`, `14 * 86400`) is no duration and stays.
pub(crate) fn scaled(rules: &str, factor: u64) -> String {
    rules.lines().map(|line| scaled_line(line, factor) + "\n").collect()
}

fn scaled_line(line: &str, factor: u64) -> String {
    let text = line.trim_start();
    if text.starts_with('#') {
        return line.to_owned();
    }
    if let Some(duration) = text.strip_prefix("for: ") {
        let indent = &line[..line.len() - text.len()];
        return format!("{indent}for: {}", divided(duration, factor));
    }
    let mut made = String::new();
    let mut rest = line;
    for mark in ["[", "offset "] {
        let source = made + rest;
        (made, rest) = (String::new(), "");
        let mut pieces = source.split_inclusive(mark);
        made.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(piece.len());
            made.push_str(&divided(&piece[..end], factor));
            made.push_str(&piece[end..]);
        }
    }
    made
}

/// A duration of Prometheus divided; what is none, such as the set of characters of a pattern, stays.
fn divided(text: &str, factor: u64) -> String {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return text.to_owned(),
    };
    number.parse::<u64>().map_or_else(
        |_| text.to_owned(),
        |number| format!("{}ms", (number * seconds * 1000).div_ceil(factor)),
    )
}

#[test]
fn every_duration_of_a_rule_is_divided_and_nothing_else_changes() {
    let rules = "\
# for: 5m in words
- alert: A
  expr: |-
    sum by (a) (rate(x{b=~\"[0-9]m|1h\"}[5m])) / sum(rate(y[1h] offset 1d)) > 300
  for: 10m
  labels: { severity: critical }
";
    let expected = "\
# for: 5m in words
- alert: A
  expr: |-
    sum by (a) (rate(x{b=~\"[0-9]m|1h\"}[5000ms])) / sum(rate(y[60000ms] offset 1440000ms)) > 300
  for: 10000ms
  labels: { severity: critical }
";
    assert_eq!(scaled(rules, 60), expected);
}
