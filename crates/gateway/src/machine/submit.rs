//! A command comes.

use fleetwire_model::pb::{self, CommandState};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};

use super::pending::{Pending, millis};
use super::{Context, DeviceCommands, Effects};
use crate::order::{Order, Rejection, order};

/// The word of commands that are done without the device.
const DONE: (&str, &str) = ("done", "");

impl DeviceCommands {
    pub(super) fn submit(&mut self, command: pb::Command, context: &Context<'_>, effects: &mut Effects) {
        if self.is_known(&command.command_id) {
            effects.is_repeat = true;
            return;
        }
        let found = order(&command, &self.device, context.device);
        let mut new = Pending::new(command);
        match found.and_then(|order| self.check(&mut new, &order, context).map(|()| order)) {
            Err(Rejection { code: "expired", reason }) => {
                new.end(CommandState::Expired, ("expired", &reason), context, effects);
            }
            Err(Rejection { code, reason }) => {
                new.end(CommandState::Rejected, (code, &reason), context, effects);
            }
            Ok(Order::Cancel(id)) => self.cancel(&mut new, &id, context, effects),
            Ok(Order::Approve(id)) => self.approve(&mut new, &id, context, effects),
            Ok(Order::Output(_) | Order::Raw { .. }) => self.accept(&mut new, context, effects),
        }
        self.pending.push(new);
    }

    fn is_known(&self, id: &str) -> bool {
        self.recent.iter().any(|recent| recent == id)
            || self.pending.iter().any(|pending| pending.command.command_id == id)
    }

    /// What holds for commands of any kind; brings the expiry forward to what is allowed.
    fn check(&self, new: &mut Pending, order: &Order, context: &Context<'_>) -> Result<(), Rejection> {
        let Some(expires) = &new.command.expire_time else {
            return Err(Rejection::new("no_expiry", "a command needs an expire_time"));
        };
        let latest = context.now_ms.saturating_add(millis(context.rules.max_ttl));
        // Devices know whole seconds only, and must not act later than they are told.
        let expires = to_unix_ms(expires).min(latest).div_euclid(1000).saturating_mul(1000);
        new.command.expire_time = Some(from_unix_ms(expires));
        if expires <= context.now_ms {
            return Err(Rejection::new("expired", "its time was over when it came"));
        }
        if !matches!(order, Order::Output(_) | Order::Raw { .. }) {
            return Ok(());
        }
        if self.pending.len() >= context.rules.max_pending {
            let reason = format!("{} commands of the device wait already", self.pending.len());
            return Err(Rejection::new("too_many", reason));
        }
        if let Some((count, within)) = context.guards.rate {
            let since = context.now_ms.saturating_sub(millis(within));
            let lately = self.accepted.iter().filter(|at| **at > since).count();
            if lately >= usize::try_from(count).unwrap_or(usize::MAX) {
                let seconds = within.as_secs_f64();
                let reason = format!("the device may have {count} commands in {seconds} s");
                return Err(Rejection::new("guard_rate", reason));
            }
        }
        Ok(())
    }

    fn accept(&mut self, new: &mut Pending, context: &Context<'_>, effects: &mut Effects) {
        new.tell(CommandState::Accepted, ("", ""), context, effects);
        let Some((count, _)) = context.guards.rate else {
            self.accepted.clear();
            return;
        };
        self.accepted.push_back(context.now_ms);
        let surplus = self.accepted.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        self.accepted.drain(..surplus);
    }

    fn cancel(&mut self, new: &mut Pending, id: &str, context: &Context<'_>, effects: &mut Effects) {
        let reason = match self.waiting(id) {
            Ok(other) if other.is_running || other.published_ms.is_some() => {
                ("too_late", "the command is on its way to the device")
            }
            Ok(other) => {
                let by = format!("by {}", new.command.requested_by);
                other.end(CommandState::Cancelled, ("", &by), context, effects);
                return new.end(CommandState::Confirmed, DONE, context, effects);
            }
            Err(reason) => reason,
        };
        new.end(CommandState::Rejected, reason, context, effects);
    }

    fn approve(&mut self, new: &mut Pending, id: &str, context: &Context<'_>, effects: &mut Effects) {
        let by = new.command.requested_by.clone();
        let reason = match self.waiting(id) {
            Ok(other) if by.is_empty() || other.command.requested_by == by => {
                ("same_person", "the one who asked for a command cannot approve it")
            }
            Ok(other) if !other.approved_by.is_empty() => {
                ("not_waiting", "the command has been approved before")
            }
            Ok(other) => {
                other.approved_by = by;
                effects.changed = true;
                return new.end(CommandState::Confirmed, DONE, context, effects);
            }
            Err(reason) => reason,
        };
        new.end(CommandState::Rejected, reason, context, effects);
    }

    /// A command that has not ended, or why there is none.
    fn waiting(&mut self, id: &str) -> Result<&mut Pending, (&'static str, &'static str)> {
        if self.recent.iter().any(|recent| recent == id) {
            return Err(("too_late", "the command has ended"));
        }
        let found =
            self.pending.iter_mut().find(|pending| pending.command.command_id == id && !pending.has_ended);
        found.ok_or(("unknown_command", "the device has no such command"))
    }
}
