//! One transaction: which changes are made, and the records and audit events that say so.

use std::collections::HashMap;

use fleetwire_kafka::Record;
use fleetwire_model::{DeviceId, TYPE_HEADER, pb, time};
use prost::Message as _;
use ulid::Ulid;

use super::change::{Applied, Change, ChangeError, Who};
use super::judge::{Stamp, judge};
use super::rules::Rules;
use crate::records::Records;

/// A change, and who asks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) change: &'a Change,
    pub(super) who: &'a Who,
}

/// What becomes of a stretch of changes if its transaction is committed.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// For each change.
    pub(super) outcomes: Vec<Result<Applied, ChangeError>>,
    pub(super) writes: Vec<Write>,
}

/// A record and its audit event.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) device: DeviceId,
    pub(super) change_id: String,
    /// `None` removes the device.
    value: Option<Vec<u8>>,
    audit: Vec<u8>,
}

const DEVICE_HEADER: &[(&str, &[u8])] = &[(TYPE_HEADER, b"fleetwire.v1.Device")];
const AUDIT_HEADER: &[(&str, &[u8])] = &[(TYPE_HEADER, b"fleetwire.v1.AuditEvent")];
/// Stands for a password's hash in the audit trail.
const HAD_PASSWORD: &[u8] = &[0];

impl Plan {
    /// Judges changes one after the other, each by what those before it leave.
    pub(super) fn new(rules: &Rules, records: &Records, asked: &[Asked<'_>], now_ms: i64) -> Self {
        let mut plan = Self::default();
        let mut made: HashMap<&DeviceId, Option<pb::Device>> = HashMap::new();
        for Asked { change, who } in asked {
            let device = change.device();
            let before = made.remove(device).unwrap_or_else(|| records.get(device));
            let change_id = Ulid::generate().to_string();
            let stamp = Stamp { actor: &who.actor, change_id: &change_id, now_ms };
            let (outcome, after) = match judge(rules, before.as_ref(), change, stamp) {
                Err(error) => (Err(error), before),
                Ok(None) => (Ok(Applied::Unchanged(before.clone().unwrap_or_default())), before),
                Ok(Some(written)) => {
                    let audit = audit(before.as_ref(), written.after.as_ref(), written.action, stamp, who);
                    plan.writes.push(Write {
                        device: device.clone(),
                        value: written.after.as_ref().map(prost::Message::encode_to_vec),
                        audit: pb::AuditEvent { device_id: device.to_string(), ..audit }.encode_to_vec(),
                        change_id,
                    });
                    let applied = match (before, &written.after) {
                        (None, Some(after)) => Applied::Created(after.clone()),
                        (_, Some(after)) => Applied::Changed(after.clone()),
                        (before, None) => Applied::Removed(before.unwrap_or_default()),
                    };
                    (Ok(applied), written.after)
                }
            };
            made.insert(device, after);
            plan.outcomes.push(outcome);
        }
        plan
    }

    /// Whether an outcome would be another one if the records were not the newest. What is written Kafka refuses then.
    pub(super) fn rests_on_records(&self) -> bool {
        self.outcomes.iter().any(|outcome| {
            matches!(
                outcome,
                Ok(Applied::Unchanged(_))
                    | Err(ChangeError::NotFound | ChangeError::Exists | ChangeError::Conflict { .. })
            )
        })
    }

    /// What to write: the devices first, then the audit trail.
    pub(super) fn records<'a>(&'a self, devices: &'a str, audit: &'a str) -> Vec<Record<'a>> {
        let record = |topic, write: &'a Write, payload, headers| Record {
            topic,
            key: Some(write.device.as_str().as_bytes()),
            payload,
            timestamp_ms: None,
            headers,
        };
        let values =
            self.writes.iter().map(|write| record(devices, write, write.value.as_deref(), DEVICE_HEADER));
        let trail = self.writes.iter().map(|write| record(audit, write, Some(&write.audit), AUDIT_HEADER));
        values.chain(trail).collect()
    }
}

fn audit(
    before: Option<&pb::Device>,
    after: Option<&pb::Device>,
    action: &str,
    stamp: Stamp<'_>,
    who: &Who,
) -> pb::AuditEvent {
    pb::AuditEvent {
        audit_id: stamp.change_id.to_owned(),
        time: Some(time::from_unix_ms(stamp.now_ms)),
        actor: who.actor.clone(),
        action: action.to_owned(),
        before: before.map(without_hash),
        after: after.map(without_hash),
        request_id: who.request_id.clone(),
        remote_address: who.remote_address.clone(),
        ..pb::AuditEvent::default()
    }
}

/// The audit trail tells that there was a password, and lives longer than the password should.
fn without_hash(device: &pb::Device) -> pb::Device {
    let mut device = device.clone();
    if !device.password_hash.is_empty() {
        device.password_hash = HAD_PASSWORD.to_vec().into();
    }
    device
}
