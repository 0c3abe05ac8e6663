use super::*;

#[test]
fn a_process_is_ready_when_every_condition_is() {
    let health = Health::default();
    let (one, two) = (health.condition("one"), health.condition("two"));
    one.ready();
    assert!(!health.is_ready());
    two.ready();
    assert!(health.is_ready());
    one.not_ready("gone");
    assert_eq!(health.report().get("one"), Some(&State::NotReady("gone".into())));
    assert!(!health.is_ready());
}

fn away_for(limit: Duration) -> (Health, Condition) {
    let health = Health::new(HealthLimits { kafka_away: limit, ..HealthLimits::default() });
    let condition = health.condition("kafka");
    (health, condition)
}

#[test]
fn kafka_may_be_away_for_a_while_once_a_part_was_ready() {
    let (health, condition) = away_for(Duration::from_hours(1));
    condition.away("no broker answers");
    assert!(!health.is_ready(), "it never was");
    condition.ready();
    condition.away("no broker answers");
    assert!(health.is_ready());
    condition.not_ready("broken");
    assert!(!health.is_ready());
}

#[test]
fn kafka_that_stays_away_makes_a_part_not_ready_by_itself_and_its_return_ready_again() {
    let (health, condition) = away_for(Duration::from_millis(50));
    condition.ready();
    condition.away("no broker answers");
    let begun = Instant::now();
    while health.is_ready() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        // To say it again does not begin the time anew.
        condition.away("still none");
        std::thread::yield_now();
    }
    assert_eq!(health.report().get("kafka"), Some(&State::NotReady("still none".into())));
    condition.ready();
    assert!(health.is_ready());
}

#[test]
fn a_part_that_has_to_say_again_and_again_that_it_is_ready_is_not_when_it_does_not() {
    let health = Health::default();
    let canary = health.condition("canary");
    canary.lapses("no answer yet");
    assert_eq!(health.report().get("canary"), Some(&State::NotReady("no answer yet".into())));
    canary.ready_for(Duration::from_millis(30), "no answer lately");
    canary.lapses("timed out");
    let begun = Instant::now();
    while health.is_ready() {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(health.report().get("canary"), Some(&State::NotReady("timed out".into())));
    canary.ready_for(Duration::from_hours(1), "no answer lately");
    assert!(health.is_ready());
}

#[test]
fn a_part_that_is_silent_for_too_long_hangs_and_one_that_has_ended_does_not() {
    let health = Health::default();
    let quick = health.pulse_within("quick", Duration::from_millis(20));
    let patient = health.pulse("patient");
    let begun = Instant::now();
    while health.is_live() {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let is_live = |name| health.signs().get(name).map(Sign::is_live);
    assert_eq!((is_live("quick"), is_live("patient")), (Some(false), Some(true)));
    quick.beat();
    assert!(health.is_live());
    drop((quick, patient));
    assert!(health.signs().is_empty());
}

#[test]
fn of_several_parts_with_one_name_the_most_silent_counts() {
    let health = Health::default();
    let seconds = |seconds| move || Duration::from_secs(seconds);
    let _vitals = [health.vital("loop", seconds(3)), health.vital("loop", seconds(400))];
    assert_eq!(health.signs().get("loop").map(|sign| sign.silent_seconds), Some(400));
    assert!(!health.is_live());
}

#[test]
fn a_process_that_stops_is_not_ready_and_is_left_to_its_end() {
    let (health, stop) = (Health::default(), CancellationToken::new());
    let _hangs = health.vital("loop", || Duration::from_hours(1));
    health.stops_with(stop.clone());
    assert!(health.is_ready() && !health.is_live());
    stop.cancel();
    assert!(!health.is_ready() && health.is_live());
    assert_eq!(health.report().get("stopping"), Some(&State::NotReady("the process is stopping".into())));
}
