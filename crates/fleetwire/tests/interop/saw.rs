//! What a client says that it saw: the line that a driver reports for a scenario.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What a client saw, in its own words. Absent where the client does not show it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saw {
    /// Version of the client.
    pub(crate) library: String,
    /// What it told of a CONNECT with a wrong password; none if that was accepted.
    pub(crate) wrong_password: Option<String>,
    /// Properties of the CONNACK.
    pub(crate) limits: Option<Map<String, Value>>,
    /// The publishes that it holds for done, by their quality of service.
    pub(crate) acknowledged: Vec<u8>,
    /// What the SUBACK granted for the session's own topic.
    pub(crate) granted: Option<u8>,
    /// What it told of the subscription to everything; none if that was granted.
    pub(crate) refused: Option<String>,
    /// Session Present at a first and at a second connect of a session that should outlive its connection.
    pub(crate) session_present: Option<[bool; 2]>,
}

impl Saw {
    /// A limit by the name that the specification gives it, in whatever case the client writes it.
    pub(crate) fn limit(&self, name: &str) -> Option<u64> {
        let plain = |text: &str| text.replace(['_', ' '], "").to_lowercase();
        let limits = self.limits.as_ref()?;
        limits.iter().find(|(key, _)| plain(key) == plain(name))?.1.as_u64()
    }
}

/// A line of a driver.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) saw: Option<Saw>,
    pub(crate) failed: Option<String>,
}
