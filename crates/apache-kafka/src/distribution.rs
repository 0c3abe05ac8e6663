//! Apache Kafka's jars in the build folder, with what makes a start quick: a class-data archive and the
//! metadata every fresh data folder begins with. Fetched once, safely by several processes at a time.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cluster::{ApacheKafka, Options};
use crate::install;
use crate::layout;

/// The version of Apache Kafka that the checked-in `maven/pom.xml` names.
pub const KAFKA_VERSION: &str = "4.3.1";
/// Environment variable that says where the fetched Kafka is kept, in place of the build folder.
pub const HOME_ENV: &str = "FLEETWIRE_KAFKA_HOME";

const POM: &str = include_str!("../maven/pom.xml");
const LOG4J: &str = include_str!("../maven/log4j2.properties");
const COPY_DEPENDENCIES: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy-dependencies";
/// Flags of short-lived brokers: start-up counts, peak throughput does not.
const QUICK_JVM: [&str; 5] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
];

/// A fetched Apache Kafka.
#[derive(Debug, Clone)]
pub struct Distribution {
    home: PathBuf,
}

impl Distribution {
    /// Fetches Apache Kafka unless it is there; `progress` hears of each step that takes time.
    pub fn fetch(progress: &dyn Fn(&str)) -> Result<Self> {
        let this = Self { home: home()? };
        install::ensure_java(progress)?;
        if this.complete() {
            return Ok(this);
        }
        fs::create_dir_all(&this.home).with_context(|| format!("cannot create {}", this.home.display()))?;
        let lock = File::create(this.home.join("lock")).context("cannot create the lock file")?;
        lock.lock().context("cannot lock the folder")?;
        if this.complete() {
            return Ok(this);
        }
        this.fetch_locked(progress)?;
        Ok(this)
    }

    /// The folder it is kept in.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A JVM of this Kafka, quick to start, with its heap bounded to `heap_mib`.
    pub fn java(&self, heap_mib: u32) -> Command {
        let mut command = Command::new("java");
        command.args(self.java_arguments(heap_mib));
        command
    }

    pub(crate) fn java_arguments(&self, heap_mib: u32) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-Xms32m".into(), format!("-Xmx{heap_mib}m").into()];
        arguments.extend(QUICK_JVM.iter().map(OsString::from));
        let archive = self.archive();
        if archive.exists() {
            arguments.push(joined("-XX:SharedArchiveFile=", &archive));
        }
        arguments.push(joined("-Dlog4j2.configurationFile=file:", &self.lib().join("log4j2.properties")));
        arguments.push("-cp".into());
        arguments.push(self.lib().join("*").into_os_string());
        arguments
    }

    /// The metadata a fresh data folder starts from.
    pub(crate) fn bootstrap_checkpoint(&self) -> PathBuf {
        self.lib().join(layout::CHECKPOINT)
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.home.join("classes.jsa")
    }

    fn lib(&self) -> PathBuf {
        self.home.join("lib")
    }

    /// `lib` appears by one rename, so its presence says that everything is in it.
    fn complete(&self) -> bool {
        self.bootstrap_checkpoint().exists()
    }

    fn fetch_locked(&self, progress: &dyn Fn(&str)) -> Result<()> {
        install::ensure_maven(progress)?;
        let work = tempfile::Builder::new()
            .prefix("fetch-")
            .tempdir_in(&self.home)
            .context("cannot create a folder to fetch into")?;
        let pom = work.path().join("pom.xml");
        let lib = work.path().join("lib");
        fs::write(&pom, POM).context("cannot write pom.xml")?;
        progress(&format!("fetching Apache Kafka {KAFKA_VERSION} with Maven"));
        let output = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .arg(COPY_DEPENDENCIES)
            .arg("-DincludeScope=runtime")
            .arg(joined("-DoutputDirectory=", &lib))
            .stdin(Stdio::null())
            .output()
            .context("mvn cannot be started")?;
        if !output.status.success() {
            bail!("mvn failed: {}", String::from_utf8_lossy(&output.stdout).trim());
        }
        fs::write(lib.join("log4j2.properties"), LOG4J).context("cannot write log4j2.properties")?;
        progress("formatting a data folder to start others from");
        format_template(&lib, work.path())?;
        let _ = fs::remove_dir_all(self.lib());
        fs::rename(&lib, self.lib()).context("cannot move the fetched jars into place")?;
        progress("recording a class-data archive, so that later starts are quicker");
        // Only a matter of speed: a JVM that cannot write one starts without.
        if let Err(error) = self.record_archive(work.path()) {
            progress(&format!("no class-data archive: {error:#}"));
        }
        Ok(())
    }

    fn record_archive(&self, work: &Path) -> Result<()> {
        let archive = work.join("classes.jsa");
        let options =
            Options { extra_java: vec![joined("-XX:ArchiveClassesAtExit=", &archive)], ..Options::default() };
        let mut kafka = ApacheKafka::start_with(self, &options)?;
        kafka.stop()?;
        fs::rename(&archive, self.archive()).context("the JVM wrote no archive")
    }
}

/// Kafka's own tool writes the first metadata; copies of it then start any number of data folders.
fn format_template(lib: &Path, work: &Path) -> Result<()> {
    let data = work.join("template");
    let settings = work.join("template.properties");
    let text = layout::properties(&layout::Layout {
        node: 1,
        ports: &[layout::Ports { broker: 9092, controller: 9093 }],
        data: &data,
        extra: &[],
    });
    fs::write(&settings, text).context("cannot write the template's settings")?;
    let output = Command::new("java")
        .args(QUICK_JVM)
        .arg("-cp")
        .arg(lib.join("*"))
        .args(["kafka.tools.StorageTool", "format", "-t"])
        .arg(layout::random_id()?)
        .arg("-c")
        .arg(&settings)
        .stdin(Stdio::null())
        .output()
        .context("java cannot be started")?;
    if !output.status.success() {
        bail!("StorageTool failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::copy(data.join(layout::CHECKPOINT), lib.join(layout::CHECKPOINT))
        .context("StorageTool wrote no bootstrap.checkpoint")?;
    Ok(())
}

fn home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os(HOME_ENV) {
        return Ok(PathBuf::from(home));
    }
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    let home = target.join("apache-kafka").join(KAFKA_VERSION);
    std::path::absolute(home).context("the build folder has no absolute path")
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}
