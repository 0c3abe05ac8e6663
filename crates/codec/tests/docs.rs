//! The settings that the documentation shows are settings, and what it shows as defaults is the default.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without")]

use std::fmt::Debug;

use fleetwire_codec::{dt7, iotm};
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
