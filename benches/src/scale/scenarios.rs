//! What happens in each scenario.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fleetwire_model::Topic;

use super::cluster::BROKERS;
use super::run::Run;
use super::scene::Part;
use super::{Outcome, Scenario, Settings};

/// Runs a scenario. An error is a run that could not be judged; broken promises are in the outcome.
pub fn run(settings: &Settings, scenario: Scenario) -> Result<Outcome> {
    match scenario {
        Scenario::Decoders => decoders(settings),
        Scenario::Frontends => frontends(settings),
        Scenario::Roll => roll(settings),
        Scenario::Brokers => brokers(settings),
    }
}

fn decoders(settings: &Settings) -> Result<Outcome> {
    use Part::{Decoder, Frontend};
    let mut run = Run::start(settings, Scenario::Decoders, &[Frontend, Decoder])?;
    for name in ["add a second decoder", "add a third decoder"] {
        run.step(name, |run| {
            run.scene.add(Decoder)?;
            worked(run)
        })?;
    }
    let first = run.scene.names(Some(Decoder)).into_iter().next().context("no decoder")?;
    run.step("stop a decoder", |run| {
        run.scene.stop(&first)?;
        worked(run)
    })?;
    let second = run.scene.names(Some(Decoder)).into_iter().next().context("no decoder")?;
    run.step("kill a decoder", |run| {
        run.scene.kill(&second)?;
        worked(run)
    })?;
    run.finish()
}

fn frontends(settings: &Settings) -> Result<Outcome> {
    use Part::{Decoder, Frontend};
    let mut run = Run::start(settings, Scenario::Frontends, &[Frontend, Frontend, Decoder])?;
    let first_two = run.scene.names(Some(Frontend));
    for name in ["add a third frontend", "add a fourth frontend"] {
        run.step(name, |run| {
            run.scene.add(Frontend)?;
            spread(run)
        })?;
    }
    // The second refers to the first; the first to nobody in particular.
    let reasons = ["stop one, which refers to another", "stop one, which refers to none"];
    for (name, frontend) in reasons.into_iter().zip(first_two.iter().rev()) {
        run.step(name, |run| {
            run.scene.stop(frontend)?;
            spread(run)
        })?;
    }
    let victim = run.scene.names(Some(Frontend)).into_iter().next().context("no frontend")?;
    run.step("kill a frontend", |run| {
        run.scene.kill(&victim)?;
        spread(run)
    })?;
    run.finish()
}

fn roll(settings: &Settings) -> Result<Outcome> {
    use Part::{Api, Decoder, Frontend, Gaps, Gateway};
    let parts = [Frontend, Frontend, Decoder, Decoder, Gateway, Gateway, Gaps, Api];
    let mut run = Run::start(settings, Scenario::Roll, &parts)?;
    for member in run.scene.names(None) {
        run.step(&format!("restart {member}"), |run| {
            run.scene.restart(&member)?;
            run.connected()?;
            worked(run)
        })?;
    }
    run.finish()
}

fn brokers(settings: &Settings) -> Result<Outcome> {
    use Part::{Decoder, Frontend};
    let mut run = Run::start(settings, Scenario::Brokers, &[Frontend, Frontend, Decoder, Decoder])?;
    for broker in 0..BROKERS {
        run.step(&format!("restart broker {}", broker + 1), |run| {
            run.scene.cluster.as_mut().context("no brokers")?.restart(broker)?;
            recovered(run, settings)
        })?;
    }
    run.step("kill broker 1, start it again", |run| {
        run.scene.cluster.as_mut().context("no brokers")?.kill_and_restart(0)?;
        recovered(run, settings)
    })?;
    run.finish()
}

/// The partitions have workers again, which are through with what was there.
fn worked(run: &mut Run<'_>) -> Result<String> {
    let (given, caught_up) = run.worked()?;
    Ok(format!(
        "after the change: every partition has a decoder in {}, the backlog is worked off in {}",
        seconds(given),
        seconds(caught_up)
    ))
}

/// All devices are connected again, and spread.
fn spread(run: &mut Run<'_>) -> Result<String> {
    let connected = run.connected()?;
    let spread = connected + run.spread()?;
    let sessions = run.scene.balancer.spread();
    Ok(format!(
        "after the change: all devices are connected in {}, spread in {}: {sessions:?}",
        seconds(connected),
        seconds(spread)
    ))
}

/// All replicas are in sync, devices connected, and decoders through with what was there.
fn recovered(run: &mut Run<'_>, settings: &Settings) -> Result<String> {
    let begin = Instant::now();
    let partitions = Topic::ALL.len() * usize::from(settings.partitions);
    run.scene.cluster.as_ref().context("no brokers")?.in_sync(partitions)?;
    let in_sync = seconds(begin.elapsed());
    run.connected()?;
    Ok(format!("replicas are in sync {in_sync} after the brokers knew each other; {}", worked(run)?))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
