//! What a gateway learns from a call, and what it may conclude.

use std::time::Duration;

use fleetwire_downlink::{
    CallError, Client, DownlinkClientSettings, DownlinkServerSettings, MAX_MESSAGE, TOKEN_VARIABLE, Tokens,
};
use fleetwire_model::pb::{DeliverOutcome, DeliverRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::frontend::{Frontend, LIMIT, call, client, loopback, soon};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn calls_share_one_connection() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let client = client(DownlinkClientSettings::default());
    let calls = || call(&client, frontend.address, "acknowledged", LIMIT);
    for outcome in <[_; 4]>::from(tokio::join!(calls(), calls(), calls(), calls())) {
        assert_eq!(outcome, Ok(DeliverOutcome::Acknowledged));
    }
    assert_eq!((client.connections(), frontend.callers.connections()), (1, 1));
    assert_eq!(soon(client.is_serving(&frontend.address.to_string())).await, Ok(true));
    frontend.stop().await;
}

#[tokio::test]
async fn the_frontends_own_answer_comes_before_the_caller_gives_up() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let client = client(DownlinkClientSettings::default());
    let outcome = call(&client, frontend.address, "silent device", SHORT).await;
    assert_eq!(outcome, Ok(DeliverOutcome::Unacknowledged));
    frontend.stop().await;
}

#[tokio::test]
async fn where_nobody_listens_surely_nothing_was_sent() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = client(DownlinkClientSettings::default());
    let calls = || call(&client, address, "acknowledged", LIMIT);
    for outcome in <[_; 3]>::from(tokio::join!(calls(), calls(), calls())) {
        assert!(matches!(outcome, Err(CallError::Unreachable(_))), "{outcome:?}");
    }
    assert_eq!(client.connections(), 0);
}

#[tokio::test]
async fn a_call_without_an_answer_may_have_been_carried_out() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let client = client(DownlinkClientSettings::default());
    for command in ["hangs", "broken"] {
        let outcome = call(&client, frontend.address, command, SHORT).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
    }
    let outcome = call(&client, frontend.address, "nonsense", SHORT).await;
    assert!(matches!(outcome, Err(CallError::Refused(_))), "{outcome:?}");
    frontend.stop().await;
    // A connection that is taken and lost.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let takes = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u64().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(call(&client, address, "acknowledged", LIMIT), takes);
    assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_frontend_that_was_restarted_is_found_again() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let address = frontend.address;
    let client = client(DownlinkClientSettings::default());
    assert_eq!(call(&client, address, "acknowledged", LIMIT).await, Ok(DeliverOutcome::Acknowledged));
    frontend.stop().await;
    let outcome = call(&client, address, "acknowledged", LIMIT).await;
    assert!(matches!(outcome, Err(CallError::Unreachable(_))), "{outcome:?}");
    let again = DownlinkServerSettings { listen: address, ..loopback() };
    let frontend = Frontend::start(&again, Tokens::default());
    assert_eq!(call(&client, address, "acknowledged", LIMIT).await, Ok(DeliverOutcome::Acknowledged));
    frontend.stop().await;
}

#[tokio::test]
async fn a_call_that_is_in_flight_when_a_frontend_stops_gets_its_answer() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let (address, callers) = (frontend.address, frontend.callers.clone());
    let client = client(DownlinkClientSettings::default());
    let waits = call(&client, address, "silent device", SHORT);
    let stops = async {
        while callers.connections() == 0 {
            tokio::task::yield_now().await;
        }
        frontend.stop().await;
    };
    assert_eq!(tokio::join!(waits, stops).0, Ok(DeliverOutcome::Unacknowledged));
}

#[tokio::test]
async fn only_who_shows_the_token_is_heard() {
    let tokens = Tokens::load(|name| -> Result<_, std::io::Error> {
        Ok((name == TOKEN_VARIABLE).then(|| "a-token-of-the-tests".into()))
    });
    let frontend = Frontend::start(&loopback(), tokens.unwrap());
    let with =
        |token: Option<&str>| Client::new(DownlinkClientSettings::default(), token.map(Into::into)).unwrap();
    for wrong in [None, Some("a-token-of-the-testz")] {
        let outcome = call(&with(wrong), frontend.address, "acknowledged", LIMIT).await;
        assert!(matches!(outcome, Err(CallError::Refused(_))), "{outcome:?}");
    }
    assert_eq!(frontend.callers.connections(), 0, "nobody reached the service");
    let right = with(Some("a-token-of-the-tests"));
    let outcome = call(&right, frontend.address, "acknowledged", LIMIT).await;
    assert_eq!(outcome, Ok(DeliverOutcome::Acknowledged));
    frontend.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let client = client(DownlinkClientSettings::default());
    let request = DeliverRequest { payload: vec![0; MAX_MESSAGE + 1].into(), ..DeliverRequest::default() };
    let outcome = soon(client.deliver(&frontend.address.to_string(), request, LIMIT)).await;
    assert!(matches!(outcome, Err(CallError::Refused(_))), "{outcome:?}");
    assert_eq!(frontend.callers.connections(), 0);
    frontend.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_prove_to_be_a_gateways_is_closed() {
    let frontend = Frontend::start(&loopback(), Tokens::default());
    let mut strangers = Vec::new();
    // Nothing, the beginning of HTTP/2, and all of the beginning.
    for said in [&b""[..], b"PRI * ", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut stranger = TcpStream::connect(frontend.address).await.unwrap();
        stranger.write_all(said).await.unwrap();
        strangers.push(stranger);
    }
    for mut stranger in strangers {
        let mut heard = Vec::new();
        // The connection ends, in whatever way.
        let _ended = soon(stranger.read_to_end(&mut heard)).await;
    }
    frontend.stop().await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_those_before_it_are_served() {
    let settings = DownlinkServerSettings { max_connections: 2, ..loopback() };
    let frontend = Frontend::start(&settings, Tokens::default());
    let client = client(DownlinkClientSettings::default());
    let calls = || call(&client, frontend.address, "acknowledged", LIMIT);
    assert_eq!(calls().await, Ok(DeliverOutcome::Acknowledged));
    let silent = TcpStream::connect(frontend.address).await.unwrap();
    let mut one_more = TcpStream::connect(frontend.address).await.unwrap();
    assert_eq!(soon(one_more.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(calls().await, Ok(DeliverOutcome::Acknowledged));
    drop(silent);
    frontend.stop().await;
}
