//! Accounts: the MQTT user names under which devices connect, with their passwords.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::account_settings::GLOBALMATIX;
pub use crate::account_settings::{
    AccountError, AccountSettings, CertificateName, ClientIds, EmptyClientId, PasswordRule, check,
    is_plain_name, with_built_in,
};
use crate::password::hash;

/// The password that the platform's setup page prints for every customer. A production start with it is
/// refused.
pub const WELL_KNOWN_PASSWORD: &str = "secretword";

/// A password that several clients share, kept as a digest in memory.
#[derive(Clone)]
pub struct SharedPassword([u8; 32]);

impl SharedPassword {
    /// Keeps a password.
    pub fn new(password: &SecretString) -> Self {
        Self(digest(password.expose_secret().as_bytes()))
    }

    /// Whether the password is this one; takes the same time for any password of a length.
    pub fn accepts(&self, password: &[u8]) -> bool {
        digest(password).ct_eq(&self.0).into()
    }

    /// Whether it is the password that everybody knows.
    pub fn is_well_known(&self) -> bool {
        self.accepts(WELL_KNOWN_PASSWORD.as_bytes())
    }
}

/// No salt: it is compared in this process only, and never stored.
fn digest(password: &[u8]) -> [u8; 32] {
    hash(&[0; 16], password)
}

impl fmt::Debug for SharedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedPassword")
    }
}

/// One account with its password.
#[derive(Debug, Clone)]
pub struct Account {
    /// The MQTT user name.
    pub name: String,
    /// What it may do.
    pub settings: AccountSettings,
    /// None where a certificate, or each device's own, stands in its place.
    password: Option<SharedPassword>,
}

impl Account {
    /// Whether the password is the right one; takes the same time for any password of a length.
    pub fn accepts(&self, password: &[u8]) -> bool {
        self.password.as_ref().is_some_and(|own| own.accepts(password))
    }

    /// Whether the well-known password is valid.
    pub fn has_well_known_password(&self) -> bool {
        self.password.as_ref().is_some_and(SharedPassword::is_well_known)
    }
}

/// All accounts by name.
#[derive(Debug, Clone, Default)]
pub struct Accounts(BTreeMap<String, Account>);

/// Whether the password that everybody knows may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WellKnown {
    /// On a laptop: it is also the default.
    Default,
    /// A setting says so.
    Allowed,
    /// In production.
    Refused,
}

impl Accounts {
    /// The accounts of `settings`, or the built-in ones, with passwords from `secret`, which is asked for
    /// `FLEETWIRE_ACCOUNT_<NAME>_PASSWORD`.
    pub fn load<E>(
        settings: &BTreeMap<String, AccountSettings>,
        well_known: WellKnown,
        secret: impl Fn(&str) -> Result<Option<SecretString>, E>,
    ) -> Result<Self, AccountError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        check(settings)?;
        let accounts = with_built_in(settings).into_iter().map(|(name, rules)| {
            let account = |password| Account { name: name.clone(), settings: rules.clone(), password };
            if rules.password != PasswordRule::Required {
                return Ok(Some(account(None)));
            }
            let variable = password_variable(&name);
            let password = secret(&variable).map_err(|err| AccountError::Secret(Box::new(err)))?;
            let password = match (password, well_known) {
                (Some(password), _) => password,
                (None, WellKnown::Default) => WELL_KNOWN_PASSWORD.into(),
                (None, _) if name == GLOBALMATIX && !settings.contains_key(&name) => return Ok(None),
                (None, _) => return Err(AccountError::NoPassword { name, variable }),
            };
            let password = SharedPassword::new(&password);
            if well_known == WellKnown::Refused && password.is_well_known() {
                return Err(AccountError::WellKnownPassword { name, variable });
            }
            Ok(Some(account(Some(password))))
        });
        let named = |account: Account| (account.name.clone(), account);
        Ok(Self(
            accounts
                .filter_map(Result::transpose)
                .map(|account| account.map(named))
                .collect::<Result<_, _>>()?,
        ))
    }

    /// The account of a user name.
    pub fn get(&self, name: &str) -> Option<&Account> {
        self.0.get(name)
    }

    /// All accounts, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values()
    }
}

/// The environment variable that holds an account's password.
pub fn password_variable(account: &str) -> String {
    format!("FLEETWIRE_ACCOUNT_{}_PASSWORD", account.to_uppercase())
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Secret = Result<Option<SecretString>, std::io::Error>;

    fn load(well_known: WellKnown, password: Option<&str>) -> Result<Accounts, AccountError> {
        Accounts::load(&BTreeMap::new(), well_known, |name| -> Secret {
            let asked =
                ["FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", "FLEETWIRE_ACCOUNT_GLOBALMATIX_DEVICE_PASSWORD"];
            assert!(asked.contains(&name), "{name}");
            Ok(password.filter(|_| name == asked[0]).map(Into::into))
        })
    }

    #[test]
    fn a_laptop_starts_with_the_well_known_password() {
        let accounts = load(WellKnown::Default, None).unwrap();
        let account = accounts.get("bce_device").unwrap();
        assert!(account.accepts(b"secretword"));
        assert!(!account.accepts(b"Secretword") && !account.accepts(b"") && !account.accepts(b"secret"));
        assert!(!format!("{account:?}").contains("secretword"));
    }

    #[test]
    fn production_needs_a_password_of_its_own() {
        assert!(matches!(load(WellKnown::Refused, None), Err(AccountError::NoPassword { .. })));
        let well_known = load(WellKnown::Refused, Some("secretword"));
        assert!(matches!(well_known, Err(AccountError::WellKnownPassword { .. })));
        assert!(load(WellKnown::Allowed, Some("secretword")).is_ok());
        assert!(
            load(WellKnown::Refused, Some("other")).unwrap().get("bce_device").unwrap().accepts(b"other")
        );
    }

    #[test]
    fn the_accounts_of_other_vendors_ask_for_nothing_until_they_are_used() {
        let accounts = load(WellKnown::Refused, Some("other")).unwrap();
        assert!(accounts.get(GLOBALMATIX).is_none());
        let ngp = accounts.get("ngp_device").unwrap();
        assert!(!ngp.accepts(b"") && !ngp.accepts(b"other"));
        let laptop = load(WellKnown::Default, None).unwrap();
        assert!(laptop.get(GLOBALMATIX).unwrap().accepts(b"secretword"));
    }

    #[test]
    fn an_account_with_certificates_has_no_password() {
        let mut settings = AccountSettings::imei(&["in"], &[]);
        settings.certificate = CertificateName::CommonName;
        settings.password = PasswordRule::Certificate;
        let settings = BTreeMap::from([("bce_device".to_owned(), settings)]);
        let none = |_: &str| -> Secret { Ok(None) };
        for well_known in [WellKnown::Refused, WellKnown::Default] {
            let accounts = Accounts::load(&settings, well_known, none).unwrap();
            let account = accounts.get("bce_device").unwrap();
            assert!(!account.accepts(b"") && !account.accepts(b"secretword"));
        }
    }
}
