//! What can be said of a command before it is sent: whether the device is there, and whether its model can do it.

use std::time::Duration;

use fleetwire_codec::iotm::output::Steps;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::DeviceStatus;
use fleetwire_registry::Model;
use fleetwire_registry::outputs::{Drive, Output};

use super::form::Switch;
use crate::app::App;
use crate::problem::{Code, Refusal};

/// The model of a device that may be told something.
pub(super) fn model(app: &App, device: &DeviceId) -> Result<&'static Model, Refusal> {
    let record = app.record(device)?;
    if record.status() != DeviceStatus::Active {
        let detail = format!("device {device} is disabled; enable it first");
        return Err(Refusal::new(Code::Disabled, detail));
    }
    app.needs.catalogue.get(&record.model).ok_or_else(|| {
        let detail =
            format!("device {device} has the model `{}`, which this API does not know", record.model);
        Refusal::new(Code::Invalid, detail)
    })
}

/// Whether the model's output can do that.
pub(super) fn output(
    model: &Model,
    number: u8,
    switch: Switch,
    duration: Option<Duration>,
) -> Result<(), Refusal> {
    let refuse = |detail: String| Err(Refusal::new(Code::Invalid, detail));
    let outputs = &model.outputs.outputs;
    if outputs.is_empty() {
        let id = model.id;
        return refuse(format!(
            "model {id} has no outputs that can be controlled; `GET /v1/models` tells which have"
        ));
    }
    let Some(output) = model.outputs.get(number) else {
        let has: Vec<String> = outputs.iter().map(named).collect();
        return refuse(format!("model {} has no output {number}; it has {}", model.id, has.join(", ")));
    };
    let name = named(output);
    match (output.id.drive(), switch, duration) {
        (Drive::Latched(_), Switch::Pulse, _) => refuse(format!(
            "output {name} stays as it is told, so it has no pulse; use \"on\" or \"off\", or a timed output"
        )),
        (Drive::Latched(_), _, Some(_)) => refuse(format!(
            "output {name} stays as it is told and takes no `duration`; leave it out, or use a timed output"
        )),
        (Drive::Timed(_), Switch::Pulse, None) => {
            refuse("a pulse needs a `duration`, for example \"500ms\"".to_owned())
        }
        (Drive::Timed(_), _, Some(duration)) => match Steps::try_from(duration) {
            Ok(_) => Ok(()),
            Err(err) => refuse(format!("`duration`: {err}")),
        },
        _ => Ok(()),
    }
}

/// An output as a person looks for it.
fn named(output: &Output) -> String {
    let kind = output.id.kind();
    if output.name.is_empty() {
        format!("{} ({kind})", output.number)
    } else {
        format!("{} ({}, {kind})", output.number, output.name)
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_registry::Catalogue;

    use super::*;

    fn check(model: &str, number: u8, switch: Switch, duration_ms: Option<u64>) -> Result<(), String> {
        let model = Catalogue::built_in().get(model).unwrap();
        output(model, number, switch, duration_ms.map(Duration::from_millis))
            .map_err(|err| err.detail().to_owned())
    }

    #[test]
    fn what_an_output_cannot_do_is_refused_with_what_would_work() {
        let lx41 = |number, switch, duration| check("xirgo-lx41", number, switch, duration);
        for (number, switch, duration, part) in [
            (
                7,
                Switch::On,
                None,
                "it has 1 (OUT1, timed), 2 (OUT2, timed), 3 (OUT3, timed), 4 (S1, latched)",
            ),
            (1, Switch::Pulse, None, "needs a `duration`"),
            (1, Switch::On, Some(0), "0.01 to 655.35"),
            (1, Switch::On, Some(655_360), "0.01 to 655.35"),
            (1, Switch::On, Some(15), "steps of 0.01"),
            (4, Switch::Pulse, Some(500), "\"on\" or \"off\""),
            (4, Switch::On, Some(500), "leave it out"),
        ] {
            let said = lx41(number, switch, duration).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
        let none = check("globalmatix-xtcu", 1, Switch::On, None).unwrap_err();
        assert!(none.contains("no outputs"), "{none}");
    }

    #[test]
    fn what_an_output_can_do_is_let_through() {
        for (number, switch, duration) in [
            (1, Switch::On, None),
            (1, Switch::Off, Some(10)),
            (3, Switch::Pulse, Some(655_350)),
            (4, Switch::On, None),
            (5, Switch::Off, None),
        ] {
            assert_eq!(check("xirgo-lx41", number, switch, duration), Ok(()), "{number}");
        }
    }
}
