//! The `fleetwire` binary: every service of the pipeline, and the tools around it, as subcommands.

mod api;
mod backup;
mod banner;
mod check_config;
mod client;
mod command;
mod command_gateway;
mod config;
mod dead_letters;
mod decode;
mod device;
mod gaps;
mod json;
mod mapping;
mod metrics_reference;
mod model;
mod parts;
mod process;
mod public;
mod replay;
mod run;
mod runfile;
mod service;
mod simulate;
mod table;
mod target;
mod topic_check;
mod topics;
mod trace;
mod watch;
mod when;
mod whole;
mod writer;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use fleetwire_service::exit::Exit;
use mimalloc::MiMalloc;

/// A record is allocated on one thread and given back on another, in Rust and in librdkafka, which is what glibc's
/// allocator is slowest at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Streaming ingestion for GPS trackers that speak MQTT: device -> Kafka -> decoded positions.
#[derive(Debug, Parser)]
#[command(
    name = "fleetwire",
    version = banner::VERSION,
    long_version = banner::LONG_VERSION,
    max_term_width = 100,
    after_help = banner::EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole pipeline in one process: frontend, decoder, API, an embedded log, admin HTTP
    Run(run::RunArgs),
    /// Run the MQTT front door: device publishes into Kafka
    Frontend(service::FrontendArgs),
    /// Run a decoder worker: raw publishes into positions
    Decoder(service::DecoderArgs),
    /// Run a command gateway: commands to devices, and what became of them
    #[command(name = "command-gateway")]
    Gateway(command_gateway::CommandGatewayArgs),
    /// Serve the HTTP API: devices, models, who knocks, where devices are, commands to them
    Api(api::ApiArgs),
    /// Keep the gap ledger: which device lost what; and show it
    Gaps(gaps::GapsArgs),
    /// Drive a pipeline with simulated devices
    Simulate(simulate::SimulateArgs),
    /// Take one payload apart: every record and item with its place and meaning
    Decode(decode::DecodeArgs),
    /// Show what flows, live
    Watch(watch::WatchArgs),
    /// Follow one device: each step of its publishes and commands, live, through every service
    Trace(trace::TraceArgs),
    /// Look at what could not be decoded, and decode it again
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Decode a range of stored publishes again, or compare it with what was produced
    Replay(replay::ReplayArgs),
    /// Let devices in, look at them, lock them out
    Device(device::DeviceArgs),
    /// Tell devices what to do, and see what becomes of it
    #[command(name = "command")]
    Order(command::CommandArgs),
    /// List the device models
    Model(model::ModelArgs),
    /// Write a mapping for JSON payloads, and test it on samples
    Mapping(mapping::MappingArgs),
    /// Print the reference of all metrics
    Metrics(metrics_reference::MetricsArgs),
    /// Create the Kafka topics, or check them
    Topics(topics::TopicsArgs),
    /// Back up the registry and the audit trail
    Export(backup::ExportArgs),
    /// Take a backup back, into a new cluster
    Import(backup::ImportArgs),
    /// Check a configuration file without starting anything
    CheckConfig(check_config::CheckConfigArgs),
    /// Print shell completions
    Completions {
        /// The shell that they are for
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Frontend(args) => service::frontend(&args),
        Command::Decoder(args) => service::decoder(&args),
        Command::Gateway(args) => command_gateway::command_gateway(&args),
        Command::Api(args) => api::api(&args),
        Command::Gaps(args) => gaps::gaps(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Decode(args) => decode::decode(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::DeadLetters(args) => dead_letters::dead_letters(args),
        Command::Replay(args) => replay::replay(args),
        Command::Device(args) => device::device(&args),
        Command::Order(args) => command::command(&args),
        Command::Model(args) => model::model(&args),
        Command::Mapping(args) => mapping::mapping(&args),
        Command::Metrics(args) => metrics_reference::metrics(&args),
        Command::Topics(args) => topics::topics(&args),
        Command::Export(args) => backup::export(args),
        Command::Import(args) => backup::import(args),
        Command::CheckConfig(args) => check_config::check(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fleetwire", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    };
    outcome.unwrap_or_else(|error| process::report(&error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
