//! Which ids devices of a model may have.

use fleetwire_codec::Protocol;
use fleetwire_model::device_id::{DeviceIdError, ImeiError};
use fleetwire_model::{DeviceId, Imei};

use crate::catalogue::Model;

/// What becomes of an IMEI whose last digit is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDigit {
    /// It is refused: nearly always it is a typing mistake.
    Required,
    /// It is taken: somebody was asked, and the device really has it.
    Ignored,
}

/// Why a text is no id of a device of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It is no IMEI, and the model needs one.
    #[error("`{id}`: {source}")]
    Imei {
        /// What was given.
        id: String,
        /// What is wrong with it.
        source: ImeiError,
    },
    /// It is an IMEI with a wrong digit somewhere.
    #[error(
        "`{id}`: the last digit should be {expected}; look for a typing mistake, or say that the check digit is to be \
         accepted if the device really has it"
    )]
    CheckDigit {
        /// What was given.
        id: Imei,
        /// The check digit of its first 14 digits.
        expected: u8,
    },
    /// It is no id of a device.
    #[error("`{id}`: {source}")]
    Id {
        /// What was given.
        id: String,
        /// What is wrong with it.
        source: DeviceIdError,
    },
}

/// Whether the devices of a model are known by their IMEI. Others connect under an id that somebody chose.
pub const fn has_imei(model: &Model) -> bool {
    !matches!(model.protocol(), Protocol::Ngp | Protocol::Json)
}

/// The device that a person means who types `text` for a device of `model`.
pub fn device_id(text: &str, model: &Model, check_digit: CheckDigit) -> Result<DeviceId, IdError> {
    let text = text.trim();
    if !has_imei(model) {
        return text.parse().map_err(|source| IdError::Id { id: text.to_owned(), source });
    }
    let imei: Imei = text.parse().map_err(|source| IdError::Imei { id: text.to_owned(), source })?;
    if check_digit == CheckDigit::Required && !imei.has_valid_check_digit() {
        return Err(IdError::CheckDigit { id: imei, expected: Imei::check_digit(imei.number() / 10) });
    }
    Ok(imei.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn id(text: &str, model: &str, check_digit: CheckDigit) -> Result<String, String> {
        let model = Catalogue::built_in().get(model).unwrap();
        device_id(text, model, check_digit).map(|id| id.to_string()).map_err(|err| err.to_string())
    }

    #[test]
    fn a_wrong_digit_is_explained_and_can_be_accepted() {
        let required = |text| id(text, "xirgo-lx41", CheckDigit::Required);
        assert_eq!(required(" 867035046242895 ").as_deref(), Ok("867035046242895"));
        let error = required("867035046242896").unwrap_err();
        assert!(error.contains("should be 5") && error.contains("typing mistake"), "{error}");
        assert!(required("86703504624289").unwrap_err().contains("15 digits"));
        assert!(required("86703504624289x").unwrap_err().contains("character 15"));
        assert!(id("867035046242896", "xirgo-lx41", CheckDigit::Ignored).is_ok());
    }

    #[test]
    fn a_model_without_imei_takes_any_device_id() {
        let ngp = |text| id(text, "ngp-generic", CheckDigit::Required);
        assert_eq!(ngp("truck-7").as_deref(), Ok("truck-7"));
        assert_eq!(ngp("867035046242896").as_deref(), Ok("867035046242896"));
        assert!(ngp("a/b").is_err() && ngp("").is_err());
    }
}
