//! The settings that the documentation shows are settings.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without")]

use fleetwire_codec::iotm::Options;
use fleetwire_codec::ngp;

#[test]
fn the_settings_in_the_documentation_are_read_and_its_defaults_are_the_defaults() {
    let text = include_str!("../../../docs/protocols/iotm.md");
    let mut blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    assert_eq!(toml::from_str::<Options>(blocks.next().unwrap()).unwrap(), Options::default());
    assert_eq!(toml::from_str::<Options>(blocks.next().unwrap()).unwrap().scales.len(), 2);
    assert!(blocks.next().is_none());
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
