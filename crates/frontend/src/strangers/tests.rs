//! Times are given, so nothing here waits.

use super::*;

fn strangers(change: impl FnOnce(&mut StrangerLimits)) -> (Strangers, Instant) {
    let mut limits = StrangerLimits::default();
    change(&mut limits);
    let start = Instant::now();
    (Strangers::new(limits, start), start)
}

fn enter(strangers: &Strangers, address: &str, device: u32, now: Instant) -> Result<Visit, Limit> {
    let device = format!("device-{device}").parse().unwrap();
    strangers.enter(address.parse().unwrap(), &device, now)
}

fn minutes(count: u64) -> Duration {
    Duration::from_mins(count)
}

#[test]
fn a_depot_of_two_hundred_new_trackers_behind_one_address_works() {
    let (strangers, start) = strangers(|_| {});
    let visits: Vec<_> = (0..200).map(|n| enter(&strangers, "192.0.2.1", n, start).unwrap()).collect();
    // Each has a backlog of a hundred records of 200 bytes, and then sends one in ten seconds for a day.
    for visit in &visits {
        assert!((0..100).all(|_| visit.may_publish(200, start).is_ok()));
    }
    for ten in (1..8640).step_by(100) {
        let now = start + Duration::from_secs(ten * 10);
        assert!(visits.iter().all(|visit| visit.may_publish(200, now).is_ok()), "{ten}");
    }
}

#[test]
fn sessions_are_limited_for_an_address_and_in_total_until_they_end() {
    let (strangers, now) = strangers(|limits| {
        limits.address_sessions = 2;
        limits.sessions = 3;
    });
    let here: Vec<_> = (0..2).map(|n| enter(&strangers, "192.0.2.1", n, now).unwrap()).collect();
    assert_eq!(enter(&strangers, "192.0.2.1", 2, now).unwrap_err(), Limit::AddressSessions);
    let third = enter(&strangers, "192.0.2.2", 3, now).unwrap();
    assert_eq!(enter(&strangers, "192.0.2.3", 4, now).unwrap_err(), Limit::Sessions);
    drop(third);
    assert!(enter(&strangers, "192.0.2.3", 4, now).is_ok());
    drop(here);
    assert!(enter(&strangers, "192.0.2.1", 2, now).is_ok());
    assert_eq!(strangers.0.crowd().sessions, 0);
}

#[test]
fn a_device_that_comes_back_before_its_old_session_ended_counts_once() {
    let (strangers, now) = strangers(|limits| limits.address_sessions = 1);
    let old = enter(&strangers, "192.0.2.1", 1, now).unwrap();
    let new = enter(&strangers, "192.0.2.1", 1, now).unwrap();
    drop(old);
    assert_eq!(enter(&strangers, "192.0.2.1", 2, now).unwrap_err(), Limit::AddressSessions);
    drop(new);
    assert!(enter(&strangers, "192.0.2.1", 2, now).is_ok());
}

#[test]
fn an_address_comes_with_so_many_ids_an_hour() {
    let (strangers, start) = strangers(|limits| limits.address_ids_per_hour = 10);
    let came = |minute: u64| {
        let now = start + minutes(minute);
        let from = u32::try_from(minute).unwrap() * 1000;
        (from..from + 100).filter(|n| enter(&strangers, "2001:db8::1", *n, now).is_ok()).count()
    };
    assert_eq!((came(0), came(59), came(61)), (10, 0, 10));
    // The whole network is one address, another is not.
    assert!(enter(&strangers, "2001:db8::2", 70_000, start + minutes(62)).is_err());
    assert!(enter(&strangers, "2001:db8:0:1::1", 70_000, start + minutes(62)).is_ok());
    // Who was here within the hour may come back.
    assert!(enter(&strangers, "2001:db8::1", 61_000, start + minutes(62)).is_ok());
}

#[test]
fn publishes_and_bytes_are_limited_for_an_address_and_in_total() {
    let (strangers, start) = strangers(|limits| {
        limits.address_messages = Rate::new(1, 10);
        limits.address_bytes = Rate::new(100, 1000);
        limits.messages = Rate::new(1, 15);
        limits.bytes = Rate::new(100, 1100);
    });
    let [one, two] = [1, 2].map(|n| enter(&strangers, &format!("192.0.2.{n}"), n, start).unwrap());
    let sent = |visit: &Visit, bytes, now| loop {
        if let Err(limit) = visit.may_publish(bytes, now) {
            break limit;
        }
    };
    assert_eq!(sent(&one, 1, start), Limit::AddressMessages);
    assert_eq!(sent(&two, 1, start), Limit::Messages);
    assert!(one.may_publish(1, start + Duration::from_secs(1)).is_ok());
    let later = start + minutes(1);
    assert_eq!(one.may_publish(1001, later), Err(Limit::AddressBytes));
    assert!(one.may_publish(1000, later).is_ok());
    assert_eq!(two.may_publish(500, later), Err(Limit::Bytes));
}

#[test]
fn an_exempt_network_has_no_limits_of_its_own_but_counts() {
    let (strangers, now) = strangers(|limits| {
        limits.exempt = vec!["10.0.0.0/8".parse().unwrap()];
        limits.address_sessions = 1;
        limits.address_messages = Rate::new(1, 1);
        limits.sessions = 5;
    });
    let visits: Vec<_> = (0..5).map(|n| enter(&strangers, "10.1.2.3", n, now).unwrap()).collect();
    assert_eq!(enter(&strangers, "10.1.2.3", 5, now).unwrap_err(), Limit::Sessions);
    assert!(visits.iter().all(|visit| visit.may_publish(1, now).is_ok()));
}

#[test]
fn any_number_of_ids_and_addresses_takes_bounded_memory() {
    let (strangers, now) = strangers(|limits| limits.remembered = 1000);
    let here = enter(&strangers, "192.0.2.1", 0, now).unwrap();
    for n in 1..20_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(n / 5);
        // It comes and goes.
        let _ = enter(&strangers, &address.to_string(), n, now);
    }
    let crowd = strangers.0.crowd();
    let ids: usize = crowd.addresses.values().map(|place| place.ids.len()).sum();
    assert!(ids <= 1001 && crowd.addresses.len() <= 1001, "{ids} ids, {} addresses", crowd.addresses.len());
    assert_eq!((crowd.ids, crowd.sessions), (ids, 1));
    drop(crowd);
    drop(here);
}

#[test]
fn limits_that_let_nothing_in_are_refused() {
    assert_eq!(StrangerLimits::default().check(65_536), Ok(()));
    let limits = StrangerLimits { sessions: 0, ..StrangerLimits::default() };
    assert_eq!(limits.check(65_536), Err(StrangerLimitsError::Zero));
    let limits = StrangerLimits { bytes: Rate::new(1, 1000), ..StrangerLimits::default() };
    assert_eq!(limits.check(65_536), Err(StrangerLimitsError::Burst));
}
