//! What can be said of a device id before anybody is asked.

use anyhow::{Error, Result, anyhow};
use fleetwire_codec::Protocol;
use fleetwire_model::{DeviceId, Imei};

use crate::client::NotFound;
use crate::process::Usage;

/// Whether an IMEI with a wrong check digit is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckDigit {
    Must,
    MayBeWrong,
}

/// The id of a device whose model speaks a protocol; `None` where only the API knows the model.
pub(super) fn id(text: &str, protocol: Option<Protocol>, digit: CheckDigit) -> Result<DeviceId> {
    let free = || text.parse::<DeviceId>().map_err(|err| Usage(format!("`{text}`: {err}")).into());
    match protocol {
        None | Some(Protocol::Ngp | Protocol::Json) => return free(),
        Some(_) => {}
    }
    let parsed: Imei = text.parse().map_err(|err| Usage(format!("`{text}`: {err}")))?;
    if digit == CheckDigit::Must && let Some(expected) = wrong_digit(parsed) {
        let hint = "look for a typing mistake, or add --accept-check-digit if the device really has it";
        return Err(Usage(format!("`{text}`: the last digit should be {expected}; {hint}")).into());
    }
    Ok(parsed.into())
}

/// What may be wrong with an id that nobody knows; empty if nothing is.
fn hint(id: &DeviceId) -> String {
    if !id.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
        return String::new();
    }
    match id.as_str().parse::<Imei>() {
        Err(err) => format!("; {err}"),
        Ok(imei) => wrong_digit(imei)
            .map(|expected| format!("; the last digit of this IMEI should be {expected}: is it a typing mistake?"))
            .unwrap_or_default(),
    }
}

/// An error with what may be wrong with the id, where the API does not know it.
pub(super) fn with_hint(error: Error, id: &DeviceId) -> Error {
    if error.downcast_ref::<NotFound>().is_none() {
        return error;
    }
    let hint = hint(id);
    if hint.is_empty() { error } else { anyhow!("{error}{hint}") }
}

/// The check digit that an IMEI should have, if it has another.
fn wrong_digit(imei: Imei) -> Option<u8> {
    (!imei.has_valid_check_digit()).then(|| Imei::check_digit(imei.number() / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_imei_is_explained() {
        let check = |text: &str| id(text, Some(Protocol::Iotm), CheckDigit::Must).unwrap_err().to_string();
        assert!(check("86703504624289").contains("15 digits"));
        assert!(check("86703504624289x").contains("character 15"));
        assert!(check("867035046242896").contains("should be 5"));
        assert!(id("867035046242896", Some(Protocol::Iotm), CheckDigit::MayBeWrong).is_ok());
        assert!(id("867035046242895", Some(Protocol::Iotm), CheckDigit::Must).is_ok());
    }

    #[test]
    fn devices_that_are_no_imei_have_free_ids() {
        assert!(id("boat-7", Some(Protocol::Ngp), CheckDigit::Must).is_ok());
        assert!(id("boat-7", None, CheckDigit::Must).is_ok());
        assert!(id("boat 7", None, CheckDigit::Must).unwrap_err().to_string().contains("character 5"));
    }

    #[test]
    fn an_id_that_nobody_knows_is_looked_at_for_a_typing_mistake() {
        let hint = |text: &str| hint(&text.parse().unwrap());
        assert!(hint("867035046242896").contains("should be 5"));
        assert!(hint("86703504624289").contains("15 digits"));
        assert_eq!(hint("867035046242895"), "");
        assert_eq!(hint("boat-7"), "");
    }
}
