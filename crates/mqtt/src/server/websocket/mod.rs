//! MQTT over WebSocket, section 6 of the MQTT specification: the upgrade, bounded, and the stream behind it.

mod stream;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Error,
        handshake::server::{Callback, ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use crate::observer::{HandshakeFault, Observer};
use stream::MessageStream;

/// Names of the subprotocol: that of the specification, and that of MQTT 3.1.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// What a connection reads into, and keeps while it is idle.
const READ_BUFFER: usize = 1024;

/// How WebSocket connections are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// Path that clients must ask for.
    pub path: String,
    /// Largest message, and frame, that a client may send. A message may hold several MQTT packets.
    pub max_message_size: usize,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self { path: "/mqtt".to_owned(), max_message_size: 64 * 1024 }
    }
}

/// Upgrades a connection. The caller sets the time limit; tungstenite limits the request to 64 KiB.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    settings: &WebSocketSettings,
    observer: Arc<dyn Observer>,
) -> Result<MessageStream<S>, HandshakeFault> {
    let mut fault = None;
    let upgrade = Upgrade { path: &settings.path, fault: &mut fault };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(settings.max_message_size))
        .max_frame_size(Some(settings.max_message_size));
    match accept_hdr_async_with_config(stream, upgrade, Some(config)).await {
        Ok(stream) => Ok(MessageStream::new(stream, observer)),
        Err(err) => Err(fault.unwrap_or(match err {
            Error::Io(_) => HandshakeFault::Gone,
            _ => HandshakeFault::WebSocket,
        })),
    }
}

/// Judges the request. A refusal is answered with an HTTP status.
struct Upgrade<'a> {
    path: &'a str,
    fault: &'a mut Option<HandshakeFault>,
}

impl Callback for Upgrade<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().path() != self.path {
            *self.fault = Some(HandshakeFault::WebSocketPath);
            return Err(refusal(StatusCode::NOT_FOUND, "no MQTT at this path"));
        }
        let Some(subprotocol) = subprotocol(request) else {
            *self.fault = Some(HandshakeFault::WebSocketProtocol);
            return Err(refusal(StatusCode::BAD_REQUEST, "the subprotocol must be mqtt"));
        };
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        Ok(response)
    }
}

/// The first of the offered subprotocols that is one of ours.
fn subprotocol(request: &Request) -> Option<&'static str> {
    let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut offers = offers.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    offers.find_map(|offer| SUBPROTOCOLS.into_iter().find(|ours| offer.trim() == *ours))
}

fn refusal(status: StatusCode, text: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text.to_owned()));
    *response.status_mut() = status;
    response
}
