//! A gateway, a frontend and a device in one, with a clock that the test turns.

use std::time::Duration;

use fleetwire_codec::iotm::output::{Action, OutputControl, Polarity, UniqueId};
use fleetwire_model::pb::command::Action as Asked;
use fleetwire_model::pb::{self, CommandState, CommandStatus, OutputAction};
use fleetwire_model::time::from_unix_ms;
use fleetwire_registry::Catalogue;

use crate::machine::{
    Attempt, Context, Delivered, DeviceCommands, Effects, Event, Guards, Motion, Outcome, Rules, SessionRef,
    Target, Telemetry,
};

pub(super) const IMEI: &str = "867035046242895";
/// A whole second, as expiries are.
pub(super) const START: i64 = 1_790_000_000_000;

/// What a device did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) command_id: String,
    pub(super) action: Action,
    pub(super) at_ms: i64,
    pub(super) expires_ms: i64,
}

pub(super) struct World {
    pub(super) now_ms: i64,
    pub(super) machine: DeviceCommands,
    pub(super) session: Option<SessionRef>,
    pub(super) target: Option<Target>,
    pub(super) motion: Option<Motion>,
    pub(super) guards: Guards,
    pub(super) rules: Rules,
    pub(super) statuses: Vec<CommandStatus>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) executed: Vec<Done>,
    last_id: Option<UniqueId>,
    record: pb::DeviceCommands,
    epoch: u64,
    commands: u32,
}

pub(super) fn target(model: &str) -> Target {
    let model = Catalogue::built_in().get(model).unwrap();
    Target { model, is_active: true, raw_topics: vec![format!("{IMEI}/OUTC")] }
}

impl World {
    pub(super) fn new() -> Self {
        let machine = DeviceCommands::new(IMEI.parse().unwrap());
        Self {
            now_ms: START,
            record: machine.record(),
            machine,
            session: None,
            target: Some(target("xirgo-lx41")),
            motion: None,
            guards: Guards::default(),
            rules: Rules::default(),
            statuses: Vec::new(),
            attempts: Vec::new(),
            executed: Vec::new(),
            last_id: None,
            epoch: 0,
            commands: 0,
        }
    }

    /// Applies an event; it becomes durable.
    pub(super) fn apply(&mut self, event: Event<'_>) -> Effects {
        let effects = self.try_apply(event);
        self.commit(effects.clone());
        effects
    }

    fn try_apply(&mut self, event: Event<'_>) -> Effects {
        let context = Context {
            now_ms: self.now_ms,
            session: self.session.as_ref(),
            device: self.target.as_ref(),
            motion: self.motion,
            guards: &self.guards,
            rules: &self.rules,
        };
        self.machine.apply(event, &context)
    }

    fn commit(&mut self, effects: Effects) {
        if effects.changed {
            self.record = self.machine.record();
        } else {
            assert_eq!(self.machine.record(), self.record, "a change that was not told");
        }
        self.statuses.extend(effects.statuses);
        self.attempts.extend(effects.attempt);
    }

    /// Applies an event, and the gateway dies before it is durable; the next one gets it again.
    pub(super) fn apply_twice(&mut self, event: Event<'_>) {
        self.try_apply(event.clone());
        self.restart();
        self.apply(event);
    }

    /// Another gateway takes over. Attempts of the earlier one are fenced off.
    pub(super) fn restart(&mut self) {
        self.machine = DeviceCommands::restore(IMEI.parse().unwrap(), self.record.clone());
        assert_eq!(self.machine.is_idle(), self.record.pending.is_empty());
        // That an attempt's outcome will not be heard of follows from the old record; the new one says it, if need be.
        self.record = self.machine.record();
        self.attempts.clear();
    }

    pub(super) fn command(&mut self, action: Asked, ttl: Duration) -> pb::Command {
        self.commands += 1;
        let expires_ms = self.now_ms + i64::try_from(ttl.as_millis()).unwrap();
        pb::Command {
            command_id: format!("c{}", self.commands),
            device_id: IMEI.to_owned(),
            issued_time: Some(from_unix_ms(self.now_ms)),
            expire_time: Some(from_unix_ms(expires_ms)),
            requested_by: "ann".to_owned(),
            action: Some(action),
        }
    }

    /// Submits a command for an output that expires in a minute; its id.
    pub(super) fn switch(&mut self, output: u32, action: OutputAction) -> String {
        let command = self.command(switch(output, action, None), Duration::from_mins(1));
        let id = command.command_id.clone();
        self.apply(Event::Command(command));
        id
    }

    pub(super) fn connect(&mut self) {
        self.epoch += 1;
        let frontend = self.epoch % 3;
        self.session = Some(SessionRef {
            epoch: self.epoch,
            frontend_id: format!("f{frontend}"),
            address: format!("f{frontend}:9465"),
            accepts_commands: true,
        });
        self.apply(Event::Session);
    }

    pub(super) fn disconnect(&mut self) {
        self.session = None;
        self.apply(Event::Session);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now_ms += i64::try_from(time.as_millis()).unwrap();
        self.apply(Event::Tick);
    }

    /// The frontend publishes the oldest attempt, if its session is still there; whether the device got it.
    pub(super) fn publish(&mut self) -> Option<(Attempt, bool)> {
        if self.attempts.is_empty() {
            return None;
        }
        let attempt = self.attempts.remove(0);
        let current = self.session.as_ref().is_some_and(|session| session.epoch == attempt.session.epoch);
        let is_published = current && self.now_ms < attempt.expire_time_ms;
        if is_published {
            self.obey(&attempt);
        }
        Some((attempt, is_published))
    }

    /// What the vendor says that a device does.
    fn obey(&mut self, attempt: &Attempt) {
        assert_eq!(attempt.topic, format!("{IMEI}/OUTC"));
        let control = OutputControl::parse(&attempt.payload, Polarity::OneIsOn).unwrap();
        assert_eq!(control.imei, Some(IMEI.parse().unwrap()));
        let expires_ms = i64::from(control.expires) * 1000;
        if self.now_ms > expires_ms || self.last_id == Some(control.unique_id) {
            return;
        }
        self.last_id = Some(control.unique_id);
        self.executed.push(Done {
            command_id: attempt.command_id.clone(),
            action: control.action,
            at_ms: self.now_ms,
            expires_ms,
        });
    }

    pub(super) fn outcome(&mut self, attempt: &Attempt, result: Delivered) {
        let outcome = Outcome { command_id: attempt.command_id.clone(), attempt: attempt.attempt, result };
        self.apply(Event::Outcome(outcome));
    }

    /// The oldest attempt is published and acknowledged.
    pub(super) fn acknowledge(&mut self) {
        let (attempt, is_published) = self.publish().unwrap();
        assert!(is_published);
        self.outcome(&attempt, Delivered::Acknowledged);
    }

    pub(super) fn telemetry(&mut self, output: u8, is_on: bool) {
        let raw = pb::RawRef { offset: self.now_ms, ..pb::RawRef::default() };
        let telemetry =
            Telemetry { device_time_ms: self.now_ms, outputs: vec![(output, is_on)], raw: Some(raw) };
        self.apply(Event::Telemetry(&telemetry));
    }

    /// The states of a command, with the words of the statuses that have one.
    pub(super) fn states(&self, id: &str) -> Vec<String> {
        let name = |status: &CommandStatus| {
            let state = status.state().as_str_name().trim_start_matches("COMMAND_STATE_").to_lowercase();
            let word = if status.code.is_empty() { state } else { format!("{state}:{}", status.code) };
            if status.terminal { format!("{word}.") } else { word }
        };
        self.statuses.iter().filter(|status| status.command_id == id).map(name).collect()
    }

    pub(super) fn last(&self, id: &str) -> &CommandStatus {
        self.statuses.iter().rfind(|status| status.command_id == id).unwrap()
    }

    pub(super) fn state(&self, id: &str) -> CommandState {
        self.last(id).state()
    }
}

pub(super) fn switch(output: u32, action: OutputAction, lasts: Option<Duration>) -> Asked {
    Asked::OutputControl(pb::OutputControl {
        output,
        action: action.into(),
        duration: lasts.map(|lasts| lasts.try_into().unwrap()),
    })
}
