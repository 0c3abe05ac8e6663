//! Closes sessions of devices that would not be let in any more: disabled, removed, or with another account or another
//! password of their own.
//!
//! Every frontend follows the registry, so a change reaches a session wherever it is. A device that was let in although
//! nobody had activated it keeps its session when it is activated.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use compact_str::CompactString;
use fleetwire_mqtt::{End, Sessions};
use fleetwire_registry::{Login, Notice, PasswordHash};
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::directory::Directory;
use crate::identity::Identity;

const SESSIONS_REVOKED: Metric = Metric::counter(
    "fleetwire_frontend_sessions_revoked_total",
    "Sessions that were closed because their device would not be let in any more as it came: it was \
     removed from the registry (or its new record is not usable), it is disabled, it belongs to \
     another account, its own password is another.",
)
.from_start(&[Label::words("reason", &["removed", "disabled", "account", "password"])])
.worry("Grows and nobody changed devices.");

/// What is counted here.
pub(crate) const METRICS: &[Metric] = &[SESSIONS_REVOKED];

/// Changed devices that may wait to be looked at; beyond, every session is looked at once.
const WAITING: usize = 10_000;

/// On what grounds a device was let in.
#[derive(Debug)]
pub struct Admitted {
    /// The account under which it came.
    account: CompactString,
    /// Its own password at that time.
    own: Option<Box<PasswordHash>>,
    /// Whether it was registered then or since.
    registered: AtomicBool,
}

/// Why a device is not served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revoked {
    Removed,
    Disabled,
    Account,
    Password,
}

impl Revoked {
    const ALL: [Self; 4] = [Self::Removed, Self::Disabled, Self::Account, Self::Password];

    /// The metric label: a fixed word.
    const fn code(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Disabled => "disabled",
            Self::Account => "account",
            Self::Password => "password",
        }
    }
}

impl Admitted {
    /// A device that came under an account, with what the registry says of it.
    pub(crate) fn new(account: &str, login: Option<&Login>) -> Self {
        Self {
            account: account.into(),
            own: login.and_then(|login| login.password).map(Box::new),
            registered: login.is_some().into(),
        }
    }

    /// Why the device would not be let in now, by what the registry says of it now.
    fn revoked(&self, login: Option<&Login>) -> Option<Revoked> {
        let Some(login) = login else {
            return self.registered.load(Ordering::Relaxed).then_some(Revoked::Removed);
        };
        self.registered.store(true, Ordering::Relaxed);
        if !login.device.is_active() {
            Some(Revoked::Disabled)
        } else if login.account() != self.account {
            Some(Revoked::Account)
        } else if login.password.as_ref() != self.own.as_deref() {
            Some(Revoked::Password)
        } else {
            None
        }
    }
}

/// By why they were closed.
pub(crate) fn counters() -> CounterFamily {
    SESSIONS_REVOKED.family_with(&Revoked::ALL.map(Revoked::code))
}

/// Judges sessions by the registry as it is now.
#[derive(Debug)]
pub(crate) struct Revoker {
    directory: Directory,
    revoked: CounterFamily,
}

impl Revoker {
    pub(crate) fn new(directory: Directory) -> Self {
        Self { directory, revoked: counters() }
    }

    /// Whether a session is to be closed. Counted: whoever asks closes it then.
    pub(crate) fn revokes(&self, identity: &(dyn Any + Send + Sync)) -> bool {
        let Some(Identity::Device { device, admitted, .. }) = identity.downcast_ref() else {
            return false;
        };
        let revoked = admitted.revoked(self.directory.login(device).as_ref());
        if let Some(why) = revoked {
            self.revoked.increment(why.code());
            info!(%device, reason = why.code(), "a session is closed because its device changed in the registry");
        }
        revoked.is_some()
    }

    /// Closes sessions as the registry changes, until told to stop.
    pub(crate) async fn run(self, sessions: Sessions, stop: CancellationToken) -> Result<()> {
        let mut changes = self.directory.watch(WAITING);
        loop {
            let notice = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                notice = changes.next() => notice,
            };
            match notice {
                // Who is registered as an IMEI, or by another id, has it as the id of its session.
                Notice::Device(device) => {
                    sessions
                        .close_if(device.as_str(), End::Administrative, |identity| self.revokes(identity));
                }
                Notice::Everything => {
                    sessions.close_where(End::Administrative, |identity| self.revokes(identity));
                }
            }
            // A long import must not keep a thread of the runtime.
            tokio::task::coop::consume_budget().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::{self, DeviceStatus};
    use fleetwire_registry::Devices;
    use prost::Message as _;

    use super::*;

    const ID: &str = "867035046242895";

    /// What the registry says of a device after some changes of an active one.
    fn login(change: impl FnOnce(&mut pb::Device)) -> Option<Login> {
        let devices = Devices::default();
        let mut device = pb::Device {
            device_id: ID.into(),
            model: "xirgo-lx41".into(),
            status: DeviceStatus::Active.into(),
            ..pb::Device::default()
        };
        change(&mut device);
        devices.apply(ID.as_bytes(), Some(&device.encode_to_vec())).unwrap();
        devices.login(&ID.parse().unwrap())
    }

    fn own(password: &str) -> prost::bytes::Bytes {
        PasswordHash::new(password.as_bytes()).unwrap().to_bytes().into()
    }

    #[test]
    fn a_device_that_changed_is_not_served_on_and_the_reason_is_told() {
        let active = login(|_| {});
        let came = |login: &Option<Login>| Admitted::new("bce_device", login.as_ref());
        let why = |admitted: &Admitted, login: Option<Login>| admitted.revoked(login.as_ref());
        assert_eq!(why(&came(&active), active.clone()), None);
        assert_eq!(why(&came(&active), None), Some(Revoked::Removed));
        let disabled = login(|device| device.status = DeviceStatus::Disabled.into());
        assert_eq!(why(&came(&active), disabled), Some(Revoked::Disabled));
        let unset = login(|device| device.status = 0);
        assert_eq!(why(&came(&active), unset), Some(Revoked::Disabled));
        let moved = login(|device| device.account = "other".into());
        assert_eq!(why(&came(&active), moved), Some(Revoked::Account));
        let other_model = login(|device| device.model = "ngp-generic".into());
        assert_eq!(why(&came(&active), other_model), Some(Revoked::Account));

        let hash = own("sixteen letters!");
        let with_own = login(|device| device.password_hash = hash.clone());
        assert_eq!(why(&came(&active), with_own.clone()), Some(Revoked::Password));
        assert_eq!(why(&came(&with_own), with_own.clone()), None);
        let changed = login(|device| device.password_hash = own("sixteen others !"));
        assert_eq!(why(&came(&with_own), changed), Some(Revoked::Password));
        assert_eq!(why(&came(&with_own), active.clone()), Some(Revoked::Password));

        let pending = login(|device| device.release_pending = true);
        assert_eq!(why(&came(&pending), active), None);
    }

    #[test]
    fn a_device_that_nobody_activated_stays_when_it_is_activated_and_goes_when_it_is_removed_again() {
        let stranger = Admitted::new("bce_device", None);
        assert_eq!(stranger.revoked(None), None);
        assert_eq!(stranger.revoked(login(|device| device.release_pending = true).as_ref()), None);
        assert_eq!(stranger.revoked(login(|_| {}).as_ref()), None);
        assert_eq!(stranger.revoked(None), Some(Revoked::Removed));
    }

    #[test]
    fn a_device_that_is_activated_with_a_password_of_its_own_has_to_come_in_with_that() {
        let stranger = Admitted::new("bce_device", None);
        let hash = own("sixteen letters!");
        let with_own = login(|device| device.password_hash = hash);
        assert_eq!(stranger.revoked(with_own.as_ref()), Some(Revoked::Password));
    }
}
