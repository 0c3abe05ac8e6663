//! What a change makes of a record. Pure: the record before and the change in, the record after out.

use fleetwire_model::pb::{self, DeviceStatus};
use fleetwire_model::time;

use super::change::{Change, ChangeError, Draft, Existing, OwnPassword, Patch};
use super::rules::Rules;

/// A record to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    /// What was done, as the audit trail says it.
    pub(super) action: &'static str,
    /// `None` removes the device.
    pub(super) after: Option<pb::Device>,
}

/// By whom, when, and under which id a change is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub(super) actor: &'a str,
    pub(super) change_id: &'a str,
    pub(super) now_ms: i64,
}

/// Judges a change by the record that its device has. `None` is a device that is as it should be.
pub(super) fn judge(
    rules: &Rules,
    before: Option<&pb::Device>,
    change: &Change,
    stamp: Stamp<'_>,
) -> Result<Option<Written>, ChangeError> {
    let revision = before.map_or(0, |before| before.revision);
    let expected = change.if_revision().unwrap_or(revision);
    if before.is_none() && matches!(change, Change::Activate { .. }) {
        if expected != 0 {
            return Err(ChangeError::Conflict { revision });
        }
    } else {
        let before = before.ok_or(ChangeError::NotFound)?;
        if expected != before.revision {
            return Err(ChangeError::Conflict { revision });
        }
    }
    let (action, after) = match change {
        Change::Activate { device, draft, existing, release_pending, .. } => {
            rules.check_id(device, draft.model)?;
            let after = match (before, existing) {
                (Some(_), Existing::Fail) => return Err(ChangeError::Exists),
                (Some(_), Existing::Keep) => return Ok(None),
                (before, _) => before.cloned().unwrap_or_else(|| new(device.as_str())),
            };
            let mut after = with(rules, after, &patch(draft))?;
            after.status = DeviceStatus::Active.into();
            after.release_pending |= *release_pending;
            ("activate", Some(after))
        }
        Change::Update { device, patch, .. } => {
            if let Some(model) = patch.model {
                rules.check_id(device, model)?;
            }
            ("update", Some(with(rules, known(before)?, patch)?))
        }
        Change::SetStatus { status, release_pending, .. } => {
            let mut after = known(before)?;
            let is_active = *status == DeviceStatus::Active;
            after.status = if is_active { DeviceStatus::Active } else { DeviceStatus::Disabled }.into();
            after.release_pending |= is_active && *release_pending;
            (if is_active { "enable" } else { "disable" }, Some(after))
        }
        Change::Remove { .. } => ("remove", None),
        Change::Released { .. } => {
            let mut after = known(before)?;
            after.release_pending = false;
            ("release", Some(after))
        }
    };
    if after.is_some() && before == after.as_ref() {
        return Ok(None);
    }
    Ok(Some(Written { action, after: after.map(|after| stamped(after, revision, stamp)) }))
}

/// A device of which nothing is known yet.
fn new(device: &str) -> pb::Device {
    pb::Device { device_id: device.to_owned(), ..pb::Device::default() }
}

fn known(before: Option<&pb::Device>) -> Result<pb::Device, ChangeError> {
    before.cloned().ok_or(ChangeError::NotFound)
}

fn patch(draft: &Draft) -> Patch {
    let Draft { model, name, group, labels, account, password } = draft.clone();
    Patch { model: Some(model), name, group, labels, account, password }
}

/// The record with what a patch says of it.
fn with(rules: &Rules, mut device: pb::Device, patch: &Patch) -> Result<pb::Device, ChangeError> {
    rules.check(patch)?;
    let Patch { model, name, group, labels, account, password } = patch.clone();
    if let Some(model) = model {
        model.id.clone_into(&mut device.model);
    }
    set(&mut device.name, name);
    set(&mut device.group, group);
    set(&mut device.account, account);
    set(&mut device.labels, labels.map(|labels| labels.into_iter().collect()));
    match password {
        OwnPassword::Keep => {}
        OwnPassword::Set(hash) => device.password_hash = hash.to_bytes().into(),
        OwnPassword::Remove => device.password_hash = Vec::new().into(),
    }
    Ok(device)
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn stamped(mut after: pb::Device, revision: u64, stamp: Stamp<'_>) -> pb::Device {
    let now = Some(time::from_unix_ms(stamp.now_ms));
    after.revision = revision.saturating_add(1);
    after.created_time = after.created_time.or(now);
    after.updated_time = now;
    stamp.actor.clone_into(&mut after.updated_by);
    stamp.change_id.clone_into(&mut after.change_id);
    after
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{Catalogue, PasswordHash};

    const DEVICE: &str = "867035046242895";

    fn draft(model: &str) -> Draft {
        Draft::new(Catalogue::built_in().get(model).unwrap())
    }

    fn activate(existing: Existing, name: Option<&str>) -> Change {
        Change::Activate {
            device: DEVICE.parse().unwrap(),
            draft: Draft { name: name.map(Into::into), ..draft("xirgo-lx41") },
            existing,
            release_pending: false,
            if_revision: None,
        }
    }

    fn status(status: DeviceStatus, if_revision: Option<u64>) -> Change {
        Change::SetStatus { device: DEVICE.parse().unwrap(), status, release_pending: false, if_revision }
    }

    fn update(patch: Patch) -> Change {
        Change::Update { device: DEVICE.parse().unwrap(), patch, if_revision: None }
    }

    fn judged(
        before: Option<&pb::Device>,
        change: &Change,
        now_ms: i64,
    ) -> Result<Option<Written>, ChangeError> {
        let change_id = format!("change-{now_ms}");
        let rules = Rules { accounts: Some(["bce_device".to_owned(), "own".to_owned()].into()) };
        judge(&rules, before, change, Stamp { actor: "cli:anna", change_id: &change_id, now_ms })
    }

    fn after(before: Option<&pb::Device>, change: &Change, now_ms: i64) -> pb::Device {
        judged(before, change, now_ms).unwrap().unwrap().after.unwrap()
    }

    #[test]
    fn a_device_is_activated_changed_disabled_and_removed() {
        let first = after(None, &activate(Existing::Fail, Some("truck")), 1_000);
        assert_eq!((first.revision, first.name.as_str(), first.status()), (1, "truck", DeviceStatus::Active));
        assert_eq!((first.updated_by.as_str(), first.change_id.as_str()), ("cli:anna", "change-1000"));
        assert_eq!(first.created_time, first.updated_time);
        let second = after(Some(&first), &status(DeviceStatus::Disabled, Some(1)), 2_000);
        assert_eq!((second.revision, second.status()), (2, DeviceStatus::Disabled));
        assert_eq!((second.created_time, second.name.as_str()), (first.created_time, "truck"));
        assert_ne!(second.updated_time, first.updated_time);
        let remove = Change::Remove { device: DEVICE.parse().unwrap(), if_revision: Some(2) };
        let removed = judged(Some(&second), &remove, 3_000).unwrap().unwrap();
        assert_eq!((removed.action, removed.after), ("remove", None));
        assert_eq!(judged(None, &remove, 3_000), Err(ChangeError::NotFound));
    }

    #[test]
    fn a_change_of_another_revision_is_refused() {
        let first = after(None, &activate(Existing::Fail, None), 1);
        let disable = status(DeviceStatus::Disabled, Some(2));
        assert_eq!(judged(Some(&first), &disable, 2), Err(ChangeError::Conflict { revision: 1 }));
        let with = |if_revision| {
            let mut change = activate(Existing::Update, Some("new"));
            if let Change::Activate { if_revision: slot, .. } = &mut change {
                *slot = if_revision;
            }
            change
        };
        assert_eq!(judged(None, &with(Some(3)), 2), Err(ChangeError::Conflict { revision: 0 }));
        assert_eq!(judged(Some(&first), &with(Some(0)), 2), Err(ChangeError::Conflict { revision: 1 }));
        assert!(judged(None, &with(Some(0)), 2).is_ok() && judged(Some(&first), &with(Some(1)), 2).is_ok());
    }

    #[test]
    fn a_device_that_is_there_already_is_kept_refused_or_updated() {
        let first = after(None, &activate(Existing::Fail, Some("truck")), 1);
        assert_eq!(judged(Some(&first), &activate(Existing::Fail, None), 2), Err(ChangeError::Exists));
        assert_eq!(judged(Some(&first), &activate(Existing::Keep, Some("other")), 2), Ok(None));
        // What is not said stays, and the same again is no change.
        assert_eq!(judged(Some(&first), &activate(Existing::Update, None), 2), Ok(None));
        let disabled = after(Some(&first), &status(DeviceStatus::Disabled, None), 2);
        assert_eq!(judged(Some(&disabled), &activate(Existing::Keep, None), 3), Ok(None));
        let again = after(Some(&disabled), &activate(Existing::Update, None), 3);
        assert_eq!((again.revision, again.name.as_str(), again.status()), (3, "truck", DeviceStatus::Active));
    }

    #[test]
    fn what_is_held_of_a_device_is_pending_until_it_is_released() {
        let device = || DEVICE.parse().unwrap();
        let mut change = activate(Existing::Fail, None);
        if let Change::Activate { release_pending, .. } = &mut change {
            *release_pending = true;
        }
        let first = after(None, &change, 1);
        assert!(first.release_pending);
        let named = after(Some(&first), &update(Patch { name: Some("a".into()), ..Patch::default() }), 2);
        let disabled = after(Some(&named), &status(DeviceStatus::Disabled, None), 3);
        assert!(named.release_pending && disabled.release_pending);
        let release = Change::Released { device: device(), if_revision: None };
        let released = after(Some(&disabled), &release, 4);
        assert!(!released.release_pending);
        assert_eq!(judged(Some(&released), &release, 5), Ok(None));
    }

    #[test]
    fn what_is_impossible_is_refused_with_what_to_do() {
        let first = after(None, &activate(Existing::Fail, None), 1);
        let long = |length: usize| Some("x".repeat(length));
        let labels = |pairs: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            Some(pairs.iter().map(owned).collect::<BTreeMap<_, _>>())
        };
        let many = Some((0..33).map(|n| (n.to_string(), String::new())).collect());
        let ngp = Patch { model: Catalogue::built_in().get("ngp-generic"), ..Patch::default() };
        let other = pb::Device { device_id: "truck-7".into(), ..first.clone() };
        for (patch, part) in [
            (Patch { name: long(129), ..Patch::default() }, "at most 128"),
            (Patch { name: Some("a\nb".into()), ..Patch::default() }, "character 2"),
            (Patch { group: long(65), ..Patch::default() }, "at most 64"),
            (Patch { labels: many, ..Patch::default() }, "at most 32 labels"),
            (Patch { labels: labels(&[("", "x")]), ..Patch::default() }, "needs a key"),
            (Patch { labels: labels(&[("k", &"v".repeat(257))]), ..Patch::default() }, "at most 256"),
            (Patch { account: Some("nobody".into()), ..Patch::default() }, "bce_device, own"),
        ] {
            match judged(Some(&first), &update(patch), 2) {
                Err(ChangeError::Invalid(reason)) => assert!(reason.contains(part), "{reason}"),
                other => panic!("{part}: {other:?}"),
            }
        }
        assert!(judged(Some(&first), &update(ngp), 2).is_ok());
        let imei = Patch { model: Catalogue::built_in().get("xirgo-lx41"), ..Patch::default() };
        let change = Change::Update { device: "truck-7".parse().unwrap(), patch: imei, if_revision: None };
        let refused = judged(Some(&other), &change, 2);
        assert!(
            matches!(&refused, Err(ChangeError::Invalid(reason)) if reason.contains("no IMEI")),
            "{refused:?}"
        );
        let name = Patch { name: long(128), account: Some(String::new()), ..Patch::default() };
        assert!(judged(Some(&first), &update(name), 2).is_ok());
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let revision = || proptest::option::of(0_u64..6);
        let patch = (proptest::option::of("[ab]{0,1}"), proptest::option::of("[ab]{0,1}"), 0..3).prop_map(
            |(name, group, password)| Patch {
                name,
                group,
                password: match password {
                    0 => OwnPassword::Keep,
                    1 => OwnPassword::Set(PasswordHash::NOTHING),
                    _ => OwnPassword::Remove,
                },
                ..Patch::default()
            },
        );
        let existing = prop_oneof![Just(Existing::Fail), Just(Existing::Keep), Just(Existing::Update)];
        let device = || DEVICE.parse().unwrap();
        prop_oneof![
            (patch.clone(), existing, any::<bool>(), revision()).prop_map(
                move |(patch, existing, release_pending, if_revision)| Change::Activate {
                    device: device(),
                    draft: Draft { name: patch.name, group: patch.group, ..draft("xirgo-lx41") },
                    existing,
                    release_pending,
                    if_revision,
                }
            ),
            (patch, revision()).prop_map(move |(patch, if_revision)| Change::Update {
                device: device(),
                patch,
                if_revision
            }),
            (any::<bool>(), any::<bool>(), revision()).prop_map(
                move |(active, release_pending, if_revision)| {
                    let status = if active { DeviceStatus::Active } else { DeviceStatus::Disabled };
                    Change::SetStatus { device: device(), status, release_pending, if_revision }
                }
            ),
            revision().prop_map(move |if_revision| Change::Remove { device: device(), if_revision }),
            revision().prop_map(move |if_revision| Change::Released { device: device(), if_revision }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_each_write_is_one_revision_more_and_a_named_revision_is_the_one_there(
            changes in proptest::collection::vec(any_change(), 1..40)
        ) {
            let mut now: Option<pb::Device> = None;
            for (change, now_ms) in changes.iter().zip(1..) {
                let revision = now.as_ref().map_or(0, |device| device.revision);
                let outcome = judged(now.as_ref(), change, now_ms);
                match &outcome {
                    Ok(written) => {
                        prop_assert!(change.if_revision().is_none_or(|named| named == revision));
                        if let Some(Written { after, .. }) = written {
                            if let Some(after) = after {
                                prop_assert_eq!(after.revision, revision + 1);
                                prop_assert_eq!(&after.device_id, DEVICE);
                                prop_assert_eq!(&after.change_id, &format!("change-{now_ms}"));
                                let differs = pb::Device {
                                    revision,
                                    change_id: now.as_ref().map_or_else(String::new, |n| n.change_id.clone()),
                                    updated_time: now.as_ref().and_then(|n| n.updated_time),
                                    ..after.clone()
                                };
                                prop_assert!(now.as_ref() != Some(&differs), "a write that changes nothing");
                            }
                            now.clone_from(after);
                        }
                    }
                    Err(ChangeError::Conflict { revision: told }) => {
                        prop_assert_eq!(*told, revision);
                        prop_assert!(change.if_revision().is_some_and(|named| named != revision));
                    }
                    Err(ChangeError::NotFound) => prop_assert!(now.is_none()),
                    Err(ChangeError::Exists) => prop_assert!(now.is_some()),
                    Err(other) => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
