//! DT7 payloads made by a writer of the tests' own.

use fleetwire_model::Imei;

/// A payload on its way.
#[derive(Debug, Clone)]
pub(crate) struct Packet(Vec<u8>);

impl Packet {
    pub(crate) fn new(imei: Imei) -> Self {
        Self(imei.number().to_le_bytes().to_vec())
    }

    pub(crate) fn block(mut self, service: u8, key: u8, data: &[u8]) -> Self {
        self.0.extend(u16::try_from(data.len() + 2).unwrap().to_le_bytes());
        self.0.extend([service, key]);
        self.0.extend(data);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        sealed(self.0)
    }
}

/// The bytes with their checksum.
pub(crate) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    bytes
}

/// A structure of any type.
pub(crate) fn structure(data_type: u8, ticks: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(body.len() + 4).unwrap()];
    bytes.extend((ticks << 4 | u32::from(data_type)).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// A structure of fields: each with its mask from 1 and its bit from 0, in this order.
pub(crate) fn fields(ticks: u32, fields: &[(usize, u32, Vec<u8>)]) -> Vec<u8> {
    let last = fields.iter().map(|(mask, ..)| *mask).max().unwrap_or(1);
    let mut body = Vec::new();
    for number in 1..=last {
        let bits = fields.iter().filter(|(mask, ..)| *mask == number);
        let more = if number < last { 1 << 15 } else { 0 };
        let mask = bits.fold(more, |mask: u16, (_, bit, _)| mask | 1 << bit);
        body.extend(mask.to_le_bytes());
    }
    body.extend(fields.iter().flat_map(|(.., bytes)| bytes));
    structure(7, ticks, &body)
}
