//! CONNACK.

use bytes::{BufMut, BytesMut};

use super::{Level, Properties, writer};

/// The answer to a CONNECT. Session Present is always 0: no session outlives its connection yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
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
        out.put_slice(&[0, self.code]);
        if level.is_v5() {
            self.properties.write(out);
        }
    }
}
