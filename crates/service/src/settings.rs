//! Settings files: one TOML file per process, read once, unknown keys refused.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not valid; the message names the line, the key and what is allowed.
    #[error("{path} is not valid\n{message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What the TOML reader says, with the line.
        message: String,
    },
}

/// Reads a settings file. Without a path, every setting has its default.
pub fn load<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T, SettingsError> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|message| SettingsError::Invalid { path: path.to_owned(), message })
}

/// Parses settings; the error is for people and names the line and the key.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|err| err.to_string().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        port: u16,
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_allowed_ones() {
        let message = parse::<Sample>("# comment\nprot = 1\n").unwrap_err();
        assert!(message.contains("line 2") && message.contains("prot"), "{message}");
        assert!(message.contains("port"), "{message}");
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_line() {
        let message = parse::<Sample>("port = 70000\n").unwrap_err();
        assert!(message.contains("line 1") && message.contains("70000"), "{message}");
        assert_eq!(parse::<Sample>("port = 7").unwrap().port, 7);
    }
}
