//! Plays every scenario, each client at the same time as the others.

use crate::saw::Saw;
use crate::scenario::{Client, Scenario};
use crate::{foreign, mosquitto, rumqttc_client};

/// What came of one scenario: what the client saw, or why it gave up.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    pub(crate) saw: Result<Saw, String>,
}

/// Scenarios that were played, and their last connections, which stay open until `standing` is dropped. Dropping
/// kills what holds them: no client has time to say goodbye.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) reports: Vec<Report>,
    pub(crate) standing: Vec<Box<dyn Standing>>,
}

/// Something that holds connections and dies when it is dropped.
pub(crate) trait Standing: Send + std::fmt::Debug {}
impl<T: Send + std::fmt::Debug> Standing for T {}

/// Plays each scenario in a thread of its own.
pub(crate) fn each(
    scenarios: Vec<Scenario>,
    one: impl Fn(&Scenario) -> Result<(Saw, Box<dyn Standing>), String> + Sync,
) -> Played {
    let played: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = scenarios.iter().map(|scenario| scope.spawn(|| one(scenario))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = Played::default();
    for (scenario, played) in scenarios.into_iter().zip(played) {
        let saw = played.map(|(saw, standing)| {
            all.standing.push(standing);
            saw
        });
        all.reports.push(Report { scenario, saw });
    }
    all
}

/// Plays everything.
pub(crate) fn all(scenarios: &[Scenario]) -> Played {
    let of = |client: Client| -> Vec<Scenario> {
        scenarios.iter().filter(|scenario| scenario.client == client).cloned().collect()
    };
    let played: Vec<Played> = std::thread::scope(|scope| {
        let threads = Client::ALL.map(|client| {
            let scenarios = of(client);
            scope.spawn(move || match client {
                Client::Mosquitto => mosquitto::play(scenarios),
                Client::Paho => foreign::python("paho_mqtt.py", scenarios),
                Client::Aiomqtt => foreign::python("aiomqtt_asyncio.py", scenarios),
                Client::MqttJs => foreign::node("mqtt_js.mjs", scenarios),
                Client::Rumqttc => rumqttc_client::play(scenarios),
            })
        });
        threads.map(|thread| thread.join().unwrap()).into()
    });
    let mut all = Played::default();
    for one in played {
        all.reports.extend(one.reports);
        all.standing.extend(one.standing);
    }
    all
}
