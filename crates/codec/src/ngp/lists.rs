//! Lists within a message: mobile cells, of which the first is the serving one, and custom attributes with units.

use compact_str::{CompactString, ToCompactString as _, format_compact};
use fleetwire_model::pb::Cell;

use super::json::{Json, Raw};
use super::rest::Rest;
use crate::{Attributes, Position};

/// Member with the mobile cells.
pub(super) const MOBILE_CELLS: &str = "mobile_cells";
/// Member with the custom attributes that have units.
pub(super) const CUSTOM_ATTRIBUTES: &str = "custom_attributes";

/// Takes the first cell as the serving one; what has no field, and the other cells, are attributes.
pub(super) fn mobile_cells(position: &mut Position, rest: &mut Rest, raw: Raw<'_>) {
    if !is_list(raw) {
        return rest.keep(&mut position.attributes, MOBILE_CELLS, raw);
    }
    let (cell, attributes) = (&mut position.cell, &mut position.attributes);
    rest.all_or_text(attributes, MOBILE_CELLS, raw, |rest, to| {
        raw.children().all(|(place, raw)| match raw.read() {
            Json::Object if place == "0" => serving(cell, rest, to, raw),
            _ => rest.keep_within(to, MOBILE_CELLS, &place, raw),
        })
    });
}

/// Fills in the serving cell; false if what is left of it has no room.
fn serving(cell: &mut Cell, rest: &mut Rest, to: &mut Attributes, raw: Raw<'_>) -> bool {
    raw.children().all(|(name, raw)| {
        let is_filled = fill(cell, &name, &raw.read()).is_some();
        is_filled || rest.keep_within(to, "mobile_cells.0", &name, raw)
    })
}

fn fill(cell: &mut Cell, name: &str, value: &Json<'_>) -> Option<()> {
    let code = || u32::try_from(value.whole()?).ok();
    match name {
        "mcc" => cell.mcc = Some(code()?),
        "mnc" => cell.mnc = Some(code()?),
        "lac" => cell.lac = Some(code()?),
        "cell_id" => cell.cell_id = Some(value.whole()?),
        "rssi" => cell.signal_dbm = Some(signal(value)?),
        _ => return None,
    }
    Some(())
}

/// A signal in dBm, which is negative.
fn signal(value: &Json<'_>) -> Option<i32> {
    let Json::Int(dbm) = *value else { return None };
    i32::try_from(dbm).ok().filter(|dbm| (-200..=0).contains(dbm))
}

/// Attributes that come with a type, which is their name, and perhaps a number and a unit.
pub(super) fn custom_attributes(position: &mut Position, rest: &mut Rest, raw: Raw<'_>) {
    if !is_list(raw) {
        return rest.keep(&mut position.attributes, CUSTOM_ATTRIBUTES, raw);
    }
    rest.all_or_text(&mut position.attributes, CUSTOM_ATTRIBUTES, raw, |rest, to| {
        let mut names = Vec::new();
        raw.children().all(|(place, raw)| custom_attribute(rest, to, (&place, raw), &mut names))
    });
}

/// One of them: its value by its type, and its other members beside it. One that is not as it should be, or whose
/// type another has already, goes by its place in the list.
fn custom_attribute(
    rest: &mut Rest,
    to: &mut Attributes,
    (place, raw): (&str, Raw<'_>),
    names: &mut Vec<CompactString>,
) -> bool {
    let Some(name) = name(raw).filter(|name| !names.contains(name)) else {
        return rest.keep_within(to, CUSTOM_ATTRIBUTES, place, raw);
    };
    let path = format_compact!("{CUSTOM_ATTRIBUTES}.{name}");
    let fits = raw.children().all(|(member, raw)| match &*member {
        "type" => true,
        "value" => rest.keep_within(to, CUSTOM_ATTRIBUTES, &name, raw),
        other => rest.keep_within(to, &path, other, raw),
    });
    names.push(name);
    fits
}

/// The type of one that has a value too.
fn name(raw: Raw<'_>) -> Option<CompactString> {
    if raw.read() != Json::Object {
        return None;
    }
    let (mut name, mut has_value) = (None, false);
    for (member, raw) in raw.children() {
        match (&*member, raw.read()) {
            ("type", Json::Text(text)) if !text.is_empty() => name = Some(text.to_compact_string()),
            ("value", _) => has_value = true,
            _ => {}
        }
    }
    name.filter(|_| has_value)
}

/// Whether it is a list with something in it.
fn is_list(raw: Raw<'_>) -> bool {
    raw.read() == Json::Array && raw.children().next().is_some()
}
