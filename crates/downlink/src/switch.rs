//! Sends each call to the service that it is for, and commands only with the token.

use std::convert::Infallible;
use std::future::ready;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};

use crate::incoming::Caller;
use crate::token::Guard;

/// Paths of the health service.
const HEALTH: &str = "/grpc.health.v1.Health/";
/// The path of its question that has one answer.
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The services of one port. Whether a frontend runs is no secret: that can be asked without a token.
#[derive(Debug, Clone)]
pub(crate) struct Switch<H, D> {
    pub(crate) health: H,
    /// Also says that it does not know what is for no service.
    pub(crate) downlink: D,
    pub(crate) guard: Guard,
}

impl<H, D> Service<Request<Body>> for Switch<H, D>
where
    H: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    H::Future: Send + 'static,
    D: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    D::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    /// Services that tonic generates are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let is_for_health = path.starts_with(HEALTH);
        if path == CHECK {
            return Box::pin(self.health.call(request));
        }
        if !self.guard.admits(request.headers()) {
            return Box::pin(ready(Ok(Status::unauthenticated("no token, or a wrong one").into_http())));
        }
        Caller::is_gateway(request.extensions_mut());
        if is_for_health {
            Box::pin(self.health.call(request))
        } else {
            Box::pin(self.downlink.call(request))
        }
    }
}
