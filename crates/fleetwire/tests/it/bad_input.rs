//! Bad input: each has an outcome that the device, the consumer and the operator can see.

use fleetwire_apache_kafka::TestKafka;

use crate::support::{
    DEVICE, Decoder, Frontend, PASSWORD, Publish, activate, metric, records, topics, until, vector,
};

#[test]
fn wrong_credentials_and_client_ids_get_their_connack_code_and_are_counted() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let frontend = Frontend::ready(kafka, &prefix);
    let payload = vector();
    let good = Publish::sample(&payload);
    let connects = |result: &str| metric(frontend.admin, "fleetwire_frontend_connects_total", result);
    for (publish, code, result) in [
        (Publish { password: "wrong", ..good.clone() }, 4, "bad_credentials"),
        (Publish { client_id: "86703504624289", ..good.clone() }, 2, "bad_client_id"),
        (Publish { client_id: "a-truck", ..good.clone() }, 2, "bad_client_id"),
        (Publish { password: "wrong", version: "mqttv5", ..good.clone() }, 134, "bad_credentials"),
        (Publish { client_id: "a-truck", version: "mqttv5", ..good.clone() }, 133, "bad_client_id"),
    ] {
        let before = connects(result);
        assert_eq!(publish.to(frontend.mqtt).status.code(), Some(code), "{publish:?}");
        assert!(connects(result) > before, "{result} is not counted");
    }
    frontend.process.stop();
}

#[test]
fn a_payload_that_cannot_be_decoded_is_acknowledged_and_ends_in_the_dead_letters() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::ready(kafka, &prefix);
    let decoder = Decoder::ready(kafka, &prefix);
    let good = vector();
    let mut checksum = good.clone();
    *checksum.last_mut().unwrap() ^= 0xff;
    // The length of the telemetry record, one more than there is; the checksum is right again.
    let mut overrun = good.clone();
    overrun[13] += 1;
    *overrun.last_mut().unwrap() += 1;
    let bad: [(&[u8], &str); 4] = [
        (&checksum, "checksum"),
        (&overrun, "record_length"),
        (&good[..1], "truncated"),
        (b"hello", "version"),
    ];
    for (payload, _) in bad {
        assert!(Publish::sample(payload).to(frontend.mqtt).status.success());
    }
    let letters = records("dead-letters", bad.len(), &flags);
    for (payload, code) in bad {
        let letter = letters.iter().find(|letter| letter["code"] == code).unwrap_or_else(|| {
            panic!("no dead letter is `{code}`: {letters:#?}");
        });
        assert!(!letter["reason"].as_str().unwrap().is_empty());
        assert_eq!(letter["raw"]["payload"].as_str().unwrap(), base64(payload));
        assert_eq!(letter["protocol"], "iotm");
        assert!(metric(decoder.admin, "fleetwire_decoder_dead_letters_total", code) >= 1.0, "{code}");
    }
    frontend.process.stop();
    decoder.process.stop();
}

#[test]
fn an_unknown_value_type_keeps_what_came_before_it_and_is_flagged() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::ready(kafka, &prefix);
    let decoder = Decoder::ready(kafka, &prefix);
    let mut payload = vector();
    // The last item (0x006D, type 0) gets a value type that nobody knows, and the checksum follows.
    let last = payload.len() - 4;
    payload[last] = 77;
    let checksum = payload.last_mut().unwrap();
    *checksum = checksum.wrapping_add(77);
    assert!(Publish::sample(&payload).to(frontend.mqtt).status.success());
    let position = &records("positions", 1, &flags)[0];
    assert_eq!(position["quality"], serde_json::json!(["QUALITY_PARTIAL_RECORD", "QUALITY_CLOCK_TOO_OLD"]));
    assert_eq!(position["fix"]["speed_kmh"], 18.0);
    frontend.process.stop();
    decoder.process.stop();
}

#[test]
fn what_a_device_sends_before_its_activation_is_held_and_not_decoded() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    let frontend = Frontend::ready(kafka, &prefix);
    assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());
    assert_eq!(records("held", 1, &flags)[0]["client_id"], DEVICE);
    assert!(metric(frontend.admin, "fleetwire_frontend_publishes_total", "held") >= 1.0);
    assert!(metric(frontend.admin, "fleetwire_frontend_publishes_total", "raw") < 1.0);

    activate(kafka, &prefix, DEVICE);
    until("the activation is seen", || {
        assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());
        (metric(frontend.admin, "fleetwire_frontend_publishes_total", "raw") >= 1.0).then_some(())
    });
    frontend.process.stop();
}

#[test]
fn unactivated_devices_can_be_refused() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    std::fs::write(&config, "[frontend]\nunactivated = \"reject\"\n").unwrap();
    let frontend = Frontend::start(kafka, &prefix, Some(&config));
    until("a ready frontend", || crate::support::is_ready(frontend.admin).then_some(()));
    assert_eq!(Publish::sample(&vector()).to(frontend.mqtt).status.code(), Some(5));
    frontend.process.stop();
}

#[test]
fn a_topic_of_somebody_else_is_refused_and_nothing_is_stored() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::ready(kafka, &prefix);
    let payload = vector();
    let publish = Publish { topic: "865209039554705/OUTC", version: "mqttv5", ..Publish::sample(&payload) };
    // mosquitto_pub reports the PUBACK's reason code as a warning and ends normally.
    let output = publish.to(frontend.mqtt);
    let printed =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(printed.to_lowercase().contains("not authorized"), "{printed}");
    assert!(metric(frontend.admin, "fleetwire_frontend_publishes_refused_total", "") >= 1.0);
    assert!(metric(frontend.admin, "fleetwire_frontend_publishes_total", "") < 1.0);
    frontend.process.stop();
}

#[test]
fn a_device_may_subscribe_to_its_own_commands_and_to_nothing_else() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::ready(kafka, &prefix);
    let subscribe = |filter: &str| {
        let port = frontend.mqtt.port().to_string();
        let output = std::process::Command::new("mosquitto_sub")
            .args(["-p", &port, "-i", DEVICE, "-u", "bce_device", "-P", PASSWORD, "-q", "1", "-d", "-E"])
            .args(["-t", filter])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let own = subscribe("867035046242895/OUTC");
    assert!(own.contains("Subscribed (mid: 1): 1"), "{own}");
    for filter in ["#", "+/OUTC", "865209039554705/OUTC", "$SYS/#", "$share/g/867035046242895/OUTC", "BCE/D"]
    {
        let refused = subscribe(filter);
        assert!(refused.contains("(mid: 1): 128"), "{filter}: {refused}");
    }
    assert!(metric(frontend.admin, "fleetwire_frontend_subscriptions_total", "refused") >= 6.0);
    frontend.process.stop();
}

/// As protobuf's JSON mapping writes bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value =
            chunk.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (value >> (18 - 6 * place)) & 63;
            text.push(if place > chunk.len() { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    text
}
