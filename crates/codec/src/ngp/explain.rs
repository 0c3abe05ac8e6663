//! A message taken apart for a person: every member with its JSON Pointer (RFC 6901), its value and what it became.

use std::borrow::Cow;

use super::json::{self, Json, Raw};
use super::lists::{CUSTOM_ATTRIBUTES, MOBILE_CELLS};
use super::location::{self, LOCATION};
use super::message::{self, Context, Message};
use super::options::Options;
use super::rest::Rest;
use super::{decode, event};
use crate::{Body, Decoded, Explanation, Input, Position, describe};

/// Takes a message apart, also one that does not decode: then as far as it can be read.
pub fn explain(input: Input<'_>, options: &Options) -> Explanation {
    let mut out = Explanation::default();
    let whole = 0..input.payload.len();
    out.part(0, whole.clone(), "message", "", format!("{} bytes of JSON", whole.len()));
    let mut decoded = Decoded::default();
    out.error = decode(input, options, &mut decoded).err();
    // Members are read by the version and the event of the message, if it has any that can be read.
    let mut nodes = Vec::new();
    let context = json::object(input.payload, &mut nodes)
        .and_then(|root| Message::read(root, options, &mut Position::default()).context(options))
        .unwrap_or_else(|_| Context::unknown(options));
    for (name, raw) in json::begun(input.payload, &mut nodes) {
        member(&name, raw, &context, &mut out);
    }
    for record in &decoded.records {
        if let Ok(Body::Event(event)) = decoded.open(record) {
            let code = event.code.unwrap_or_default();
            let name = event::name(code).map_or_else(String::new, |name| format!(" ({name})"));
            out.part(
                0,
                whole.clone(),
                "beside the position",
                "",
                format!("a device event, code = {code}{name}"),
            );
        }
    }
    out
}

fn member(name: &str, raw: Raw<'_>, context: &Context<'_>, out: &mut Explanation) {
    let value = raw.read();
    let meaning = match name {
        message::DEVICE_ID => match &value {
            Json::Text(text) => format!("device_id = {text}"),
            _ => String::new(),
        },
        message::MESSAGE_TIME => message::time(&value)
            .map_or_else(|wrong| wrong, |time| format!("device_time = {}", describe::time(time))),
        _ => meaning(name, raw, context),
    };
    let is_opened = matches!(name, LOCATION | MOBILE_CELLS | CUSTOM_ATTRIBUTES | "wifi_points")
        && matches!(value, Json::Object | Json::Array);
    let shown = if is_opened { "" } else { raw.text() };
    out.part(1, raw.span(), pointer("", name), shown, meaning);
    if is_opened {
        for (within, raw) in raw.children() {
            part_of(name, (&within, raw), context, out);
        }
    }
}

/// A member of a location, or an element of a list.
fn part_of(parent: &str, (name, raw): (&str, Raw<'_>), context: &Context<'_>, out: &mut Explanation) {
    let meaning = match parent {
        LOCATION => match location::target(name, &raw.read(), context) {
            Some(target) => Cow::Borrowed(target),
            None => Cow::Owned(format!("attribute {parent}.{name}")),
        },
        _ => Cow::Borrowed(""),
    };
    out.part(2, raw.span(), pointer(&pointer("", parent), name), raw.text(), meaning);
}

/// What a member becomes: it alone, decoded.
fn meaning(name: &str, raw: Raw<'_>, context: &Context<'_>) -> String {
    let (mut position, mut rest) = (Position::default(), Rest::new());
    message::fill(&mut position, &mut rest, (name, raw), context);
    rest.finish(&mut position.attributes);
    describe::position(&position)
}

fn pointer(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}
