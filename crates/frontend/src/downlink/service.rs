//! The gRPC service: what becomes of one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetwire_downlink::rpc::downlink_service_server::DownlinkService;
use fleetwire_downlink::wait_of;
use fleetwire_model::pb::{self, DeliverOutcome, TraceStep, TraceStepKind};
use fleetwire_model::time::from_unix_ms;
use fleetwire_mqtt::{DeliveryOutcome, Sessions};
use fleetwire_service::clock;
use fleetwire_trace::{Following, Tracer};
use tokio::sync::Semaphore;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::debug;

use super::call::Call;
use super::crossing::{Crossing, Crossings};
use super::desk::{Left, Orders, Place, Taken};
use super::metrics::{CallMetrics, code};
use super::terms::Terms;
use crate::fabric::Fabric;
use crate::identity::Identity;

/// Serves gateways.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) sessions: Sessions,
    pub(super) fabric: Fabric,
    pub(super) crossings: Arc<Crossings>,
    /// Calls that may wait.
    pub(super) permits: Arc<Semaphore>,
    /// Nothing new is begun.
    pub(super) stop: CancellationToken,
    /// Nothing is waited for any more.
    pub(super) cut: CancellationToken,
    pub(super) terms: Terms,
    pub(super) metrics: CallMetrics,
    pub(super) tracer: Tracer,
}

#[tonic::async_trait]
impl DownlinkService for Service {
    async fn deliver(
        &self,
        request: Request<pb::DeliverRequest>,
    ) -> Result<Response<pb::DeliverResponse>, Status> {
        let deadline = Instant::now() + wait_of(&request);
        let call = Call::read(request.into_inner()).inspect_err(|_| self.metrics.invalid())?;
        let counted = self.metrics.begin();
        let following = self.tracer.follows(call.device.as_str());
        if let Some(following) = &following {
            tell_call(following, &call);
        }
        let outcome = self.outcome(&call, deadline).await;
        counted.end(outcome);
        if let Some(following) = &following {
            let (subject, code) = (call.command_id.clone(), code(outcome).to_owned());
            let step = TraceStep { subject, code, ..TraceStep::default() };
            following.tell(TraceStepKind::CommandAnswered, step);
        }
        debug!(device = call.device.as_str(), command = call.command_id, ?outcome, "command");
        let time = Some(from_unix_ms(clock::unix_ms()));
        Ok(Response::new(pb::DeliverResponse { outcome: outcome.into(), time }))
    }
}

impl Service {
    async fn outcome(&self, call: &Call, deadline: Instant) -> DeliverOutcome {
        if self.stop.is_cancelled() {
            return DeliverOutcome::NotConnected;
        }
        if !self.terms.admit(call.partition, call.term) {
            return DeliverOutcome::StaleGateway;
        }
        let left = call.expire_ms.saturating_sub(clock::unix_ms());
        let orders = match self.orders(call) {
            Ok(orders) => orders,
            Err(_) if left <= 0 => return DeliverOutcome::Expired,
            Err(why) => return why,
        };
        let Ok(_permit) = self.permits.try_acquire() else { return DeliverOutcome::Busy };
        let place = match orders.take(&call.command_id, left <= 0) {
            Taken::Acknowledged => return DeliverOutcome::Acknowledged,
            Taken::Over => return DeliverOutcome::Expired,
            Taken::Full => return DeliverOutcome::Busy,
            Taken::Joined(place) => place,
            Taken::New(place) => {
                let left = Duration::from_millis(left.unsigned_abs());
                if !self.publish(call, &place, Instant::now() + left) {
                    return DeliverOutcome::Busy;
                }
                place
            }
        };
        tokio::select! {
            biased;
            outcome = place.attempt().settled() => told(outcome),
            () = sleep_until(deadline.into()) => given_up(place),
            () = self.cut.cancelled() => given_up(place),
        }
    }

    /// The commands of the session that is meant, or why there is none.
    fn orders(&self, call: &Call) -> Result<Arc<Orders>, DeliverOutcome> {
        let found = self.sessions.look(call.device.as_str(), |identity| match identity.downcast_ref() {
            Some(Identity::Device { desk, .. }) if desk.is_of(call.epoch) => Ok(desk.orders()),
            _ => Err(DeliverOutcome::StaleEpoch),
        });
        found.unwrap_or(Err(DeliverOutcome::NotConnected))
    }

    /// Publishes into the router; `false` if too much is on its way through it.
    fn publish(&self, call: &Call, place: &Place, expires: Instant) -> bool {
        let number = self.crossings.set_out(Crossing {
            client_id: call.device.as_str().to_owned(),
            epoch: call.epoch,
            topic: call.topic.clone(),
            expires,
            attempt: Arc::clone(place.attempt()),
        });
        let is_taken = self.fabric.publish(number, &call.payload).unwrap_or(false);
        if !is_taken {
            self.crossings.take(number);
        }
        is_taken
    }
}

/// Shows a followed device's call.
fn tell_call(following: &Following, call: &Call) {
    let step = TraceStep {
        subject: call.command_id.clone(),
        mqtt_topic: call.topic.clone(),
        size: Some(call.payload.len() as u64),
        payload: following.shown(&call.payload),
        ..TraceStep::default()
    };
    following.tell(TraceStepKind::CommandCalled, step);
}

/// What a call says whose time is over.
fn given_up(place: Place) -> DeliverOutcome {
    match place.leave() {
        Left::Settled(outcome) => told(outcome),
        // It waited behind others that the device does not acknowledge.
        Left::NotSent => DeliverOutcome::Busy,
        Left::MaySend => DeliverOutcome::Unacknowledged,
    }
}

const fn told(outcome: DeliveryOutcome) -> DeliverOutcome {
    match outcome {
        DeliveryOutcome::Acknowledged => DeliverOutcome::Acknowledged,
        DeliveryOutcome::NotConnected => DeliverOutcome::NotConnected,
        DeliveryOutcome::OtherSession => DeliverOutcome::StaleEpoch,
        DeliveryOutcome::NotSubscribed => DeliverOutcome::NotSubscribed,
        DeliveryOutcome::Busy => DeliverOutcome::Busy,
        DeliveryOutcome::Expired => DeliverOutcome::Expired,
        DeliveryOutcome::TooLarge | DeliveryOutcome::Rejected(_) => DeliverOutcome::Refused,
        // A command is never sent without the wish for an acknowledgement.
        DeliveryOutcome::Unacknowledged | DeliveryOutcome::Sent => DeliverOutcome::Unacknowledged,
    }
}
