//! Devices: list, register, change, remove.

pub(crate) mod change;
mod draft;
pub(crate) mod list;
mod revision;
mod view;

pub(crate) use change::{DeviceParams, is_held};
pub(crate) use draft::{PasswordWish, check_digit, id, model, own_account, present};
pub(crate) use list::Filter;
pub(crate) use revision::DevicePath;
pub(crate) use view::{Device, Status, account as account_of};

use fleetwire_registry::ChangeError;

use crate::problem::{Code, Refusal};

/// Ids that a path of this API means something else by.
pub(crate) const RESERVED: [&str; 2] = ["import", "export"];

/// What a client learns of a change that was not made.
pub(crate) fn refusal(error: &ChangeError) -> Refusal {
    let text = error.to_string();
    match error {
        ChangeError::NotFound => Refusal::new(Code::NotFound, text),
        ChangeError::Exists => Refusal::new(Code::Exists, text),
        ChangeError::Conflict { revision } => Refusal::new(Code::RevisionMismatch, text).revision(*revision),
        ChangeError::Invalid(_) | ChangeError::TooLarge => Refusal::new(Code::Invalid, text),
        ChangeError::Unavailable(_) => Refusal::new(Code::Unavailable, text).retry_after(5),
        ChangeError::Contended => Refusal::new(Code::Unavailable, text).retry_after(1),
    }
}
