//! Which password lets devices in: so that an operator sees when nobody uses an old one any more.

use std::collections::BTreeMap;

use fleetwire_registry::Accounts;
use fleetwire_registry::account::{PASSWORDS, PasswordRule};
use fleetwire_service::metrics::{Label, Metric};
use metrics::Counter;

const LOGINS: Metric = Metric::counter(
    "fleetwire_frontend_logins_total",
    "Logins of device accounts that were let in, by the password that was used.",
)
.labels(&[
    Label::text("account", "its name"),
    Label::words("password", &["1", "2", "3", "own", "certificate"]).note(
        "a number is that of the account's password, `own` is the device's; those that the account \
         has are there from the start",
    ),
])
.worry(
    "Logins with an old password when a change of it should be over. See \
     [operations.md](operations.md#changing-an-accounts-password).",
);

/// What is counted here.
pub(crate) const METRICS: &[Metric] = &[LOGINS];

/// What let a client in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// One of the account's passwords, by its number from 1.
    Shared(u8),
    /// The device's own password.
    Own,
    /// A certificate.
    Certificate,
}

impl Proof {
    const ALL: [Self; PASSWORDS as usize + 2] =
        [Self::Shared(1), Self::Shared(2), Self::Shared(3), Self::Own, Self::Certificate];

    /// The metric label.
    const fn code(self) -> &'static str {
        match self {
            Self::Shared(1) => "1",
            Self::Shared(2) => "2",
            Self::Shared(_) => "3",
            Self::Own => "own",
            Self::Certificate => "certificate",
        }
    }
}

/// Logins by account and by what let them in.
#[derive(Debug)]
pub(crate) struct ProofMetrics(BTreeMap<String, Vec<(Proof, Counter)>>);

impl ProofMetrics {
    /// Makes the handles. What an account has is there from the start, at zero.
    pub(crate) fn new(accounts: &Accounts) -> Self {
        LOGINS.describe();
        let handles = accounts.iter().map(|account| {
            let is_possible = |proof: &Proof| match proof {
                Proof::Shared(number) => account.passwords().any(|set| set == *number),
                Proof::Own => account.settings.password != PasswordRule::Certificate,
                Proof::Certificate => account.settings.password == PasswordRule::Certificate,
            };
            let handle = |proof: Proof| {
                let counter = LOGINS.counter_of([account.name.clone(), proof.code().to_owned()]);
                counter.increment(0);
                (proof, counter)
            };
            let handles = Proof::ALL.into_iter().filter(is_possible).map(handle).collect();
            (account.name.clone(), handles)
        });
        Self(handles.collect())
    }

    /// A client came in.
    pub(crate) fn count(&self, account: &str, proof: Proof) {
        let handles = self.0.get(account).into_iter().flatten();
        for (_, counter) in handles.filter(|(known, _)| *known == proof) {
            counter.increment(1);
        }
    }
}
