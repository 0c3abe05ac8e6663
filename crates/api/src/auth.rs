//! Who asks, and whether the token allows it.

use std::collections::BTreeSet;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use fleetwire_registry::registrar::Who;

use crate::app::Shared;
use crate::edge::Facts;
use crate::problem::{Code, Refusal};
use crate::settings::Scope;

/// Whose request it is.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// Name of its token.
    pub(crate) token: String,
    /// What it may do.
    pub(crate) scopes: BTreeSet<Scope>,
}

impl FromRequestParts<Shared> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let actor = parts.extensions.get::<Self>().cloned();
        actor.ok_or_else(|| Refusal::new(Code::Internal, "the request came past its layers"))
    }
}

/// Who asks, as the registry's records and the audit trail say it.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Who);

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let actor = parts.extensions.get::<Actor>();
        let facts = parts.extensions.get::<Facts>();
        let (Some(actor), Some(facts)) = (actor, facts) else {
            return Err(Refusal::new(Code::Internal, "the request came past its layers"));
        };
        Ok(Self(Who {
            actor: format!("token:{}", actor.token),
            request_id: facts.request_id.to_string(),
            remote_address: facts.remote.to_string(),
        }))
    }
}

/// The layer of every path that needs a token.
pub(crate) async fn authenticate(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    match admit(&app, &request) {
        Ok(actor) => {
            request.extensions_mut().insert(actor.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(actor);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn admit(app: &Shared, request: &Request) -> Result<Actor, Refusal> {
    let presented = bearer(request);
    let found = presented.and_then(|text| app.needs.tokens.find(text));
    let Some((place, token)) = found else {
        app.metrics.refused.increment(if presented.is_some() { "wrong_token" } else { "no_token" });
        if let Some(facts) = request.extensions().get::<Facts>() {
            app.limits.failed(facts.remote.ip()).map_err(|wait| {
                app.metrics.refused.increment("address_rate");
                let detail = "too many requests without a valid token came from this address";
                Refusal::new(Code::RateLimited, detail).retry_after(wait)
            })?;
        }
        let detail = "send `Authorization: Bearer TOKEN` with a token of this API";
        return Err(Refusal::new(Code::Unauthorized, detail));
    };
    app.limits.request(place).map_err(|wait| {
        app.metrics.refused.increment("token_rate");
        let detail = format!("token {} asks more often than it may", token.name);
        Refusal::new(Code::RateLimited, detail).retry_after(wait)
    })?;
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let needed = scope(app.templates.of(request.uri().path()), is_read);
    if !token.scopes.contains(&needed) {
        app.metrics.refused.increment("scope");
        let held = names(&token.scopes);
        let detail = format!("this needs the scope `{needed}`; token {} has {held}", token.name);
        return Err(Refusal::new(Code::Forbidden, detail));
    }
    Ok(Actor { token: token.name.clone(), scopes: token.scopes.clone() })
}

/// Whoever only reads needs another scope than whoever changes, and whoever tells devices what to do yet another. The
/// path is one of the document.
pub(crate) fn scope(path: &str, is_read: bool) -> Scope {
    let is_command = path.starts_with("/v1/commands") || path.contains("/outputs/");
    match (is_read, is_command) {
        (true, _) => Scope::Read,
        (false, true) => Scope::Commands,
        (false, false) => Scope::Devices,
    }
}

fn names(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", ")
}

fn bearer(request: &Request) -> Option<&[u8]> {
    let value = request.headers().get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
