//! What a node's data folder and settings file hold. Every node is broker and controller (`KRaft`) with a static
//! quorum, so that ports may change between starts.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Name of the file that holds a fresh folder's first metadata.
pub(crate) const CHECKPOINT: &str = "bootstrap.checkpoint";
const META: &str = "meta.properties";

/// The two ports of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) broker: u16,
    pub(crate) controller: u16,
}

/// One node among its peers.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    /// 1-based; its ports are `ports[node - 1]`.
    pub(crate) node: usize,
    pub(crate) ports: &'a [Ports],
    pub(crate) data: &'a Path,
    pub(crate) extra: &'a [(String, String)],
}

/// The settings file of one node.
pub(crate) fn properties(layout: &Layout<'_>) -> String {
    let Layout { node, ports, data, extra } = *layout;
    let replicas = ports.len().min(3);
    let min_isr = if replicas >= 3 { 2 } else { 1 };
    let voters: Vec<String> =
        (1..).zip(ports).map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller)).collect();
    let own = ports.get(node - 1).copied().unwrap_or(Ports { broker: 0, controller: 0 });
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id={node}\n\
         controller.quorum.voters={voters}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         num.partitions=4\n\
         default.replication.factor={replicas}\n\
         min.insync.replicas={min_isr}\n\
         offsets.topic.replication.factor={replicas}\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={min_isr}\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={min_isr}\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=500\n\
         transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
         log.cleaner.backoff.ms=500\n\
         log.cleaner.dedupe.buffer.size=33554432\n\
         num.network.threads=2\n\
         num.io.threads=4\n\
         num.recovery.threads.per.data.dir=2\n",
        voters = voters.join(","),
        broker = own.broker,
        controller = own.controller,
        data = data.display(),
    );
    for (key, value) in extra {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key}={value}");
    }
    text
}

/// Makes `data` a formatted folder of `node` unless it is one already.
pub(crate) fn format(data: &Path, node: usize, cluster_id: &str, checkpoint: &Path) -> Result<()> {
    if data.join(META).exists() {
        return Ok(());
    }
    fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    fs::copy(checkpoint, data.join(CHECKPOINT)).context("cannot copy the first metadata")?;
    let directory_id = random_id()?;
    // Last, because its presence says that the folder is formatted.
    fs::write(
        data.join(META),
        format!("version=1\ncluster.id={cluster_id}\nnode.id={node}\ndirectory.id={directory_id}\n"),
    )
    .context("cannot write meta.properties")
}

/// The cluster id that a folder was formatted with.
pub(crate) fn cluster_id(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join(META)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("cluster.id=")).map(str::to_owned)
}

/// A random id in Kafka's form: 16 bytes as 22 characters of URL-safe Base64.
pub(crate) fn random_id() -> Result<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0_u8; 21];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read random bytes")?;
    let mut id: String = bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
        .map(|letter| char::from(*letter))
        .collect();
    // 22 characters hold 132 bits; the last one's low four bits must be zero.
    id.push('A');
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_three_replicates_and_knows_its_peers() {
        let ports: Vec<Ports> = (0..3).map(|i| Ports { broker: 100 + i, controller: 200 + i }).collect();
        let text = properties(&Layout {
            node: 2,
            ports: &ports,
            data: Path::new("/data/2"),
            extra: &[("log.retention.ms".into(), "5".into())],
        });
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:200,2@127.0.0.1:201,3@127.0.0.1:202",
            "advertised.listeners=PLAINTEXT://127.0.0.1:101",
            "min.insync.replicas=2",
            "log.dirs=/data/2",
            "log.retention.ms=5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn a_formatted_folder_keeps_its_cluster_id() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("checkpoint");
        fs::write(&checkpoint, b"x").unwrap();
        let data = folder.path().join("data");
        let id = random_id().unwrap();
        format(&data, 1, &id, &checkpoint).unwrap();
        format(&data, 1, "another", &checkpoint).unwrap();
        assert_eq!(cluster_id(&data), Some(id));
    }
}
