use tracing::Metadata;
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::*;
use crate::logs::tests::Lines;

const WINDOW: Duration = Duration::from_secs(10);

/// Runs `work` with logging of at most `most` lines of a kind; what was written.
fn logged(most: u32, work: impl FnOnce(&Repeats)) -> String {
    let repeats = Arc::new(Repeats::new(RepeatSettings { most, window: WINDOW }));
    let lines = Lines::default();
    let limited = Limited { format: format(), repeats: Arc::clone(&repeats) };
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false);
    let layer = layer.event_format(limited);
    with_default(tracing_subscriber::registry().with(layer), || work(&repeats));
    lines.take()
}

fn refused(number: u32) {
    tracing::warn!(number, "a publish was refused");
}

#[test]
fn a_flood_of_one_line_is_cut_and_summed_up_once() {
    let text = logged(3, |repeats| {
        (0..1237).for_each(refused);
        tracing::warn!("another line");
        repeats.sum_up(Instant::now());
        repeats.sum_up(Instant::now() + WINDOW);
        repeats.sum_up(Instant::now() + 3 * WINDOW);
    });
    assert_eq!(text.matches("number=").count(), 3, "{text}");
    assert_eq!(text.matches("a publish was refused ... 1,234 more of these").count(), 1, "{text}");
    assert_eq!(text.matches("more of these").count(), 1, "{text}");
    assert!(text.contains("another line") && text.contains("repeats=1234"), "{text}");
    assert!(text.contains("WARN") && text.contains("logs::repeats::tests"), "{text}");
}

#[test]
fn what_is_left_out_at_the_end_is_told_too() {
    let text = logged(1, |repeats| {
        (0..3).for_each(refused);
        repeats.sum_up_all();
    });
    assert!(text.contains("2 more of these"), "{text}");
}

#[test]
fn lines_that_somebody_turned_on_are_all_written_and_zero_limits_nothing() {
    let text = logged(1, |_| (0..5).for_each(|number| tracing::debug!(number, "a packet")));
    assert_eq!(text.matches("a packet").count(), 5, "{text}");
    let text = logged(0, |_| (0..500).for_each(refused));
    assert_eq!(text.matches("number=").count(), 500);
}

#[test]
fn another_window_writes_the_line_again_and_a_flood_that_goes_on_is_summed_up_once_a_window() {
    let start = Instant::now();
    let mut table = Table::new(2, WINDOW);
    let line = || Line::new(metadata(), "same".to_owned());
    let (mut written, mut sums) = (0, Vec::new());
    for second in 0..30 {
        let now = start + Duration::from_secs(second);
        written += (0..10).filter(|_| table.takes(line(), now)).count();
        sums.extend(table.due(now));
    }
    assert_eq!(written, 3 * 2);
    let told: u64 = sums.iter().map(|sum| sum.hidden).sum();
    assert_eq!(sums.len(), 2, "{sums:?}");
    let left: u64 = table.all(start).iter().map(|sum| sum.hidden).sum();
    assert_eq!(told + left, 300 - 6);
}

#[test]
fn the_table_does_not_grow_without_end_and_no_line_is_lost_for_that() {
    let start = Instant::now();
    let mut table = Table::new(1, WINDOW);
    let takes = |table: &mut Table, number: u32, now| {
        table.takes(Line::new(metadata(), format!("line {number}")), now)
    };
    assert!((0..5000).all(|number| takes(&mut table, number, start)));
    assert!(!takes(&mut table, 0, start), "the first kinds are counted");
    assert!(takes(&mut table, 4999, start), "those beyond are not");
    assert!(takes(&mut table, 9999, start + WINDOW));
    assert!(!takes(&mut table, 9999, start + WINDOW), "there is room again");
}

#[test]
fn numbers_are_written_for_people() {
    for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
}

/// Remembers the last line.
#[derive(Clone, Default)]
struct Catch(Arc<Mutex<Option<&'static Metadata<'static>>>>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Catch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        *self.0.lock().unwrap() = Some(event.metadata());
    }
}

fn metadata() -> &'static Metadata<'static> {
    let catch = Catch::default();
    with_default(tracing_subscriber::registry().with(catch.clone()), || tracing::info!("any"));
    let caught = catch.0.lock().unwrap().take();
    caught.unwrap()
}
