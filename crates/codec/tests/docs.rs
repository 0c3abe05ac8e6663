//! The settings that the documentation shows are settings, and what it shows as defaults is the default.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test cannot go on without")]

use std::fmt::Debug;

use fleetwire_codec::mapping::Mapping;
use fleetwire_codec::mapping::settings::Bounds;
use fleetwire_codec::{dt7, iotm, ngp};
use serde::de::DeserializeOwned;

/// The blocks of settings of a page: the first shows the defaults, the second an example.
fn settings<T: DeserializeOwned + Default + Debug + PartialEq>(page: &str) -> T {
    let mut blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    assert_eq!(toml::from_str::<T>(blocks.next().unwrap()).unwrap(), T::default());
    let example = toml::from_str(blocks.next().unwrap()).unwrap();
    assert!(blocks.next().is_none());
    example
}

#[test]
fn the_settings_in_the_documentation_are_read_and_its_defaults_are_the_defaults() {
    let iotm: iotm::Options = settings(include_str!("../../../docs/protocols/iotm.md"));
    assert_eq!(iotm.scales.len(), 2);
    let page = include_str!("../../../docs/protocols/dt7.md");
    let dt7: dt7::Options = settings(page);
    assert_eq!(dt7.scales.len(), 2);
    // What is shown commented out is a setting too.
    let ignition = page.lines().find_map(|line| line.strip_prefix("#ignition_input")).unwrap();
    let options: dt7::Options = toml::from_str(&format!("ignition_input{ignition}")).unwrap();
    assert_eq!(options.ignition_input.map(dt7::InputNumber::get), Some(5));
}

#[test]
fn the_mapping_in_the_documentation_reads_its_payload() {
    let text = include_str!("../../../docs/protocols/json.md");
    let block = |language: &str| {
        let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let trial = Mapping::from_toml(block("toml")).unwrap().trial(block("json").as_bytes());
    assert_eq!(trial.error, None);
    assert_eq!(trial.decoded.records.len(), 3);
    let first = &trial.records[0];
    assert!(first.fields.iter().all(|field| field.becomes.is_ok()), "{first:?}");
    assert!(first.unmatched.is_empty());
    let bounds = Bounds::default();
    for (key, value) in [
        ("prefix", format!("\"{}\"", bounds.prefix)),
        ("max", bounds.max.to_string()),
        ("max_depth", bounds.max_depth.to_string()),
        ("max_name_bytes", bounds.max_name_bytes.to_string()),
        ("max_bytes", bounds.max_bytes.to_string()),
    ] {
        let row = text.lines().find(|line| line.starts_with(&format!("| `attributes.{key}` |"))).unwrap();
        assert!(row.ends_with(&format!("| `{value}` |")), "{row}");
    }
}

#[test]
fn the_guesses_in_the_documentation_are_those_of_the_built_in_mapping() {
    let text = include_str!("../../../docs/protocols/globalmatix.md");
    let mapping = fleetwire_codec::mapping::GLOBALMATIX;
    for pointer in mapping.split('"').filter(|part| part.starts_with('/')) {
        assert!(text.contains(&format!("`{pointer}`")), "{pointer} is missing");
    }
}

#[test]
fn the_ngp_settings_in_the_documentation_are_the_defaults() {
    let text = include_str!("../../../docs/protocols/ngp.md");
    let mut blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let defaults = blocks.next().unwrap();
    assert_eq!(toml::from_str::<ngp::Options>(defaults).unwrap(), ngp::Options::default());
    // Each setting is there, not only those that differ.
    let shown = toml::from_str::<toml::Table>(defaults).unwrap().len();
    assert_eq!(shown, format!("{:?}", ngp::Options::default()).matches(": ").count());
    assert!(blocks.next().is_none());
}
