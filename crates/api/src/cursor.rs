//! Cursors of lists: opaque to clients, so that what is in them may change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetwire_model::DeviceId;

use crate::commands::get::{Place, place};
use crate::problem::{Code, Refusal};
use crate::query::{Query, bad};

/// Entries of a page unless the request says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Entries of a page at most.
const MAX_LIMIT: usize = 1000;

/// A cursor of some text.
pub(crate) fn write(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The text of the request's cursor.
fn read(query: &Query) -> Result<Option<String>, Refusal> {
    let Some(cursor) = query.one("cursor") else { return Ok(None) };
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(refused)
}

/// The device after which the page begins.
pub(crate) fn device(query: &Query) -> Result<Option<DeviceId>, Refusal> {
    read(query)?.map(|text| text.parse().map_err(|_| refused())).transpose()
}

/// The time and the device after which the page begins, where the newest come first.
pub(crate) fn time_and_device(query: &Query) -> Result<Option<(i64, DeviceId)>, Refusal> {
    let split = |text: String| {
        let (time, id) = text.split_once(' ')?;
        Some((time.parse().ok()?, id.parse().ok()?))
    };
    read(query)?.map(|text| split(text).ok_or_else(refused)).transpose()
}

/// The time, the command and the device after which the page begins, where the newest come first.
pub(crate) fn time_command_and_device(query: &Query) -> Result<Option<Place>, Refusal> {
    let split = |text: String| {
        // Neither time nor device has a space.
        let (time, rest) = text.split_once(' ')?;
        let (device, command) = rest.split_once(' ')?;
        Some(place(time.parse().ok()?, device, command))
    };
    read(query)?.map(|text| split(text).ok_or_else(refused)).transpose()
}

/// How many entries the page may have.
pub(crate) fn limit(query: &Query) -> Result<usize, Refusal> {
    match query.parsed("limit")? {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(bad(format!("query parameter `limit`: it is 1 to {MAX_LIMIT}"))),
    }
}

fn refused() -> Refusal {
    let detail = "a cursor is what `next` of an earlier page holds, as it is";
    Refusal::new(Code::InvalidCursor, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;
    use crate::query::Times;

    fn query(text: &str) -> Query {
        let uri: Uri = format!("/?{text}").parse().unwrap();
        Query::read(&uri, &[("cursor", Times::Once), ("limit", Times::Once)]).unwrap()
    }

    #[test]
    fn a_cursor_leads_back_to_what_it_was_made_of() {
        let id: DeviceId = "867035046242895".parse().unwrap();
        let made = query(&format!("cursor={}", write(id.as_str())));
        assert_eq!(device(&made).unwrap(), Some(id.clone()));
        let made = query(&format!("cursor={}", write(&format!("-5 {id}"))));
        assert_eq!(time_and_device(&made).unwrap(), Some((-5, id)));
        for bad in ["cursor=", "cursor=a", "cursor=%3D", "cursor=AAAA"] {
            assert_eq!(device(&query(bad)).unwrap_err().code(), Code::InvalidCursor, "{bad}");
            assert!(time_and_device(&query(bad)).is_err(), "{bad}");
        }
        assert_eq!(device(&query("")).unwrap(), None);
    }

    #[test]
    fn a_page_has_bounds() {
        assert_eq!(limit(&query("")).unwrap(), 100);
        assert_eq!(limit(&query("limit=1000")).unwrap(), 1000);
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=", "limit=x"] {
            assert!(limit(&query(bad)).is_err(), "{bad}");
        }
    }
}
