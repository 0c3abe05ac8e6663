//! A message taken apart for a person: every member with its JSON Pointer (RFC 6901), its value and what it became.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::event;
use super::json::{self, Json};
use super::lists::{CUSTOM_ATTRIBUTES, MOBILE_CELLS};
use super::location::{self, LOCATION};
use super::message::{self, Context, Message};
use super::options::Options;
use super::rest::Rest;
use crate::{Body, Decoded, Explanation, Input, Position, describe};

/// Takes a message apart, also one that does not decode: then as far as it can be read.
pub fn explain(input: Input<'_>, options: &Options) -> Explanation {
    let mut out = Explanation::default();
    let whole = 0..input.payload.len();
    out.part(0, whole.clone(), "message", "", format!("{} bytes of JSON", whole.len()));
    let mut decoded = Decoded::default();
    out.error = super::decode(input, options, &mut decoded).err();
    let Ok(text) = json::text(input.payload) else { return out };
    // Members are read by the version and the event of the message, if it has any that can be read.
    let context = Message::read(text, options, &mut Position::default())
        .and_then(|message| message.context(options))
        .unwrap_or_else(|_| Context::unknown(options));
    let reader = Reader { text, context };
    // What is wrong is told already; up to there the members are read.
    let _ = json::children(text, |name, raw| reader.member(&name, raw, &mut out));
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

/// Reads the members of one message.
struct Reader<'a> {
    text: &'a str,
    context: Context<'a>,
}

impl Reader<'_> {
    fn member(&self, name: &str, raw: &RawValue, out: &mut Explanation) {
        let value = json::read(raw);
        let meaning = match name {
            message::DEVICE_ID => match &value {
                Json::Text(text) => format!("device_id = {text}"),
                _ => String::new(),
            },
            message::MESSAGE_TIME => message::time(&value)
                .map_or_else(|wrong| wrong, |time| format!("device_time = {}", describe::time(time))),
            _ => self.meaning(name, raw),
        };
        let is_opened = matches!(name, LOCATION | MOBILE_CELLS | CUSTOM_ATTRIBUTES | "wifi_points")
            && matches!(value, Json::Object | Json::Array);
        let shown = if is_opened { "" } else { raw.get() };
        out.part(1, self.span(raw), pointer("", name), shown, meaning);
        if is_opened {
            // A name within that is no text ends the list here; its value is shown as a whole.
            let _ = json::children(raw.get(), |within, raw| self.within(name, &within, raw, out));
        }
    }

    /// A member of a location, or an element of a list.
    fn within(&self, parent: &str, name: &str, raw: &RawValue, out: &mut Explanation) {
        let meaning = match parent {
            LOCATION => match location::target(name, &json::read(raw), &self.context) {
                Some(target) => Cow::Borrowed(target),
                None => Cow::Owned(format!("attribute {parent}.{name}")),
            },
            _ => Cow::Borrowed(""),
        };
        out.part(2, self.span(raw), pointer(&pointer("", parent), name), raw.get(), meaning);
    }

    /// What a member becomes: it alone, decoded.
    fn meaning(&self, name: &str, raw: &RawValue) -> String {
        let (mut position, mut rest) = (Position::default(), Rest::new());
        message::fill(&mut position, &mut rest, (name, raw), &self.context);
        rest.finish(&mut position.attributes);
        describe::position(&position)
    }

    /// Where a value lies in the payload, which it is a part of.
    fn span(&self, raw: &RawValue) -> Range<usize> {
        let start = raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        start..start.saturating_add(raw.get().len())
    }
}

fn pointer(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}
