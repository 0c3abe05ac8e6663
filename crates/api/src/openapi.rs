//! The router and its document, made from one list of handlers.

use std::sync::LazyLock;

use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema,
    Type,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::auth::scope;
use crate::commands::{events, get as command, post};
use crate::devices::{change, list};
use crate::problem::{MEDIA_TYPE, Problem};
use crate::trace::{change as trace, events as steps};
use crate::transfer::{Format, export, import};
use crate::{held, meta, models, setup, state};

/// What the document says besides the paths.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "fleetwire",
        description = "Devices of a fleetwire deployment: which there are, where they are, what they may do, and what they \
            are told to do.\n\n\
            Every request but those of `/healthz` and `/openapi.json` needs a token, \
            `Authorization: Bearer TOKEN`. Tokens have scopes: `read` for GET, `commands` to tell \
            devices what to do, `devices` for everything else. \
            Every failure is a problem (RFC 9457). Each answer has the id of its request, `X-Request-Id`; a client \
            may choose it, with up to 128 letters, digits and `-_.:/+=`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(),
    ),
    tags(
        (name = "devices", description = "Devices that somebody activated"),
        (name = "commands", description = "What devices are told to do, and what becomes of it"),
        (name = "held", description = "Devices that nobody activated and that send all the same"),
        (name = "models", description = "Device models"),
        (name = "meta", description = "The API itself"),
    ),
    security(("token" = [])),
    components(schemas(Problem, Format)),
)]
struct Document;

/// Paths of which requests and answers are short.
pub(crate) fn requests() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(models::list))
        .routes(routes!(models::get))
        .routes(routes!(list::list, change::create))
        .routes(routes!(list::get, change::put, change::patch, change::remove))
        .routes(routes!(change::disable))
        .routes(routes!(change::enable))
        .routes(routes!(state::get))
        .routes(routes!(setup::get))
        .routes(routes!(trace::get, trace::start, trace::stop))
        .routes(routes!(steps::events))
        .routes(routes!(held::list))
        .routes(routes!(post::output))
        .routes(routes!(command::list, post::command))
        .routes(routes!(command::get))
        .routes(routes!(events::events))
        .routes(routes!(post::cancel))
        .routes(routes!(post::approve))
}

/// Paths of which bodies are as long as the registry.
pub(crate) fn transfers() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(import::import)).routes(routes!(export::export))
}

/// Paths that need no token.
pub(crate) fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(meta::health)).routes(routes!(meta::document))
}

/// The document, JSON; docs/openapi.json is a copy of it.
pub fn openapi() -> String {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // It is made of texts and numbers, so this cannot fail.
        let mut text = document().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    });
    TEXT.clone()
}

/// The document.
pub(crate) fn document() -> OpenApi {
    let (_, mut document) = OpenApiRouter::<Shared>::with_openapi(Document::openapi())
        .merge(requests())
        .merge(transfers())
        .merge(open())
        .split_for_parts();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.info.contact = None;
    if let Some(components) = &mut document.components {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the API's settings, `[api.tokens.NAME]`."));
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
    for (path, item) in &mut document.paths.paths {
        let all = [
            (&mut item.get, true),
            (&mut item.put, false),
            (&mut item.post, false),
            (&mut item.patch, false),
            (&mut item.delete, false),
        ];
        for (operation, reads) in all {
            if let Some(operation) = operation {
                complete(operation, path, reads);
            }
        }
    }
    document
}

/// Adds the answers that any path can give, and to every failure its problem.
fn complete(operation: &mut Operation, path: &str, reads: bool) {
    let common: &[(&str, &str)] = &[
        ("400", "The request is malformed, or has a query parameter that there is not"),
        (
            "429",
            "The token asks more often than it may, or too many requests of the address had no valid one",
        ),
        ("500", "A defect of fleetwire"),
        ("503", "Too much is going on, or Kafka cannot be reached; Retry-After says when to try again"),
    ];
    let token: &[(&str, &str)] = &[
        ("401", "No valid token came with the request"),
        ("403", "The token has not the scope that this needs"),
    ];
    let body: &[(&str, &str)] = &[("408", "The body came too slowly"), ("413", "The body is too large")];
    let json: &[(&str, &str)] =
        &[("415", "The body is no application/json"), ("422", "A value of the body cannot be taken")];
    let has_body = operation.request_body.is_some();
    let is_import = path.ends_with("/import");
    let mut groups = vec![common];
    if path.starts_with("/v1/") {
        groups.push(token);
    }
    if has_body {
        groups.push(body);
    }
    if has_body && !is_import {
        groups.push(json);
    }
    for (status, description) in groups.into_iter().flatten() {
        let responses = &mut operation.responses.responses;
        let response = || RefOr::T(ResponseBuilder::new().description(*description).build());
        responses.entry((*status).to_owned()).or_insert_with(response);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            describe(response, status);
        }
    }
    let scope = scope(path, reads);
    if (path.ends_with("/cancel") || path.ends_with("/approve") || path.ends_with("/trace"))
        && let Some(RefOr::T(body)) = &mut operation.request_body
    {
        body.required = Some(Required::False);
    }
    if path.starts_with("/v1/") {
        let said = operation.description.take().map_or_else(String::new, |text| format!("{text}\n\n"));
        operation.description = Some(format!("{said}Scope: `{scope}`."));
    }
}

/// The problem of a failure, and the headers that every answer has.
fn describe(response: &mut Response, status: &str) {
    let header = |description: &str, schema: ObjectBuilder| {
        RefOr::T(HeaderBuilder::new().description(Some(description)).schema(Some(schema)).build())
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    response.headers.insert("X-Request-Id".to_owned(), header("Id of the request", text()));
    if !status.starts_with(['4', '5']) {
        return;
    }
    if response.content.is_empty() {
        let schema: RefOr<Schema> = RefOr::Ref(Ref::from_schema_name("Problem"));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        response.content.insert(MEDIA_TYPE.to_owned(), RefOr::T(content));
    }
    match status {
        "401" => {
            response.headers.insert("WWW-Authenticate".to_owned(), header("Bearer", text()));
        }
        "429" => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).examples([json!(1)]);
            response.headers.insert("Retry-After".to_owned(), header("Seconds", seconds));
        }
        _ => {}
    }
}
