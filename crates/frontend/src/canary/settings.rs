//! `[frontend.canary]`.

use std::time::Duration;

use serde::Deserialize;

/// How the frontend looks whether it serves; `[frontend.canary]` in the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CanarySettings {
    /// How often it connects.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long one round may take, from the connect to the acknowledgement.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Without a round that succeeded for so long the frontend is not ready.
    #[serde(with = "humantime_serde")]
    pub ready_within: Duration,
    /// Without a round that succeeded for so long it is not live.
    #[serde(with = "humantime_serde")]
    pub live_within: Duration,
}

impl Default for CanarySettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            ready_within: Duration::from_secs(15),
            live_within: Duration::from_mins(1),
        }
    }
}

impl CanarySettings {
    /// Whether the times fit together; if not, what to do.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if !(Duration::from_millis(100)..=Duration::from_mins(5)).contains(&self.every) {
            return Err("frontend.canary.every must be 100ms to 5m");
        }
        if self.timeout < Duration::from_millis(100) {
            return Err("frontend.canary.timeout must be 100ms or more");
        }
        if self.ready_within <= self.every {
            return Err("frontend.canary.ready_within must be longer than `every`");
        }
        if self.live_within < self.ready_within || self.live_within < self.timeout {
            return Err("frontend.canary.live_within must not be shorter than `ready_within` and `timeout`");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_do_not_fit_together_are_refused_with_the_key() {
        CanarySettings::default().check().unwrap();
        let refused = |change: fn(&mut CanarySettings)| {
            let mut settings = CanarySettings::default();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert!(refused(|s| s.every = Duration::ZERO).contains("canary.every"));
        assert!(refused(|s| s.timeout = Duration::ZERO).contains("canary.timeout"));
        assert!(refused(|s| s.ready_within = s.every).contains("canary.ready_within"));
        assert!(refused(|s| s.live_within = Duration::from_secs(14)).contains("canary.live_within"));
    }
}
