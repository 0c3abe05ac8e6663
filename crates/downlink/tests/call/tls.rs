//! Mutual TLS: who is let in by a certificate.

use std::net::SocketAddr;

use fleetwire_downlink::{
    CallError, Client, ClientTls, DownlinkClientSettings, DownlinkServerSettings, Server, ServerTls, Tokens,
};
use fleetwire_model::pb::DeliverOutcome;

use crate::frontend::{Frontend, LIMIT, call, client, loopback};
use crate::pki::Authority;

struct House {
    frontends: Authority,
    gateways: Authority,
    frontend: Frontend,
}

fn house() -> House {
    let (frontends, gateways) = (Authority::new(), Authority::new());
    let own = frontends.issue("frontend.internal");
    let tls = ServerTls { certificate: own.certificate, key: own.key, client_ca: Some(gateways.file()) };
    let settings = DownlinkServerSettings { tls: Some(tls), ..loopback() };
    let frontend = Frontend::start(&settings, Tokens::default());
    House { frontends, gateways, frontend }
}

fn tls(frontends: &Authority, gateway: Option<&Authority>) -> ClientTls {
    let own = gateway.map(|authority| authority.issue("gateway"));
    let (certificate, key) = own.map(|own| (own.certificate, own.key)).unzip();
    ClientTls { ca: frontends.file(), certificate, key, server_name: Some("frontend.internal".into()) }
}

fn with(tls: ClientTls) -> Client {
    client(DownlinkClientSettings { tls: Some(tls), ..DownlinkClientSettings::default() })
}

async fn is_refused(client: &Client, address: SocketAddr) -> bool {
    let outcome = call(client, address, "acknowledged", LIMIT).await;
    assert!(outcome.is_err(), "{outcome:?}");
    let refused = matches!(outcome, Err(CallError::Refused(_)));
    assert!(refused, "{outcome:?}");
    refused
}

#[tokio::test]
async fn a_gateway_with_a_certificate_is_let_in_and_any_other_is_not() {
    let House { frontends, gateways, frontend } = house();
    let outcome =
        call(&with(tls(&frontends, Some(&gateways))), frontend.address, "acknowledged", LIMIT).await;
    assert_eq!(outcome, Ok(DeliverOutcome::Acknowledged));
    assert!(is_refused(&with(tls(&frontends, None)), frontend.address).await, "without one");
    let another = Authority::new();
    let foreign = tls(&frontends, Some(&another));
    assert!(is_refused(&with(foreign), frontend.address).await, "another authority's");
    let plain =
        call(&client(DownlinkClientSettings::default()), frontend.address, "acknowledged", LIMIT).await;
    assert!(plain.is_err(), "{plain:?}");
    assert_eq!(frontend.callers.connections(), 1, "nobody else reached the service");
    frontend.stop().await;
}

#[tokio::test]
async fn a_gateway_talks_to_no_frontend_that_it_does_not_trust() {
    let House { frontends, gateways, frontend } = house();
    assert!(is_refused(&with(tls(&Authority::new(), Some(&gateways))), frontend.address).await, "authority");
    let other = ClientTls { server_name: None, ..tls(&frontends, Some(&gateways)) };
    assert!(is_refused(&with(other), frontend.address).await, "name");
    assert_eq!(frontend.callers.connections(), 0);
    frontend.stop().await;
}

#[tokio::test]
async fn files_that_hold_no_certificate_are_told_at_the_start() {
    let authority = Authority::new();
    let empty = authority.file().with_file_name("empty");
    std::fs::write(&empty, "").unwrap();
    let own = authority.issue("frontend.internal");
    for (certificate, key) in [(empty.clone(), own.key), (own.certificate, empty.clone())] {
        let tls = ServerTls { certificate, key, client_ca: None };
        assert!(
            Server::bind(&DownlinkServerSettings { tls: Some(tls), ..loopback() }, Tokens::default())
                .is_err()
        );
    }
    let own = authority.issue("gateway");
    let tls = ClientTls {
        ca: authority.file(),
        certificate: Some(own.certificate),
        key: Some(empty),
        server_name: None,
    };
    let settings = DownlinkClientSettings { tls: Some(tls), ..DownlinkClientSettings::default() };
    assert!(Client::new(settings, None).is_err());
}
