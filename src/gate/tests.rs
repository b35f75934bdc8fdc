use super::*;
use crate::retry::Schedule;
use proptest::prelude::*;
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).expect("in range")
}

fn limits() -> Limits {
    Limits { rate_per_second: 50, breaker_failures: 3, calendar: Calendar::default() }
}

/// Two seconds, four, eight: without jitter, so that tests can say when.
fn steps(now: Timestamp) -> impl Fn(u32) -> Timestamp {
    move |step| now + SignedDuration::from_secs(1 << step.min(20))
}

fn look(health: &Health, now: Timestamp) -> Gate {
    gate(&Asked { suspended: false, paused: None, limits: &limits(), health }, now, 4)
}

fn note(health: &mut Health, sign: Sign, now: Timestamp) -> Option<Change> {
    health.note(sign, now, &limits(), steps(now))
}

fn closed(why: Why, until: i64) -> Gate {
    Gate::Closed { why, until: Some(at(until)) }
}

#[test]
fn a_healthy_system_is_open_up_to_its_rate() {
    let mut health = Health::default();
    assert_eq!(look(&health, at(0)), Gate::Open { exchanges: 4 });
    health.bucket.take(4, 50, at(0));
    assert_eq!(look(&health, at(0)), Gate::Open { exchanges: 1 });
    health.bucket.take(1, 50, at(0));
    let until = at(0) + SignedDuration::from_millis(20);
    assert_eq!(look(&health, at(0)), Gate::Closed { why: Why::Rate, until: Some(until) });
    assert_eq!(look(&health, until), Gate::Open { exchanges: 1 });
}

#[test]
fn the_operator_comes_first_and_the_calendar_next() {
    let mut health = Health::default();
    note(&mut health, Sign::Throttled { until: Some(at(60)) }, at(0));
    let calendar = Calendar::parse(&["2026-09-21 22:00-23:00".into()]).expect("a window");
    let night = "2026-09-21T22:10:00+08:00".parse::<Timestamp>().expect("a time");
    let limits = Limits { calendar, ..limits() };
    let pause = |until| Pause { by: "王老师".into(), reason: "对账".into(), at: night, until };
    let (ever, brief) = (pause(None), pause(Some(night + SignedDuration::from_mins(5))));
    let why = |suspended, paused, now| match gate(
        &Asked { suspended, paused, limits: &limits, health: &health },
        now,
        1,
    ) {
        Gate::Closed { why, until } => (why.as_str(), until),
        open @ (Gate::Open { .. } | Gate::Probe) => panic!("{open:?}"),
    };
    assert_eq!(why(true, Some(&ever), night), ("suspended", None));
    assert_eq!(why(false, Some(&ever), night), ("paused", None));
    assert_eq!(why(false, Some(&brief), night), ("paused", brief.until));
    let over = night + SignedDuration::from_mins(50);
    assert_eq!(why(false, Some(&brief), night + SignedDuration::from_mins(5)), ("maintenance", Some(over)));
    assert_eq!(look(&health, at(0)), closed(Why::Resting, 60));
}

#[test]
fn failures_in_a_row_open_the_breaker_and_an_answer_begins_anew() {
    let mut health = Health::default();
    for sign in [Sign::Failed, Sign::Failed, Sign::Answered, Sign::Failed, Sign::Failed] {
        assert_eq!(note(&mut health, sign, at(0)), None);
    }
    assert_eq!(note(&mut health, Sign::Failed, at(0)), Some(Change::Opened));
    assert_eq!(look(&health, at(0)), closed(Why::Breaker, 2));
    // Those that were under way come in late: they are no news.
    assert_eq!(note(&mut health, Sign::Failed, at(1)), None);
    assert_eq!(look(&health, at(1)), closed(Why::Breaker, 2));
    assert_eq!(look(&health, at(2)), Gate::Probe);
    health.begin_probe(at(2), at(12), &limits());
    assert_eq!(look(&health, at(3)), closed(Why::Probing, 12));
    assert_eq!(health.note_probe(Sign::Failed, at(4), steps(at(4))), None);
    assert_eq!(look(&health, at(4)), closed(Why::Breaker, 8), "longer");
    health.begin_probe(at(8), at(18), &limits());
    assert_eq!(health.note_probe(Sign::Answered, at(9), steps(at(9))), Some(Change::Closed));
    assert_eq!(look(&health, at(9)), Gate::Open { exchanges: 4 });
    assert_eq!(health.breaker, Breaker::default());
}

#[test]
fn a_probe_that_never_comes_back_is_followed_by_another() {
    let mut health = Health::default();
    note(&mut health, Sign::Skewed, at(0));
    assert_eq!(
        look(&health, at(1)),
        closed(Why::ClockSkew, 2),
        "clocks too far apart: probed, not suspended"
    );
    health.begin_probe(at(2), at(12), &limits());
    assert_eq!(look(&health, at(11)), closed(Why::Probing, 12));
    assert_eq!(look(&health, at(12)), Gate::Probe);
    health.begin_probe(at(12), at(22), &limits());
    assert_eq!(health.note_probe(Sign::Failed, at(13), steps(at(13))), None);
    assert_eq!(health.breaker.open(), Some(Why::Breaker), "it is down, whatever its clock says");
}

#[test]
fn a_probe_by_hand_of_a_system_that_works_is_one_exchange_of_many() {
    let mut health = Health::default();
    assert_eq!(health.note_probe(Sign::Failed, at(0), steps(at(0))), None);
    assert_eq!((health.breaker.failures, look(&health, at(0))), (1, Gate::Open { exchanges: 4 }));
    assert_eq!(health.note_probe(Sign::Skewed, at(0), steps(at(0))), Some(Change::Opened));
}

#[test]
fn a_breaker_that_opens_again_waits_for_the_probe_that_is_out() {
    let mut health = Health::default();
    note(&mut health, Sign::Skewed, at(0));
    health.begin_probe(at(2), at(12), &limits());
    assert_eq!(note(&mut health, Sign::Answered, at(3)), Some(Change::Closed), "one that began before");
    assert_eq!(look(&health, at(3)), Gate::Open { exchanges: 4 });
    assert_eq!(note(&mut health, Sign::Skewed, at(4)), Some(Change::Opened));
    assert_eq!(look(&health, at(6)), closed(Why::Probing, 12));
    assert_eq!(health.note_probe(Sign::Answered, at(7), steps(at(7))), Some(Change::Closed));
    assert_eq!(health.breaker, Breaker::default());
}

#[test]
fn a_rest_lasts_as_long_as_was_asked_for_up_to_ten_minutes() {
    let mut health = Health::default();
    note(&mut health, Sign::Failed, at(0));
    assert_eq!(note(&mut health, Sign::Throttled { until: Some(at(30)) }, at(0)), None);
    assert_eq!(health.breaker.failures, 0, "it answers");
    note(&mut health, Sign::Throttled { until: Some(at(20)) }, at(1));
    note(&mut health, Sign::Answered, at(1));
    assert_eq!(look(&health, at(29)), closed(Why::Resting, 30), "a shorter one, or an answer, ends no rest");
    assert_eq!(look(&health, at(30)), Gate::Open { exchanges: 4 });
    note(&mut health, Sign::Throttled { until: Some(Timestamp::MAX) }, at(30));
    assert_eq!(look(&health, at(31)), closed(Why::Resting, 630));
    assert_eq!(health.clear(), None);
    assert_eq!(look(&health, at(31)), Gate::Open { exchanges: 4 });
}

#[test]
fn a_rest_without_an_end_grows_step_by_step() {
    let mut health = Health::default();
    let none = Sign::Throttled { until: None };
    for _ in 0..16 {
        note(&mut health, none, at(0));
    }
    assert_eq!(look(&health, at(1)), closed(Why::Resting, 2), "told together, counted once");
    note(&mut health, none, at(2));
    assert_eq!(look(&health, at(3)), closed(Why::Resting, 6));
    note(&mut health, Sign::Throttled { until: Some(at(3)) }, at(7));
    assert_eq!(look(&health, at(7)), closed(Why::Resting, 15), "an instant that has passed says nothing");
    note(&mut health, Sign::Answered, at(15));
    note(&mut health, none, at(15));
    assert_eq!(look(&health, at(15)), closed(Why::Resting, 17), "from the first step again");
}

#[test]
fn an_open_breakers_probe_that_is_throttled_closes_it_and_rests() {
    let mut health = Health::default();
    note(&mut health, Sign::Skewed, at(0));
    health.begin_probe(at(2), at(12), &limits());
    let throttled = Sign::Throttled { until: Some(at(60)) };
    assert_eq!(health.note_probe(throttled, at(3), steps(at(3))), Some(Change::Closed));
    assert_eq!(look(&health, at(3)), closed(Why::Resting, 60));
}

#[test]
fn health_survives_its_json_and_older_and_newer_ones() {
    let mut health = Health::default();
    assert_eq!(serde_json::to_string(&health).expect("JSON"), r#"{"breaker":{},"bucket":0}"#);
    note(&mut health, Sign::Throttled { until: None }, at(0));
    note(&mut health, Sign::Skewed, at(0));
    health.begin_probe(at(2), at(9), &limits());
    let text = serde_json::to_string(&health).expect("JSON");
    assert_eq!(serde_json::from_str::<Health>(&text).expect("health"), health);
    assert_eq!(serde_json::from_str::<Health>("{}").expect("health"), Health::default());
    let newer = r#"{"bucket": 17, "mood": "good", "breaker": {"failures": 2, "colour": "red"}}"#;
    assert_eq!(serde_json::from_str::<Health>(newer).expect("health").breaker.failures, 2);
    let pause = r#"{"by":"operator","reason":"x","at":"1970-01-01T00:00:00Z","until":null}"#;
    assert_eq!(serde_json::from_str::<Pause>(pause).expect("as the migration writes it").until, None);
}

/// What several daemons do to one system's health.
#[derive(Debug, Clone, Copy)]
enum Act {
    Wait(i64),
    Note(Sign),
    Look,
    ProbeEnds(Sign),
    ProbeDies,
}

fn act() -> impl Strategy<Value = Act> {
    let sign = prop_oneof![
        3 => Just(Sign::Failed),
        1 => Just(Sign::Answered),
        1 => Just(Sign::Skewed),
        1 => proptest::option::of(-10i64..4000).prop_map(|s| Sign::Throttled { until: s.map(at) }),
    ];
    prop_oneof![
        2 => (-5i64..120).prop_map(Act::Wait),
        1 => (-5000i64..5000).prop_map(Act::Wait),
        3 => sign.clone().prop_map(Act::Note),
        4 => Just(Act::Look),
        2 => sign.prop_map(Act::ProbeEnds),
        1 => Just(Act::ProbeDies),
    ]
}

proptest! {
    /// A probe lasts at most ten seconds here; the clock may jump, but not while one is out.
    #[test]
    fn never_two_probes_and_always_one_in_the_end(acts in proptest::collection::vec(act(), 1..80)) {
        let schedule = Schedule { initial: Duration::from_secs(1), max: Duration::from_secs(3600) };
        let (mut health, mut now) = (Health::default(), 0);
        let mut out: Option<i64> = None;
        for act in acts {
            let again = |step| schedule.next(step, at(now), None);
            let was = health.breaker.open().is_some();
            let change = match act {
                Act::Wait(seconds) => {
                    now += if out.is_some() { seconds.clamp(0, 9) } else { seconds };
                    if out.is_some_and(|until| until <= now) {
                        out = None;
                    }
                    None
                }
                Act::Note(sign) => health.note(sign, at(now), &limits(), again),
                Act::Look if look(&health, at(now)) == Gate::Probe => {
                    prop_assert!(out.is_none(), "a second probe at {now}");
                    health.begin_probe(at(now), at(now + 10), &limits());
                    out = Some(now + 10);
                    None
                }
                Act::Look => None,
                Act::ProbeEnds(sign) if out.take().is_some() => {
                    health.note_probe(sign, at(now), again)
                }
                Act::ProbeEnds(_) | Act::ProbeDies => None,
            };
            let is = health.breaker.open().is_some();
            prop_assert_eq!(change, match (was, is) {
                (false, true) => Some(Change::Opened),
                (true, false) => Some(Change::Closed),
                _ => None,
            });
        }
        // Left alone, whoever waits as long as he is told comes to a probe or through, before long.
        let mut waits = 0;
        while let Gate::Closed { until, .. } = look(&health, at(now)) {
            let until = until.expect("an end");
            prop_assert!(until > at(now) && until.duration_since(at(now)) <= LONGEST_WAIT + LONGEST_WAIT);
            now = until.as_second() - at(0).as_second() + 1;
            waits += 1;
            prop_assert!(waits <= 4);
        }
        prop_assert_eq!(look(&health, at(now)) == Gate::Probe, health.breaker.open().is_some());
    }
}
