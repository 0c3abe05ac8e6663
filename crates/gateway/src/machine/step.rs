//! Time passes, attempts end, the device reports, and what may go goes.

use fleetwire_codec::iotm::output::UniqueId;
use fleetwire_model::pb::CommandState;
use fleetwire_model::pb::command::Action as Asked;

use super::pending::{Pending, millis};
use super::{Attempt, Context, Delivered, DeviceCommands, Effects, Outcome, Telemetry};
use crate::order::{Order, OutputOrder, order};

const AWAITING_APPROVAL: (&str, &str) = ("awaiting_approval", "a second person has to approve it");
const AWAY: (&str, &str) = ("device_away", "the device is not connected");
const NOT_SUBSCRIBED: (&str, &str) = ("not_subscribed", "the device has not subscribed to its command topic");
const IN_TURN: (&str, &str) = ("in_turn", "an earlier command of the device comes first");
const TRIED: (&str, &str) = ("retry", "the last attempt did not reach the device");

impl DeviceCommands {
    /// An attempt has ended.
    pub(super) fn ended(&mut self, outcome: &Outcome, context: &Context<'_>, effects: &mut Effects) {
        let is_it = |pending: &&mut Pending| {
            pending.is_running
                && pending.attempts == outcome.attempt
                && pending.command.command_id == outcome.command_id
        };
        let Some(pending) = self.pending.iter_mut().find(is_it) else { return };
        pending.is_running = false;
        let began_ms = pending.attempt_ms.take();
        effects.changed = true;
        if matches!(outcome.result, Delivered::Acknowledged | Delivered::Unacknowledged | Delivered::Unknown)
        {
            pending.published_ms = pending.published_ms.or(began_ms);
        }
        if matches!(outcome.result, Delivered::Acknowledged | Delivered::Unacknowledged)
            && pending.state != CommandState::Published
        {
            pending.tell(CommandState::Published, ("", ""), context, effects);
        }
        match outcome.result {
            Delivered::Acknowledged => {
                let is_confirmable = confirmable(pending, &self.device, context).is_some();
                acknowledge(pending, is_confirmable, context, effects);
            }
            Delivered::Refused => {
                pending.refuse(("refused_by_device", "the device does not take it"), context, effects);
            }
            // By the clock of the frontend. Ours may be behind, and would have it tried again and again.
            Delivered::Expired if pending.published_ms.is_none() => {
                let word = ("expired", "its time was over by the clock of the frontend");
                pending.end(CommandState::Expired, word, context, effects);
            }
            Delivered::Expired => expire(pending, context, effects),
            _ => pending.try_later(context),
        }
    }

    /// The device reported outputs.
    pub(super) fn reported(&mut self, telemetry: &Telemetry, context: &Context<'_>, effects: &mut Effects) {
        let Self { device, pending, .. } = self;
        for pending in pending.iter_mut().filter(|pending| !pending.has_ended) {
            let Some(order) = confirmable(pending, device, context) else { continue };
            let number = order.confirmed_by;
            let Some((_, is_on)) = telemetry.outputs.iter().find(|(found, _)| Some(*found) == number) else {
                continue;
            };
            judge(pending, &order, (*is_on, telemetry), context, effects);
        }
    }

    /// Ends what has taken too long.
    pub(super) fn pass_time(&mut self, context: &Context<'_>, effects: &mut Effects) {
        for pending in &mut self.pending {
            if pending.has_ended || pending.is_running {
                continue;
            }
            if pending.state == CommandState::Acknowledged {
                let since = pending.acknowledged_ms.unwrap_or(context.now_ms);
                let until = since.saturating_add(millis(context.rules.confirm_within));
                pending.confirm_by_ms = Some(until);
                if context.now_ms >= until {
                    let word = ("unconfirmed", "no telemetry told in time whether it was carried out");
                    pending.end(CommandState::Acknowledged, word, context, effects);
                }
            } else if context.now_ms >= pending.expires_ms() {
                expire(pending, context, effects);
            }
        }
    }

    /// Ends undelivered commands for an output that has a newer one.
    pub(super) fn supersede(&mut self, context: &Context<'_>, effects: &mut Effects) {
        let outputs: Vec<Option<u8>> =
            self.pending.iter().map(|pending| self.output(pending, context)).collect();
        let newer = |at: usize| {
            let output = outputs.get(at).copied().flatten();
            output.is_some() && outputs.iter().skip(at + 1).any(|later| *later == output)
        };
        for (at, pending) in self.pending.iter_mut().enumerate() {
            if !pending.is_undelivered() || pending.is_running || !newer(at) {
                continue;
            }
            let word = if pending.published_ms.is_some() {
                ("maybe_published", "a newer command for the output came; this one may have been carried out")
            } else {
                ("", "a newer command for the output came")
            };
            pending.end(CommandState::Superseded, word, context, effects);
        }
    }

    /// The output that a command will switch, if nothing but its turn holds it back.
    fn output(&self, pending: &Pending, context: &Context<'_>) -> Option<u8> {
        if pending.has_ended || needs_approval(pending, context) {
            return None;
        }
        match order(&pending.command, &self.device, context.device) {
            Ok(Order::Output(order)) => Some(order.number),
            _ => None,
        }
    }

    /// Begins an attempt for the command whose turn it is.
    pub(super) fn advance(&mut self, context: &Context<'_>, effects: &mut Effects) {
        while let Some(at) = self.next(context) {
            let Some(pending) = self.pending.get_mut(at) else { return };
            let order = match order(&pending.command, &self.device, context.device) {
                Ok(order) => order,
                Err(rejection) => {
                    pending.refuse((rejection.code, &rejection.reason), context, effects);
                    continue;
                }
            };
            let switches_on = matches!(&order, Order::Output(order) if order.is_on);
            if let Some((code, reason)) = guard(context).filter(|_| switches_on) {
                pending.refuse((code, &reason), context, effects);
                continue;
            }
            if pending.next_try_ms.is_none_or(|next| context.now_ms >= next)
                && wait(&order, context).is_none()
            {
                self.begin(at, &order, context, effects);
            }
            return;
        }
    }

    /// The first command that is not delivered, unless one is being delivered.
    fn next(&self, context: &Context<'_>) -> Option<usize> {
        if self.pending.iter().any(|pending| pending.is_running) {
            return None;
        }
        self.pending.iter().position(|pending| {
            let is_next = pending.is_undelivered() && !needs_approval(pending, context);
            is_next && !may_be_passed(pending, context)
        })
    }

    fn begin(&mut self, at: usize, order: &Order, context: &Context<'_>, effects: &mut Effects) {
        let Some(session) = context.session else { return };
        if let Order::Output(order) = order {
            self.settle_earlier(at, order.number, context, effects);
        }
        let Some(pending) = self.pending.get_mut(at) else { return };
        let expires_ms = pending.expires_ms();
        let (topic, payload) = match order {
            Order::Output(order) => {
                let id = pending.unique_id.unwrap_or_else(|| next_id(self.last_unique_id, context.now_ms));
                pending.unique_id = Some(id);
                self.last_unique_id = Some(id);
                let expires = u32::try_from(expires_ms / 1000).unwrap_or(u32::MAX);
                (order.topic(&self.device), order.payload(id, expires))
            }
            Order::Raw { topic, payload } => (topic.clone(), payload.clone()),
            Order::Cancel(_) | Order::Approve(_) => return,
        };
        pending.attempts = pending.attempts.saturating_add(1);
        pending.attempt_ms = Some(context.now_ms);
        pending.is_running = true;
        pending.next_try_ms = None;
        pending.session_epoch = session.epoch;
        pending.frontend_id.clone_from(&session.frontend_id);
        effects.changed = true;
        effects.attempt = Some(Attempt {
            command_id: pending.command.command_id.clone(),
            attempt: pending.attempts,
            session: session.clone(),
            topic,
            payload,
            expire_time_ms: expires_ms,
        });
    }

    /// What telemetry says from now on is about the newer command.
    fn settle_earlier(&mut self, at: usize, output: u8, context: &Context<'_>, effects: &mut Effects) {
        for pending in self.pending.iter_mut().take(at) {
            if pending.has_ended || pending.state != CommandState::Acknowledged {
                continue;
            }
            let found = order(&pending.command, &self.device, context.device);
            if matches!(found, Ok(Order::Output(order)) if order.number == output) {
                let word = ("unconfirmed", "a newer command for the output went before telemetry could tell");
                pending.end(CommandState::Acknowledged, word, context, effects);
            }
        }
    }

    /// Says of what was accepted and does not go why that is.
    pub(super) fn queue(&mut self, context: &Context<'_>, effects: &mut Effects) {
        let first = self.pending.iter().position(|pending| {
            pending.is_undelivered() && (pending.is_running || !needs_approval(pending, context))
        });
        for (at, pending) in self.pending.iter_mut().enumerate() {
            if pending.state != CommandState::Accepted || pending.is_running {
                continue;
            }
            let word = if needs_approval(pending, context) {
                AWAITING_APPROVAL
            } else if first != Some(at) {
                IN_TURN
            } else {
                let found = order(&pending.command, &self.device, context.device);
                found.ok().and_then(|order| wait(&order, context)).unwrap_or(TRIED)
            };
            pending.tell(CommandState::Queued, word, context, effects);
        }
    }
}

/// The number of the next command. Without one that is known, any could be that of the one before.
fn next_id(last: Option<UniqueId>, now_ms: i64) -> UniqueId {
    let any = || u8::try_from((now_ms / 1000).rem_euclid(255) + 1).ok().and_then(|id| UniqueId::new(id).ok());
    last.map_or_else(|| any().unwrap_or(UniqueId::FIRST), UniqueId::next)
}

/// Whether others go first while this one pauses between attempts: raw bytes that surely did not reach the device,
/// because it may never subscribe to their topic.
fn may_be_passed(pending: &Pending, context: &Context<'_>) -> bool {
    let is_raw = matches!(pending.command.action, Some(Asked::RawDownlink(_)));
    let pauses = pending.next_try_ms.is_some_and(|next| context.now_ms < next);
    is_raw && pauses && pending.published_ms.is_none()
}

fn needs_approval(pending: &Pending, context: &Context<'_>) -> bool {
    context.guards.four_eyes && pending.approved_by.is_empty() && pending.published_ms.is_none()
}

/// Why an order cannot go now, if it has to wait for the device.
fn wait(order: &Order, context: &Context<'_>) -> Option<(&'static str, &'static str)> {
    match context.session {
        None => Some(AWAY),
        // Which topics a session has subscribed to beside that of commands, only its frontend knows.
        Some(session) if !session.accepts_commands && matches!(order, Order::Output(_)) => {
            Some(NOT_SUBSCRIBED)
        }
        Some(_) => None,
    }
}

/// Why no output may be switched on.
fn guard(context: &Context<'_>) -> Option<(&'static str, String)> {
    let guards = context.guards;
    if let Some(within) = guards.fix_within {
        let since = context.now_ms.saturating_sub(millis(within));
        if context.motion.is_none_or(|motion| motion.fix_time_ms < since) {
            let reason = format!("the device has no fix of the last {} s", within.as_secs_f64());
            return Some(("guard_fix", reason));
        }
    }
    let limit = guards.max_speed_kmh?;
    match context.motion.and_then(|motion| motion.speed_kmh) {
        Some(speed) if speed <= limit => None,
        Some(speed) => {
            Some(("guard_speed", format!("the device moves at {speed} km/h, more than {limit} km/h")))
        }
        None => Some(("guard_speed", "the speed of the device is not known".to_owned())),
    }
}

/// The order of a command that telemetry can confirm.
fn confirmable(
    pending: &Pending,
    device: &fleetwire_model::DeviceId,
    context: &Context<'_>,
) -> Option<OutputOrder> {
    match order(&pending.command, device, context.device) {
        Ok(Order::Output(order)) if order.confirmed_by.is_some() => Some(order),
        _ => None,
    }
}

fn acknowledge(pending: &mut Pending, is_confirmable: bool, context: &Context<'_>, effects: &mut Effects) {
    pending.acknowledged_ms = Some(context.now_ms);
    if !is_confirmable {
        let word = ("no_confirmation", "nothing that the device reports tells whether it was carried out");
        return pending.end(CommandState::Acknowledged, word, context, effects);
    }
    pending.tell(CommandState::Acknowledged, ("", ""), context, effects);
    if pending.evidence.is_some() {
        pending.end(CommandState::Confirmed, ("", ""), context, effects);
    }
}

/// What telemetry says of a command that was published.
fn judge(
    pending: &mut Pending,
    order: &OutputOrder,
    (is_on, telemetry): (bool, &Telemetry),
    context: &Context<'_>,
    effects: &mut Effects,
) {
    let Some(published_ms) = pending.published_ms.or(pending.attempt_ms) else { return };
    let (at, lasts) = (telemetry.device_time_ms, order.lasts.map(millis));
    let until = |since: i64| lasts.map_or(i64::MAX, |lasts| since.saturating_add(lasts));
    let acknowledged_ms = pending.acknowledged_ms;
    if is_on == order.is_on {
        // It was carried out between publish and acknowledgement, and holds for as long as it lasts.
        if at <= published_ms || at > until(acknowledged_ms.unwrap_or(context.now_ms)) {
            return;
        }
        pending.evidence = Some(telemetry.raw.clone().unwrap_or_default());
        if acknowledged_ms.is_some() {
            pending.end(CommandState::Confirmed, ("", ""), context, effects);
        }
        return;
    }
    let Some(acknowledged_ms) = acknowledged_ms else { return };
    let from = acknowledged_ms.saturating_add(millis(context.rules.contradict_after));
    if at > from && at < until(published_ms) {
        pending.evidence = Some(telemetry.raw.clone().unwrap_or_default());
        let word = ("", "the device reports the other state");
        pending.end(CommandState::Contradicted, word, context, effects);
    }
}

fn expire(pending: &mut Pending, context: &Context<'_>, effects: &mut Effects) {
    if pending.published_ms.is_some() {
        let word = ("unacknowledged", "published and never acknowledged; it may have been carried out");
        return pending.end(CommandState::Failed, word, context, effects);
    }
    let word = if needs_approval(pending, context) {
        AWAITING_APPROVAL
    } else {
        match context.session {
            None => AWAY,
            Some(session) if !session.accepts_commands => NOT_SUBSCRIBED,
            Some(_) => TRIED,
        }
    };
    pending.end(CommandState::Expired, word, context, effects);
}
