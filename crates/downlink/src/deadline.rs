//! How long a call waits for the device: what its caller says, less what the answer needs for its way back.

use std::time::Duration;

use tonic::Request;

/// How much longer a caller waits for the answer than the frontend for the device.
pub(crate) const WAY_BACK: Duration = Duration::from_millis(500);

/// The longest wait, also where the caller sets none.
const LONGEST: Duration = Duration::from_mins(2);

/// How long the frontend may wait for the device so that its answer is in time for the caller's `grpc-timeout`.
pub fn wait_of<T>(request: &Request<T>) -> Duration {
    let value = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
    let deadline = value.and_then(parse).unwrap_or(LONGEST);
    deadline.saturating_sub(WAY_BACK).max(deadline / 2).min(LONGEST)
}

/// Up to eight digits and a unit, as gRPC has it.
fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(timeout: &str) -> Duration {
        let mut request = Request::new(());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        wait_of(&request)
    }

    #[test]
    fn the_answer_is_there_before_the_caller_gives_up() {
        assert_eq!(wait("10S"), Duration::from_millis(9500));
        assert_eq!(wait("1500000u"), Duration::from_secs(1));
        assert_eq!(wait("100m"), Duration::from_millis(50));
    }

    #[test]
    fn no_wait_is_without_an_end() {
        assert_eq!(wait_of(&Request::new(())), Duration::from_secs(119) + Duration::from_millis(500));
        for odd in ["99999999H", "9H"] {
            assert_eq!(wait(odd), LONGEST, "{odd}");
        }
        for malformed in ["S", "1", "1x", "123456789S", "-1S"] {
            assert!(wait(malformed) < LONGEST, "{malformed}");
        }
    }

    #[test]
    fn what_a_client_sets_is_what_a_server_waits() {
        let mut request = Request::new(());
        request.set_timeout(Duration::from_secs(3) + WAY_BACK);
        assert_eq!(wait_of(&request), Duration::from_secs(3));
    }
}
