//! Accounts: the MQTT user names under which devices connect, with their passwords.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::account_settings::GLOBALMATIX;
pub use crate::account_settings::{
    AccountError, AccountSettings, CertificateName, ClientIds, EmptyClientId, PasswordRule, check,
    is_plain_name, with_built_in,
};
use crate::password::hash;

/// The password that the platform's setup page prints for every customer. A production start with it is
/// refused.
pub const WELL_KNOWN_PASSWORD: &str = "secretword";

/// Passwords that an account may have at a time: one, and others while devices go over from one to another.
pub const PASSWORDS: u8 = 3;

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

/// One account with its passwords.
#[derive(Debug, Clone)]
pub struct Account {
    /// The MQTT user name.
    pub name: String,
    /// What it may do.
    pub settings: AccountSettings,
    /// By their numbers, from 1. All `None` where a certificate, or each device's own, stands in their place.
    passwords: [Option<SharedPassword>; PASSWORDS as usize],
}

impl Account {
    /// Whether the password is one of the account's.
    pub fn accepts(&self, password: &[u8]) -> bool {
        self.opened_by(password).is_some()
    }

    /// The number of the account's password that this is, from 1. Takes the same time for any password of a length,
    /// whichever it is and however many there are.
    pub fn opened_by(&self, password: &[u8]) -> Option<u8> {
        let given = digest(password);
        let mut found = 0_u8;
        for (number, own) in (1..).zip(&self.passwords) {
            let (own, is_set) = own.as_ref().map_or(([0; 32], 0), |own| (own.0, 1));
            let is_it = given.ct_eq(&own) & Choice::from(is_set) & found.ct_eq(&0);
            found.conditional_assign(&number, is_it);
        }
        Some(found).filter(|number| *number > 0)
    }

    /// The numbers of the passwords that are set.
    pub fn passwords(&self) -> impl Iterator<Item = u8> {
        (1..).zip(&self.passwords).filter_map(|(number, own)| own.as_ref().map(|_| number))
    }

    /// Whether the well-known password is valid.
    pub fn has_well_known_password(&self) -> bool {
        self.passwords.iter().flatten().any(SharedPassword::is_well_known)
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
    /// `FLEETWIRE_ACCOUNT_<NAME>_PASSWORD`, `..._PASSWORD_2` and `..._PASSWORD_3`.
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
            let account = |passwords| Account { name: name.clone(), settings: rules.clone(), passwords };
            if rules.password != PasswordRule::Required {
                return Ok(Some(account([const { None }; PASSWORDS as usize])));
            }
            let mut passwords = passwords(&name, well_known, &secret)?;
            if passwords.iter().all(Option::is_none) {
                match well_known {
                    WellKnown::Default => {
                        let [first, ..] = &mut passwords;
                        *first = Some(SharedPassword::new(&WELL_KNOWN_PASSWORD.into()));
                    }
                    _ if name == GLOBALMATIX && !settings.contains_key(&name) => return Ok(None),
                    _ => {
                        let variable = password_variable(&name);
                        return Err(AccountError::NoPassword { name, variable });
                    }
                }
            }
            Ok(Some(account(passwords)))
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

/// The environment variable that holds an account's password, the first one.
pub fn password_variable(account: &str) -> String {
    format!("FLEETWIRE_ACCOUNT_{}_PASSWORD", account.to_uppercase())
}

/// The environment variable of one of an account's passwords, by its number, from 1.
pub fn numbered_password_variable(account: &str, number: u8) -> String {
    let first = password_variable(account);
    if number > 1 { format!("{first}_{number}") } else { first }
}

/// The passwords of an account, as far as there are any.
fn passwords<E>(
    name: &str,
    well_known: WellKnown,
    secret: impl Fn(&str) -> Result<Option<SecretString>, E>,
) -> Result<[Option<SharedPassword>; PASSWORDS as usize], AccountError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let mut passwords = [const { None }; PASSWORDS as usize];
    for (number, slot) in (1..).zip(&mut passwords) {
        let variable = numbered_password_variable(name, number);
        let found = secret(&variable).map_err(|err| AccountError::Secret(Box::new(err)))?;
        *slot = found.as_ref().map(SharedPassword::new);
        if well_known == WellKnown::Refused && slot.as_ref().is_some_and(SharedPassword::is_well_known) {
            return Err(AccountError::WellKnownPassword { name: name.to_owned(), variable });
        }
    }
    Ok(passwords)
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
            assert!(asked.iter().any(|asked| name.starts_with(asked)), "{name}");
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
    fn any_of_several_passwords_opens_an_account_and_which_is_told() {
        let load = |passwords: &[(&str, &str)]| {
            Accounts::load(&BTreeMap::new(), WellKnown::Refused, |name| -> Secret {
                let found =
                    passwords.iter().find(|(end, _)| name.ends_with(&format!("BCE_DEVICE_PASSWORD{end}")));
                Ok(found.map(|(_, password)| (*password).into()))
            })
        };
        let accounts = load(&[("", "old"), ("_2", "new"), ("_3", "newest")]).unwrap();
        let account = accounts.get("bce_device").unwrap();
        let opened = ["old", "new", "newest", "", "other", "secretword"]
            .map(|password| account.opened_by(password.as_bytes()));
        assert_eq!(opened, [Some(1), Some(2), Some(3), None, None, None]);
        assert_eq!(account.passwords().collect::<Vec<_>>(), [1, 2, 3]);
        // While the first is being replaced, the second may stand alone.
        let accounts = load(&[("_2", "new")]).unwrap();
        let account = accounts.get("bce_device").unwrap();
        assert_eq!((account.opened_by(b"new"), account.opened_by(b"old")), (Some(2), None));
        let twice = load(&[("", "same"), ("_3", "same")]).unwrap();
        assert_eq!(twice.get("bce_device").unwrap().opened_by(b"same"), Some(1));
        for end in ["", "_2", "_3"] {
            let well_known = load([("", "old"), (end, "secretword")].split_at(usize::from(end.is_empty())).1);
            let Err(AccountError::WellKnownPassword { variable, .. }) = well_known else { panic!("{end}") };
            assert_eq!(variable, format!("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD{end}"));
        }
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
