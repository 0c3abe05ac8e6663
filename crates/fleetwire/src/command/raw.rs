//! `fleetwire command raw`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::{Map, json};

use super::send::SendFlags;
use crate::client::ApiFlags;
use crate::device;
use crate::process::Usage;

/// Bytes of a payload at most, as the API has it.
const MAX: u64 = 32 * 1024;

#[derive(Debug, Args)]
pub(super) struct RawArgs {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    device: DeviceId,
    /// The topic, whole
    topic: String,
    #[command(flatten)]
    payload: Payload,
    #[command(flatten)]
    flags: SendFlags,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Payload {
    /// The bytes as hexadecimal digits
    #[arg(long, value_name = "HEX")]
    hex: Option<String>,
    /// The bytes as text
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// A file that holds the bytes; - reads standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl RawArgs {
    pub(super) fn run(&self, api: &ApiFlags) -> Result<Exit> {
        let payload = STANDARD.encode(self.payload.read()?);
        let mut body = Map::new();
        body.insert("device_id".to_owned(), self.device.as_str().into());
        body.insert("raw".to_owned(), json!({ "topic": self.topic, "payload": payload }));
        api.with_commands(|api| {
            self.flags.send(api, "/v1/commands", body).map_err(|err| device::with_hint(err, &self.device))
        })
    }
}

impl Payload {
    fn read(&self) -> Result<Vec<u8>> {
        if let Some(hex) = &self.hex {
            return bytes(hex);
        }
        if let Some(text) = &self.text {
            return Ok(text.clone().into_bytes());
        }
        let mut payload = Vec::new();
        match self.file.as_deref() {
            Some(path) if path.as_os_str() != "-" => {
                let file =
                    std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                file.take(MAX + 1).read_to_end(&mut payload)?;
            }
            _ => drop(std::io::stdin().lock().take(MAX + 1).read_to_end(&mut payload)?),
        }
        if payload.len() as u64 > MAX {
            return Err(Usage(format!("a payload has at most {MAX} bytes")).into());
        }
        Ok(payload)
    }
}

/// The bytes of hexadecimal digits, which spaces and colons may part.
fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits: Vec<char> = hex.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
    let byte = |pair: &[char]| match pair {
        [high, low] => Some(u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).unwrap_or_default()),
        _ => None,
    };
    let read: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    read.ok_or_else(|| Usage(format!("--hex wants pairs of hexadecimal digits, not `{hex}`")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(bytes("02 01:fF").unwrap(), [2, 1, 255]);
        assert_eq!(bytes("").unwrap(), [0; 0]);
        for bad in ["0", "0g", "020"] {
            assert!(bytes(bad).unwrap_err().to_string().contains("pairs"), "{bad}");
        }
    }
}
