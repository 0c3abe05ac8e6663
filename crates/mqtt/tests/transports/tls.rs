//! TLS with real clients.

use std::{fs, time::Duration};

use fleetwire_mqtt::{BindError, ClientCertificates, Parts, Server, Settings, TlsError, Transport};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::{
    ID, address, listen,
    pki::{Authority, Pki, client, connect, der, shown},
    support::{Porter, Wire, house, soon},
    works,
};

#[tokio::test]
async fn devices_publish_over_both_versions_of_tls() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Off));
    for version in [&TLS12, &TLS13] {
        let config = client(&pki.authority.pem, None, &[version]);
        let stream = connect(config, address(&house, Transport::Tls)).await.unwrap();
        works(&house, stream, ID).await;
        assert_eq!(house.porter.last().transport, Transport::Tls);
    }
}

#[tokio::test]
async fn all_listeners_feed_the_same_sessions() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Off));
    let mut plain = Wire::connect(&house, fleetwire_mqtt::packet::Level::V311, ID).await;
    let secure = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    let _wire = works(&house, secure, ID).await;
    plain.closed().await;
    house.notes.wait_for("disconnected taken_over").await;
    assert_eq!(house.sessions.len(), 1);
}

#[tokio::test]
async fn a_session_is_resumed_by_its_ticket() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Off));
    for version in [&TLS12, &TLS13] {
        let config = client(&pki.authority.pem, None, &[version]);
        let first = connect(config.clone(), address(&house, Transport::Tls)).await.unwrap();
        // A ticket of TLS 1.3 comes behind the handshake.
        works(&house, first, ID).await;
        let second = connect(config, address(&house, Transport::Tls)).await.unwrap();
        let wire = works(&house, second, ID).await;
        let kind = wire.0.get_ref().1.handshake_kind().unwrap();
        assert_eq!(kind, tokio_rustls::rustls::HandshakeKind::Resumed, "{version:?}");
    }
}

#[tokio::test]
async fn a_large_answer_reaches_a_client_that_reads_late() {
    use fleetwire_mqtt::{
        Outcome,
        packet::{Level, QoS},
    };
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Off));
    let stream = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    let mut wire = Wire::introduce(stream, Level::V311, ID).await;
    for id in 1..=200 {
        wire.send(&super::publish(Level::V311, "BCE/D", QoS::AtLeastOnce, id)).await;
        house.store.next().await.1.complete(Outcome::Stored);
    }
    for id in 1..=200_u16 {
        assert_eq!(wire.packet().await, (0x40, id.to_be_bytes().to_vec()));
    }
}

#[tokio::test]
async fn names_of_a_client_certificate_reach_the_authenticator() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Required));
    let own = pki.authority.issue(ID, &["tracker.example", "192.0.2.7"]);
    let config = client(&pki.authority.pem, Some(&own), &[&TLS12, &TLS13]);
    // The second is resumed.
    for _ in 0..2 {
        let stream = connect(config.clone(), address(&house, Transport::Tls)).await.unwrap();
        works(&house, stream, ID).await;
        let certificate = house.porter.last().certificate.unwrap();
        assert_eq!(certificate.common_name.as_deref(), Some(ID));
        let names = ["tracker.example", "192.0.2.7", "urn:imei:867035046242895"];
        assert_eq!(certificate.alternative_names, names);
    }
}

#[tokio::test]
async fn a_required_certificate_must_be_shown_and_be_valid() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Required));
    let foreign = Authority::new().issue(ID, &[]);
    for own in [None, Some(&foreign)] {
        let stream = pki.connect(address(&house, Transport::Tls), own).await;
        // In TLS 1.3 a client learns of its refusal with its first read.
        if let Ok(mut stream) = stream {
            soon(stream.read_u8()).await.unwrap_err();
        }
    }
    house.notes.wait_for("not_admitted tls_no_certificate").await;
    house.notes.wait_for("not_admitted tls_bad_certificate").await;
}

#[tokio::test]
async fn an_optional_certificate_may_be_left_out_but_not_be_invalid() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Optional));
    let stream = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    works(&house, stream, ID).await;
    assert_eq!(house.porter.last().certificate, None);
    let foreign = Authority::new().issue(ID, &[]);
    if let Ok(mut stream) = pki.connect(address(&house, Transport::Tls), Some(&foreign)).await {
        soon(stream.read_u8()).await.unwrap_err();
    }
    house.notes.wait_for("not_admitted tls_bad_certificate").await;
}

#[tokio::test]
async fn new_files_are_served_to_new_connections_and_old_connections_go_on() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Off));
    let old = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    let mut old = works(&house, old, ID).await;

    let second = pki.authority.issue("second", &["localhost"]);
    // The pair is of two files: between the two writes it does not fit, which is refused and mended.
    pki.place(&second);
    house.notes.wait_for_many("certificate_loaded", 2).await;
    let new = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    assert_eq!(shown(&new), der(&second));
    works(&house, new, "other").await;
    old.send(&[0xC0, 0]).await;
    assert_eq!(old.packet().await, (0xD0, vec![]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_swapped_by_a_link_is_seen() {
    use std::os::unix::fs::symlink;
    let pki = Pki::new();
    let (one, two) = (pki.path("..one"), pki.path("..two"));
    let second = pki.authority.issue("second", &["localhost"]);
    let first = pki.authority.issue("first", &["localhost"]);
    for (folder, issued) in [(&one, &first), (&two, &second)] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("tls.crt"), &issued.certificate).unwrap();
        fs::write(folder.join("tls.key"), &issued.key).unwrap();
    }
    symlink(&one, pki.path("..data")).unwrap();
    let house = house(|settings| {
        listen(settings, &[Transport::Tls]);
        let mut tls = pki.settings(ClientCertificates::Off);
        tls.certificate = pki.path("..data").join("tls.crt");
        tls.key = pki.path("..data").join("tls.key");
        settings.tls = Some(tls);
    });
    assert_eq!(shown(&pki.connect(house.address, None).await.unwrap()), der(&first));
    symlink(&two, pki.path("..data_tmp")).unwrap();
    fs::rename(pki.path("..data_tmp"), pki.path("..data")).unwrap();
    house.notes.wait_for_many("certificate_loaded", 2).await;
    assert_eq!(shown(&pki.connect(house.address, None).await.unwrap()), der(&second));
    assert_eq!(house.notes.count("certificate_refused"), 0);
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused_and_the_old_ones_serve_on() {
    let pki = Pki::new();
    let house = house(|settings| pki.serve(settings, ClientCertificates::Off));
    let before = shown(&pki.connect(address(&house, Transport::Tls), None).await.unwrap());
    fs::write(pki.path("key.pem"), pki.authority.issue("other", &[]).key).unwrap();
    house.notes.wait_for("certificate_refused").await;
    fs::write(pki.path("key.pem"), "no key").unwrap();
    house.notes.wait_for_many("certificate_refused", 2).await;
    fs::remove_file(pki.path("key.pem")).unwrap();
    house.notes.wait_for_many("certificate_refused", 3).await;
    assert_eq!(shown(&pki.connect(address(&house, Transport::Tls), None).await.unwrap()), before);
}

#[test]
fn files_that_cannot_serve_are_told_at_the_start() {
    let pki = Pki::new();
    let bind = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        pki.serve(&mut settings, ClientCertificates::Required);
        change(&mut settings);
        let parts = Parts {
            authenticator: std::sync::Arc::new(Porter::default()),
            ingest: std::sync::Arc::new(Nothing),
            observer: std::sync::Arc::new(()),
            unix_ms: || 0,
        };
        Server::bind(settings, parts).unwrap_err()
    };
    let tls = |change: fn(&mut fleetwire_mqtt::TlsSettings, &Pki)| {
        bind(&|settings| change(settings.tls.as_mut().unwrap(), &pki))
    };
    let err = tls(|tls, pki| tls.key = pki.path("nowhere.pem"));
    assert!(matches!(err, BindError::Tls(TlsError::Unreadable { .. })), "{err:?}");
    let err = tls(|tls, pki| tls.key = pki.path("certificate.pem"));
    assert!(matches!(err, BindError::Tls(TlsError::NotPem { .. })), "{err:?}");
    let err = tls(|tls, pki| tls.certificate = pki.path("key.pem"));
    assert!(matches!(err, BindError::Tls(TlsError::NoCertificate { .. })), "{err:?}");
    let err = tls(|tls, pki| tls.certificate = pki.path("ca.pem"));
    assert!(matches!(err, BindError::Tls(TlsError::Unfit { .. })), "{err:?}");
    let err = tls(|tls, _| tls.client_ca = None);
    assert!(matches!(err, BindError::Tls(TlsError::NoClientCa)), "{err:?}");
    let err = bind(&|settings| settings.tls = None);
    assert!(matches!(err, BindError::NoCertificate(Transport::Tls)), "{err:?}");
}

#[tokio::test]
async fn mute_and_foolish_peers_delay_nobody_and_are_closed_in_time() {
    let pki = Pki::new();
    let house = house(|settings| {
        pki.serve(settings, ClientCertificates::Off);
        settings.gate.handshakes = 1;
        settings.handshake_timeout = Duration::from_millis(300);
    });
    let mut mute = Vec::new();
    for _ in 0..50 {
        mute.push(TcpStream::connect(address(&house, Transport::Tls)).await.unwrap());
    }
    let stream = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    works(&house, stream, ID).await;
    let mut plain = Wire(TcpStream::connect(address(&house, Transport::Tls)).await.unwrap());
    plain.send(&super::support::connect(fleetwire_mqtt::packet::Level::V311, ID)).await;
    house.notes.wait_for("not_admitted tls").await;
    for mut stream in mute {
        assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
    }
    house.notes.wait_for_many("not_admitted handshake_timeout", 50).await;
}

/// Half a handshake takes a turn; those who wait for one in vain are counted.
#[tokio::test]
async fn handshakes_at_once_are_limited() {
    let pki = Pki::new();
    let house = house(|settings| {
        pki.serve(settings, ClientCertificates::Off);
        settings.gate.handshakes = 1;
        settings.gate.waiting_handshakes = 1;
        settings.handshake_timeout = Duration::from_secs(2);
    });
    let mut half = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire(TcpStream::connect(address(&house, Transport::Tls)).await.unwrap());
        wire.send(&[0x16, 3, 1]).await;
        half.push(wire);
    }
    house.notes.wait_for("turned_away handshakes").await;
    house.notes.wait_for("not_admitted handshake_timeout").await;
    let stream = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    works(&house, stream, ID).await;
}

/// An ingest for servers that do not run.
struct Nothing;

impl fleetwire_mqtt::Ingest for Nothing {
    fn offer(
        &self,
        _: &fleetwire_mqtt::SessionFacts,
        publish: fleetwire_mqtt::Publish,
        receipt: fleetwire_mqtt::Receipt,
    ) -> Result<(), (fleetwire_mqtt::Publish, fleetwire_mqtt::Receipt)> {
        Err((publish, receipt))
    }

    async fn room(&self) {}
}
