//! What is kept of a device.

use compact_str::CompactString;
use fleetwire_model::pb::DeviceStatus;

use super::Device;
use super::record::{RecordError, RecordView};
use crate::catalogue::Catalogue;
use crate::password::PasswordHash;

/// Bits of the status.
const STATUS: u16 = 0b11;
const RELEASE_PENDING: u16 = 1 << 2;
/// The device has an account or a password of its own.
const OWN: u16 = 1 << 3;
/// Where the model's place in the catalogue begins.
const MODEL: u32 = 4;

/// All that is kept of most devices: 14 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed(u16);

impl Packed {
    /// Bits that it takes.
    pub(super) const BITS: u32 = 14;

    /// `model` is a place in the catalogue; `None` if it is beyond what has room here, which no catalogue is.
    fn new(model: usize, status: DeviceStatus, release_pending: bool, own: bool) -> Option<Self> {
        let model = u16::try_from(model).ok().filter(|model| usize::from(*model) < Catalogue::MAX)?;
        let status = match status {
            DeviceStatus::Unspecified => 0,
            DeviceStatus::Active => 1,
            DeviceStatus::Disabled => 2,
        };
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        Some(Self(model << MODEL | flag(own, OWN) | flag(release_pending, RELEASE_PENDING) | status))
    }

    pub(super) fn device(self, catalogue: Catalogue) -> Option<Device> {
        let status = match self.0 & STATUS {
            1 => DeviceStatus::Active,
            2 => DeviceStatus::Disabled,
            _ => DeviceStatus::Unspecified,
        };
        let model = catalogue.all().get(usize::from(self.0 >> MODEL))?;
        Some(Device { model, status, release_pending: self.0 & RELEASE_PENDING != 0 })
    }

    /// The bits of a word, of which only the lowest count.
    pub(super) const fn from_bits(word: u64) -> Self {
        Self((word & ((1 << Self::BITS) - 1)) as u16)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0 as u64
    }

    pub(super) const fn has_own(self) -> bool {
        self.0 & OWN != 0
    }
}

/// What few devices have: an account or a password of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) account: Option<CompactString>,
    pub(super) password: Option<PasswordHash>,
}

/// A usable record.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) packed: Packed,
    pub(super) own: Option<Own>,
}

impl Entry {
    /// The entry of a record, and what is wrong with it although it can be used.
    pub(super) fn new(
        record: &RecordView<'_>,
        catalogue: Catalogue,
    ) -> Result<(Self, Option<RecordError>), RecordError> {
        let unknown = || RecordError::UnknownModel(record.model.to_owned());
        let place = catalogue.all().binary_search_by(|model| model.id.cmp(record.model));
        let place = place.map_err(|_| unknown())?;
        let (mut password, mut problem) = (None, None);
        if !record.password_hash.is_empty() {
            let read = PasswordHash::from_bytes(record.password_hash);
            problem = read.is_none().then_some(RecordError::Password);
            password = Some(read.unwrap_or(PasswordHash::NOTHING));
        }
        let account = Some(record.account).filter(|name| !name.is_empty()).map(CompactString::from);
        let own = (account.is_some() || password.is_some()).then_some(Own { account, password });
        let packed = Packed::new(place, record.status, record.release_pending, own.is_some());
        Ok((Self { packed: packed.ok_or_else(unknown)?, own }, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let catalogue = Catalogue::built_in();
        for (place, model) in catalogue.all().iter().enumerate() {
            for status in [DeviceStatus::Unspecified, DeviceStatus::Active, DeviceStatus::Disabled] {
                for (pending, own) in [(false, false), (false, true), (true, false), (true, true)] {
                    let packed = Packed::new(place, status, pending, own).unwrap();
                    let device = packed.device(catalogue).unwrap();
                    assert_eq!(device.model, model);
                    assert_eq!((device.status, device.release_pending), (status, pending));
                    assert_eq!(packed.has_own(), own);
                }
            }
        }
        let last = Packed::new(Catalogue::MAX - 1, DeviceStatus::Disabled, true, true).unwrap();
        assert_eq!(Packed::from_bits(last.bits()), last);
        assert_eq!(Packed::new(Catalogue::MAX, DeviceStatus::Active, false, false), None);
    }
}
