//! Bearer tokens: who may do what. Kept as digests, compared in constant time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fleetwire_registry::account::is_plain_name;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::settings::{Scope, TokenSettings};

/// Tokens of a process.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<Token>);

/// One token.
#[derive(Clone)]
pub(crate) struct Token {
    /// Its name in settings; not secret.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: BTreeSet<Scope>,
    digest: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.name)
    }
}

/// Why tokens are not usable.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A name that could share its variable with another.
    #[error("token name `{0}`: a name has characters of a-z, 0-9 and _, and does not end with `file`")]
    Name(String),
    /// Its secret is not set.
    #[error("API token {name} has no secret; set {variable} or {variable}_FILE")]
    NoSecret {
        /// The token.
        name: String,
        /// The environment variable that would hold it.
        variable: String,
    },
    /// A secret that could be guessed, or that no header can carry.
    #[error(
        "API token {name}: {variable} must have {min} to {max} printable ASCII characters without spaces",
        min = Tokens::MIN_LEN,
        max = Tokens::MAX_LEN
    )]
    Secret {
        /// The token.
        name: String,
        /// The environment variable that holds it.
        variable: String,
    },
    /// It may do nothing.
    #[error("API token {0} has no scopes; they are read, devices, commands")]
    NoScopes(String),
    /// Two tokens that are one.
    #[error("API tokens {0} and {1} have the same secret")]
    Same(String, String),
    /// The secret could not be read.
    #[error(transparent)]
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
}

impl Tokens {
    /// Characters of a token at least.
    pub const MIN_LEN: usize = 16;
    /// Characters of a token at most.
    pub const MAX_LEN: usize = 512;

    /// The tokens of settings, with secrets from `secret`, which is asked for `FLEETWIRE_API_TOKEN_<NAME>`.
    pub fn load<E>(
        settings: &BTreeMap<String, TokenSettings>,
        secret: impl Fn(&str) -> Result<Option<SecretString>, E>,
    ) -> Result<Self, TokenError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut tokens = Self::default();
        for (name, TokenSettings { scopes }) in settings {
            // FLEETWIRE_API_TOKEN_FILE is where clients find theirs, and X_FILE the file of X.
            if !is_plain_name(name) || name == "file" || name.ends_with("_file") {
                return Err(TokenError::Name(name.clone()));
            }
            let variable = token_variable(name);
            let read = secret(&variable).map_err(|err| TokenError::Unreadable(Box::new(err)))?;
            let read = read.ok_or_else(|| TokenError::NoSecret { name: name.clone(), variable })?;
            tokens.add(name, scopes.iter().copied(), &read)?;
        }
        Ok(tokens)
    }

    /// Adds one.
    pub fn add(
        &mut self,
        name: &str,
        scopes: impl IntoIterator<Item = Scope>,
        secret: &SecretString,
    ) -> Result<(), TokenError> {
        let (name, secret) = (name.to_owned(), secret.expose_secret());
        let is_usable = (Self::MIN_LEN..=Self::MAX_LEN).contains(&secret.len())
            && secret.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_usable {
            let variable = token_variable(&name);
            return Err(TokenError::Secret { name, variable });
        }
        let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
        if scopes.is_empty() {
            return Err(TokenError::NoScopes(name));
        }
        let digest = digest(secret.as_bytes());
        if let Some(other) = self.0.iter().find(|token| token.digest == digest) {
            return Err(TokenError::Same(other.name.clone(), name));
        }
        self.0.push(Token { name, scopes, digest });
        Ok(())
    }

    /// A new random secret of about 140 bits.
    pub fn generate() -> SecretString {
        fleetwire_registry::password::generate().into()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The token that this text is, with its place. Looks at every token, so that the time tells nothing.
    pub(crate) fn find(&self, presented: &[u8]) -> Option<(usize, &Token)> {
        let presented = digest(presented);
        let mut found = u64::MAX;
        for (place, token) in (0_u64..).zip(&self.0) {
            found.conditional_assign(&place, token.digest.ct_eq(&presented));
        }
        let place = usize::try_from(found).ok()?;
        self.0.get(place).map(|token| (place, token))
    }
}

/// The environment variable that holds a token.
pub fn token_variable(name: &str) -> String {
    format!("FLEETWIRE_API_TOKEN_{}", name.to_uppercase())
}

/// No salt: it is compared in this process only, and never stored.
fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sixteen-letters!";

    fn load(settings: &str, secret: &str) -> Result<Tokens, TokenError> {
        let settings: BTreeMap<String, TokenSettings> = toml::from_str(settings).unwrap();
        Tokens::load(&settings, |_| Ok::<_, std::io::Error>((!secret.is_empty()).then(|| secret.into())))
    }

    #[test]
    fn a_token_is_found_by_its_secret_only() {
        let tokens = load("[ops]\nscopes = ['read']", SECRET).unwrap();
        let (place, token) = tokens.find(SECRET.as_bytes()).unwrap();
        assert_eq!((place, token.name.as_str()), (0, "ops"));
        for wrong in ["", "ops", "sixteen-letters", "sixteen-letters!!"] {
            assert!(tokens.find(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(Tokens::default().find(SECRET.as_bytes()).is_none());
        assert!(!format!("{tokens:?}").contains(SECRET));
    }

    #[test]
    fn tokens_that_are_not_usable_are_refused_with_what_to_set() {
        let ops = "[ops]\nscopes = ['read']";
        assert!(load(ops, "").unwrap_err().to_string().contains("FLEETWIRE_API_TOKEN_OPS"));
        assert!(load(ops, "short").unwrap_err().to_string().contains("16"));
        assert!(load(ops, "with a space in its middle").is_err());
        assert!(matches!(load("[ops]\nscopes = []", SECRET), Err(TokenError::NoScopes(_))));
        for name in ["Ops", "file", "ops_file"] {
            let settings = format!("[{name}]\nscopes = ['read']");
            assert!(matches!(load(&settings, SECRET), Err(TokenError::Name(_))), "{name}");
        }
        let two = "[a]\nscopes = ['read']\n[b]\nscopes = ['devices']";
        assert!(matches!(load(two, SECRET), Err(TokenError::Same(..))));
    }

    #[test]
    fn generated_tokens_are_usable_and_differ() {
        let mut tokens = Tokens::default();
        for name in ["one", "two"] {
            tokens.add(name, Scope::ALL, &Tokens::generate()).unwrap();
        }
        assert_eq!(tokens.len(), 2);
    }
}
