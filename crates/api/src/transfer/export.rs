//! Export: every device that fits, as lines, page after page.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;
use utoipa::IntoParams;

use crate::app::Shared;
use crate::devices::list::label_schema;
use crate::devices::{Device, Filter, Status};
use crate::problem::Refusal;
use crate::query::{Query, Times};
use crate::transfer::driven::{Driven, Out};
use crate::transfer::import::transfer_permit;
use crate::transfer::{Format, csv_form};

/// Devices that are looked at at once.
const PAGE: usize = 500;

/// How an export is written, and of which devices.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `Filter` reads it")]
pub(crate) struct ExportParams {
    /// How devices are written.
    #[param(nullable = false, required = false, default = "jsonl")]
    format: Option<Format>,
    /// Key of the model.
    #[param(nullable = false, required = false, example = "xirgo-lx41")]
    model: Option<String>,
    /// Whether they may come in.
    #[param(nullable = false, required = false)]
    status: Option<Status>,
    /// Account under which they connect.
    #[param(nullable = false, required = false, example = "bce_device")]
    account: Option<String>,
    /// Group.
    #[param(nullable = false, required = false, example = "north")]
    group: Option<String>,
    /// A label and its value with a colon between, or a label alone; may come more than once.
    #[param(required = false, schema_with = label_schema)]
    label: Option<Vec<String>>,
    /// Part of the id or of the name, in upper or lower case.
    #[param(nullable = false, required = false, example = "truck")]
    q: Option<String>,
}

/// Export devices.
///
/// In the order of their ids, as lines that an import takes. Passwords are in no export. Devices that are changed meanwhile
/// are in it as they were or as they are.
#[utoipa::path(
    get, path = "/v1/devices/export", tag = "devices", operation_id = "exportDevices",
    params(ExportParams),
    responses((status = 200, description = "Lines of devices",
        content(("application/x-ndjson"), ("text/csv"))))
)]
pub(crate) async fn export(State(app): State<Shared>, uri: Uri) -> Result<Response, Refusal> {
    let query = Query::read(&uri, &[Filter::NAMES.as_slice(), &[("format", Times::Once)]].concat())?;
    let format: Format = query.parsed("format")?.unwrap_or(Format::Jsonl);
    let filter = Filter::read(&query)?;
    let permit = transfer_permit(&app)?;
    let (media_type, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"devices.csv\""),
        Format::Jsonl => ("application/x-ndjson", "attachment; filename=\"devices.jsonl\""),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
    ];
    let body = Driven::new(|out| work(app, filter, format, out, permit));
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn work(app: Shared, filter: Filter, format: Format, out: Out, permit: OwnedSemaphorePermit) {
    if format == Format::Csv && out.send(Bytes::from_static(csv_form::HEADER.as_bytes())).await.is_err() {
        return;
    }
    let catalogue = app.needs.catalogue;
    let mut after = None;
    loop {
        let fits = |record: &_| filter.fits(record, catalogue);
        let page = app.needs.records.page(after.as_ref(), PAGE, PAGE, fits);
        let mut lines = Vec::new();
        for record in page.devices {
            let id = record.device_id.clone();
            let line = match format {
                Format::Csv => csv_form::write(&record, catalogue).map_err(|err| err.to_string()),
                Format::Jsonl => json(&Device::new(record, catalogue)).map_err(|err| err.to_string()),
            };
            match line {
                Ok(line) => lines.extend_from_slice(&line),
                // Nothing that the registry holds can bring this about.
                Err(err) => warn!(device = id, err, "a device could not be exported"),
            }
            app.metrics.exported.increment(1);
        }
        if !lines.is_empty() && out.send(Bytes::from(lines)).await.is_err() {
            return;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
        // A filter that nothing fits would not let others have their turn.
        tokio::task::yield_now().await;
    }
    drop(permit);
}

fn json(device: &Device) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(device)?;
    line.push(b'\n');
    Ok(line)
}
