//! Steps of devices that are followed, at the front door: who came in, who did not and why, and what was answered.

use fleetwire_model::DeviceId;
use fleetwire_model::pb::{TraceStep, TraceStepKind as Kind};
use fleetwire_mqtt::packet::{Connect, QoS};
use fleetwire_mqtt::{Event, NotAdmitted, Outcome, Peer, Refusal, SessionFacts};
use fleetwire_registry::{Accounts, Login};
use fleetwire_trace::{Following, Tracer};

use crate::directory::Directory;
use crate::identity::Identity;
use crate::trail::{qos, subject};

/// Characters of a text from a device that a step shows.
const SHOWN: usize = 64;

/// Tells steps of what happens at the front door.
#[derive(Debug)]
pub(crate) struct Steps {
    tracer: Tracer,
    directory: Directory,
    accounts: Accounts,
}

impl Steps {
    /// The registry and the accounts are for the reasons of refusals.
    pub(crate) fn new(tracer: Tracer, directory: Directory, accounts: Accounts) -> Self {
        Self { tracer, directory, accounts }
    }

    /// Tells an event, if it is of a device that is followed. Costs one load where nobody is.
    #[inline]
    pub(crate) fn note(&self, event: &Event<'_>) {
        if self.tracer.is_any() {
            self.tell(event);
        }
    }

    #[cold]
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::ConnectRefused(connect, peer, cause) => self.refused(connect, peer, *cause),
            Event::Connected(facts) => self.with(facts, Kind::Connected, |step| TraceStep {
                account: short(&facts.account),
                remote_address: facts.peer.to_string(),
                detail: format!("over {}, MQTT level {}", facts.transport.code(), facts.level as u8),
                ..step
            }),
            Event::Subscribed(facts, topic, granted) | Event::StillSubscribed(facts, topic, granted) => {
                self.with(facts, Kind::Subscribed, |step| TraceStep {
                    mqtt_topic: short(topic),
                    qos: Some(qos(*granted)),
                    ..step
                });
            }
            Event::SubscriptionRefused(facts) => self.with(facts, Kind::SubscribeRefused, |step| step),
            Event::PublishRefused(facts, _) => self.with(facts, Kind::PublishRefused, |step| TraceStep {
                code: "not_authorized".to_owned(),
                detail: "the account may not publish to this topic".to_owned(),
                ..step
            }),
            Event::Disconnected(facts, end) => {
                self.with(facts, Kind::Disconnected, |step| TraceStep {
                    code: end.code().to_owned(),
                    ..step
                });
            }
            // Others have no answer: a client before MQTT 5 cannot be told of a failure.
            Event::PublishAnswered { session, sequence, packet_id, qos: of, outcome, .. }
                if *of != QoS::AtMostOnce && (*outcome == Outcome::Stored || session.level.is_v5()) =>
            {
                self.with(session, Kind::Answered, |step| TraceStep {
                    subject: subject(session, *sequence),
                    qos: Some(qos(*of)),
                    packet_id: Some((*packet_id).into()),
                    code: match outcome {
                        Outcome::Stored => "success",
                        Outcome::Failed(failure) => failure.code(),
                    }
                    .to_owned(),
                    ..step
                });
            }
            _ => {}
        }
    }

    /// Tells a step of a session.
    fn with(&self, facts: &SessionFacts, kind: Kind, step: impl FnOnce(TraceStep) -> TraceStep) {
        if let Some(following) = self.following(facts) {
            let begin = TraceStep { subject: facts.session_id.to_string(), ..TraceStep::default() };
            following.tell(kind, step(begin));
        }
    }

    fn following(&self, facts: &SessionFacts) -> Option<Following> {
        self.tracer.follows(match facts.identity() {
            Some(Identity::Device { device, .. }) => device.as_str(),
            Some(Identity::Relay { client_id, .. }) => client_id,
            Some(Identity::Subscriber { .. } | Identity::Canary) | None => &facts.client_id,
        })
    }

    fn refused(&self, connect: &Connect, peer: &Peer, cause: NotAdmitted) {
        let Some(following) = self.tracer.follows(&connect.client_id) else { return };
        let step = TraceStep {
            code: cause.code().to_owned(),
            detail: self.why(connect, cause),
            account: short(connect.user_name.as_deref().unwrap_or_default()),
            remote_address: peer.address.to_string(),
            ..TraceStep::default()
        };
        following.tell(Kind::ConnectRefused, step);
    }

    /// Why a client is not let in, for people. The client itself is never told that much.
    fn why(&self, connect: &Connect, cause: NotAdmitted) -> String {
        let user = short(connect.user_name.as_deref().unwrap_or_default());
        let device: Option<DeviceId> = connect.client_id.parse().ok();
        let login = device.and_then(|device| self.directory.login(&device));
        let NotAdmitted::Refused(refusal) = cause else {
            return match cause {
                NotAdmitted::WillNotAllowed => "the account may not publish to the topic of the will",
                NotAdmitted::PacketsTooSmall => "the client takes no packet as large as its CONNACK",
                NotAdmitted::AuthenticationMethod => "extended authentication is not served",
                _ => "",
            }
            .to_owned();
        };
        match refusal {
            Refusal::BadCredentials => self.bad_credentials(&user, login.as_ref()),
            Refusal::NotAuthorized => not_authorized(&user, login.as_ref()),
            Refusal::BadClientId => format!("account `{user}` takes no such client id"),
            Refusal::QuotaExceeded => "too many devices that nobody activated are connected".to_owned(),
            Refusal::Throttled => "too many logins of this client or its address have failed".to_owned(),
            Refusal::ServerUnavailable => "the device registry is not read yet".to_owned(),
            Refusal::Banned | Refusal::ServerBusy => String::new(),
        }
    }

    fn bad_credentials(&self, user: &str, login: Option<&Login>) -> String {
        match login {
            _ if self.accounts.get(user).is_none() => format!("no device account is named `{user}`"),
            Some(login) if login.password.is_some() => {
                "the device has a password of its own, and it came with another".to_owned()
            }
            _ => format!("the password is not the one of account `{user}`"),
        }
    }
}

fn not_authorized(user: &str, login: Option<&Login>) -> String {
    match login {
        None => "nobody activated the device, and this frontend lets no others in".to_owned(),
        Some(login) if login.account() != user => {
            format!("the device belongs to account `{}` and came as `{user}`", login.account())
        }
        Some(login) if !login.device.is_active() => "the device is disabled".to_owned(),
        Some(_) => String::new(),
    }
}

/// The beginning of a text that may be long, and may hold anything.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
