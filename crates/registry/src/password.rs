//! Passwords of single devices, as the registry keeps them, and the comparison of any password.
//!
//! Deliberately a fast hash. Such a password is a random token that we generate, or at least
//! [`PasswordHash::MIN_LEN`] characters of a person's, so a slow hash would add nothing against guessing, while it
//! would cost milliseconds of a core for each of ten thousand devices that reconnect at once.

use std::fmt;

use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Bytes of salt.
const SALT: usize = 16;
/// Bytes of a SHA-256 digest.
const DIGEST: usize = 32;
/// The scheme byte of SHA-256 over the salt and then the password.
const SALTED_SHA256: u8 = 1;
/// Characters of generated passwords; those that look like others are left out. 57 of them.
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters of a generated password: about 140 bits.
const GENERATED_LEN: usize = 24;

/// A password, hashed with a salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordHash {
    salt: [u8; SALT],
    digest: [u8; DIGEST],
}

/// A text that is no password for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a device's own password has {min} to {max} bytes, this has {0}",
    min = PasswordHash::MIN_LEN,
    max = PasswordHash::MAX_LEN
)]
pub struct PasswordError(usize);

impl PasswordHash {
    /// Bytes of a password at least: below, a fast hash would be guessed by whoever reads the registry's topic.
    pub const MIN_LEN: usize = 16;
    /// Bytes of a password at most.
    pub const MAX_LEN: usize = 128;
    /// Accepts no password that anybody can find.
    pub const NOTHING: Self = Self { salt: [0; SALT], digest: [0; DIGEST] };

    /// Hashes a password with a new salt.
    pub fn new(password: &[u8]) -> Result<Self, PasswordError> {
        if (Self::MIN_LEN..=Self::MAX_LEN).contains(&password.len()) {
            let salt = rand::random();
            Ok(Self { salt, digest: hash(&salt, password) })
        } else {
            Err(PasswordError(password.len()))
        }
    }

    /// Whether the password is the right one; takes the same time for any password of a length.
    pub fn accepts(&self, password: &[u8]) -> bool {
        hash(&self.salt, password).ct_eq(&self.digest).into()
    }

    /// The form in the registry: a byte for the scheme, then what the scheme needs.
    pub fn to_bytes(self) -> Vec<u8> {
        [&[SALTED_SHA256], &self.salt[..], &self.digest].concat()
    }

    /// Reads the form in the registry; `None` if it is of a scheme that is not known here.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (salt, digest) = bytes.strip_prefix(&[SALTED_SHA256])?.split_at_checked(SALT)?;
        Some(Self { salt: salt.try_into().ok()?, digest: digest.try_into().ok()? })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// SHA-256 over a salt and a password. The salt has a fixed length, so the two cannot run into each other.
pub(crate) fn hash(salt: &[u8; SALT], password: &[u8]) -> [u8; DIGEST] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

/// A new random password.
pub fn generate() -> String {
    let mut random = rand::rng();
    let character = |_| ALPHABET.get(random.random_range(0..ALPHABET.len())).copied().map_or('x', char::from);
    (0..GENERATED_LEN).map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_is_accepted_also_after_a_way_through_the_registry() {
        let hash = PasswordHash::new(b"correct horse battery").unwrap();
        let hash = PasswordHash::from_bytes(&hash.to_bytes()).unwrap();
        assert!(hash.accepts(b"correct horse battery"));
        let long = vec![0xff; 70_000];
        for wrong in [&b""[..], b"correct horse batter", b"correct horse battery ", &long] {
            assert!(!hash.accepts(wrong));
        }
    }

    #[test]
    fn equal_passwords_have_different_hashes_and_neither_shows_itself() {
        let [one, two] = [(); 2].map(|()| PasswordHash::new(b"correct horse battery").unwrap());
        assert_ne!(one.to_bytes(), two.to_bytes());
        assert_eq!(format!("{one:?}"), "PasswordHash");
        assert_eq!(one.to_bytes().len(), 49);
    }

    #[test]
    fn a_short_password_is_refused() {
        assert_eq!(PasswordHash::new(b"fifteen letters"), Err(PasswordError(15)));
        assert!(PasswordHash::new(b"sixteen letters!").is_ok());
        assert_eq!(PasswordHash::new(&[b'x'; 129]), Err(PasswordError(129)));
    }

    #[test]
    fn a_form_that_is_not_known_is_no_hash() {
        let good = PasswordHash::new(b"sixteen letters!").unwrap().to_bytes();
        let mut other_scheme = good.clone();
        other_scheme[0] = 2;
        let longer = [&good[..], &[0]].concat();
        for bad in [&b""[..], b"\x01", &good[..48], &other_scheme, &longer, b"plain text password"] {
            assert_eq!(PasswordHash::from_bytes(bad), None);
        }
        assert!(!PasswordHash::NOTHING.accepts(b""));
    }

    #[test]
    fn generated_passwords_are_long_enough_and_never_the_same() {
        let [one, two] = [generate(), generate()];
        assert_ne!(one, two);
        assert!(one.len() == GENERATED_LEN && PasswordHash::new(one.as_bytes()).is_ok());
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
