//! Values of labels that need more than a line.

use fleetwire_service::metrics::Words;

/// How packets can be malformed.
const MALFORMED: &[&str] = &[
    "too_large",
    "variable_integer",
    "truncated",
    "trailing",
    "reserved_bits",
    "packet_type",
    "server_only",
    "qos",
    "text",
    "topic_name",
    "topic_filter",
    "subscription_options",
    "packet_id",
    "no_filters",
    "too_many",
    "property",
    "duplicate_property",
    "property_value",
    "reason_code",
    "protocol_name",
    "protocol_level",
    "connect_flags",
];

/// Of CONNECTs.
pub(super) const RESULTS: Words = Words {
    title: "Result of connects",
    label: "result",
    rows: &[
        (&["accepted"], "Let in."),
        (
            &["bad_credentials"],
            "User or password is wrong. Growth from few addresses: someone guesses. Growth from the \
             fleet: a wrong secret.",
        ),
        (
            &["quota_exceeded"],
            "A device that nobody activated, beyond a limit of `[frontend.unactivated_limits]`; see \
             `fleetwire_frontend_unactivated_refused_total`.",
        ),
        (&["throttled"], "Too many logins failed; see `fleetwire_frontend_logins_throttled_total`."),
        (
            &["bad_client_id", "empty_client_id"],
            "The client id is not what the account asks for: no IMEI, or one with a wrong check digit \
             that nobody registered.",
        ),
        (
            &["not_authorized"],
            "The device is disabled, has another account, or is not activated where that is needed; \
             or its certificate is missing or names another client id.",
        ),
        (
            &["server_unavailable"],
            "The registry is not read yet. After the start for a moment; longer is a problem with \
             Kafka.",
        ),
        (&["will_not_allowed"], "The topic of the will is not allowed."),
        (&["packets_too_small"], "An MQTT 5 client takes no packet as large as its CONNACK."),
        (&["authentication_method"], "Extended authentication, which is not served."),
        (
            &["gone"],
            "The other end went away before its CONNECT. Load balancers that probe the port show up \
             here.",
        ),
        (&["connect_timeout"], "No whole CONNECT in time."),
        (
            &["not_connect"],
            "The first packet was no CONNECT: no MQTT client, or TLS, or a PROXY header, sent to the \
             plain port.",
        ),
        (
            &["handshake_gone"],
            "The other end went away before PROXY header, TLS or WebSocket were done. Probes of load \
             balancers show up here.",
        ),
        (&["handshake_timeout"], "These were not done within `handshake_timeout`."),
        (
            &["proxy_missing", "proxy_malformed"],
            "A connection from a network in `[frontend.proxy_protocol]` has no PROXY header, or one \
             that is malformed or longer than 4 KiB.",
        ),
        (&["tls"], "TLS was not agreed: no common version or cipher, or another protocol."),
        (
            &["tls_no_certificate", "tls_bad_certificate"],
            "No client certificate where one is required, or one that is not valid here.",
        ),
        (
            &["websocket", "websocket_path", "websocket_protocol"],
            "No or a malformed WebSocket upgrade, one for another path, or one without the \
             subprotocol `mqtt`.",
        ),
        (&["shutting_down"], "The frontend was stopping."),
        (&["server_busy"], "A subscriber account has all its sessions."),
        (&["banned"], "A word that exists and that nothing sets today."),
        (MALFORMED, "The CONNECT is malformed in this way, as far as a CONNECT can be."),
    ],
};

/// Of the ends of sessions.
pub(super) const REASONS: Words = Words {
    title: "Reason of disconnects",
    label: "reason",
    rows: &[
        (&["disconnected", "disconnected_with_will"], "The client said goodbye."),
        (&["peer_gone"], "The connection was closed or failed without a goodbye. Normal for mobile devices."),
        (&["keep_alive"], "Silent for too long. Normal for mobile devices; a jump points to the network."),
        (
            &["taken_over"],
            "A newer connection has the same client id, here or, for devices, on another frontend. \
             Grows steadily: two devices with one IMEI, or a device that reconnects too fast.",
        ),
        (&["not_authorized"], "A publish to a topic that is not allowed, from a client before MQTT 5."),
        (&["not_stored"], "Kafka did not take a publish, and the client is older than MQTT 5."),
        (&["write_timeout"], "The client did not read what it was sent."),
        (
            &[
                "receive_maximum",
                "too_many_unreleased",
                "topic_alias",
                "answer_too_large",
                "second_connect",
                "unexpected_packet",
            ],
            "The client broke a rule of the protocol.",
        ),
        (&["shutting_down"], "The frontend stopped."),
        (
            &["administrative"],
            "Its device changed in the registry; `fleetwire_frontend_sessions_revoked_total` says what.",
        ),
    ],
};
