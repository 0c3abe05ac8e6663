//! `fleetwire device import`.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write, stdin, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fleetwire_service::exit::Exit;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use super::batches::{Batch, Batches};
use super::files::{Format, is_standard};
use crate::client::{Api, ApiFlags, Ask, Counts, ImportLine, LineError};
use crate::process::Usage;
use crate::table::counted;

/// Errors that are shown; the file of --errors has the lines of all.
const SHOWN: u64 = 100;

/// Lines are taken one by one: one that is wrong does not stop the others. The exit code is 1 if any line failed.
///
/// CSV begins with a header of the columns that it has: id and model, and name, group, labels (k=v;k=v), account, status
/// (active or disabled), password. JSON lines have the fields of the API. What `device export` writes is taken.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its format [default: what the end of its name tells]
    #[arg(long)]
    format: Option<Format>,
    /// What becomes of devices that are registered already
    #[arg(long, default_value = "fail")]
    existing: Existing,
    /// Accept IMEIs whose check digit is wrong
    #[arg(long)]
    accept_check_digit: bool,
    /// Write the lines that failed into a file that can be imported once they are mended
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Print each error, and the counts at the end, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Existing {
    /// Their lines fail
    Fail,
    /// They stay as they are
    Keep,
    /// They get what the line says
    Update,
}

impl Existing {
    const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Keep => "keep",
            Self::Update => "update",
        }
    }
}

impl ImportArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        let Some(format) = self.format.or_else(|| Format::of(&self.file)) else {
            return Err(Usage("say with --format whether it is csv or jsonl".into()).into());
        };
        let open = || format!("{} cannot be read", self.file.display());
        let (file, size): (Box<dyn Read>, u64) = if is_standard(&self.file) {
            (Box::new(stdin().lock()), 0)
        } else {
            let file = File::open(&self.file).with_context(open)?;
            let size = file.metadata().with_context(open)?.len();
            (Box::new(file), size)
        };
        let mut batches = Batches::new(format, file).with_context(open)?;
        let failed = Failed { path: self.errors.as_deref(), header: batches.header().to_vec(), file: None };
        let mut report =
            Report { counts: Counts::default(), told: 0, json: self.json, failed, bar: bar(size) };
        flags.with(|api| {
            let (format_name, existing) = (format.name(), self.existing.name());
            let digit = if self.accept_check_digit { "&accept_check_digit=true" } else { "" };
            let path = format!("/v1/devices/import?format={format_name}&existing={existing}{digit}");
            let ask = Ask::new("POST", &path);
            while let Some(batch) = batches.next().with_context(open)? {
                let first = batch.lines.first().map_or(0, |line| line.number);
                report.send(api, ask.body(format.media_type(), &batch.body), &batch).with_context(|| {
                    format!(
                        "the import stopped: {} before line {first} are done, of those from there on some may be; run \
                         it again with --existing keep to go on",
                        counted(report.counts.lines, "line")
                    )
                })?;
                report.show(batches.bytes());
            }
            report.end()
        })
    }
}

fn bar(size: u64) -> ProgressBar {
    // Drawn on standard error; indicatif draws nothing if that is no terminal.
    let (bar, template) = if size == 0 {
        (ProgressBar::no_length(), "{elapsed_precise} {msg}")
    } else {
        (ProgressBar::new(size), "{elapsed_precise} {wide_bar} {percent}% {msg}")
    };
    ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
}

/// The lines that failed, as they were.
#[derive(Debug)]
struct Failed<'a> {
    path: Option<&'a Path>,
    header: Vec<u8>,
    file: Option<File>,
}

impl Failed<'_> {
    fn keep(&mut self, text: &[u8]) -> Result<()> {
        let Some(path) = self.path else { return Ok(()) };
        let mut write = || -> io::Result<()> {
            let file = match &mut self.file {
                Some(file) => file,
                none => {
                    let file = none.insert(File::create(path)?);
                    file.write_all(&self.header)?;
                    file
                }
            };
            file.write_all(text)
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// What became of the lines so far.
#[derive(Debug)]
struct Report<'a> {
    counts: Counts,
    /// Errors that were told.
    told: u64,
    json: bool,
    failed: Failed<'a>,
    bar: ProgressBar,
}

impl Report<'_> {
    /// Sends a piece and takes in what became of it.
    fn send(&mut self, api: &Api, ask: Ask<'_>, batch: &Batch) -> Result<()> {
        for error in &batch.refused {
            self.counts.lines += 1;
            self.counts.failed += 1;
            self.error(error)?;
        }
        if batch.lines.is_empty() {
            return Ok(());
        }
        // The last error is told only when it is clear that it is one of a line, and not why the rest was left.
        let mut last = None;
        for line in BufReader::new(api.stream(ask)?).lines() {
            let line = line.context("the API's answer broke off")?;
            let line: ImportLine =
                serde_json::from_str(&line).context("the API's answer is not understood")?;
            if let Some(error) = line.error {
                self.line_failed(last.replace(error), batch)?;
            }
            if let Some(done) = line.done {
                self.counts.add(done.counts);
                if !done.complete {
                    bail!("{}", last.map_or_else(|| "the API left it".to_owned(), |error| error.detail));
                }
                return self.line_failed(last, batch);
            }
        }
        bail!("the API's answer ended early")
    }

    /// Tells the error of a line of a piece, and keeps the line.
    fn line_failed(&mut self, error: Option<LineError>, batch: &Batch) -> Result<()> {
        let Some(mut error) = error else { return Ok(()) };
        if let Some(line) = batch.line(error.line) {
            error.line = line.number;
            self.failed.keep(batch.text(line))?;
        }
        self.error(&error)
    }

    fn error(&mut self, error: &LineError) -> Result<()> {
        if self.json {
            writeln!(stdout().lock(), "{}", json!({ "error": error }))?;
            return Ok(());
        }
        self.told += 1;
        match self.told {
            ..SHOWN => {}
            SHOWN => self.tell("more lines failed; --errors FILE keeps them, and --json tells all"),
            _ => return Ok(()),
        }
        let id = error.id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        self.tell(&format!("line {}{id}: {}", error.line, error.detail));
        Ok(())
    }

    #[expect(clippy::print_stderr, reason = "for the person who gave the command, beside its result")]
    fn tell(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    fn show(&self, bytes: u64) {
        self.bar.set_position(bytes);
        let Counts { lines, failed, .. } = self.counts;
        self.bar.set_message(format!("{} lines, {} failed", HumanCount(lines), HumanCount(failed)));
    }

    fn end(&mut self) -> Result<Exit> {
        self.bar.finish_and_clear();
        let Counts { lines, created, updated, unchanged, failed } = self.counts;
        let mut out = stdout().lock();
        if self.json {
            writeln!(out, "{}", json!({ "done": self.counts }))?;
        } else {
            let lines = counted(lines, "line");
            writeln!(
                out,
                "{lines}: {created} created, {updated} updated, {unchanged} unchanged, {failed} failed"
            )?;
            if let (Some(path), Some(_)) = (self.failed.path, &self.failed.file) {
                writeln!(out, "the lines that failed are in {}", path.display())?;
            }
        }
        Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
    }
}
