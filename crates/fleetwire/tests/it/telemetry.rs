//! Spans at an OpenTelemetry collector, which is a gRPC server of this test, and the header that they travel by.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_kafka::{ClientSettings, Event, MissingTopic, Producer, Reader, ReaderOptions, Record, Start};
use fleetwire_model::Topics;
use fleetwire_model::pb::{Command, CommandStatus};
use fleetwire_model::{Topic, time::from_unix_ms};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::raws::now_ms;
use crate::support::{
    DEVICE, Decoder, Frontend, LIMIT, Process, Publish, activate, is_ready, metric, service, topics, until,
    vector,
};

type Spans = Arc<Mutex<Vec<(HashMap<String, String>, Span)>>>;

/// A collector that keeps what it gets.
#[derive(Debug)]
struct Collector {
    address: SocketAddr,
    spans: Spans,
    _runtime: tokio::runtime::Runtime,
}

struct Service(Spans);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap();
        for from in request.into_inner().resource_spans {
            let text = |value| if let Some(Any::StringValue(text)) = value { text } else { String::new() };
            let attributes = from.resource.unwrap().attributes.into_iter();
            let of: HashMap<_, _> =
                attributes.map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect();
            let all = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(all.map(|span| (of.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let spans = Spans::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let service = TraceServiceServer::new(Service(Arc::clone(&spans)));
        runtime.block_on(async {
            let incoming = tonic::transport::server::TcpIncoming::from(
                tokio::net::TcpListener::from_std(listener).unwrap(),
            );
            let server = tonic::transport::Server::builder();
            tokio::runtime::Handle::current()
                .spawn(async move { server.serve_with_incoming(service, incoming).await });
        });
        Self { address, spans, _runtime: runtime }
    }

    /// The span of this name in a trace, once it is there, with what its exporter says of itself.
    fn span(&self, trace: &[u8], name: &str) -> (HashMap<String, String>, Span) {
        until(&format!("span `{name}`"), || {
            let spans = self.spans.lock().unwrap();
            spans.iter().find(|(_, span)| span.name == name && span.trace_id == trace).cloned()
        })
    }

    /// The trace of the first span of this name.
    fn trace(&self, name: &str) -> Vec<u8> {
        until(&format!("span `{name}`"), || {
            let spans = self.spans.lock().unwrap();
            spans.iter().find(|(_, span)| span.name == name).map(|(_, span)| span.trace_id.clone())
        })
    }

    fn settings(&self, sample_ratio: &str) -> String {
        format!("[telemetry]\notlp_endpoint = \"http://{}\"\nsample_ratio = {sample_ratio}\n", self.address)
    }
}

/// The header and the value of the first record of a topic.
fn first(kafka: &str, topic: &str) -> (Option<String>, Vec<u8>) {
    let options =
        ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: LIMIT };
    let stop = CancellationToken::new();
    let reader = Reader::new(&ClientSettings::new(kafka), topic, options, &stop).unwrap();
    until(&format!("a record of {topic}"), || match reader.next(Duration::from_millis(100)).unwrap() {
        Event::Record(record) => {
            let header = record.header("traceparent").map(|value| String::from_utf8(value.to_vec()).unwrap());
            Some((header, record.payload().unwrap_or_default().to_vec()))
        }
        Event::CaughtUp | Event::Idle => None,
    })
}

fn header_of(span: &Span) -> String {
    format!("00-{}-{}-01", hex::encode(&span.trace_id), hex::encode(&span.span_id))
}

#[test]
fn one_trace_leads_from_the_reception_of_a_publish_to_its_position() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let (prefix, collector) = (topics(kafka), Collector::start());
    activate(kafka, &prefix, DEVICE);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    let named = "[process]\nregion = \"eu\"\nreplica = \"frontend-7\"\n";
    std::fs::write(&config, format!("{named}{}", collector.settings("1.0"))).unwrap();
    let frontend = Frontend::start(kafka, &prefix, Some(&config));
    until("a ready frontend", || is_ready(frontend.admin).then_some(()));
    // Whether a trace is recorded, the frontend says.
    let decoder = format!("{}[decoder]\ngroup = \"{prefix}-decoder\"\n", collector.settings("0.0"));
    let decoder = Decoder::configured(kafka, &prefix, &decoder);
    assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());

    let trace = collector.trace("produce");
    let (from, receive) = collector.span(&trace, "publish receive");
    assert_eq!((from["service.name"].as_str(), from["region"].as_str()), ("fleetwire-frontend", "eu"));
    assert_eq!(from["service.instance.id"], "frontend-7");
    let (_, send) = collector.span(&trace, "raw send");
    let (from, decode) = collector.span(&trace, "decode");
    assert_eq!(from["service.name"], "fleetwire-decoder");
    let (_, produce) = collector.span(&trace, "produce");
    assert!(receive.parent_span_id.is_empty());
    let line = [&receive, &send, &decode, &produce];
    for (parent, child) in line.iter().zip(line.iter().skip(1)) {
        assert_eq!(child.parent_span_id, parent.span_id, "{} is within {}", child.name, parent.name);
        assert!(child.start_time_unix_nano >= parent.start_time_unix_nano, "{child:?} {parent:?}");
        assert!(child.end_time_unix_nano >= child.start_time_unix_nano);
    }
    assert_eq!(first(kafka, &format!("{prefix}.raw.v1")).0, Some(header_of(&send)));
    assert_eq!(first(kafka, &format!("{prefix}.positions.v1")).0, Some(header_of(&produce)));
    assert!(metric(frontend.admin, "fleetwire_trace_spans_total", "") > 0.0);
    frontend.process.stop();
    decoder.process.stop();
}

#[test]
fn without_the_setting_no_record_has_the_header_and_a_collector_that_is_away_costs_spans_only() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::ready(kafka, &prefix);
    assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());
    assert_eq!(first(kafka, &format!("{prefix}.raw.v1")).0, None);
    frontend.process.stop();

    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    // Nobody listens there.
    std::fs::write(&config, "[telemetry]\notlp_endpoint = \"http://127.0.0.1:1\"\nsample_ratio = 1.0\n")
        .unwrap();
    let frontend = Frontend::start(kafka, &prefix, Some(&config));
    until("a ready frontend", || is_ready(frontend.admin).then_some(()));
    assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());
    until("spans are counted as lost", || {
        let lost = metric(frontend.admin, "fleetwire_trace_spans_dropped_total", "export_failed");
        (lost >= 2.0).then_some(())
    });
    frontend.process.stop();
}

#[test]
fn the_context_of_a_command_goes_on_with_its_statuses() {
    const ELSEWHERE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let (prefix, collector) = (topics(kafka), Collector::start());
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("gateway.toml");
    std::fs::write(&config, collector.settings("0.0")).unwrap();
    let mut gateway = service("command-gateway", kafka, &prefix);
    gateway.arg("--config").arg(&config);
    let mut gateway = Process::start(gateway);
    let admin: SocketAddr = gateway.logged("admin HTTP is served", "address").parse().unwrap();
    until("a ready gateway", || is_ready(admin).then_some(()));

    // Nobody registered the device, so the command ends at once.
    let now_ms = now_ms();
    let command = Command {
        command_id: "from-elsewhere".to_owned(),
        device_id: DEVICE.to_owned(),
        issued_time: Some(from_unix_ms(now_ms)),
        expire_time: Some(from_unix_ms(now_ms + 60_000)),
        ..Command::default()
    };
    let names = Topics::new(&prefix).unwrap();
    let (topic, value) = (names.name(Topic::Commands), command.encode_to_vec());
    let producer = Producer::new(&ClientSettings::new(kafka), |_, ()| {}).unwrap();
    let record = Record {
        topic: &topic,
        key: Some(DEVICE.as_bytes()),
        payload: Some(&value),
        timestamp_ms: None,
        headers: &[("traceparent", ELSEWHERE.as_bytes())],
    };
    producer.send(record, ()).unwrap();
    producer.flush(LIMIT).unwrap();

    let trace = hex::decode("4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
    let (_, receive) = collector.span(&trace, "command receive");
    assert_eq!(hex::encode(&receive.parent_span_id), "00f067aa0ba902b7");
    let (_, told) = collector.span(&trace, "command status");
    assert_eq!(told.parent_span_id, receive.span_id);
    let (header, status) = first(kafka, &names.name(Topic::CommandStatus));
    assert_eq!(header, Some(header_of(&told)));
    assert_eq!(CommandStatus::decode(&*status).unwrap().command_id, "from-elsewhere");
    gateway.stop();
}
