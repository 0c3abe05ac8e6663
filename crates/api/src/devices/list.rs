//! Showing devices: one, or a page of those that fit.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use fleetwire_model::DeviceId;
use fleetwire_model::pb;
use fleetwire_registry::Catalogue;
use serde::Serialize;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::app::Shared;
use crate::cursor;
use crate::devices::change::DeviceParams;
use crate::devices::revision::{DevicePath, etag};
use crate::devices::view::{Device, Status, account};
use crate::problem::Refusal;
use crate::query::{Query, Times, bad};

/// Records that one request looks at, at most: a filter that few devices fit would otherwise hold up the others.
const SCAN: usize = 100_000;

/// A page of devices.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceList {
    /// In the order of their ids.
    devices: Vec<Device>,
    /// Cursor of the next page; null at the end. A page may be short, or empty, and have a next one.
    #[schema(required = true)]
    next: Option<String>,
}

/// Which devices are listed. Those fit that fit all of what is said.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only; `Filter` reads it")]
pub(crate) struct ListParams {
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
    /// Devices of the page at most.
    #[param(nullable = false, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// `next` of the page before.
    #[param(nullable = false, required = false)]
    cursor: Option<String>,
}

/// Labels that a device must have.
pub(crate) fn label_schema() -> Array {
    let label = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[^:]"))
        .examples([serde_json::json!("vehicle:truck")]);
    ArrayBuilder::new().items(label).build()
}

/// What [`ListParams`] says, read.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    model: Option<String>,
    status: Option<Status>,
    account: Option<String>,
    group: Option<String>,
    labels: Vec<(String, Option<String>)>,
    part: Option<String>,
}

impl Filter {
    /// The parameters of it.
    pub(crate) const NAMES: [(&'static str, Times); 6] = [
        ("model", Times::Once),
        ("status", Times::Once),
        ("account", Times::Once),
        ("group", Times::Once),
        ("label", Times::Many),
        ("q", Times::Once),
    ];

    pub(crate) fn read(query: &Query) -> Result<Self, Refusal> {
        let own = |name| query.one(name).map(str::to_owned);
        let label = |text: &str| {
            let (key, value) = text.split_once(':').map_or((text, None), |(key, value)| (key, Some(value)));
            if key.is_empty() {
                return Err(bad("query parameter `label`: it is KEY:VALUE or KEY"));
            }
            Ok((key.to_owned(), value.map(str::to_owned)))
        };
        Ok(Self {
            model: own("model"),
            status: query.parsed("status")?,
            account: own("account"),
            group: own("group"),
            labels: query.all("label").map(label).collect::<Result<_, _>>()?,
            part: query.one("q").map(str::to_lowercase),
        })
    }

    /// Whether a device fits.
    pub(crate) fn fits(&self, record: &pb::Device, catalogue: Catalogue) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let contains =
            |text: &str| self.part.as_deref().is_none_or(|part| text.to_lowercase().contains(part));
        let has = |(key, value): &(String, Option<String>)| {
            let found = record.labels.get(key);
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        is(&self.model, &record.model)
            && self.status.is_none_or(|status| status == Status::of(record.status()))
            && is(&self.account, account(record, catalogue))
            && is(&self.group, &record.group)
            && self.labels.iter().all(has)
            && (contains(&record.device_id) || contains(&record.name))
    }
}

/// List devices.
#[utoipa::path(
    get, path = "/v1/devices", tag = "devices", operation_id = "listDevices",
    params(ListParams),
    responses((status = 200, description = "A page of devices", body = DeviceList))
)]
pub(crate) async fn list(State(app): State<Shared>, uri: Uri) -> Result<Json<DeviceList>, Refusal> {
    let page = [("limit", Times::Once), ("cursor", Times::Once)];
    let query = Query::read(&uri, &[Filter::NAMES.as_slice(), &page].concat())?;
    let (filter, limit, after) = (Filter::read(&query)?, cursor::limit(&query)?, cursor::device(&query)?);
    let catalogue = app.needs.catalogue;
    let page = app.needs.records.page(after.as_ref(), limit, SCAN, |record| filter.fits(record, catalogue));
    Ok(Json(DeviceList {
        devices: page.devices.into_iter().map(|record| Device::new(record, catalogue)).collect(),
        next: page.next.as_ref().map(DeviceId::as_str).map(cursor::write),
    }))
}

/// Show a device.
#[utoipa::path(
    get, path = "/v1/devices/{id}", tag = "devices", operation_id = "getDevice",
    params(DeviceParams),
    responses(
        (status = 200, description = "The device", body = Device,
            headers(("ETag" = String, description = "Its revision, for If-Match"))),
        (status = 404, description = "No such device is registered"),
    )
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    DevicePath(id): DevicePath,
    uri: Uri,
) -> Result<Response, Refusal> {
    Query::read(&uri, &[])?;
    let record = app.record(&id)?;
    let headers = HeaderMap::from_iter([(header::ETAG, etag(record.revision))]);
    Ok((headers, Json(Device::new(record, app.needs.catalogue))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> pb::Device {
        pb::Device {
            device_id: "867035046242895".into(),
            model: "xirgo-lx41".into(),
            status: pb::DeviceStatus::Active.into(),
            name: "Truck 7".into(),
            group: "north".into(),
            labels: [("vehicle".to_owned(), "truck".to_owned())].into(),
            ..pb::Device::default()
        }
    }

    fn fits(text: &str) -> bool {
        let uri: Uri = format!("/?{text}").parse().unwrap();
        let query = Query::read(&uri, &Filter::NAMES).unwrap();
        Filter::read(&query).unwrap().fits(&record(), Catalogue::built_in())
    }

    #[test]
    fn a_device_fits_a_filter_if_it_fits_all_of_it() {
        for yes in [
            "",
            "model=xirgo-lx41&status=active&account=bce_device&group=north",
            "label=vehicle:truck&label=vehicle",
            "q=truck",
            "q=TRUCK%207",
            "q=46242",
        ] {
            assert!(fits(yes), "{yes}");
        }
        for no in [
            "model=xirgo-lx42",
            "status=disabled",
            "account=ngp_device",
            "group=",
            "label=vehicle:van",
            "label=wheels",
            "label=vehicle:truck&label=vehicle:van",
            "q=truck7",
        ] {
            assert!(!fits(no), "{no}");
        }
        let uri = Uri::from_static("/?label=:x");
        assert!(Filter::read(&Query::read(&uri, &Filter::NAMES).unwrap()).is_err());
    }
}
