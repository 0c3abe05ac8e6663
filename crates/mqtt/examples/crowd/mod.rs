//! What the examples share: a server that takes everybody, and a crowd of clients in a process of its own, so that
//! what is counted is the server's and each side has its own file descriptors.
#![allow(dead_code, unreachable_pub, reason = "each example uses its own part")]

use std::{error::Error, net::SocketAddr, process::Stdio, str::FromStr, sync::Arc};

use bytes::BytesMut;
use fleetwire_mqtt::{
    Authenticator, ClientCertificates, Grant, Ingest, Listener, Outcome, Parts, Peer, Publish, Receipt,
    Refusal, Server, SessionFacts, Settings, TlsSettings, Transport,
    packet::{Connect, Level, Properties, PublishPacket, QoS},
};
use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, Lines,
    },
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::header::SEC_WEBSOCKET_PROTOCOL},
};

pub(crate) type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Lets everybody in.
#[derive(Debug)]
pub(crate) struct Open;

impl Authenticator for Open {
    fn authenticate(&self, _: &Connect, _: &Peer) -> Result<Grant, Refusal> {
        let topic = fleetwire_mqtt::TopicFilter::parse("BCE/D").map_err(|_| Refusal::ServerUnavailable)?;
        Ok(Grant { publish: Arc::new([topic]), ..Grant::new(Arc::new(())) })
    }
}

/// Stores nothing, at once.
#[derive(Debug)]
pub(crate) struct Sink;

impl Ingest for Sink {
    fn offer(&self, _: &SessionFacts, _: Publish, receipt: Receipt) -> Result<(), (Publish, Receipt)> {
        receipt.complete(Outcome::Stored);
        Ok(())
    }

    async fn room(&self) {}
}

/// What was asked for: `[COUNT] [--tls | --ws | --wss]`; and, in the crowd's own process, where the server is.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) count: usize,
    pub(crate) transport: Transport,
    server: Option<(SocketAddr, String)>,
}

impl Task {
    pub(crate) fn from_args() -> Fallible<Self> {
        let mut task = Self { count: 1000, transport: Transport::Tcp, server: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--tls" => task.transport = Transport::Tls,
                "--ws" => task.transport = Transport::WebSocket,
                "--wss" => task.transport = Transport::SecureWebSocket,
                "--server" => {
                    let address = args.next().unwrap_or_default();
                    task.server = Some((SocketAddr::from_str(&address)?, args.next().unwrap_or_default()));
                }
                count => task.count = count.parse()?,
            }
        }
        Ok(task)
    }

    /// The crowd, if this is its process.
    pub(crate) fn crowd(&self) -> Fallible<Option<Crowd>> {
        self.server.as_ref().map(|(address, ca)| Crowd::new(*address, self.transport, ca)).transpose()
    }
}

/// A server that listens on one transport, with a certificate of its own.
pub(crate) fn serve(transport: Transport) -> Fallible<(Server<Open, Sink>, SocketAddr, TempDir)> {
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(path("certificate.pem"), own.cert.pem())?;
    std::fs::write(path("key.pem"), own.signing_key.serialize_pem())?;
    let settings = Settings {
        listeners: vec![Listener { transport, address: ([127, 0, 0, 1], 0).into() }],
        tls: Some(TlsSettings {
            certificate: path("certificate.pem"),
            key: path("key.pem"),
            client_ca: None,
            client_certificates: ClientCertificates::Off,
            reload_every: std::time::Duration::from_secs(30),
        }),
        ..Settings::default()
    };
    let parts = Parts {
        authenticator: Arc::new(Open),
        ingest: Arc::new(Sink),
        observer: Arc::new(()),
        unix_ms: || 0,
    };
    let server = Server::bind(settings, parts)?;
    let address = server.local_addr()?;
    Ok((server, address, folder))
}

/// The other process: takes a line as the word to go on, and answers in lines.
pub(crate) struct Helper {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    /// Starts this program again, as the crowd.
    pub(crate) fn start(task: &Task, address: SocketAddr, folder: &TempDir) -> Fallible<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(task.count.to_string()).arg("--server").arg(address.to_string());
        command.arg(folder.path().join("certificate.pem"));
        match task.transport {
            Transport::Tcp => &mut command,
            Transport::Tls => command.arg("--tls"),
            Transport::WebSocket => command.arg("--ws"),
            Transport::SecureWebSocket => command.arg("--wss"),
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let orders = child.stdin.take().ok_or("no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        Ok(Self { child, orders, answers })
    }

    /// Waits for the next answer.
    pub(crate) async fn answer(&mut self) -> Fallible<String> {
        Ok(self.answers.next_line().await?.ok_or("the crowd ended early")?)
    }

    pub(crate) async fn go_on(&mut self) -> Fallible<()> {
        Ok(self.orders.write_all(b"\n").await?)
    }

    pub(crate) async fn end(mut self) -> Fallible<()> {
        drop(self.orders);
        self.child.wait().await?;
        Ok(())
    }
}

/// In the crowd's process: waits for the word to go on.
pub(crate) async fn told_to_go_on() -> Fallible<()> {
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

/// Clients.
pub(crate) struct Crowd {
    address: SocketAddr,
    transport: Transport,
    tls: TlsConnector,
}

impl Crowd {
    fn new(address: SocketAddr, transport: Transport, ca: &str) -> Fallible<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        let mut config = builder.with_no_client_auth();
        // Every handshake is a whole one.
        config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
        Ok(Self { address, transport, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Connects, publishes once, and waits for the PUBACK. What is returned holds the connection.
    pub(crate) async fn client(&self, number: usize) -> Fallible<Box<dyn Send>> {
        let stream = TcpStream::connect(self.address).await?;
        match self.transport {
            Transport::Tcp => talk(stream, number).await,
            Transport::Tls => talk(self.secure(stream).await?, number).await,
            Transport::WebSocket => talk_in_frames(stream, number).await,
            Transport::SecureWebSocket => talk_in_frames(self.secure(stream).await?, number).await,
        }
    }

    async fn secure(&self, stream: TcpStream) -> Fallible<tokio_rustls::client::TlsStream<TcpStream>> {
        Ok(self.tls.connect(ServerName::try_from("localhost")?, stream).await?)
    }
}

async fn talk<S>(mut stream: S, number: usize) -> Fallible<Box<dyn Send>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream.write_all(&greeting(number)).await?;
    stream.flush().await?;
    stream.read_exact(&mut [0; 8]).await?;
    Ok(Box::new(stream))
}

async fn talk_in_frames<S>(stream: S, number: usize) -> Fallible<Box<dyn Send>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = "ws://localhost/mqtt".into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, "mqtt".parse()?);
    let (mut socket, _) = client_async(request, stream).await?;
    socket.send(Message::Binary(greeting(number).freeze())).await?;
    let mut answered = 0;
    while answered < 8 {
        answered += socket.next().await.ok_or("closed")??.len();
    }
    Ok(Box::new(socket))
}

/// A CONNECT and a PUBLISH.
fn greeting(number: usize) -> BytesMut {
    let mut bytes = BytesMut::new();
    Connect {
        level: Level::V311,
        clean_start: true,
        keep_alive: 600,
        client_id: format!("{number:015}").into(),
        will: None,
        user_name: Some("bce_device".into()),
        password: Some("a-password".into()),
        properties: Properties::default(),
    }
    .encode(&mut bytes);
    PublishPacket {
        topic: "BCE/D".into(),
        payload: vec![0; 100].into(),
        qos: QoS::AtLeastOnce,
        dup: false,
        retain: false,
        packet_id: 1,
        properties: Properties::default(),
    }
    .encode(&mut bytes, Level::V311);
    bytes
}
