use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::logs::tests::Lines;

/// What is written of lines of all kinds, first with the filter as it is, then after each change.
fn written(configured: &str, changes: &[&dyn Fn(&LogFilter)]) -> Vec<String> {
    use tracing_subscriber::Layer as _;

    let (filter, wanted) = LogFilter::new(configured).unwrap();
    let lines = Lines::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false).boxed();
    let subscriber = tracing_subscriber::registry().with(vec![layer.with_filter(wanted).boxed()]);
    with_default(subscriber, || {
        let log = || {
            for _ in 0..2 {
                tracing::info!("own info");
                tracing::debug!("own debug");
                tracing::debug!(target: "h2::codec", "library debug");
                tracing::info!(target: "h2::codec", "library info");
                tracing::info!(target: "rumqttd::router", "router info");
            }
            lines.take()
        };
        let mut all = vec![log()];
        for change in changes {
            change(&filter);
            lines.take();
            all.push(log());
        }
        all
    })
}

#[test]
fn a_filter_at_run_time_shows_more_of_our_own_modules_and_goes_again() {
    let now = Instant::now();
    let debug = |filter: &LogFilter| filter.change("debug", None, now).unwrap();
    let all = written("info", &[&debug, &|filter| filter.restore().unwrap()]);
    let [before, during, after] = all.as_slice() else { panic!("{all:?}") };
    for quiet in [before, after] {
        assert!(quiet.contains("own info") && !quiet.contains("own debug"), "{quiet}");
    }
    assert_eq!(during.matches("own debug").count(), 2, "{during}");
}

#[test]
fn no_filter_at_run_time_shows_what_passes_through_libraries() {
    let now = Instant::now();
    let asks: [&dyn Fn(&LogFilter); 3] = [
        &|filter| filter.change("trace", None, now).unwrap(),
        &|filter| filter.change("warn,h2=trace,rumqttd=trace", None, now).unwrap(),
        &|filter| filter.change("info,rumqttd::router=trace", None, now).unwrap(),
    ];
    for shown in written("info", &asks) {
        assert!(!shown.contains("library debug") && !shown.contains("router info"), "{shown}");
    }
    let configured = written("info,h2=debug", &[]).concat();
    assert!(configured.contains("library debug"), "{configured}");
}

#[test]
fn a_filter_for_a_while_is_taken_back_when_its_time_is_over() {
    let now = Instant::now();
    let (filter, _wanted) = LogFilter::new("info").unwrap();
    let second = Duration::from_secs(1);
    filter.change(" warn,fleetwire_mqtt=debug ", Some(60 * second), now).unwrap();
    filter.restore_if_due(now + 59 * second);
    let shown = filter.shown(now + 59 * second);
    assert_eq!((shown.current.as_str(), shown.configured.as_str()), ("warn,fleetwire_mqtt=debug", "info"));
    assert_eq!(shown.returns_in_seconds, Some(1));
    filter.restore_if_due(now + 60 * second);
    let shown = filter.shown(now + 60 * second);
    assert_eq!((shown.current.as_str(), shown.returns_in_seconds), ("info", None));
}

#[test]
fn what_is_no_filter_is_refused_and_changes_nothing() {
    let now = Instant::now();
    let (filter, _wanted) = LogFilter::new("info").unwrap();
    let long = "a=info,".repeat(200);
    for wrong in ["", "inof", "debug,", "fleetwire_mqtt", "a=b=c", "a=loud", "[span{x=1}]=trace", &long] {
        let refused = filter.change(wrong, None, now);
        assert!(refused.is_err() || wrong == "debug,", "{wrong}");
    }
    for lasts in [Duration::ZERO, MOST + Duration::from_secs(1)] {
        assert!(matches!(filter.change("debug", Some(lasts), now), Err(ChangeError::Time)));
    }
    let message = filter.change("inof", None, now).unwrap_err().to_string();
    assert!(message.contains("`inof`") && message.contains("target=level"), "{message}");
    filter.restore().unwrap();
    assert_eq!(filter.shown(now).current, "info");
    assert!(check("info").is_ok() && check("off").is_ok() && check("debgu").is_err());
}
