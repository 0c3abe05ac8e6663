//! A message as a whole: what must be there, who sent it, and in which order its parts are read.

use super::json::{Json, Raw};
use super::lists::{CUSTOM_ATTRIBUTES, MOBILE_CELLS};
use super::location::LOCATION;
use super::options::{Options, UnknownVersion};
use super::rest::Rest;
use super::{event, fields, lists, location};
use crate::{DecodeError, Position};
use fleetwire_model::DeviceId;

/// When the device made the message.
pub(super) const MESSAGE_TIME: &str = "message_time";
/// Which device it is.
pub(super) const DEVICE_ID: &str = "device_id";
const VERSION: &str = "version";
const EVENT_ID: &str = "event_id";

/// Versions of the protocol that are known, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V1_0,
    V1_1a,
    V1_2,
}

/// What the members of a message are read by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    /// What the message says that happened.
    pub(super) event_id: Option<u32>,
    version: Version,
}

impl<'a> Context<'a> {
    /// Of a message that does not tell.
    pub(super) const fn unknown(options: &'a Options) -> Self {
        Self { options, event_id: None, version: Version::V1_2 }
    }

    /// Whether the fields that came with version 1.1a count.
    const fn has_1_1a(&self) -> bool {
        !self.options.fields_by_version || !matches!(self.version, Version::V1_0)
    }

    /// Whether the fields that came with version 1.2 count.
    pub(super) const fn has_1_2(&self) -> bool {
        !self.options.fields_by_version || matches!(self.version, Version::V1_2)
    }
}

/// A message: what is needed, and the members that only the whole decides about. Of a member that comes twice the
/// later one counts, but for those that say what the message is.
#[derive(Debug)]
pub(super) struct Message<'a> {
    time: Option<Raw<'a>>,
    device_id: Option<Raw<'a>>,
    version: Option<Raw<'a>>,
    event_id: Option<Raw<'a>>,
    location: Option<Raw<'a>>,
    mobile_cells: Option<Raw<'a>>,
    custom_attributes: Option<Raw<'a>>,
    rest: Rest,
    twice: Option<&'static str>,
}

impl<'a> Message<'a> {
    /// Reads every member, and fills in those that stand for themselves.
    pub(super) fn read(root: Raw<'a>, options: &Options, position: &mut Position) -> Self {
        let mut message = Self {
            time: None,
            device_id: None,
            version: None,
            event_id: None,
            location: None,
            mobile_cells: None,
            custom_attributes: None,
            rest: Rest::new(),
            twice: None,
        };
        for (name, raw) in root.children() {
            message.member(&name, raw, options, position);
        }
        message
    }

    fn member(&mut self, name: &str, raw: Raw<'a>, options: &Options, position: &mut Position) {
        match name {
            MESSAGE_TIME => self.once(MESSAGE_TIME, raw, |message| &mut message.time),
            DEVICE_ID => self.once(DEVICE_ID, raw, |message| &mut message.device_id),
            VERSION => self.once(VERSION, raw, |message| &mut message.version),
            EVENT_ID => self.event_id = Some(raw),
            LOCATION => self.location = Some(raw),
            MOBILE_CELLS => self.mobile_cells = Some(raw),
            CUSTOM_ATTRIBUTES => self.custom_attributes = Some(raw),
            _ => fill_simple(position, &mut self.rest, (name, raw), options),
        }
    }

    fn once(
        &mut self,
        name: &'static str,
        raw: Raw<'a>,
        place: impl FnOnce(&mut Self) -> &mut Option<Raw<'a>>,
    ) {
        if place(self).replace(raw).is_some() {
            self.twice = Some(name);
        }
    }

    /// The device that the message names, which the topic must name too.
    pub(super) fn sender(&self, topic: &str, options: &Options) -> Result<DeviceId, DecodeError> {
        if let Some(field) = self.twice {
            return Err(bad(field, "comes twice".to_owned()));
        }
        let raw = self.device_id.ok_or_else(|| missing(DEVICE_ID))?;
        let device = match raw.read() {
            Json::Text(text) => text
                .parse::<DeviceId>()
                .map_err(|error| bad(DEVICE_ID, format!("{} will not do: {error}", quoted(&text))))?,
            other => return Err(bad(DEVICE_ID, format!("is {}, a text is needed", other.kind()))),
        };
        match topic.rsplit_once('/') {
            Some((_, named)) if options.check_topic && named != device.as_str() => {
                Err(DecodeError::IdentityMismatch { topic: topic.into(), device })
            }
            _ => Ok(device),
        }
    }

    /// What its members are read by.
    pub(super) fn context<'o>(&self, options: &'o Options) -> Result<Context<'o>, DecodeError> {
        let event_id = self.event_id.and_then(|raw| u32::try_from(raw.read().whole()?).ok());
        Ok(Context { options, event_id, version: self.version(options)? })
    }

    /// The version whose fields the message has.
    fn version(&self, options: &Options) -> Result<Version, DecodeError> {
        let Some(raw) = self.version else { return Ok(Version::V1_0) };
        let value = raw.read();
        let found = match &value {
            Json::Text(text) => match text.as_ref() {
                "1.0" => return Ok(Version::V1_0),
                "1.1a" => return Ok(Version::V1_1a),
                "1.2" => return Ok(Version::V1_2),
                other => quoted(other),
            },
            other => other.kind().to_owned(),
        };
        match options.unknown_version {
            UnknownVersion::Accept => Ok(Version::V1_2),
            UnknownVersion::Reject => {
                Err(bad(VERSION, format!("is {found}, known are \"1.0\", \"1.1a\" and \"1.2\"")))
            }
        }
    }

    /// Fills in what is left; the time of the message, and the event that it tells of.
    pub(super) fn finish(
        self,
        options: &Options,
        position: &mut Position,
    ) -> Result<(i64, Option<u32>), DecodeError> {
        let raw = self.time.ok_or_else(|| missing(MESSAGE_TIME))?;
        let time = time(&raw.read()).map_err(|reason| bad(MESSAGE_TIME, reason))?;
        position.device_time_ms = Some(time);
        let context = self.context(options)?;
        let mut rest = self.rest;
        let members = [
            (VERSION, self.version),
            (EVENT_ID, self.event_id),
            (LOCATION, self.location),
            (MOBILE_CELLS, self.mobile_cells),
            (CUSTOM_ATTRIBUTES, self.custom_attributes),
        ];
        for (name, raw) in members {
            if let Some(raw) = raw {
                fill(position, &mut rest, (name, raw), &context);
            }
        }
        rest.finish(&mut position.attributes);
        Ok((time, context.event_id.filter(|code| event::is_event(*code))))
    }
}

/// Fills in one member, but for the time and the device.
pub(super) fn fill(
    position: &mut Position,
    rest: &mut Rest,
    (name, raw): (&str, Raw<'_>),
    context: &Context<'_>,
) {
    match name {
        VERSION => rest.keep(&mut position.attributes, VERSION, raw),
        EVENT_ID => {
            rest.keep(&mut position.attributes, EVENT_ID, raw);
            if let Some(id) = context.event_id {
                event::apply(id, position);
            }
        }
        LOCATION => location::fill(position, rest, raw, context),
        MOBILE_CELLS => lists::mobile_cells(position, rest, raw),
        CUSTOM_ATTRIBUTES if context.has_1_1a() => lists::custom_attributes(position, rest, raw),
        CUSTOM_ATTRIBUTES => rest.keep(&mut position.attributes, CUSTOM_ATTRIBUTES, raw),
        _ => fill_simple(position, rest, (name, raw), context.options),
    }
}

/// Fills in a member that stands for itself.
fn fill_simple(position: &mut Position, rest: &mut Rest, (name, raw): (&str, Raw<'_>), options: &Options) {
    let value = raw.read();
    if !fields::fill(position, name, &value, options) {
        rest.keep_read(&mut position.attributes, name, &value, raw);
    }
}

/// Unix milliseconds of an ISO 8601 time; otherwise what is wrong with it.
pub(super) fn time(value: &Json<'_>) -> Result<i64, String> {
    let Json::Text(text) = value else {
        return Err(format!("is {}, a text is needed", value.kind()));
    };
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(jiff::Timestamp::as_millisecond)
        .map_err(|_| format!("{} is no ISO 8601 time in UTC, as 2024-09-02T10:03:43Z", quoted(text)))
}

/// A text of a device in a sentence, cut to a length that people read.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

fn missing(field: &str) -> DecodeError {
    DecodeError::MissingField { field: field.to_owned() }
}

fn bad(field: &str, reason: String) -> DecodeError {
    DecodeError::BadField { field: field.to_owned(), reason }
}
