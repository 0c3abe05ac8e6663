//! Accounts: the MQTT user names under which devices connect, and what each may do.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// The password that the platform's setup page prints for every customer. A production start with it is
/// refused.
pub const WELL_KNOWN_PASSWORD: &str = "secretword";

/// What an account's client ids must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientIds {
    /// 15 digits: the client id is the device's IMEI.
    Imei,
}

/// One account, as settings give it. `%c` in a topic stands for the client id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// What client ids must look like.
    pub client_ids: ClientIds,
    /// Topics that its sessions may publish to.
    pub publish: Vec<String>,
    /// Topic filters that its sessions may subscribe to.
    #[serde(default)]
    pub subscribe: Vec<String>,
}

/// One account with its passwords.
#[derive(Debug, Clone)]
pub struct Account {
    /// The MQTT user name.
    pub name: String,
    /// What it may do.
    pub settings: AccountSettings,
    /// Passwords that are valid now; several while one is being replaced.
    passwords: Vec<SecretString>,
}

impl Account {
    /// Whether the password is one of the valid ones; takes the same time for any password of a length.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let matching = |valid: &SecretString| bool::from(valid.expose_secret().as_bytes().ct_eq(password));
        // Not `any`: it would stop at the first match.
        self.passwords.iter().fold(false, |found, valid| found | matching(valid))
    }

    /// Whether the well-known password is valid.
    pub fn has_well_known_password(&self) -> bool {
        self.accepts(WELL_KNOWN_PASSWORD.as_bytes())
    }
}

/// All accounts by name.
#[derive(Debug, Clone, Default)]
pub struct Accounts(BTreeMap<String, Account>);

/// Why accounts are not usable.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No password is set.
    #[error("account {name} has no password; set {variable} or {variable}_FILE")]
    NoPassword {
        /// The account.
        name: String,
        /// The environment variable that would hold it.
        variable: String,
    },
    /// The well-known password outside `fleetwire run`.
    #[error(
        "account {name} has the well-known password; set another in {variable}, \
         or allow_well_known_passwords = true if every device still has it"
    )]
    WellKnownPassword {
        /// The account.
        name: String,
        /// The environment variable that would hold another.
        variable: String,
    },
    /// A name that could share its password variable with another.
    #[error("account name `{0}` has other characters than a-z, 0-9 and _")]
    Name(String),
    /// A topic of an account is not usable as an access rule.
    #[error("account {name}: topic `{topic}` must not hold a wildcard, and must not be empty")]
    Topic {
        /// The account.
        name: String,
        /// The topic.
        topic: String,
    },
    /// The password could not be read.
    #[error(transparent)]
    Secret(#[from] Box<dyn std::error::Error + Send + Sync>),
}

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
        let mut all = built_in();
        all.extend(settings.clone());
        let accounts = all.into_iter().map(|(name, settings)| {
            let variable = password_variable(&name);
            let password = secret(&variable).map_err(|err| AccountError::Secret(Box::new(err)))?;
            let password = match (password, well_known) {
                (Some(password), _) => password,
                (None, WellKnown::Default) => WELL_KNOWN_PASSWORD.into(),
                (None, _) => return Err(AccountError::NoPassword { name, variable }),
            };
            let account = Account { name: name.clone(), settings, passwords: vec![password] };
            if well_known == WellKnown::Refused && account.has_well_known_password() {
                return Err(AccountError::WellKnownPassword { name, variable });
            }
            Ok((name, account))
        });
        accounts.collect::<Result<_, _>>().map(Self)
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

/// The accounts that the platform's setup pages name.
fn built_in() -> BTreeMap<String, AccountSettings> {
    let topics = |list: &[&str]| list.iter().map(|&topic| topic.to_owned()).collect();
    let bce = AccountSettings {
        client_ids: ClientIds::Imei,
        publish: topics(&["BCE/D", "BCE/E", "BCE/F", "BCE/R"]),
        subscribe: topics(&["%c/OUTC"]),
    };
    BTreeMap::from([("bce_device".to_owned(), bce)])
}

/// Whether accounts are usable as access rules: plain names, and topics without wildcards.
pub fn check(accounts: &BTreeMap<String, AccountSettings>) -> Result<(), AccountError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let bad = |topic: &&String| topic.is_empty() || topic.contains(['+', '#', '\0']);
    for (name, settings) in accounts {
        if name.is_empty() || !name.chars().all(plain) {
            return Err(AccountError::Name(name.clone()));
        }
        if let Some(topic) = settings.publish.iter().chain(&settings.subscribe).find(bad) {
            return Err(AccountError::Topic { name: name.clone(), topic: topic.clone() });
        }
    }
    Ok(())
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
            assert_eq!(name, "FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD");
            Ok(password.map(Into::into))
        })
    }

    #[test]
    fn a_laptop_starts_with_the_well_known_password() {
        let accounts = load(WellKnown::Default, None).unwrap();
        let account = accounts.get("bce_device").unwrap();
        assert!(account.accepts(b"secretword"));
        assert!(!account.accepts(b"Secretword") && !account.accepts(b"") && !account.accepts(b"secret"));
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
    fn a_rule_with_a_wildcard_is_refused() {
        let settings = AccountSettings {
            client_ids: ClientIds::Imei,
            publish: vec!["BCE/#".to_owned()],
            subscribe: Vec::new(),
        };
        let settings = BTreeMap::from([("wide".to_owned(), settings)]);
        let loaded = Accounts::load(&settings, WellKnown::Default, |_| -> Secret { Ok(None) });
        assert!(matches!(loaded, Err(AccountError::Topic { .. })));
    }
}
