//! A gateway's end: calls frontends, over connections that are kept between calls.

mod pool;

use std::sync::Arc;
use std::time::Duration;

use fleetwire_model::pb;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::MAX_MESSAGE;
use crate::deadline::WAY_BACK;
use crate::error::{CallError, SettingsError};
use crate::rpc::downlink_service_client::DownlinkServiceClient;
use crate::settings::DownlinkClientSettings;
use pool::{Pool, Used};

/// The name of the service, for the health service.
pub(crate) const SERVICE: &str = "fleetwire.v1.DownlinkService";

/// Calls frontends. Clones share their connections; when the last one is gone, these are closed.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Arc<Pool>,
    bearer: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// A client without connections yet. Reads the files of certificates; fails if these or the settings are not
    /// usable.
    pub fn new(settings: DownlinkClientSettings, token: Option<SecretString>) -> Result<Self, SettingsError> {
        settings.check()?;
        let bearer = token.map(|token| bearer(&token)).transpose()?;
        Ok(Self { pool: Arc::new(Pool::new(settings)?), bearer })
    }

    /// Asks the frontend at `address` (HOST:PORT) to publish to a device's session, and waits for the device's
    /// acknowledgement for `wait`, and a little longer for the answer. Must be called within a tokio runtime. If the
    /// future is dropped, the frontend publishes nothing that it has not published yet.
    pub async fn deliver(
        &self,
        address: &str,
        request: pb::DeliverRequest,
        wait: Duration,
    ) -> Result<pb::DeliverResponse, CallError> {
        let used = self.pool.get(address).await?;
        let mut call = Request::new(request);
        call.set_timeout(wait + WAY_BACK);
        if let Some(bearer) = &self.bearer {
            call.metadata_mut().insert("authorization", bearer.clone());
        }
        let mut service = DownlinkServiceClient::new(used.channel()).max_decoding_message_size(MAX_MESSAGE);
        // Longer than the call's own limit, which does not count what comes before the call.
        let limit = self.pool.connect_timeout() + wait + 2 * WAY_BACK;
        let answer = timeout(limit, service.deliver(call)).await;
        self.judge(answer, &used).map(tonic::Response::into_inner)
    }

    /// Whether the frontend at `address` takes calls.
    pub async fn is_serving(&self, address: &str) -> Result<bool, CallError> {
        let used = self.pool.get(address).await?;
        let mut service = HealthClient::new(used.channel());
        let request = HealthCheckRequest { service: SERVICE.to_owned() };
        let answer = timeout(self.pool.connect_timeout(), service.check(request)).await;
        let answer = self.judge(answer, &used)?;
        Ok(answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Closes connections that have had no call for the idle timeout. Each call does so too.
    pub fn close_idle(&self) {
        self.pool.close_idle();
    }

    /// How many connections are kept.
    pub fn connections(&self) -> usize {
        self.pool.len()
    }

    /// A connection on which a call failed is not used again.
    fn judge<T>(
        &self,
        answer: Result<Result<T, tonic::Status>, tokio::time::error::Elapsed>,
        used: &Used,
    ) -> Result<T, CallError> {
        let failed = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => CallError::of_call(&status),
            Err(_) => CallError::Unknown("no answer in time".to_owned()),
        };
        self.pool.forget(used);
        Err(failed)
    }
}

fn bearer(token: &SecretString) -> Result<MetadataValue<Ascii>, SettingsError> {
    let header = format!("Bearer {}", token.expose_secret());
    let mut header: MetadataValue<Ascii> =
        header.parse().map_err(|_| SettingsError::Token(crate::TOKEN_VARIABLE.to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}
