//! A range of the raw topic, decoded again.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_decoder::interpret::RawRecord;
use fleetwire_kafka::{Range, RangeEvent, RangeReader};
use fleetwire_model::Topic;
use fleetwire_service::exit::Exit;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::process::Usage;
use crate::replay::again::Again;
use crate::replay::filter::Filter;
use crate::replay::progress::Progress;
use crate::replay::resume::{self, Resume};
use crate::replay::sink::{Letters, Lines, Sink, Writer};
use crate::replay::tally::Tally;
use crate::replay::today::{Decoding, Today};
use crate::replay::{ReplayArgs, Span};
use crate::target::Target;
use crate::when;

/// How long one wait for a record takes before the stop is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// Where the events go, as the flags say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Nothing,
    Stdout,
    Topic { name: String, letters: Letters },
    Live { letters: Letters },
}

/// What to do.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) span: Span,
    pub(super) filter: Filter,
    pub(super) resume: Option<Resume>,
    pub(super) output: Output,
    pub(super) json: bool,
}

impl Output {
    /// The output that the flags name; asks a person where that is wanted.
    pub(super) fn choose(args: &ReplayArgs, target: &Target) -> Result<Self> {
        let flags = &args.output;
        let letters = if args.write_dead_letters { Letters::Written } else { Letters::Counted };
        if flags.dry_run {
            return Ok(Self::Nothing);
        }
        if flags.to_stdout {
            return Ok(Self::Stdout);
        }
        if let Some(name) = &flags.to_topic {
            if Topic::ALL.into_iter().any(|topic| target.topics.name(topic) == *name) {
                let hint = "use --yes for the live topics of positions and device events";
                return Err(Usage(format!("--to-topic {name} is a topic of the pipeline; {hint}")).into());
            }
            return Ok(Self::Topic { name: name.clone(), letters });
        }
        if !flags.yes {
            confirm(target)?;
        }
        Ok(Self::Live { letters })
    }

    fn open(&self, target: &Target) -> Result<Sink> {
        Ok(match self {
            Self::Nothing => Sink::Nothing,
            Self::Stdout => Sink::Stdout(Lines::new()?),
            Self::Topic { name, letters } => Sink::Kafka(Writer::new(target, Some(name), *letters)?),
            Self::Live { letters } => Sink::Kafka(Writer::new(target, None, *letters)?),
        })
    }
}

/// Lets a person think again before the live topics get everything once more.
#[expect(clippy::print_stderr, reason = "a question to the person who gave the command")]
fn confirm(target: &Target) -> Result<()> {
    let wants =
        Usage("writing into the live topics wants --yes; or use --to-stdout, --to-topic or --dry-run".into());
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(wants.into());
    }
    let (positions, events) = (target.topics.name(Topic::Positions), target.topics.name(Topic::DeviceEvents));
    eprintln!(
        "This writes every event of the range once more into {positions} and {events}, which consumers read now. \
         The events have the same event_id as before."
    );
    eprint!("Type yes to go on: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(wants.into()) }
}

/// Decodes the range; returns when all of it is where it belongs, or after a stop.
pub(super) fn run(target: &Target, decoding: &Decoding, job: Job, stop: &CancellationToken) -> Result<Exit> {
    let Job { span, filter, resume, output, json } = job;
    let today = Today::new(target, decoding)?;
    let reader = open(target, span, resume.as_ref(), stop)?;
    if let Output::Topic { name, .. } = &output {
        exists(target, name, stop)?;
    }
    let mut again = Again::new(today, filter, output.open(target)?);
    let mut progress = Progress::new();
    let finished = decode(&reader, &mut again, &mut progress, stop)?;
    let tally = again.finish()?;
    progress.clear();
    let rest = (!finished).then(|| reader.rest());
    let hint =
        rest.map(|rest| resume::flags(&when::rfc3339(span.from_ms), &when::rfc3339(span.to_ms), &rest));
    let summary = Summary {
        from: when::rfc3339(span.from_ms),
        to: when::rfc3339(span.to_ms),
        seconds: progress.elapsed().as_secs_f64(),
        records_per_second: progress.rate(tally.records),
        tally,
        resume: hint,
    };
    summary.print(&output, json)?;
    // As for a service that was told to stop: 3 says that work is left.
    Ok(if finished { Exit::Done } else { Exit::NotDrained })
}

/// A reader of the range of the raw topic; says what a person should know of it.
#[expect(clippy::print_stderr, reason = "for the person who gave the command, beside its result")]
pub(super) fn open(
    target: &Target,
    span: Span,
    resume: Option<&Resume>,
    stop: &CancellationToken,
) -> Result<RangeReader> {
    let topic = target.topics.name(Topic::Raw);
    let range = Range {
        from_ms: Some(span.from_ms),
        to_ms: Some(span.to_ms),
        offsets: resume.map(|resume| resume.0.clone()),
        ..Range::default()
    };
    let reader = RangeReader::new(&target.client, &topic, range, stop)?;
    let stretches = reader.stretches();
    if let Some(resume) = resume {
        resume.check(|partition| stretches.contains_key(&partition))?;
    }
    if !reader.found_by_time() {
        eprintln!(
            "this log has no look-up by time (the embedded log has none): {topic} is read from its beginning, and \
             what is older is left out"
        );
    }
    let cut =
        stretches.values().filter(|stretch| stretch.kept_from > 0 && stretch.start == stretch.kept_from);
    let cut = if resume.is_none() { cut.count() } else { 0 };
    if cut > 0 {
        eprintln!(
            "{cut} partitions of {topic} begin within the range: retention may have removed what was before, and \
             that cannot be decoded again"
        );
    }
    Ok(reader)
}

/// Fails if Kafka has no such topic, before anything is decoded.
fn exists(target: &Target, topic: &str, stop: &CancellationToken) -> Result<()> {
    let nothing = Range { offsets: Some(std::collections::BTreeMap::new()), ..Range::default() };
    RangeReader::new(&target.client, topic, nothing, stop).map(drop).with_context(|| {
        format!("{topic} must exist before a replay writes into it; create it with Kafka's own tools")
    })
}

/// Reads and decodes to the end of the range, which is `true`, or to the stop.
fn decode(
    reader: &RangeReader,
    again: &mut Again,
    progress: &mut Progress,
    stop: &CancellationToken,
) -> Result<bool> {
    while !stop.is_cancelled() {
        progress.show(again.tally.records, || reader.progress());
        match reader.next(WAIT)? {
            RangeEvent::Record(message) => again.one(RawRecord {
                topic: message.topic(),
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().unwrap_or_default(),
                value: message.payload().unwrap_or_default(),
            })?,
            RangeEvent::Idle => {}
            RangeEvent::End => return Ok(true),
        }
    }
    Ok(false)
}

/// What is said at the end.
#[derive(Debug, Serialize)]
struct Summary {
    from: String,
    to: String,
    #[serde(flatten)]
    tally: Tally,
    seconds: f64,
    records_per_second: u64,
    /// Flags by which the rest is done; absent if nothing is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
}

impl Summary {
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the answer of the command")]
    fn print(&self, output: &Output, json: bool) -> Result<()> {
        let text = if json { serde_json::to_string(self)? } else { self.text(output) };
        if *output == Output::Stdout {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
        Ok(())
    }

    fn text(&self, output: &Output) -> String {
        let Self { from, to, tally, seconds, records_per_second, resume } = self;
        let mut lines = vec![
            tally.to_string(),
            format!("from {from} to {to}, in {seconds:.1} s: {records_per_second} raw records/s"),
        ];
        match output {
            Output::Nothing => lines.push("nothing was written".to_owned()),
            Output::Stdout => {}
            Output::Topic { name, .. } => {
                lines.push(format!("{} records are written to {name}", tally.written));
            }
            Output::Live { .. } => {
                lines.push(format!("{} records are written to the live topics", tally.written));
            }
        }
        if let Some(resume) = resume {
            lines.push(format!("stopped before the end; go on with the same flags and {resume}"));
        }
        lines.join("\n")
    }
}
