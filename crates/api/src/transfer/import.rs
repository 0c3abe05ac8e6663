//! Import: lines of devices in, lines of what became of them out, at the same time.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use fleetwire_model::DeviceId;
use fleetwire_registry::{Applied, Change, ChangeError, Existing, Who};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use crate::app::Shared;
use crate::auth::Caller;
use crate::devices::refusal;
use crate::problem::{Code, Refusal};
use crate::query::{Query, Times, bad};
use crate::transfer::Format;
use crate::transfer::csv_form::Columns;
use crate::transfer::driven::{Driven, Out};
use crate::transfer::lines::{BodyError, Line, Lines};
use crate::transfer::report::Report;
use crate::transfer::row::{Row, Rules};

/// Lines that are written together.
const BATCH: usize = 1000;
/// How long lines may wait for others.
const LINGER: Duration = Duration::from_millis(100);

/// How an import is read.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `read_rules` reads it")]
pub(crate) struct ImportParams {
    /// How the body is written.
    format: Format,
    /// What becomes of devices that are registered already: their lines fail, they stay as they are, or they are
    /// changed to what the line says.
    #[param(nullable = false, required = false, inline, schema_with = existing_schema)]
    existing: Option<String>,
    /// Take IMEIs although their check digit is wrong.
    #[param(nullable = false, required = false, default = false)]
    accept_check_digit: Option<bool>,
}

fn existing_schema() -> utoipa::openapi::schema::Object {
    utoipa::openapi::schema::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(["fail", "keep", "update"]))
        .default(Some("fail".into()))
        .build()
}

/// Import devices.
///
/// CSV has a header line with the columns id and model, and any of name, group, labels (`key=value;key=value`), account,
/// status and password. A line of JSON has the members of a device; those that only answers have are taken and mean
/// nothing, so that an export can be imported. Each line is a change of its own: one that fails does not stop the others.
///
/// The answer comes while the body goes: lines of JSON, each `{"progress":{"lines","written","unchanged","failed"}}` (at
/// least once a second), `{"error":{"line","id","code","detail"}}` (for each line that failed), and last
/// `{"done":{"lines","created","updated","unchanged","failed","complete"}}`. Read it while you send. `complete` is false
/// if lines were left, and the error before it says why. An answer without `done` broke off.
#[utoipa::path(
    post, path = "/v1/devices/import", tag = "devices", operation_id = "importDevices",
    params(ImportParams),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson")), description = "Lines of devices"),
    responses((status = 200, description = "What became of the lines", content_type = "application/x-ndjson"))
)]
pub(crate) async fn import(
    State(app): State<Shared>,
    Caller(who): Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let names = [("format", Times::Once), ("existing", Times::Once), ("accept_check_digit", Times::Once)];
    let query = Query::read(request.uri(), &names)?;
    let format: Format = query.parsed("format")?.ok_or_else(|| bad("`format` is csv or jsonl"))?;
    let rules = read_rules(&query)?;
    let permit = transfer_permit(&app)?;
    let body = request.into_body().into_data_stream();
    let mut lines = Lines::new(body, app.settings.idle_timeout, app.settings.max_import_bytes.get());
    lines.begin().await.map_err(|err| body_refusal(&err))?;
    let source = Source { lines, format, columns: None, number: 0 };
    let body = Driven::new(|out| work(app, source, (rules, who), out, permit));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        // A proxy that gathers the answer before it passes it on would hide the progress.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// A place among the imports and exports that may run at a time.
pub(crate) fn transfer_permit(app: &Shared) -> Result<OwnedSemaphorePermit, Refusal> {
    app.transfers.clone().try_acquire_owned().map_err(|_| {
        app.metrics.refused.increment("busy");
        Refusal::new(Code::Busy, "other imports and exports are running; try again").retry_after(5)
    })
}

fn read_rules(query: &Query) -> Result<Rules, Refusal> {
    let existing = match query.one("existing") {
        None | Some("fail") => Existing::Fail,
        Some("keep") => Existing::Keep,
        Some("update") => Existing::Update,
        Some(_) => return Err(bad("query parameter `existing`: it is fail, keep or update")),
    };
    let accept_check_digit = query.parsed("accept_check_digit")?.unwrap_or(false);
    Ok(Rules { existing, accept_check_digit })
}

fn body_refusal(error: &BodyError) -> Refusal {
    let code = match error {
        BodyError::Broken => Code::InvalidRequest,
        BodyError::Idle(_) => Code::Timeout,
        BodyError::TooLarge(_) => Code::TooLarge,
    };
    Refusal::new(code, error.to_string())
}

/// Where lines come from.
struct Source {
    lines: Lines,
    format: Format,
    /// Of CSV, once its header was read.
    columns: Option<Columns>,
    /// Of the last line.
    number: u64,
}

/// Why an import ends before its end.
struct Stopped {
    code: &'static str,
    detail: String,
}

/// What is read and not yet written.
#[derive(Default)]
struct Batch {
    /// Line and device of each row, and how many changes it is.
    rows: Vec<(u64, DeviceId, usize)>,
    changes: Vec<Change>,
    devices: HashSet<DeviceId>,
}

async fn work(app: Shared, source: Source, by: (Rules, Who), out: Out, permit: OwnedSemaphorePermit) {
    let mut import =
        Import { report: Report::new(app.clone(), out), app, source, by, batch: Batch::default() };
    let ended = import.run().await;
    if let Err(Stopped { code, detail }) = &ended {
        import.report.stopped(import.source.number, code, detail).await;
    }
    import.report.done(ended.is_ok()).await;
    drop(permit);
}

struct Import {
    app: Shared,
    source: Source,
    by: (Rules, Who),
    batch: Batch,
    report: Report,
}

impl Import {
    async fn run(&mut self) -> Result<(), Stopped> {
        let mut deadline = None;
        loop {
            if self.app.stop.is_cancelled() {
                self.flush().await?;
                let detail = "this API is being stopped; import the lines from here on again".to_owned();
                return Err(Stopped { code: "stopping", detail });
            }
            match self.next(deadline).await? {
                Next::Line(line) => {
                    self.take(line).await?;
                    deadline = deadline.or_else(|| Some(Instant::now() + LINGER));
                }
                Next::Later => {}
                Next::End => return self.flush().await,
            }
            let is_due = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if self.batch.rows.len() >= BATCH || is_due {
                self.flush().await?;
            }
            if self.batch.rows.is_empty() {
                deadline = None;
            }
        }
    }

    /// The next line. Waits no longer than lines that were read may wait.
    async fn next(&mut self, deadline: Option<Instant>) -> Result<Next, Stopped> {
        let stop = self.app.stop.clone();
        let lines = &mut self.source.lines;
        let next = async {
            let Some(deadline) = deadline else { return Some(lines.next().await) };
            timeout_at(deadline, lines.next()).await.ok()
        };
        let next = self.report.attend(async {
            tokio::select! {
                () = stop.cancelled() => None,
                next = next => next,
            }
        });
        match next.await {
            None => Ok(Next::Later),
            Some(Ok(None)) => Ok(Next::End),
            Some(Ok(Some(line))) => Ok(Next::Line(line)),
            Some(Err(error)) => {
                self.flush().await?;
                Err(Stopped { code: body_refusal(&error).code().word(), detail: error.to_string() })
            }
        }
    }

    /// Takes a line into the batch.
    async fn take(&mut self, line: Line) -> Result<(), Stopped> {
        self.source.number = line.number;
        let Some(text) = line.text else {
            self.report.line();
            self.report.failed(line.number, None, "too_large", "the line is too long").await;
            return Ok(());
        };
        if self.source.format == Format::Csv && self.source.columns.is_none() {
            let columns = Columns::read(&text);
            self.source.columns = Some(columns.map_err(|detail| Stopped { code: "invalid", detail })?);
            return Ok(());
        }
        self.report.line();
        let row = match &self.source.columns {
            Some(columns) => columns.row(&text).map_err(|detail| Refusal::new(Code::Invalid, detail)),
            None => crate::body::object::<Row>(&text),
        };
        let row = match row {
            Ok(row) => row,
            Err(refusal) => {
                self.report.failed(line.number, None, refusal.code().word(), refusal.detail()).await;
                return Ok(());
            }
        };
        self.plan(line.number, row).await
    }

    /// Takes what a line means into the batch.
    async fn plan(&mut self, line: u64, row: Row) -> Result<(), Stopped> {
        // What a line means depends on what its device is, so two of one device are not written together.
        if row.id.trim().parse().is_ok_and(|id: DeviceId| self.batch.devices.contains(&id)) {
            self.flush().await?;
        }
        let id = row.id.clone();
        match row.changes(self.by.0, &self.app) {
            Ok((device, changes)) => {
                self.batch.rows.push((line, device.clone(), changes.len()));
                self.batch.devices.insert(device);
                self.batch.changes.extend(changes);
            }
            Err(refusal) => {
                self.report.failed(line, Some(&id), refusal.code().word(), refusal.detail()).await;
            }
        }
        Ok(())
    }

    /// Writes the batch, and tells what became of its lines.
    async fn flush(&mut self) -> Result<(), Stopped> {
        let Batch { rows, changes, .. } = std::mem::take(&mut self.batch);
        if rows.is_empty() {
            return Ok(());
        }
        let apply = self.app.needs.registrar.apply(changes, self.by.1.clone());
        let mut answers = self.report.attend(apply).await.into_iter();
        let mut away = None;
        for (line, device, count) in rows {
            match together(answers.by_ref().take(count)) {
                Ok(applied) => self.report.applied(&applied),
                Err(error) => {
                    if let ChangeError::Unavailable(reason) = &error {
                        away = Some(reason.clone());
                    }
                    let refusal = refusal(&error);
                    let code = refusal.code().word();
                    self.report.failed(line, Some(device.as_str()), code, refusal.detail()).await;
                }
            }
        }
        // The next lines would fail as well, each batch after a long wait.
        away.map_or(Ok(()), |detail| Err(Stopped { code: "unavailable", detail }))
    }
}

/// What comes next.
enum Next {
    Line(Line),
    /// Nothing yet, and what was read waits no longer.
    Later,
    End,
}

/// What became of a device of which changes belong together.
fn together(answers: impl Iterator<Item = Result<Applied, ChangeError>>) -> Result<Applied, ChangeError> {
    let mut result: Option<Applied> = None;
    for answer in answers {
        let answer = answer?;
        result = Some(match (result, answer) {
            (Some(created @ Applied::Created(_)), _) => created,
            (Some(changed @ Applied::Changed(_)), Applied::Unchanged(_)) => changed,
            (_, answer) => answer,
        });
    }
    result.ok_or_else(|| ChangeError::Unavailable("the registry gave no answer".to_owned()))
}
