//! Secrets: from the environment or from a file, never from a settings file.

use std::path::PathBuf;

use secrecy::SecretString;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file that the environment names cannot be read.
    #[error("{variable} names {path}, which cannot be read")]
    File {
        /// The environment variable.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Both the variable and its `_FILE` form are set.
    #[error("set {0} or {0}_FILE, not both")]
    Both(String),
    /// The secret is empty.
    #[error("{0} is empty")]
    Empty(String),
}

/// Reads the secret `name`: environment variable `name`, or the file that `name_FILE` names (its last line
/// break is left out). `None` if neither is set.
pub fn read(
    name: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<SecretString>, SecretError> {
    let file_variable = format!("{name}_FILE");
    let text = match (environment(name), environment(&file_variable)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(SecretError::Both(name.to_owned())),
        (Some(text), None) => text,
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            let text = std::fs::read_to_string(&path).map_err(|source| SecretError::File {
                variable: file_variable,
                path,
                source,
            })?;
            text.strip_suffix('\n').map(|line| line.trim_end_matches('\r').to_owned()).unwrap_or(text)
        }
    };
    if text.is_empty() { Err(SecretError::Empty(name.to_owned())) } else { Ok(Some(text.into())) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_comes_from_the_variable_or_from_its_file() {
        let file = std::env::temp_dir().join(format!("fleetwire-secret-{}", std::process::id()));
        std::fs::write(&file, "from file\n").unwrap();
        let path = file.to_string_lossy().into_owned();
        let of = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            read("X", move |name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        assert!(of(&[]).unwrap().is_none());
        assert_eq!(of(&[("X", "here")]).unwrap().unwrap().expose_secret(), "here");
        assert_eq!(of(&[("X_FILE", &path)]).unwrap().unwrap().expose_secret(), "from file");
        assert!(matches!(of(&[("X", "a"), ("X_FILE", &path)]), Err(SecretError::Both(_))));
        assert!(matches!(of(&[("X_FILE", "/nowhere/at/all")]), Err(SecretError::File { .. })));
        assert!(matches!(of(&[("X", "")]), Err(SecretError::Empty(_))));
        std::fs::remove_file(file).unwrap();
    }
}
