//! Steps in words.

use fleetwire_model::pb::TraceStepKind as Kind;

/// The fixed word of a step.
pub const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "unspecified",
        Kind::Connected => "connected",
        Kind::ConnectRefused => "connect_refused",
        Kind::Subscribed => "subscribed",
        Kind::SubscribeRefused => "subscribe_refused",
        Kind::Disconnected => "disconnected",
        Kind::Received => "received",
        Kind::PublishRefused => "publish_refused",
        Kind::Waiting => "waiting",
        Kind::HandedOver => "handed_over",
        Kind::Stored => "stored",
        Kind::NotStored => "not_stored",
        Kind::Answered => "answered",
        Kind::Held => "held",
        Kind::Released => "released",
        Kind::Decoded => "decoded",
        Kind::DeadLetter => "dead_letter",
        Kind::Produced => "produced",
        Kind::CommandStatus => "command_status",
        Kind::CommandCalled => "command_called",
        Kind::CommandAnswered => "command_answered",
    }
}

/// The kind of service that tells it.
pub const fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "",
        Kind::Connected
        | Kind::ConnectRefused
        | Kind::Subscribed
        | Kind::SubscribeRefused
        | Kind::Disconnected
        | Kind::Received
        | Kind::PublishRefused
        | Kind::Waiting
        | Kind::HandedOver
        | Kind::Stored
        | Kind::NotStored
        | Kind::Answered
        | Kind::CommandCalled
        | Kind::CommandAnswered => "frontend",
        Kind::Held | Kind::Released => "keeper",
        Kind::Decoded | Kind::DeadLetter | Kind::Produced => "decoder",
        Kind::CommandStatus => "gateway",
    }
}
