//! A cluster of broker processes on loopback: started, broken on purpose, and stopped.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::distribution::Distribution;
use crate::layout::{self, Layout, Ports};
use crate::metadata;
use crate::node::Node;

const READY_LIMIT: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(20);
const ATTEMPTS: usize = 5;

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of nodes, each broker and controller.
    pub nodes: usize,
    /// Where records are kept; a temporary folder, removed at the end, if not given.
    pub data: Option<PathBuf>,
    /// Port of the first broker; a free one if not given.
    pub port: Option<u16>,
    /// Heap of each node, MiB.
    pub heap_mib: u32,
    /// Further broker settings; they win over ours.
    pub properties: Vec<(String, String)>,
    /// Further arguments of the JVMs.
    pub extra_java: Vec<OsString>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 1,
            data: None,
            port: None,
            heap_mib: 256,
            properties: Vec::new(),
            extra_java: Vec::new(),
        }
    }
}

/// A running Apache Kafka; dropping it stops it.
#[derive(Debug)]
pub struct ApacheKafka {
    // Before `folder`: processes go before their data.
    nodes: Vec<Node>,
    ports: Vec<Ports>,
    arguments: Vec<Vec<OsString>>,
    logs: PathBuf,
    /// Goes, with everything in it, after the processes.
    folder: Option<TempDir>,
}

impl ApacheKafka {
    /// One node with a temporary data folder, ready.
    pub fn single() -> Result<Self> {
        Self::start(&Options::default())
    }

    /// `nodes` nodes with temporary data folders, ready.
    pub fn cluster(nodes: usize) -> Result<Self> {
        Self::start(&Options { nodes, ..Options::default() })
    }

    /// Starts what the options say, and returns when every broker knows all others.
    pub fn start(options: &Options) -> Result<Self> {
        Self::start_with(&Distribution::fetch(&|_| {})?, options)
    }

    /// As [`Self::start`] with a distribution that was fetched before.
    pub fn start_with(distribution: &Distribution, options: &Options) -> Result<Self> {
        if options.nodes == 0 {
            bail!("a cluster has at least one node");
        }
        let (root, folder) = if let Some(data) = &options.data {
            (std::path::absolute(data)?, None)
        } else {
            let folder = tempfile::Builder::new().prefix("apache-kafka-").tempdir()?;
            (folder.path().to_owned(), Some(folder))
        };
        fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        let id = layout::cluster_id(&root.join("node-1"));
        let id = id.map_or_else(layout::random_id, Ok)?;
        for node in 1..=options.nodes {
            let data = root.join(format!("node-{node}"));
            layout::format(&data, node, &id, &distribution.bootstrap_checkpoint())?;
        }
        let mut attempt = 1;
        let mut started = loop {
            match Self::attempt(distribution, options, &root) {
                // Between our look for a free port and the broker's bind, another process may take it.
                Err(error) if attempt < ATTEMPTS && options.port.is_none() && port_was_taken(&error) => {
                    attempt += 1;
                }
                outcome => break outcome?,
            }
        };
        started.folder = folder;
        Ok(started)
    }

    /// `host:port` of every broker, comma-separated.
    pub fn bootstrap(&self) -> String {
        let hosts: Vec<String> =
            self.ports.iter().map(|ports| format!("127.0.0.1:{}", ports.broker)).collect();
        hosts.join(",")
    }

    /// The folder with one log file for each node.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Number of nodes, running or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a cluster has at least one node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether every node's process still runs.
    pub fn running(&mut self) -> bool {
        self.nodes.iter_mut().all(|node| !node.ended())
    }

    /// Kills a node (0-based) with SIGKILL.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.node(node)?.kill()
    }

    /// Starts a node (0-based) again on its old ports and data, and waits until all running nodes know each other.
    pub fn restart(&mut self, node: usize) -> Result<()> {
        self.node(node)?.stop()?;
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let arguments = self.arguments.get(node).context("no such node")?;
            let fresh = Node::spawn(arguments, &log_file(&self.logs, node))?;
            *self.node(node)? = fresh;
            match self.wait_ready(deadline) {
                Err(error) if port_was_taken(&error) && Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }

    /// Stops a node (0-based) from answering (SIGSTOP) until [`Self::resume`].
    pub fn pause(&mut self, node: usize) -> Result<()> {
        self.node(node)?.pause()
    }

    /// Lets a paused node (0-based) go on.
    pub fn resume(&mut self, node: usize) -> Result<()> {
        self.node(node)?.resume()
    }

    /// Stops every node: SIGTERM, and SIGKILL for those that do not go.
    pub fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().for_each(Node::begin_stop);
        self.nodes.iter_mut().try_for_each(Node::stop)
    }

    fn node(&mut self, node: usize) -> Result<&mut Node> {
        self.nodes.get_mut(node).with_context(|| format!("there is no node {node}"))
    }

    fn attempt(distribution: &Distribution, options: &Options, root: &Path) -> Result<Self> {
        let ports = free_ports(options.nodes, options.port)?;
        let mut this =
            Self { nodes: Vec::new(), ports, arguments: Vec::new(), logs: root.to_owned(), folder: None };
        for node in 0..options.nodes {
            let settings = root.join(format!("node-{}.properties", node + 1));
            let data = root.join(format!("node-{}", node + 1));
            let text = layout::properties(&Layout {
                node: node + 1,
                ports: &this.ports,
                data: &data,
                extra: &options.properties,
            });
            fs::write(&settings, text).with_context(|| format!("cannot write {}", settings.display()))?;
            let mut arguments = distribution.java_arguments(options.heap_mib);
            arguments.splice(0..0, options.extra_java.iter().cloned());
            arguments.push("kafka.Kafka".into());
            arguments.push(settings.into_os_string());
            let log = log_file(root, node);
            // An older start's lines would be taken for this one's.
            let _ = fs::remove_file(&log);
            this.nodes.push(Node::spawn(&arguments, &log)?);
            this.arguments.push(arguments);
        }
        this.wait_ready(Instant::now() + READY_LIMIT)?;
        Ok(this)
    }

    fn wait_ready(&mut self, deadline: Instant) -> Result<()> {
        // Nodes killed on purpose are not waited for; the others may count them until their session ends.
        let up = self.nodes.iter().filter(|node| !node.was_stopped()).count();
        for (node, ports) in self.nodes.iter_mut().zip(&self.ports) {
            if node.was_stopped() {
                continue;
            }
            while metadata::brokers(ports.broker).map_or(true, |known| known < up) {
                if node.ended() {
                    bail!("Apache Kafka ended at its start; its log: {}", node.log_tail());
                }
                if Instant::now() >= deadline {
                    bail!("Apache Kafka was not ready in time; its log: {}", node.log_tail());
                }
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }
}

impl Drop for ApacheKafka {
    fn drop(&mut self) {
        // All at once; each node's own drop then waits for it.
        self.nodes.iter_mut().for_each(Node::begin_stop);
    }
}

fn log_file(root: &Path, node: usize) -> PathBuf {
    root.join(format!("node-{}.log", node + 1))
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("Address already in use") || text.contains("BindException")
}

/// Ports nobody listens on at the moment.
fn free_ports(nodes: usize, first: Option<u16>) -> Result<Vec<Ports>> {
    let mut held = Vec::with_capacity(nodes * 2);
    let mut take = |wanted: u16| -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
            .with_context(|| format!("port {wanted} is not free"))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok(port)
    };
    (0..nodes)
        .map(|node| {
            let broker = take(if node == 0 { first.unwrap_or(0) } else { 0 })?;
            Ok(Ports { broker, controller: take(0)? })
        })
        .collect()
}
