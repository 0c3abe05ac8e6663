//! What settings say of an account, and whether it is usable.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What an account's client ids must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientIds {
    /// 15 digits: the client id is the device's IMEI.
    Imei,
    /// 1 to 64 of `A-Z a-z 0-9 . _ : -`: the client id is the id under which the device is registered, for
    /// protocols whose devices are no IMEI.
    Device,
    /// 1 to 64 of `A-Z a-z 0-9 . _ : -`: the session speaks for many devices, and the client id is none of them.
    Any,
}

/// What becomes of an empty client id, where there is no certificate to take one from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyClientId {
    /// The CONNECT is refused.
    #[default]
    Refuse,
    /// The session gets an id that no other has.
    Assign,
}

/// What a client certificate says about the client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateName {
    /// Nothing.
    #[default]
    Ignore,
    /// The common name of the subject is the client id.
    CommonName,
    /// One of the subject's alternative names is the client id.
    AlternativeName,
}

/// What proves that a client may use an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordRule {
    /// A password.
    #[default]
    Required,
    /// The password of the device itself, which `fleetwire device add --own-password` makes: there is none that
    /// devices share.
    Own,
    /// A verified client certificate, in the place of a password.
    Certificate,
}

/// The built-in account of a vendor's cloud. Few deployments have it, so without a password it is off.
pub(crate) const GLOBALMATIX: &str = "globalmatix_device";

/// One account, as settings give it. `%c` in a topic stands for the client id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// What client ids must look like.
    pub client_ids: ClientIds,
    /// Whether an IMEI that nobody registered must have the right check digit. A wrong one is nearly always a typing
    /// mistake, and what it publishes would be held under the id of nobody's device.
    #[serde(default = "yes")]
    pub imei_check_digit: bool,
    /// What becomes of an empty client id.
    #[serde(default)]
    pub empty_client_id: EmptyClientId,
    /// What a client certificate says about the client id. Unless ignored, a client without one is refused.
    #[serde(default)]
    pub certificate: CertificateName,
    /// What proves that a client may use the account.
    #[serde(default)]
    pub password: PasswordRule,
    /// Topics that its sessions may publish to.
    pub publish: Vec<String>,
    /// Topic filters that its sessions may subscribe to.
    #[serde(default)]
    pub subscribe: Vec<String>,
}

const fn yes() -> bool {
    true
}

impl AccountSettings {
    /// An account for devices that are their IMEI, with a password.
    pub fn imei(publish: &[&str], subscribe: &[&str]) -> Self {
        let topics = |list: &[&str]| list.iter().map(|&topic| topic.to_owned()).collect();
        Self {
            client_ids: ClientIds::Imei,
            imei_check_digit: true,
            empty_client_id: EmptyClientId::Refuse,
            certificate: CertificateName::Ignore,
            password: PasswordRule::Required,
            publish: topics(publish),
            subscribe: topics(subscribe),
        }
    }
}

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
    /// An id that is made up cannot be an IMEI.
    #[error("account {0}: empty_client_id = \"assign\" needs client_ids = \"any\"")]
    AssignedImei(String),
    /// Clients that speak for many devices are none of them.
    #[error(
        "account {0}: password = \"own\" needs a client id that is a device: client_ids = \"imei\" or \"device\""
    )]
    OwnOfMany(String),
    /// Whoever holds any certificate could take any client id.
    #[error(
        "account {0}: password = \"certificate\" needs a name of the certificate as client id: \
         certificate = \"common_name\" or \"alternative_name\""
    )]
    UnnamedCertificate(String),
    /// The password could not be read.
    #[error(transparent)]
    Secret(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// The accounts that the platform's setup pages name, with those of the settings beside or in place of them.
pub fn with_built_in(settings: &BTreeMap<String, AccountSettings>) -> BTreeMap<String, AccountSettings> {
    let bce = AccountSettings::imei(&["BCE/D", "BCE/E", "BCE/F", "BCE/R"], &["%c/OUTC"]);
    let globalmatix =
        AccountSettings { client_ids: ClientIds::Any, ..AccountSettings::imei(&["globalmatix/in"], &[]) };
    let ngp = AccountSettings {
        client_ids: ClientIds::Device,
        password: PasswordRule::Own,
        ..AccountSettings::imei(&["ngp/%c"], &[])
    };
    let built_in = [("bce_device", bce), (GLOBALMATIX, globalmatix), ("ngp_device", ngp)];
    let mut all = BTreeMap::from(built_in.map(|(name, settings)| (name.to_owned(), settings)));
    all.extend(settings.clone());
    all
}

/// Whether a name can stand in the name of an environment variable without sharing it with another.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.chars().all(plain)
}

/// Whether accounts are usable as access rules: plain names, topics without wildcards, rules that fit together.
pub fn check(accounts: &BTreeMap<String, AccountSettings>) -> Result<(), AccountError> {
    let bad = |topic: &&String| topic.is_empty() || topic.contains(['+', '#', '\0']);
    for (name, settings) in accounts {
        if !is_plain_name(name) {
            return Err(AccountError::Name(name.clone()));
        }
        if let Some(topic) = settings.publish.iter().chain(&settings.subscribe).find(bad) {
            return Err(AccountError::Topic { name: name.clone(), topic: topic.clone() });
        }
        if settings.empty_client_id == EmptyClientId::Assign && settings.client_ids != ClientIds::Any {
            return Err(AccountError::AssignedImei(name.clone()));
        }
        if settings.password == PasswordRule::Own && settings.client_ids == ClientIds::Any {
            return Err(AccountError::OwnOfMany(name.clone()));
        }
        if settings.password == PasswordRule::Certificate && settings.certificate == CertificateName::Ignore {
            return Err(AccountError::UnnamedCertificate(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut AccountSettings)) -> Result<(), AccountError> {
        let mut settings = AccountSettings::imei(&["in"], &[]);
        change(&mut settings);
        check(&BTreeMap::from([("one".to_owned(), settings)]))
    }

    #[test]
    fn a_rule_with_a_wildcard_is_refused() {
        let refused = checked(|account| account.publish = vec!["BCE/#".to_owned()]);
        assert!(matches!(refused, Err(AccountError::Topic { .. })));
    }

    #[test]
    fn rules_that_do_not_fit_together_are_refused() {
        let assigned = checked(|account| account.empty_client_id = EmptyClientId::Assign);
        assert!(matches!(assigned, Err(AccountError::AssignedImei(_))));
        let unnamed = checked(|account| account.password = PasswordRule::Certificate);
        assert!(matches!(unnamed, Err(AccountError::UnnamedCertificate(_))));
        let own = checked(|account| {
            account.client_ids = ClientIds::Any;
            account.password = PasswordRule::Own;
        });
        assert!(matches!(own, Err(AccountError::OwnOfMany(_))));
        let fine = checked(|account| {
            account.client_ids = ClientIds::Any;
            account.empty_client_id = EmptyClientId::Assign;
            account.certificate = CertificateName::CommonName;
            account.password = PasswordRule::Certificate;
        });
        assert!(fine.is_ok());
    }

    #[test]
    fn a_name_that_could_share_its_variable_is_refused() {
        for name in ["", "Bce", "a-b", "a.b", "é"] {
            let accounts = BTreeMap::from([(name.to_owned(), AccountSettings::imei(&["in"], &[]))]);
            assert!(matches!(check(&accounts), Err(AccountError::Name(_))), "{name}");
        }
    }
}
