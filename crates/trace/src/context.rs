//! The context of a trace as it travels in Kafka headers: `traceparent` of W3C Trace Context. Pure.

use std::fmt;

/// Name of the Kafka header.
pub const TRACEPARENT: &str = "traceparent";

/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;
/// Bytes of a header of version 00.
const LENGTH: usize = 55;

/// Which trace a record belongs to, and which span of it made the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace; never all zeros.
    pub trace_id: [u8; 16],
    /// The span; never all zeros.
    pub span_id: [u8; 8],
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// A span of a new trace that is recorded.
    pub(crate) fn new_trace() -> Self {
        // Zeros are no ids; the chance of them is none to speak of.
        let trace_id = rand::random::<u128>().max(1).to_be_bytes();
        Self { trace_id, span_id: new_span_id(), sampled: true }
    }

    /// Another span of the same trace.
    pub(crate) fn child(self) -> Self {
        Self { span_id: new_span_id(), ..self }
    }

    /// Reads the value of a header; `None` for anything that is malformed. Of later versions the part that they have in
    /// common with version 00 is read, as the standard says.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let head = value.get(..LENGTH)?;
        let is_whole = match (head.get(..2)?, value.len()) {
            (b"ff", _) => false,
            (b"00", length) => length == LENGTH,
            (_, LENGTH) => true,
            _ => value.get(LENGTH) == Some(&b'-'),
        };
        let has_dashes = [2, 35, 52].iter().all(|at| head.get(*at) == Some(&b'-'));
        if !is_whole || !has_dashes {
            return None;
        }
        let _version: [u8; 1] = bytes(head.get(..2)?)?;
        let trace_id = bytes(head.get(3..35)?)?;
        let span_id = bytes(head.get(36..52)?)?;
        let [flags] = bytes(head.get(53..)?)?;
        let is_set = trace_id != [0; 16] && span_id != [0; 8];
        is_set.then_some(Self { trace_id, span_id, sampled: flags & SAMPLED != 0 })
    }
}

fn new_span_id() -> [u8; 8] {
    rand::random::<u64>().max(1).to_be_bytes()
}

/// Lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (place, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *place = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

/// As the header has it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = u128::from_be_bytes(self.trace_id);
        let span = u64::from_be_bytes(self.span_id);
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_sample_of_the_standard_is_read_and_written() {
        let read = TraceContext::parse(SAMPLE.as_bytes()).unwrap();
        assert!(read.sampled && read.span_id == 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        assert_eq!(read.to_string(), SAMPLE);
        let other = TraceContext::parse(SAMPLE.replace("-01", "-02").as_bytes()).unwrap();
        assert!(!other.sampled);
        let child = read.child();
        assert!(child.trace_id == read.trace_id && child.span_id != read.span_id && child.sampled);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for (from, to) in [
            ("00-4b", "ff-4b"),
            ("00-4b", "0g-4b"),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            ("00f067aa0ba902b7", "0000000000000000"),
            ("4bf9", "4BF9"),
            ("4736-", "4736_"),
            ("-01", "-1"),
            ("-01", "-01-extra"),
            ("-01", "-01 "),
            ("-01", "-0x"),
        ] {
            let text = SAMPLE.replacen(from, to, 1);
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
        // Of a later version more may follow, after a dash.
        let later = SAMPLE.replacen("00-", "01-", 1);
        assert!(TraceContext::parse(later.as_bytes()).is_some());
        assert!(TraceContext::parse(format!("{later}-more").as_bytes()).is_some());
        assert_eq!(TraceContext::parse(format!("{later}.more").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_is_valid(value in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(read) = TraceContext::parse(&value) {
                prop_assert!(read.trace_id != [0; 16] && read.span_id != [0; 8]);
            }
        }

        #[test]
        fn a_sample_with_a_byte_changed_is_read_as_another_or_refused(at in 0_usize..55, byte: u8) {
            let mut value = SAMPLE.as_bytes().to_vec();
            value[at] = byte;
            if let Some(read) = TraceContext::parse(&value) {
                prop_assert_eq!(TraceContext::parse(read.to_string().as_bytes()), Some(read));
                prop_assert!(byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-');
            }
        }

        #[test]
        fn what_is_written_is_read_back(trace in 1_u128.., span in 1_u64.., sampled: bool) {
            let context = TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes(), sampled };
            prop_assert_eq!(TraceContext::parse(context.to_string().as_bytes()), Some(context));
        }
    }
}
