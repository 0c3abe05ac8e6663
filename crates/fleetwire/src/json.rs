//! Contract messages as JSON, in protobuf's own mapping with the field names of the `.proto` files.

use anyhow::{Context as _, Result};
use fleetwire_model::pb;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

/// Writes contract messages as JSON.
#[derive(Debug)]
pub(crate) struct Json(DescriptorPool);

impl Json {
    pub(crate) fn new() -> Result<Self> {
        DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).map(Self).context("the contract cannot be read")
    }

    /// One message as one line.
    pub(crate) fn line<M: Message + prost::Name>(&self, message: &M) -> Result<String> {
        let mut dynamic = DynamicMessage::new(self.descriptor(&M::full_name())?);
        dynamic.transcode_from(message)?;
        line(&dynamic)
    }

    /// One encoded message as one line, by the full name of its type.
    pub(crate) fn line_of(&self, name: &str, value: &[u8]) -> Result<String> {
        line(&self.decode(name, value)?)
    }

    /// One encoded message with its fields, by the full name of its type.
    pub(crate) fn decode(&self, name: &str, value: &[u8]) -> Result<DynamicMessage> {
        let decoded = DynamicMessage::decode(self.descriptor(name)?, value);
        decoded.with_context(|| format!("a record is no {name}"))
    }

    fn descriptor(&self, name: &str) -> Result<MessageDescriptor> {
        self.0.get_message_by_name(name).context("the contract lacks a message")
    }
}

fn line(message: &DynamicMessage) -> Result<String> {
    let mut line = Vec::new();
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut line), &options)?;
    Ok(String::from_utf8(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_names_and_absent_ones_are_left_out() {
        let event = pb::PositionEvent {
            device_id: "867035046242895".into(),
            ignition: Some(false),
            fix: Some(pb::Fix { latitude: 25.5, speed_kmh: Some(0.0), ..pb::Fix::default() }),
            ..pb::PositionEvent::default()
        };
        let json = Json::new().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json.line(&event).unwrap()).unwrap();
        assert_eq!(value["device_id"], "867035046242895");
        assert_eq!(value["ignition"], false);
        assert_eq!(value["fix"]["speed_kmh"], 0.0);
        assert!(value.get("odometer_m").is_none());
    }
}
