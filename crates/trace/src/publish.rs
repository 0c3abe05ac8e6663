//! What steps of a publish are about, as a raw record says it.

use fleetwire_model::pb::RawPublish;

/// The subject of the steps of a publish: its session and its number there.
pub fn subject_of(raw: &RawPublish) -> String {
    if raw.session_id.is_empty() {
        return String::new();
    }
    format!("{}/{}", raw.session_id, raw.session_sequence)
}
