//! Tells the registry that nothing of a device is held any more, so that frontends write what it publishes directly.

use anyhow::Result;
use fleetwire_model::DeviceId;
use fleetwire_registry::registrar::{Change, ChangeError, Registrar, Who};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Devices that one change of the registry takes.
const BATCH: usize = 500;
/// Who the audit trail names.
const ACTOR: &str = "fleetwire";

/// Makes the changes until the stop. One that fails is asked for again by the keeper.
pub(crate) async fn run(
    registrar: Registrar,
    mut devices: mpsc::Receiver<DeviceId>,
    stop: CancellationToken,
) -> Result<()> {
    let mut batch = Vec::new();
    loop {
        let count = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            count = devices.recv_many(&mut batch, BATCH) => count,
        };
        if count == 0 {
            // The keeper has ended, and says why.
            stop.cancelled().await;
            return Ok(());
        }
        let released = |device: &DeviceId| Change::Released { device: device.clone(), if_revision: None };
        let changes = batch.iter().map(released).collect();
        let outcomes = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            outcomes = registrar.apply(changes, Who::new(ACTOR)) => outcomes,
        };
        for (device, outcome) in batch.drain(..).zip(outcomes) {
            match outcome {
                Ok(_) => info!(device = device.as_str(), "the device publishes directly now"),
                // Somebody removed it meanwhile.
                Err(ChangeError::NotFound) => {}
                Err(err) => {
                    warn!(%err, device = device.as_str(), "the device goes on through the held topic; tried again");
                }
            }
        }
    }
}
