//! What can be said of a device id before anybody is asked.

use anyhow::{Error, Result, anyhow};
use fleetwire_model::{DeviceId, Imei};
use fleetwire_registry::{CheckDigit, IdError, Model, device_id};

use crate::client::NotFound;
use crate::process::Usage;

/// The id of a device of a model; where only the API knows the model, any that a device can have.
pub(super) fn id(text: &str, model: Option<&Model>, digit: CheckDigit) -> Result<DeviceId> {
    let Some(model) = model else {
        return text.trim().parse().map_err(|err| Usage(format!("`{text}`: {err}")).into());
    };
    device_id(text, model, digit).map_err(|err| {
        Usage(match err {
            IdError::CheckDigit { id, expected } => format!(
                "`{id}`: the last digit should be {expected}; look for a typing mistake, or add --accept-check-digit if \
                 the device really has it"
            ),
            other => other.to_string(),
        })
        .into()
    })
}

/// An error with what may be wrong with the id, where the API does not know it.
pub(crate) fn with_hint(error: Error, id: &DeviceId) -> Error {
    if error.downcast_ref::<NotFound>().is_none() {
        return error;
    }
    let hint = hint(id);
    if hint.is_empty() { error } else { anyhow!("{error}{hint}") }
}

/// What may be wrong with an id that nobody knows; empty if nothing is.
fn hint(id: &DeviceId) -> String {
    if !id.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
        return String::new();
    }
    match id.as_str().parse::<Imei>() {
        Err(err) => format!("; {err}"),
        Ok(imei) if imei.has_valid_check_digit() => String::new(),
        Ok(imei) => {
            let expected = Imei::check_digit(imei.number() / 10);
            format!("; the last digit of this IMEI should be {expected}: is it a typing mistake?")
        }
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_registry::Catalogue;

    use super::*;

    #[test]
    fn a_mistyped_imei_is_explained_with_the_flag_that_takes_it() {
        let model = Catalogue::built_in().get(Catalogue::DEFAULT);
        let check = |text: &str| id(text, model, CheckDigit::Required).unwrap_err().to_string();
        assert!(check("86703504624289").contains("15 digits"));
        assert!(check("86703504624289x").contains("character 15"));
        let wrong = check("867035046242896");
        assert!(wrong.contains("should be 5") && wrong.contains("--accept-check-digit"), "{wrong}");
        assert!(id("867035046242896", model, CheckDigit::Ignored).is_ok());
    }

    #[test]
    fn where_the_model_is_not_known_any_id_may_be_right() {
        assert!(id("boat-7", None, CheckDigit::Required).is_ok());
        assert!(id("boat 7", None, CheckDigit::Required).unwrap_err().to_string().contains("character 5"));
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
