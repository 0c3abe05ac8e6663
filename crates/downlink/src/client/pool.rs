//! Connections by address: made once for all who wait, bounded, closed when nobody uses them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::error::{CallError, SettingsError};
use crate::settings::DownlinkClientSettings;

/// How often a connection is asked whether the other end is still there, and how long the answer may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Connections by address.
pub(super) struct Pool {
    settings: DownlinkClientSettings,
    tls: Option<ClientTlsConfig>,
    entries: Mutex<HashMap<String, Arc<Entry>>>,
}

/// One address.
#[derive(Debug)]
struct Entry {
    address: String,
    /// Held while a connection is made, so that all who want one wait for the same.
    link: tokio::sync::Mutex<Link>,
    last_used: Mutex<Instant>,
}

#[derive(Debug)]
enum Link {
    None,
    Open(Channel),
    /// It could not be made; when, and why.
    Failed(Instant, CallError),
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Used {
    entry: Arc<Entry>,
    channel: Channel,
}

impl Used {
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }
}

impl Pool {
    pub(super) fn new(settings: DownlinkClientSettings) -> Result<Self, SettingsError> {
        let tls = settings.tls.as_ref().map(super::super::settings::ClientTls::config).transpose()?;
        let pool = Self { settings, tls, entries: Mutex::default() };
        // Certificates that are not usable are told now and not with the first call.
        pool.endpoint("localhost:1").map_err(SettingsError::Certificates)?;
        Ok(pool)
    }

    pub(super) const fn connect_timeout(&self) -> Duration {
        self.settings.connect_timeout
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    /// A connection to an address.
    pub(super) async fn get(&self, address: &str) -> Result<Used, CallError> {
        let asked = Instant::now();
        let entry = self.entry(address, asked)?;
        let mut link = entry.link.lock().await;
        match &*link {
            Link::Open(channel) => return Ok(Used { entry: Arc::clone(&entry), channel: channel.clone() }),
            // Whoever waited for the attempt shares its failure, so that no queue forms before a dead frontend.
            Link::Failed(at, error) if *at >= asked => return Err(error.clone()),
            Link::Failed(..) | Link::None => {}
        }
        let made = match self.endpoint(address) {
            Ok(endpoint) => endpoint.connect().await.map_err(|err| CallError::of_connect(&err)),
            Err(err) => Err(CallError::of_connect(&err)),
        };
        match made {
            Ok(channel) => {
                *link = Link::Open(channel.clone());
                drop(link);
                Ok(Used { entry, channel })
            }
            Err(error) => {
                *link = Link::Failed(Instant::now(), error.clone());
                drop(link);
                self.remove(&entry);
                Err(error)
            }
        }
    }

    /// Uses a connection for no further call.
    pub(super) fn forget(&self, used: &Used) {
        self.remove(&used.entry);
    }

    pub(super) fn close_idle(&self) {
        self.sweep(&mut self.entries(), Instant::now());
    }

    fn entry(&self, address: &str, now: Instant) -> Result<Arc<Entry>, CallError> {
        if !is_host_and_port(address) {
            return Err(CallError::Unreachable(format!("`{address}` is not HOST:PORT")));
        }
        let mut entries = self.entries();
        self.sweep(&mut entries, now);
        if let Some(entry) = entries.get(address) {
            *lock(&entry.last_used) = now;
            return Ok(Arc::clone(entry));
        }
        if entries.len() >= self.settings.max_connections {
            // Calls on it go on: they hold it open.
            let oldest = entries.values().min_by_key(|entry| *lock(&entry.last_used));
            if let Some(address) = oldest.map(|entry| entry.address.clone()) {
                entries.remove(&address);
            }
        }
        let entry = Arc::new(Entry {
            address: address.to_owned(),
            link: tokio::sync::Mutex::new(Link::None),
            last_used: Mutex::new(now),
        });
        entries.insert(address.to_owned(), Arc::clone(&entry));
        Ok(entry)
    }

    fn sweep(&self, entries: &mut HashMap<String, Arc<Entry>>, now: Instant) {
        let idle = self.settings.idle_timeout;
        entries.retain(|_, entry| {
            Arc::strong_count(entry) > 1 || now.saturating_duration_since(*lock(&entry.last_used)) < idle
        });
    }

    /// Removes just this entry, not one that came after it.
    fn remove(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries();
        if entries.get(&entry.address).is_some_and(|entered| Arc::ptr_eq(entered, entry)) {
            entries.remove(&entry.address);
        }
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .connect_timeout(self.settings.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .keep_alive_while_idle(true);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()),
            None => Ok(endpoint),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        lock(&self.entries)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can be left half done, so a panic elsewhere does not matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What comes from a topic must not become anything but an address.
fn is_host_and_port(address: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    address.bytes().all(is_plain) && port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for fine in ["127.0.0.1:9465", "frontend-0.frontends:9465", "[::1]:9465"] {
            assert!(is_host_and_port(fine), "{fine}");
        }
        for wrong in ["", "x", ":1", "x:", "x:0", "x:65536", "a@b:1", "a/b:1", "x:1/y", "http://x:1", "x :1"]
        {
            assert!(!is_host_and_port(wrong), "{wrong}");
        }
    }

    #[test]
    fn as_many_addresses_are_kept_as_the_bound_allows_and_idle_ones_go() {
        let settings = DownlinkClientSettings { max_connections: 2, ..DownlinkClientSettings::default() };
        let pool = Pool::new(settings.clone()).unwrap();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (seconds, address) in [(0, "a:1"), (1, "b:1"), (2, "a:1"), (3, "c:1")] {
            pool.entry(address, at(seconds)).unwrap();
        }
        let mut kept: Vec<_> = pool.entries().keys().cloned().collect();
        kept.sort();
        assert_eq!(kept, ["a:1", "c:1"], "the one that was used longest ago makes room");
        let in_use = pool.entry("a:1", at(4)).unwrap();
        pool.sweep(&mut pool.entries(), at(4) + settings.idle_timeout);
        assert_eq!(pool.len(), 1, "one is in use");
        drop(in_use);
        pool.sweep(&mut pool.entries(), at(4) + settings.idle_timeout);
        assert_eq!(pool.len(), 0);
    }
}
