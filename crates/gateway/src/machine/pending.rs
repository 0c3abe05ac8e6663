//! One command that has not ended.

use std::time::Duration;

use fleetwire_codec::iotm::output::UniqueId;
use fleetwire_model::pb::{self, CommandState, CommandStatus};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};

use super::{Context, Effects, Step, unique_id};

/// A command that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) command: pb::Command,
    pub(super) state: CommandState,
    sequence: u32,
    pub(super) attempts: u32,
    pub(super) unique_id: Option<UniqueId>,
    pub(super) session_epoch: u64,
    pub(super) frontend_id: String,
    /// Since when it may be with the device; absent if it surely is not.
    pub(super) published_ms: Option<i64>,
    pub(super) acknowledged_ms: Option<i64>,
    pub(super) approved_by: String,
    /// When the attempt began whose outcome is not known.
    pub(super) attempt_ms: Option<i64>,
    /// Whether that attempt is one of this gateway's, which will hear of its outcome.
    pub(super) is_running: bool,
    /// When telemetry is no longer waited for; of an acknowledged one.
    pub(super) confirm_by_ms: Option<i64>,
    /// No attempt before this.
    pub(super) next_try_ms: Option<i64>,
    /// Attempts in a row that failed.
    pub(super) failures: u32,
    /// What would confirm it, once it is acknowledged.
    pub(super) evidence: Option<pb::RawRef>,
    pub(super) has_ended: bool,
    /// When this gateway took it in; absent of one that another gateway took in.
    accepted_ms: Option<i64>,
}

impl Pending {
    pub(super) fn new(command: pb::Command) -> Self {
        Self {
            command,
            state: CommandState::Unspecified,
            sequence: 0,
            attempts: 0,
            unique_id: None,
            session_epoch: 0,
            frontend_id: String::new(),
            published_ms: None,
            acknowledged_ms: None,
            approved_by: String::new(),
            attempt_ms: None,
            is_running: false,
            confirm_by_ms: None,
            next_try_ms: None,
            failures: 0,
            evidence: None,
            has_ended: false,
            accepted_ms: None,
        }
    }

    /// What a gateway before this one knew. Its attempt may have been published, and nobody will hear of its outcome.
    pub(super) fn restore(record: pb::PendingCommand) -> Option<Self> {
        let state = record.state();
        let attempt_ms = record.attempt_time.as_ref().map(to_unix_ms);
        Some(Self {
            state,
            sequence: record.sequence,
            attempts: record.attempts,
            unique_id: record.unique_id.and_then(unique_id),
            session_epoch: record.session_epoch,
            frontend_id: record.frontend_id,
            published_ms: record.published_time.as_ref().map(to_unix_ms).or(attempt_ms),
            acknowledged_ms: record.acknowledged_time.as_ref().map(to_unix_ms),
            approved_by: record.approved_by,
            ..Self::new(record.command?)
        })
    }

    pub(super) fn record(&self) -> pb::PendingCommand {
        pb::PendingCommand {
            command: Some(self.command.clone()),
            state: self.state.into(),
            sequence: self.sequence,
            attempts: self.attempts,
            unique_id: self.unique_id.map(|id| id.get().into()),
            session_epoch: self.session_epoch,
            published_time: self.published_ms.map(from_unix_ms),
            acknowledged_time: self.acknowledged_ms.map(from_unix_ms),
            approved_by: self.approved_by.clone(),
            frontend_id: self.frontend_id.clone(),
            attempt_time: self.attempt_ms.map(from_unix_ms),
        }
    }

    /// Since when it has been under way, Unix milliseconds; by the sender's clock if another gateway took it in.
    pub(super) fn since_ms(&self) -> Option<i64> {
        self.accepted_ms.or_else(|| self.command.issued_time.as_ref().map(to_unix_ms))
    }

    /// The device must not act after this, Unix milliseconds.
    pub(super) fn expires_ms(&self) -> i64 {
        self.command.expire_time.as_ref().map_or(i64::MIN, to_unix_ms)
    }

    /// Whether it is still to be brought to the device.
    pub(super) fn is_undelivered(&self) -> bool {
        !self.has_ended && self.state != CommandState::Acknowledged
    }

    pub(super) fn try_soon(&mut self) {
        self.next_try_ms = None;
        self.failures = 0;
    }

    pub(super) fn try_later(&mut self, context: &Context<'_>) {
        let (first, longest) = (context.rules.retry_min, context.rules.retry_max);
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.next_try_ms = Some(context.now_ms.saturating_add(millis(pause)));
    }

    pub(super) fn next_wake_ms(&self) -> Option<i64> {
        if self.state == CommandState::Acknowledged {
            return self.confirm_by_ms;
        }
        if self.is_running {
            return None;
        }
        let expires = self.expires_ms();
        Some(self.next_try_ms.map_or(expires, |next| next.min(expires)))
    }

    /// A status that others follow.
    pub(super) fn tell(
        &mut self,
        state: CommandState,
        (code, reason): (&str, &str),
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        self.push(state, (code, reason), context, effects);
    }

    /// The last status.
    pub(super) fn end(
        &mut self,
        state: CommandState,
        (code, reason): (&str, &str),
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        self.has_ended = true;
        self.push(state, (code, reason), context, effects);
    }

    /// Ends it as something that cannot be: FAILED, if the device may have it all the same.
    pub(super) fn refuse(
        &mut self,
        (code, reason): (&str, &str),
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        if self.published_ms.is_some() {
            let reason = format!("{reason}; published before, it may have been carried out");
            self.end(CommandState::Failed, (code, &reason), context, effects);
        } else {
            self.end(CommandState::Rejected, (code, reason), context, effects);
        }
    }

    fn push(
        &mut self,
        state: CommandState,
        (code, reason): (&str, &str),
        context: &Context<'_>,
        effects: &mut Effects,
    ) {
        self.state = state;
        self.sequence += 1;
        self.accepted_ms = self.accepted_ms.or((self.sequence == 1).then_some(context.now_ms));
        let step = match state {
            CommandState::Acknowledged => self.published_ms.map(|since| (Step::SentToAcknowledged, since)),
            CommandState::Confirmed => {
                self.acknowledged_ms.map(|since| (Step::AcknowledgedToConfirmed, since))
            }
            _ => None,
        };
        effects.steps.extend(step.map(|(step, since)| (step, context.now_ms.saturating_sub(since))));
        let is_evident = matches!(state, CommandState::Confirmed | CommandState::Contradicted);
        effects.statuses.push(CommandStatus {
            command_id: self.command.command_id.clone(),
            device_id: self.command.device_id.clone(),
            state: state.into(),
            terminal: self.has_ended,
            time: Some(from_unix_ms(context.now_ms)),
            code: code.to_owned(),
            reason: reason.to_owned(),
            sequence: self.sequence,
            frontend_id: self.frontend_id.clone(),
            attempts: self.attempts,
            unique_id: self.unique_id.map(|id| id.get().into()),
            command: (self.sequence == 1).then(|| self.command.clone()),
            evidence: self.evidence.clone().filter(|_| is_evident),
        });
    }
}

/// Milliseconds of a duration.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
