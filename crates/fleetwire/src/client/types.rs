//! What the API answers, as far as the commands show it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A device of the registry.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) account: String,
    pub(crate) status: String,
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) own_password: bool,
    pub(crate) release_pending: bool,
    pub(crate) revision: u64,
    pub(crate) created: String,
    pub(crate) updated: String,
    pub(crate) updated_by: String,
    /// Shown once, where the API made it.
    pub(crate) password: Option<String>,
}

/// A page of devices.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Devices {
    pub(crate) devices: Vec<serde_json::Value>,
    pub(crate) next: Option<String>,
}

/// A model of the catalogue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) protocol: String,
    pub(crate) guess: bool,
    pub(crate) publish_topics: Vec<String>,
    pub(crate) subscribe_topics: Vec<String>,
    pub(crate) outputs: Vec<ModelOutput>,
    pub(crate) capabilities: Vec<String>,
}

/// An output of a model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelOutput {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) id: String,
    /// "timed" or "latched".
    pub(crate) kind: String,
    pub(crate) confirmed_by: Option<u32>,
}

/// All models.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Models {
    pub(crate) models: Vec<serde_json::Value>,
}

/// A device that knocks, with what is held of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HeldDevice {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) remote_address: String,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) frontend: String,
    pub(crate) releasing: bool,
}

/// A page of devices that knock.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Held {
    pub(crate) held: Vec<serde_json::Value>,
    pub(crate) next: Option<String>,
}

/// Where a device is and what it last reported.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) registered: bool,
    pub(crate) status: Option<String>,
    pub(crate) held: Option<HeldDevice>,
    pub(crate) connected: bool,
    pub(crate) frontend: Option<String>,
    pub(crate) remote_address: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) accepts_commands: Option<bool>,
    pub(crate) end_reason: Option<String>,
    pub(crate) last_seen: Option<String>,
    pub(crate) position: Option<Position>,
    pub(crate) ignition: Option<bool>,
    pub(crate) outputs: Vec<Output>,
}

/// The last position of a device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Position {
    pub(crate) time: String,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) altitude_m: Option<f64>,
    pub(crate) speed_kmh: Option<f64>,
    pub(crate) heading_deg: Option<f64>,
    pub(crate) satellites: Option<u32>,
}

/// An output as the device last reported it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Output {
    pub(crate) number: u32,
    pub(crate) on: bool,
}

/// What to type into a device's own configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Setup {
    pub(crate) model: String,
    pub(crate) region: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls_port: Option<u16>,
    pub(crate) client_id: String,
    pub(crate) user: String,
    pub(crate) password_hint: String,
    pub(crate) publish_topics: Vec<String>,
    pub(crate) subscribe_topics: Vec<String>,
    pub(crate) steps: Vec<String>,
}

/// A line of an import's answer; one that only tells how far it is has none of these.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ImportLine {
    /// A line that was not taken.
    pub(crate) error: Option<LineError>,
    /// It is over.
    pub(crate) done: Option<Done>,
}

/// The last line of an import's answer.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// False if lines were left; the error before it says why.
    pub(crate) complete: bool,
}

/// Why a line was not taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct LineError {
    pub(crate) line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// What became of the lines of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) lines: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// Adds those of another piece.
    pub(crate) const fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.failed += other.failed;
    }
}
