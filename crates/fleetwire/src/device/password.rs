//! A device's own password on the command line.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_registry::PasswordHash;
use serde_json::{Map, Value};

use crate::process::Usage;

/// A password file may be this long; what is in it is much shorter.
const MAX_PASSWORD_FILE: u64 = 4096;

/// A password of its own. Without any of these flags, what the device has stays.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PasswordArgs {
    /// Give it a new password of its own, printed once; the account's does not open it any more
    #[arg(long)]
    own_password: bool,
    /// Give it the password of a file, or of standard input with "-": 16 to 128 bytes
    #[arg(long, value_name = "FILE")]
    own_password_file: Option<PathBuf>,
    /// Take its own password away: the account's opens it again
    #[arg(long)]
    shared_password: bool,
}

impl PasswordArgs {
    /// Puts what becomes of the password into a request.
    pub(super) fn put(&self, body: &mut Map<String, Value>) -> Result<()> {
        if self.own_password {
            body.insert("generate_password".into(), true.into());
        } else if self.shared_password {
            body.insert("remove_password".into(), true.into());
        } else if let Some(password) = self.of_file()? {
            body.insert("password".into(), password.into());
        }
        Ok(())
    }

    fn of_file(&self) -> Result<Option<String>> {
        let Some(file) = &self.own_password_file else { return Ok(None) };
        let text = if file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin().take(MAX_PASSWORD_FILE))
        } else {
            std::fs::File::open(file).and_then(|file| std::io::read_to_string(file.take(MAX_PASSWORD_FILE)))
        };
        let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.trim_end_matches('\r'));
        // Only the check is wanted: what the registry keeps is made by the API.
        PasswordHash::new(line.as_bytes()).map_err(|err| Usage(err.to_string()))?;
        Ok(Some(line.to_owned()))
    }
}
