//! CONNACK.

use bytes::{BufMut, BytesMut};

use super::{Level, Properties, writer};

/// The answer to a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
    /// Whether the session of an earlier connection goes on; never with a refusal.
    pub session_present: bool,
    /// Return code of 3.x or reason code of MQTT 5; 0 lets the client in.
    pub code: u8,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl ConnAck {
    /// Writes the whole packet.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        let properties = if level.is_v5() { self.properties.size() } else { 0 };
        writer::header(out, 0x20, 2 + properties);
        out.put_slice(&[u8::from(self.session_present), self.code]);
        if level.is_v5() {
            self.properties.write(out);
        }
    }
}
