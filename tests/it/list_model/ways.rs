//! Ways to go: steps that lead on, and among them any others.

use super::rules::{Action, Aim, By, Entry, Executor, Model, Objection, Post, Stage, Transition, What};
use chrono::{Duration, NaiveDate};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;

/// Causes for which an authority takes an entry off.
const CAUSES: [&str; 3] = ["repair", "revocation", "correction"];

type Choices = Vec<(u32, BoxedStrategy<Transition>)>;

fn just(step: Transition) -> BoxedStrategy<Transition> {
    Just(step).boxed()
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![8 => Just(By::First), 8 => Just(By::Second), 1 => Just(By::Neighbour), 1 => Just(By::Stranger), 1 => Just(By::Machine)]
}

fn executor() -> impl Strategy<Value = Executor> {
    prop_oneof![Just(Executor::Approval), Just(Executor::Reform)]
}

fn own(what: What) -> impl Strategy<Value = Aim> {
    executor().prop_map(move |of| Aim { by: of, of, what })
}

fn aim() -> impl Strategy<Value = Aim> {
    let what = prop_oneof![2 => Just(What::Execute), 1 => Just(What::Release)];
    (executor(), executor(), what).prop_map(|(by, of, what)| Aim { by, of, what })
}

/// Any step whatever the state, sensible or not.
fn anything() -> BoxedStrategy<Transition> {
    let causes = prop::sample::select([CAUSES.as_slice(), &["expiry", "source", "negative_record", "whim"]].concat());
    let choices: Choices = vec![
        (1, by().prop_map(Transition::Propose).boxed()),
        (2, (by(), -1i64..=7).prop_map(|(by, days_ago)| Transition::Notice { by, days_ago }).boxed()),
        (1, just(Transition::Object { by: None, day: 0 })),
        (2, (by(), -9i64..=2).prop_map(|(by, day)| Transition::Object { by: Some(by), day }).boxed()),
        (2, (by(), any::<bool>()).prop_map(|(by, upheld)| Transition::Answer { by, upheld }).boxed()),
        (3, (by(), -3i64..=3).prop_map(|(by, day)| Transition::Decide { by, day }).boxed()),
        (2, by().prop_map(Transition::Publish).boxed()),
        (1, by().prop_map(Transition::Drop).boxed()),
        (2, (by(), causes).prop_map(|(by, cause)| Transition::Exit { by, cause }).boxed()),
        (2, just(Transition::Correct)),
        (1, just(Transition::Withdraw)),
        (2, by().prop_map(Transition::ConfirmGround).boxed()),
        (3, (1i64..=8).prop_map(Transition::AdvanceDays).boxed()),
        (3, just(Transition::Settle)),
        (2, just(Transition::ConfirmAction)),
        (1, any::<bool>().prop_map(|reasoned| Transition::RefuseAction { reasoned }).boxed()),
        (3, executor().prop_map(Transition::Pull).boxed()),
        (3, aim().prop_map(Transition::Accept).boxed()),
        (2, (aim(), any::<bool>()).prop_map(|(aim, reasoned)| Transition::Decline { aim, reasoned }).boxed()),
        (3, (aim(), any::<bool>()).prop_map(|(aim, again)| Transition::Feed { aim, again }).boxed()),
        (2, aim().prop_map(Transition::Complete).boxed()),
    ];
    Union::new_weighted(choices).boxed()
}

impl Model {
    /// Steps that lead on from here.
    fn likely(&self) -> Choices {
        let mut likely: Choices = Vec::new();
        match self.entries.last() {
            Some(entry) if !entry.stage.ended() && entry.proposed_by == By::Neighbour => {
                // Nobody of that authority could decide but the one who proposed.
                likely.push((12, just(Transition::Drop(By::Neighbour))));
            }
            Some(entry) if !entry.stage.ended() => likely.extend(self.next_steps(entry)),
            _ => likely.push((6, prop_oneof![Just(By::First), Just(By::Second)].prop_map(Transition::Propose).boxed())),
        }
        if self.record.withdrawn {
            likely.push((4, just(Transition::Correct)));
        }
        let posts: Vec<(What, Post)> = self.entries.iter().flat_map(|e| &e.directives).map(|d| (d.what, d.post)).collect();
        if posts.iter().any(|(_, post)| *post == Post::Issued) {
            likely.push((8, executor().prop_map(Transition::Pull).boxed()));
        }
        if posts.contains(&(What::Execute, Post::Delivered)) {
            likely.push((6, own(What::Execute).prop_map(Transition::Accept).boxed()));
            likely.push((2, own(What::Execute).prop_map(|aim| Transition::Decline { aim, reasoned: true }).boxed()));
        }
        if posts.iter().any(|(_, post)| matches!(post, Post::Accepted | Post::Reported)) {
            likely.push((
                5,
                (own(What::Execute), prop::bool::weighted(0.3)).prop_map(|(aim, again)| Transition::Feed { aim, again }).boxed(),
            ));
        }
        if posts.contains(&(What::Release, Post::Delivered)) {
            likely.push((8, own(What::Release).prop_map(Transition::Complete).boxed()));
        }
        likely
    }

    fn next_steps(&self, entry: &Entry) -> Choices {
        let (one, other) = (entry.proposed_by, entry.proposed_by.colleague());
        let mut next: Choices = match entry.stage {
            Stage::Draft => {
                vec![(10, just(Transition::Notice { by: one, days_ago: 0 })), (2, just(Transition::Notice { by: other, days_ago: 1 }))]
            }
            Stage::Noticed => vec![
                (7, (5i64..=8).prop_map(Transition::AdvanceDays).boxed()),
                (2, just(Transition::Object { by: None, day: 0 })),
                (1, (-2i64..=0).prop_map(move |day| Transition::Object { by: Some(one), day }).boxed()),
                (6, just(Transition::Decide { by: other, day: 0 })),
            ],
            Stage::ObjectionReview if entry.answered_on.is_none() => {
                let answer = |by: By, upheld: bool| just(Transition::Answer { by, upheld });
                let mut next = vec![(9, answer(one, false)), (1, answer(other, true))];
                if entry.objection == Some(Objection::ByOfficial) {
                    next.push((2, just(Transition::Object { by: None, day: 0 })));
                }
                next
            }
            Stage::ObjectionReview => {
                let mut next = vec![(8, just(Transition::Decide { by: other, day: 0 }))];
                if entry.objection == Some(Objection::ByOfficial) {
                    next.push((6, (5i64..=8).prop_map(Transition::AdvanceDays).boxed()));
                    next.push((4, just(Transition::Object { by: None, day: 0 })));
                }
                next
            }
            Stage::Decided => vec![(12, just(Transition::Publish(one)))],
            _ => vec![
                (2, prop::sample::select(CAUSES.to_vec()).prop_map(move |cause| Transition::Exit { by: other, cause }).boxed()),
                (2, just(Transition::Correct)),
                (1, just(Transition::Withdraw)),
                (1, just(Transition::PassLastDay)),
            ],
        };
        match entry.action {
            Some(Action::Proposed) => {
                next.extend([(8, just(Transition::ConfirmAction)), (1, just(Transition::RefuseAction { reasoned: true }))])
            }
            Some(Action::Held { .. }) => next.push((4, just(Transition::ConfirmGround(other)))),
            _ => {}
        }
        if entry.questioned {
            next.push((4, just(Transition::ConfirmGround(other))));
        } else if entry.stage != Stage::Draft && entry.ground != self.record.version || self.is_overrun() {
            next.push((6, just(Transition::Settle)));
        }
        next
    }
}

/// The model as the generator of ways.
pub struct Rules;

impl ReferenceStateMachine for Rules {
    type State = Model;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Model> {
        // Any day of 2026 until the holidays of October are over.
        let first = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
        (0i64..300).prop_map(move |days| Model::new(first + Duration::days(days))).boxed()
    }

    fn transitions(state: &Model) -> BoxedStrategy<Transition> {
        let mut choices = state.likely();
        let likely: u32 = choices.iter().map(|(weight, _)| *weight).sum();
        choices.push(((likely / 2).max(1), anything()));
        Union::new_weighted(choices).boxed()
    }

    fn apply(state: Model, step: &Transition) -> Model {
        let mut next = state.clone();
        let expected = next.act(*step);
        // What is refused changes nothing.
        let mut after = if expected.is_ok() { next } else { Model { last: next.last, ..state } };
        after.last.expected = expected;
        after
    }

    fn preconditions(state: &Model, step: &Transition) -> bool {
        let newest = state.entries.last();
        match *step {
            // What the authority may do about an entry between the end of its last day and the moment at which it has left is left open.
            Transition::Exit { .. } | Transition::ConfirmGround(_) => !state.is_overrun(),
            // So is after how long the same words are no repetition.
            Transition::Feed { aim, again: true } => {
                state.newest(aim.of, aim.what).and_then(|d| d.said).is_none_or(|(day, _)| day == state.today)
            }
            Transition::PassLastDay => newest.is_some_and(|e| e.goes_on(state.today)),
            _ => true,
        }
    }
}
