//! rumqttc: what its two clients, for MQTT 3.1.1 and for 5, have in common is played here.

mod v4;
mod v5;

use std::path::Path;
use std::time::Duration;

use rumqttc::Transport;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::play::{Played, Standing, each};
use crate::saw::Saw;
use crate::scenario::{self, Scenario, Version};
use crate::support::LIMIT;

const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What the server said, as far as a scenario cares.
#[derive(Debug)]
enum Answer {
    Accepted {
        session_present: bool,
        limits: Map<String, Value>,
    },
    /// A publish of quality of service 1 or 2 is done.
    Done(u8),
    /// What a subscription was granted, or how it was refused.
    Subscribed(Result<u8, String>),
    Other,
}

/// How a connection is opened.
#[derive(Debug, Clone)]
struct Opening {
    password: &'static str,
    clean: bool,
    will: Option<String>,
}

/// One of the two clients.
trait Client: Sized + Send + std::fmt::Debug + 'static {
    fn open(scenario: &Scenario, opening: Opening) -> Self;
    /// The next event; an error ends the connection.
    async fn next(&mut self) -> Result<Answer, String>;
    async fn publish(&self, qos: u8, payload: String) -> Result<(), String>;
    async fn subscribe(&self, topic: &str) -> Result<(), String>;
    async fn disconnect(&self) -> Result<(), String>;
}

/// Plays scenarios.
pub(crate) fn play(scenarios: Vec<Scenario>) -> Played {
    each(scenarios, |scenario| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match scenario.version {
            Version::V5 => {
                let (saw, client) = runtime.block_on(one::<v5::Door>(scenario))?;
                Ok((saw, Box::new((client, runtime)) as Box<dyn Standing>))
            }
            Version::V31 | Version::V311 => {
                let (saw, client) = runtime.block_on(one::<v4::Door>(scenario))?;
                Ok((saw, Box::new((client, runtime)) as Box<dyn Standing>))
            }
        }
    })
}

async fn one<C: Client>(scenario: &Scenario) -> Result<(Saw, C), String> {
    let own = format!("{}/OUTC", scenario.client_id);
    let right = Opening { password: scenario.password, clean: true, will: None };
    let mut saw = Saw { library: library(), ..Saw::default() };

    let mut wrong = C::open(scenario, Opening { password: "not the password", ..right.clone() });
    saw.wrong_password = accepted(&mut wrong).await.err();

    let mut client = C::open(scenario, Opening { will: Some(scenario.unwanted_will()), ..right.clone() });
    saw.limits = Some(accepted(&mut client).await?.1);
    for qos in 0..=2 {
        client.publish(qos, scenario.payload(&format!("qos {qos}"))).await?;
        if qos > 0 {
            wait(&mut client, |answer| matches!(answer, Answer::Done(done) if done == qos).then_some(()))
                .await?;
        }
        saw.acknowledged.push(qos);
    }
    saw.granted = subscribed(&mut client, &own).await?.ok();
    saw.refused = subscribed(&mut client, "#").await?.err();
    goodbye(client).await?;

    let mut present = [false; 2];
    for visit in &mut present {
        let mut client = C::open(scenario, Opening { clean: false, ..right.clone() });
        *visit = accepted(&mut client).await?.0;
        let _ = subscribed(&mut client, &own).await?;
        goodbye(client).await?;
    }
    saw.session_present = Some(present);

    let mut client = C::open(scenario, Opening { will: Some(scenario.will()), ..right });
    accepted(&mut client).await?;
    Ok((saw, client))
}

/// Waits for an answer of a kind.
async fn wait<C: Client, T>(
    client: &mut C,
    mut wanted: impl FnMut(Answer) -> Option<T>,
) -> Result<T, String> {
    let answer = async {
        loop {
            if let Some(found) = wanted(client.next().await?) {
                return Ok(found);
            }
        }
    };
    timeout(LIMIT, answer).await.unwrap_or_else(|_| Err("no answer".to_owned()))
}

async fn accepted<C: Client>(client: &mut C) -> Result<(bool, Map<String, Value>), String> {
    wait(client, |answer| match answer {
        Answer::Accepted { session_present, limits } => Some((session_present, limits)),
        _ => None,
    })
    .await
}

async fn subscribed<C: Client>(client: &mut C, topic: &str) -> Result<Result<u8, String>, String> {
    client.subscribe(topic).await?;
    wait(client, |answer| match answer {
        Answer::Subscribed(granted) => Some(granted),
        _ => None,
    })
    .await
}

/// Says goodbye, and waits until the server has closed the connection.
async fn goodbye<C: Client>(mut client: C) -> Result<(), String> {
    client.disconnect().await?;
    let closed = async { while client.next().await.is_ok() {} };
    timeout(LIMIT, closed).await.map_err(|_| "the connection was not closed".to_owned())
}

/// The transport, and the address as rumqttc wants it: a URL for WebSocket.
fn route(scenario: &Scenario) -> (Transport, String) {
    let Scenario { host, port, path, ca, certificate, key, .. } = scenario;
    let ca = || std::fs::read(ca).unwrap();
    let own = || Some((std::fs::read(certificate.as_ref()?).unwrap(), std::fs::read(key.as_ref()?).unwrap()));
    match scenario.transport {
        scenario::Transport::Tcp => (Transport::tcp(), (*host).to_owned()),
        scenario::Transport::Tls => (Transport::tls(ca(), own(), None), (*host).to_owned()),
        scenario::Transport::Ws => (Transport::ws(), format!("ws://{host}:{port}{path}")),
        scenario::Transport::Wss => (Transport::wss(ca(), own(), None), format!("wss://{host}:{port}{path}")),
    }
}

/// The version in the lock file.
fn library() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let own = packages.iter().find(|package| package["name"].as_str() == Some("rumqttc")).unwrap();
    own["version"].as_str().unwrap().to_owned()
}
