//! The settings that the documentation shows are settings.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without")]

use fleetwire_codec::iotm::Options;

#[test]
fn the_settings_in_the_documentation_are_read_and_its_defaults_are_the_defaults() {
    let text = include_str!("../../../docs/protocols/iotm.md");
    let mut blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    assert_eq!(toml::from_str::<Options>(blocks.next().unwrap()).unwrap(), Options::default());
    assert_eq!(toml::from_str::<Options>(blocks.next().unwrap()).unwrap().scales.len(), 2);
    assert!(blocks.next().is_none());
}
