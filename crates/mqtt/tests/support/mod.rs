//! What the integration tests share: an ingest that withholds its answers, and a client of bare bytes.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use fleetwire_mqtt::{
    Authenticator, End, Event, Grant, Ingest, Listener, NotAdmitted, Observer, Outcome, Parts, Peer, Publish,
    Receipt, Refusal, Server, SessionFacts, Sessions, Settings, TopicFilter,
    packet::{Connect, Level, Properties, PublishPacket, QoS},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// No wait in a test is longer.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Waits for something that must come.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.expect("must come soon")
}

/// Lets `device` in with the password `secret`, as the accounts of the seeds do, `slow`, which may publish once a
/// second, and `operator`, which may do everything and listens to others.
#[derive(Debug)]
pub struct Door;

impl Authenticator for Door {
    fn authenticate(&self, connect: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        if connect.password.as_deref() != Some(b"secret") {
            return Err(Refusal::BadCredentials);
        }
        let publish_rate = match connect.user_name.as_deref() {
            Some("device") => None,
            Some("slow") => Some(1),
            Some("operator") => return Ok(operator(&connect.client_id)),
            _ => return Err(Refusal::BadCredentials),
        };
        let downlink = TopicFilter::fill("%c/OUTC", &connect.client_id).map_err(|_| Refusal::BadClientId)?;
        let uplink = ["BCE/D", "BCE/E"].map(|topic| TopicFilter::parse(topic).unwrap());
        Ok(Grant {
            publish: Arc::new(uplink),
            subscribe: Arc::new([downlink]),
            publish_rate,
            ..Grant::new(Arc::new("identity"))
        })
    }
}

fn operator(client_id: &str) -> Grant {
    let all = TopicFilter::parse("#").unwrap();
    Grant {
        client_id: client_id.is_empty().then(|| "assigned".into()),
        publish: Arc::new([all.clone()]),
        subscribe: Arc::new([all]),
        max_subscribe_qos: QoS::ExactlyOnce,
        max_queued: 8,
        listens: true,
        ..Grant::new(Arc::new("identity"))
    }
}

/// A door, with notes of who came.
pub struct Porter {
    door: Box<dyn Authenticator>,
    peers: Mutex<Vec<Peer>>,
}

impl Default for Porter {
    fn default() -> Self {
        Self { door: Box::new(Door), peers: Mutex::default() }
    }
}

impl Porter {
    /// Who came last.
    pub fn last(&self) -> Peer {
        self.peers.lock().unwrap().last().unwrap().clone()
    }
}

impl Authenticator for Porter {
    fn authenticate(&self, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal> {
        self.peers.lock().unwrap().push(peer.clone());
        self.door.authenticate(connect, peer)
    }

    fn still_admits(&self, session: &SessionFacts) -> bool {
        self.door.still_admits(session)
    }
}

/// An ingest that takes publishes and leaves their receipts to the test.
#[derive(Debug)]
pub struct Store {
    taken: mpsc::UnboundedSender<(SessionFacts, Publish, Receipt)>,
    given: tokio::sync::Mutex<mpsc::UnboundedReceiver<(SessionFacts, Publish, Receipt)>>,
    pub offers: AtomicUsize,
    full: AtomicBool,
    room: Notify,
}

impl Store {
    fn new() -> Self {
        let (taken, given) = mpsc::unbounded_channel();
        Self {
            taken,
            given: given.into(),
            offers: AtomicUsize::new(0),
            full: AtomicBool::new(false),
            room: Notify::new(),
        }
    }

    /// The next publish that was offered.
    pub async fn next(&self) -> (Publish, Receipt) {
        let (_, publish, receipt) = self.next_with_facts().await;
        (publish, receipt)
    }

    pub async fn next_with_facts(&self) -> (SessionFacts, Publish, Receipt) {
        soon(async { self.given.lock().await.recv().await.unwrap() }).await
    }

    /// Whether nothing waits to be taken.
    pub async fn is_empty(&self) -> bool {
        self.given.lock().await.is_empty()
    }

    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
        self.room.notify_one();
    }
}

impl Ingest for Store {
    fn offer(
        &self,
        session: &SessionFacts,
        publish: Publish,
        receipt: Receipt,
    ) -> Result<(), (Publish, Receipt)> {
        self.offers.fetch_add(1, Ordering::SeqCst);
        if self.full.load(Ordering::SeqCst) {
            return Err((publish, receipt));
        }
        let _ = self.taken.send((session.clone(), publish, receipt));
        Ok(())
    }

    async fn room(&self) {
        self.room.notified().await;
    }
}

/// Notes events as words.
#[derive(Debug, Default)]
pub struct Notes {
    words: Mutex<Vec<String>>,
    changed: Notify,
}

impl Notes {
    /// Waits until a word was noted.
    pub async fn wait_for(&self, word: &str) {
        self.wait_for_many(word, 1).await;
    }

    /// Waits until a word was noted so often.
    pub async fn wait_for_many(&self, word: &str, count: usize) {
        soon(async {
            loop {
                let changed = self.changed.notified();
                if self.count(word) >= count {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }

    pub fn count(&self, word: &str) -> usize {
        self.words.lock().unwrap().iter().filter(|noted| *noted == word).count()
    }
}

impl Observer for Notes {
    fn on(&self, event: Event<'_>) {
        let word = match event {
            Event::NotAdmitted(cause) => format!("not_admitted {}", NotAdmitted::code(cause)),
            Event::Disconnected(_, end) => format!("disconnected {}", End::code(end)),
            Event::PublishRefused(..) => "publish_refused".into(),
            Event::PublishFailed(_, failure) => format!("publish_failed {}", failure.code()),
            Event::PublishAnswered { outcome: Outcome::Stored, .. } => "answered stored".into(),
            Event::PublishAnswered { outcome: Outcome::Failed(failure), .. } => {
                format!("answered {}", failure.code())
            }
            Event::PublishUnanswered(..) => "unanswered".into(),
            Event::Admitted { .. } => "admitted".into(),
            Event::Duplicate(_) => "duplicate".into(),
            Event::IngestFull(_) => "ingest_full".into(),
            Event::Connected(_) => "connected".into(),
            Event::Kept(_) => "kept".into(),
            Event::NotKept(_) => "not_kept".into(),
            Event::KeptOver(_) => "kept_over".into(),
            Event::Resumed(_) => "resumed".into(),
            Event::Throttled(_) => "throttled".into(),
            Event::MessageDropped(_) => "message_dropped".into(),
            Event::TurnedAway(why) => format!("turned_away {}", why.code()),
            Event::ToldBusy => "told_busy".into(),
            Event::CertificateLoaded { .. } => "certificate_loaded".into(),
            Event::CertificateRefused => "certificate_refused".into(),
            Event::WebSocketBreach => "websocket_breach".into(),
            _ => return,
        };
        self.words.lock().unwrap().push(word);
        self.changed.notify_waiters();
    }
}

/// A running server.
pub struct House {
    pub address: SocketAddr,
    pub listeners: Vec<Listener>,
    pub porter: Arc<Porter>,
    pub store: Arc<Store>,
    pub notes: Arc<Notes>,
    pub sessions: Sessions,
    pub stop: CancellationToken,
    pub running: JoinHandle<()>,
}

pub fn house(change: impl FnOnce(&mut Settings)) -> House {
    house_of(Door, change)
}

/// A running server that somebody else keeps the door of.
#[expect(clippy::disallowed_methods, reason = "the test is the service")]
pub fn house_of(authenticator: impl Authenticator, change: impl FnOnce(&mut Settings)) -> House {
    let mut settings = Settings { listen: ([127, 0, 0, 1], 0).into(), ..Settings::default() };
    change(&mut settings);
    let (store, notes) = (Arc::new(Store::new()), Arc::new(Notes::default()));
    let porter = Arc::new(Porter { door: Box::new(authenticator), peers: Mutex::default() });
    let parts = Parts {
        authenticator: porter.clone(),
        ingest: store.clone(),
        observer: notes.clone(),
        unix_ms: || 1_700_000_000_000,
    };
    let server = Server::bind(settings, parts).unwrap();
    let (address, sessions) = (server.local_addr().unwrap(), server.sessions());
    let listeners = server.listeners();
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    House { address, listeners, porter, store, notes, sessions, stop, running }
}

/// A client of bare bytes.
pub struct Wire<S = TcpStream>(pub S);

impl Wire {
    pub async fn open(house: &House) -> Self {
        Self(TcpStream::connect(house.address).await.unwrap())
    }

    /// Connects as `client_id` and takes the CONNACK.
    pub async fn connect(house: &House, level: Level, client_id: &str) -> Self {
        Self::introduce(Self::open(house).await.0, level, client_id).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Connects as `client_id` over a stream that is there already, and takes the CONNACK.
    pub async fn introduce(stream: S, level: Level, client_id: &str) -> Self {
        let mut wire = Self(stream);
        wire.send(&connect(level, client_id)).await;
        let (first, body) = wire.packet().await;
        assert_eq!((first, body[1]), (0x20, 0));
        wire
    }

    /// The next packet: first byte and body.
    pub async fn packet(&mut self) -> (u8, Vec<u8>) {
        soon(async {
            let first = self.0.read_u8().await.unwrap();
            let (mut len, mut shift) = (0, 0);
            loop {
                let byte = self.0.read_u8().await.unwrap();
                len |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; len];
            self.0.read_exact(&mut body).await.unwrap();
            (first, body)
        })
        .await
    }

    /// The server closes, and says nothing more before it does.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        let outcome = soon(self.0.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"", "{outcome:?}");
    }
}

/// What a device of the seeds sends first.
pub fn connect_packet(level: Level, client_id: &str) -> Connect {
    Connect {
        level,
        clean_start: true,
        keep_alive: 60,
        client_id: client_id.to_owned().into(),
        will: None,
        user_name: Some("device".into()),
        password: Some("secret".into()),
        properties: Properties::default(),
    }
}

pub fn connect(level: Level, client_id: &str) -> BytesMut {
    let mut bytes = BytesMut::new();
    connect_packet(level, client_id).encode(&mut bytes);
    bytes
}

pub fn publish(level: Level, topic: &'static str, qos: QoS, packet_id: u16) -> BytesMut {
    let mut bytes = BytesMut::new();
    PublishPacket {
        topic: topic.into(),
        payload: packet_id.to_be_bytes().to_vec().into(),
        qos,
        dup: false,
        retain: false,
        packet_id,
        properties: Properties::default(),
    }
    .encode(&mut bytes, level);
    bytes
}
