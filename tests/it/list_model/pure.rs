//! Every state that the pure machines can reach.

use chrono::{Duration, NaiveDate};
use credence_dispatch::model::directives::{self, Act, DirectiveKind, DirectiveState};
use credence_lists::model::{self as lists, EntryState, Step, ToDecide, may_decide};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Everything that can be reached.
fn reachable<T: Ord + Copy>(from: impl IntoIterator<Item = T>, next: impl Fn(T) -> Vec<T>) -> BTreeSet<T> {
    let mut seen: BTreeSet<T> = from.into_iter().collect();
    let mut open: Vec<T> = seen.iter().copied().collect();
    while let Some(at) = open.pop() {
        open.extend(next(at).into_iter().filter(|there| seen.insert(*there)));
    }
    seen
}

const STEPS: [Step; 9] = [
    Step::Notice,
    Step::Object,
    Step::ObjectAgain,
    Step::Answer { upheld: true },
    Step::Answer { upheld: false },
    Step::Decide,
    Step::List,
    Step::Exit,
    Step::Drop,
];

/// Days after the notice: of a moment within the window, of its last day, and of the day after.
const WITHIN: i64 = 3;
const LAST: i64 = 7;
const AFTER: i64 = 8;

/// A decision, and the days it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Decision {
    by_another: bool,
    on: i64,
    entered_on: i64,
}

/// Where an entry is, and what has happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    state: EntryState,
    noticed: bool,
    /// Whether the subject itself entered what it states.
    objected: Option<bool>,
    answered_on: Option<i64>,
    /// The window has run out.
    over: bool,
    decided: Option<Decision>,
    listed: bool,
}

/// One step further, by whoever and with whatever day.
fn on(way: Way) -> Vec<Way> {
    let served = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
    let day = |n: i64| served + Duration::days(n);
    let today = if way.over { AFTER } else { WITHIN };
    let mut next = Vec::new();
    if way.noticed {
        next.push(Way { over: true, ..way });
    }
    for step in STEPS {
        let Some(state) = lists::after(way.state, step) else { continue };
        let there = Way { state, ..way };
        match step {
            Step::Notice => next.push(Way { noticed: true, ..there }),
            Step::Object => next.extend([true, false].map(|by_subject| Way { objected: Some(by_subject), ..there })),
            // Only the subject itself, after somebody spoke for it, and within the window; what it says is not answered yet.
            Step::ObjectAgain if lists::objecting(true, way.objected) == step && !way.over => {
                next.push(Way { objected: Some(true), answered_on: None, ..there });
            }
            Step::ObjectAgain => {}
            Step::Answer { .. } => next.push(Way { answered_on: Some(today), ..there }),
            Step::List => next.push(Way { listed: true, ..there }),
            Step::Exit | Step::Drop => next.push(there),
            Step::Decide => {
                let tries = [false, true].into_iter().flat_map(|another| [-1, 0, WITHIN, LAST, AFTER, AFTER + 1].map(|on| (another, on)));
                for (by_another, on) in tries {
                    let facts = ToDecide {
                        proposed_by: Some(Uuid::from_u128(1)),
                        decided_by: Uuid::from_u128(if by_another { 2 } else { 1 }),
                        decided_on: day(on),
                        served_on: served,
                        objection_until: day(LAST),
                        objected: way.objected.is_some(),
                        by_subject: way.objected == Some(true),
                        answered_on: way.answered_on.map(day),
                        today: day(today),
                    };
                    if may_decide(facts).is_ok() {
                        next.push(Way { decided: Some(Decision { by_another, on, entered_on: today }), ..there });
                    }
                }
            }
        }
    }
    next
}

#[test]
fn no_way_leads_onto_a_list_around_notice_objection_and_decision() {
    let draft =
        Way { state: EntryState::Draft, noticed: false, objected: None, answered_on: None, over: false, decided: None, listed: false };
    let seen = reachable([draft], on);
    let states: BTreeSet<EntryState> = seen.iter().map(|way| way.state).collect();
    assert_eq!(states, BTreeSet::from(EntryState::ALL), "every state is reached");
    for way in &seen {
        match way.state {
            EntryState::Draft => assert!(!way.noticed && way.decided.is_none(), "{way:?}"),
            EntryState::Noticed => assert!(way.noticed && way.objected.is_none() && way.decided.is_none(), "{way:?}"),
            EntryState::ObjectionReview => assert!(way.noticed && way.objected.is_some() && way.decided.is_none(), "{way:?}"),
            EntryState::Decided | EntryState::Listed | EntryState::Exited => assert!(way.noticed && way.decided.is_some(), "{way:?}"),
            EntryState::Dropped => {}
        }
        if let Some(decision) = way.decided {
            assert!(decision.by_another && decision.on >= 0 && decision.on <= decision.entered_on, "{way:?}");
            assert!(decision.on > LAST || (way.objected == Some(true) && way.answered_on.is_some()), "{way:?}");
            assert!(way.objected.is_none() || way.answered_on.is_some_and(|answered| decision.on >= answered), "{way:?}");
        }
        assert_eq!(way.listed, matches!(way.state, EntryState::Listed | EntryState::Exited), "{way:?}");
        let ended = matches!(way.state, EntryState::Exited | EntryState::Dropped);
        assert_eq!(STEPS.iter().all(|step| lists::after(way.state, *step).is_none()), ended, "{way:?}");
    }
    // Whose window ran out unused, whose own objection was answered while it ran, and whoever else's after it: these are listed, and nobody sooner.
    let listed: BTreeSet<(Option<bool>, bool)> =
        seen.iter().filter(|way| way.listed).filter_map(|way| Some((way.objected, way.decided?.on > LAST))).collect();
    assert_eq!(listed, BTreeSet::from([(None, true), (Some(true), false), (Some(true), true), (Some(false), true)]));
}

#[test]
fn no_way_of_a_directive_ends_in_anything_but_what_its_delivery_calls_for() {
    use DirectiveState as S;
    // Kind, state, and whether it was ever handed out.
    type At = (DirectiveKind, DirectiveState, bool);
    let acts = |(kind, state, delivered): At| -> Vec<(Act, At)> {
        let taken = Act::ALL.into_iter().filter(|act| kind.takes(*act));
        taken.filter_map(|act| Some((act, (kind, directives::after(state, act).ok()?, delivered || act == Act::Hand)))).collect()
    };
    let begins = [
        (DirectiveKind::Execute, S::Proposed, false),
        (DirectiveKind::Execute, S::Issued, false),
        (DirectiveKind::Release, S::Issued, false),
    ];
    let seen = reachable(begins, |at| acts(at).into_iter().map(|(_, there)| there).collect());
    let of = |kind: DirectiveKind| -> BTreeSet<(S, bool)> { seen.iter().filter(|at| at.0 == kind).map(|at| (at.1, at.2)).collect() };
    assert_eq!(
        of(DirectiveKind::Execute),
        BTreeSet::from([
            (S::Proposed, false),
            (S::Issued, false),
            (S::Held, false),
            (S::Cancelled, false),
            (S::Delivered, true),
            (S::Accepted, true),
            (S::Declined, true),
            (S::Reported, true),
            (S::Released, true),
        ]),
        "nothing is answered, held, cancelled or released on the wrong side of its delivery"
    );
    assert_eq!(
        of(DirectiveKind::Release),
        BTreeSet::from([(S::Issued, false), (S::Delivered, true), (S::Completed, true)]),
        "a release is completed by whoever has it, and by nobody else"
    );
    for at in &seen {
        let (kind, state, delivered) = *at;
        let possible: BTreeSet<Act> = acts(*at).into_iter().map(|(act, _)| act).collect();
        if matches!(state, S::Cancelled | S::Released | S::Completed) {
            assert!(possible.is_empty(), "{at:?}");
            continue;
        }
        if kind == DirectiveKind::Execute {
            // Whatever the end of an entry finds, it can end it, and in one way only.
            assert_eq!((possible.contains(&Act::Lift), possible.contains(&Act::Cancel)), (delivered, !delivered), "{at:?}");
            // Whatever the question about a ground finds undelivered, it can hold, if it is not held already.
            assert_eq!(possible.contains(&Act::Hold), !delivered && state != S::Held, "{at:?}");
        }
        assert_eq!(possible.contains(&Act::Hand), state == S::Issued, "{at:?}");
    }
}
