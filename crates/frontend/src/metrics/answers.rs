//! Publishes as their sessions see them: what they are answered, and when.

use std::time::Duration;

use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{Event, FailureReason, Outcome};
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Histogram};

const PUBACK_SECONDS: Metric = Metric::histogram(
    "fleetwire_frontend_puback_seconds",
    "From the reception of a publish of QoS 1 or 2 to its PUBACK or PUBREC, of those that were \
     stored; every one counts. It includes the wait for those before it, which are answered first. \
     The objective is 99.9 % below 1 s.",
)
.worry(
    "The share above 1 s grows: Kafka is slow (`fleetwire_kafka_delivery_seconds`), or this process \
     has too little CPU.",
);
const ACCOUNT_PUBLISHES: Metric = Metric::counter(
    "fleetwire_frontend_account_publishes_total",
    "Publishes of an account's clients, by what became of them. `stored`: Kafka has it, or, of a \
     subscriber account, the router. `refused`: the account does not allow the topic. `not_stored`, \
     `unacceptable`, `dropped`, `not_authorized`, `quota_exceeded`: as `reason` of \
     `fleetwire_frontend_publishes_unacknowledged_total`. `unanswered`: the connection ended first; \
     it may be stored all the same, and a device of QoS 1 or 2 sends it again.",
)
.worry(
    "Anything but `stored` grows. `unanswered` grows together with \
     `fleetwire_kafka_delivery_seconds`: devices give up waiting.",
)
.from_start(&[
    Label::text("account", "its name"),
    Label::words("qos", &["0", "1", "2"]),
    Label::words(
        "outcome",
        &[
            "stored",
            "refused",
            "not_stored",
            "unacceptable",
            "quota_exceeded",
            "not_authorized",
            "dropped",
            "unanswered",
        ],
    ),
]);
const PUBLISHES_REFUSED: Metric = Metric::counter(
    "fleetwire_frontend_publishes_refused_total",
    "Publishes to topics that the account does not allow; not stored.",
)
.worry("Any steady growth: a device with wrong topics loses its data.");
const PUBLISHES_UNACKNOWLEDGED: Metric = Metric::counter(
    "fleetwire_frontend_publishes_unacknowledged_total",
    "Publishes that were not stored, as their sessions learnt it. In MQTT 3.x the first ends the \
     session, and later ones of it are not counted here. Nothing sets `quota_exceeded` but the limits \
     of devices that nobody activated.",
)
.labels(&[Label::words(
    "reason",
    &["not_stored", "dropped", "unacceptable", "not_authorized", "quota_exceeded"],
)
.note("`not_authorized` is that of a subscriber")])
.worry(
    "Any growth: Kafka does not keep up or is away. `dropped` is a defect, outside of an aborted \
     stop.",
);
const DUPLICATES: Metric = Metric::counter(
    "fleetwire_frontend_duplicates_total",
    "QoS 2 publishes that came again before their release; not stored twice.",
)
.worry("Grows steadily: devices lose PUBRECs.");
const INGEST_FULL: Metric = Metric::counter(
    "fleetwire_frontend_ingest_full_total",
    "Times a session stopped being read because the producer was full, or for up to two seconds at \
     the end of the release of its device.",
)
.worry("Grows: Kafka is too slow for what comes.");

/// What is counted here.
pub(super) const METRICS: &[Metric] = &[
    PUBACK_SECONDS,
    ACCOUNT_PUBLISHES,
    PUBLISHES_REFUSED,
    PUBLISHES_UNACKNOWLEDGED,
    DUPLICATES,
    INGEST_FULL,
];

/// What becomes of publishes.
#[derive(Debug)]
pub(super) struct AnswerMetrics {
    accounts: Vec<(String, Account)>,
    puback: Histogram,
    refused: Counter,
    failed: CounterFamily,
    duplicates: Counter,
    ingest_full: Counter,
}

/// Of one account, by quality of service.
#[derive(Debug)]
struct Account([Answers; 3]);

/// By outcome.
#[derive(Debug)]
struct Answers {
    stored: Counter,
    refused: Counter,
    not_stored: Counter,
    unacceptable: Counter,
    quota_exceeded: Counter,
    not_authorized: Counter,
    dropped: Counter,
    unanswered: Counter,
}

impl AnswerMetrics {
    /// Makes the handles.
    pub(super) fn new(accounts: impl IntoIterator<Item = String>) -> Self {
        ACCOUNT_PUBLISHES.describe();
        let of = |name: String| {
            let account = Account(["0", "1", "2"].map(|qos| Answers::new(&name, qos)));
            (name, account)
        };
        Self {
            accounts: accounts.into_iter().map(of).collect(),
            puback: PUBACK_SECONDS.to_histogram(),
            refused: PUBLISHES_REFUSED.to_counter(),
            failed: PUBLISHES_UNACKNOWLEDGED.family(),
            duplicates: DUPLICATES.to_counter(),
            ingest_full: INGEST_FULL.to_counter(),
        }
    }

    /// Notes an event; `false` if it is none of these.
    pub(super) fn on(&self, event: &Event<'_>) -> bool {
        match *event {
            Event::PublishAnswered { session, qos, outcome, took, .. } => {
                self.answered(&session.account, qos, outcome, took);
            }
            Event::PublishRefused(session, qos) => {
                self.refused.increment(1);
                self.count(&session.account, qos, |answers| &answers.refused);
            }
            Event::PublishUnanswered(session, qos) => {
                self.count(&session.account, qos, |answers| &answers.unanswered);
            }
            Event::PublishFailed(_, reason) => self.failed.increment(reason.code()),
            Event::Duplicate(_) => self.duplicates.increment(1),
            Event::IngestFull(_) => self.ingest_full.increment(1),
            _ => return false,
        }
        true
    }

    fn answered(&self, account: &str, qos: QoS, outcome: Outcome, took: Duration) {
        match outcome {
            Outcome::Stored => {
                if qos > QoS::AtMostOnce {
                    self.puback.record(took);
                }
                self.count(account, qos, |answers| &answers.stored);
            }
            Outcome::Failed(reason) => self.count(account, qos, |answers| answers.failed(reason)),
        }
    }

    /// There are few accounts, so that looking through them costs less than a map. Clients of other accounts are not
    /// counted: they are this process' own.
    fn count(&self, account: &str, qos: QoS, outcome: impl FnOnce(&Answers) -> &Counter) {
        let Some((_, account)) = self.accounts.iter().find(|(name, _)| name == account) else { return };
        let [at_most_once, at_least_once, exactly_once] = &account.0;
        outcome(match qos {
            QoS::AtMostOnce => at_most_once,
            QoS::AtLeastOnce => at_least_once,
            QoS::ExactlyOnce => exactly_once,
        })
        .increment(1);
    }
}

impl Answers {
    fn new(account: &str, qos: &str) -> Self {
        let of = |outcome: &str| ACCOUNT_PUBLISHES.counter_of([account, qos, outcome].map(str::to_owned));
        Self {
            stored: of("stored"),
            refused: of("refused"),
            not_stored: of("not_stored"),
            unacceptable: of("unacceptable"),
            quota_exceeded: of("quota_exceeded"),
            not_authorized: of("not_authorized"),
            dropped: of("dropped"),
            unanswered: of("unanswered"),
        }
    }

    const fn failed(&self, reason: FailureReason) -> &Counter {
        match reason {
            FailureReason::NotStored => &self.not_stored,
            FailureReason::Dropped => &self.dropped,
            FailureReason::NotAuthorized => &self.not_authorized,
            FailureReason::QuotaExceeded => &self.quota_exceeded,
            FailureReason::Unacceptable => &self.unacceptable,
        }
    }
}
