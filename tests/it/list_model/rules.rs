//! The rules, written down a second time and without the program: who may do what and when, what follows from what, and on which day.

use chrono::{Datelike, Duration, Months, NaiveDate, Weekday};
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::sync::OnceLock;

/// Who carries out the measures that the entries bring.
const AGENCIES: [&str; 5] = ["lf-approval", "lf-housing", "lf-reform", "lf-transport", "lf-water"];

/// Working days for the subject to object.
const TO_OBJECT: u32 = 5;
/// Working days for an agency to answer, to report, and to lift a measure.
const TO_ANSWER: u32 = 5;
const TO_REPORT: u32 = 20;
const TO_LIFT: u32 = 3;
/// Months from one report to the next, and on the list.
const CYCLE: Months = Months::new(1);
const PERIOD: Months = Months::new(36);

/// An official, or somebody who is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Two officials of the authority whose penalty it is.
    First,
    Second,
    /// An official of the same kind of authority in another county.
    Neighbour,
    /// An official of an authority that has no say in this list.
    Stranger,
    /// An API key of the first authority.
    Machine,
}

impl By {
    pub fn agency(self) -> &'static str {
        match self {
            Self::First | Self::Second | Self::Machine => "lf-amr",
            Self::Neighbour => "ga-amr",
            Self::Stranger => "lf-tax",
        }
    }

    /// Another official of the same authority, where there is one.
    pub fn colleague(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
            alone => alone,
        }
    }
}

/// An agency that answers; the other three let everything lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Executor {
    Approval,
    Reform,
}

impl Executor {
    pub fn code(self) -> &'static str {
        match self {
            Self::Approval => "lf-approval",
            Self::Reform => "lf-reform",
        }
    }
}

/// What a directive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Execute,
    Release,
}

/// The newest directive of a kind that `of` has, acted on by `by`.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    pub by: Executor,
    pub of: Executor,
    pub what: What,
}

#[derive(Debug, Clone, Copy)]
pub enum Transition {
    Propose(By),
    Notice {
        by: By,
        days_ago: i64,
    },
    /// By the subject itself, or entered by an official as received on a day.
    Object {
        by: Option<By>,
        day: i64,
    },
    Answer {
        by: By,
        upheld: bool,
    },
    Decide {
        by: By,
        day: i64,
    },
    Publish(By),
    Drop(By),
    Exit {
        by: By,
        cause: &'static str,
    },
    Correct,
    Withdraw,
    ConfirmGround(By),
    AdvanceDays(i64),
    /// To the day after the last day of the entry.
    PassLastDay,
    Settle,
    ConfirmAction,
    RefuseAction {
        reasoned: bool,
    },
    Pull(Executor),
    Accept(Aim),
    Decline {
        aim: Aim,
        reasoned: bool,
    },
    /// In new words, or in those of the last report.
    Feed {
        aim: Aim,
        again: bool,
    },
    Complete(Aim),
}

/// Why a step is refused: one of these, whichever is looked at first.
type Refusals = Vec<&'static str>;
pub type Verdict = Result<(), Refusals>;

/// Refuses when any of these is so.
fn none(wrong: impl IntoIterator<Item = (bool, &'static str)>) -> Verdict {
    let codes: Refusals = wrong.into_iter().filter_map(|(is, code)| is.then_some(code)).collect();
    if codes.is_empty() { Ok(()) } else { Err(codes) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Draft,
    Noticed,
    ObjectionReview,
    Decided,
    Listed,
    Exited,
    Dropped,
}

impl Stage {
    pub fn ended(self) -> bool {
        matches!(self, Self::Exited | Self::Dropped)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Proposed,
    Started,
    /// Held, before or after it was started.
    Held {
        started: bool,
    },
    Refused,
    Ended,
}

/// Where a directive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    Proposed,
    Issued,
    Held,
    Delivered,
    Accepted,
    Declined,
    Reported,
    Cancelled,
    Released,
    Completed,
}

#[derive(Debug, Clone)]
pub struct Directive {
    pub what: What,
    agency: &'static str,
    pub post: Post,
    /// Last day for what is asked now.
    due: Option<NaiveDate>,
    report_by: Option<NaiveDate>,
    /// The last report: its day and its words, by number.
    pub said: Option<(NaiveDate, u32)>,
}

impl Directive {
    /// Puts it out for delivery on a day.
    fn issue(&mut self, today: NaiveDate) {
        self.post = Post::Issued;
        self.due = Some(working_days_after(today, TO_ANSWER));
        self.report_by = Some(working_days_after(today, TO_REPORT));
    }

    /// Whether it may be answered: it has to be of the kind, and stand where the answer is expected.
    fn ready(&self, what: What, from: Post, or: Post) -> Verdict {
        if self.what != what {
            return Err(vec!["directive_wrong_state"]);
        }
        match self.post {
            post if post == from || post == or => Ok(()),
            Post::Issued => Err(vec!["directive_not_delivered"]),
            Post::Held => Err(vec!["directive_held"]),
            Post::Released => Err(vec!["directive_released"]),
            _ => Err(vec!["directive_wrong_state"]),
        }
    }
}

/// The record under the entries.
#[derive(Debug, Clone, Copy)]
pub struct Penalty {
    /// Grows with every change.
    pub version: u32,
    pub withdrawn: bool,
}

/// What a directive rests on.
#[derive(Debug, Clone, Copy)]
struct Footing {
    /// The entry is on the list and its last day is not over.
    goes_on: bool,
    /// And its ground stands.
    stands: bool,
}

/// Who entered what the subject states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    BySubject,
    ByOfficial,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub stage: Stage,
    pub proposed_by: By,
    proposed_on: NaiveDate,
    /// Version of the record that it rests on.
    pub ground: u32,
    pub questioned: bool,
    served: Option<NaiveDate>,
    until: Option<NaiveDate>,
    pub objection: Option<Objection>,
    pub answered_on: Option<NaiveDate>,
    decided_on: Option<NaiveDate>,
    last_day: Option<NaiveDate>,
    cause: Option<&'static str>,
    pub action: Option<Action>,
    pub directives: Vec<Directive>,
}

impl Entry {
    fn must_be(&self, stages: &[Stage]) -> Verdict {
        match self.stage {
            stage if stages.contains(&stage) => Ok(()),
            stage if stage.ended() => Err(vec!["entry_ended"]),
            _ => Err(vec!["entry_wrong_state"]),
        }
    }

    /// Day of the notice and last day to object.
    fn window(&self) -> (NaiveDate, NaiveDate) {
        self.served.zip(self.until).unwrap()
    }

    /// Whether the document the subject was told of is still what it was.
    fn ground_in_effect(&self, record: Penalty) -> bool {
        !self.questioned && self.ground == record.version && !record.withdrawn
    }

    pub fn goes_on(&self, today: NaiveDate) -> bool {
        self.stage == Stage::Listed && self.last_day.is_some_and(|last| today <= last)
    }

    fn footing(&self, record: Penalty, today: NaiveDate) -> Footing {
        let goes_on = self.goes_on(today);
        Footing { goes_on, stands: goes_on && self.ground_in_effect(record) }
    }

    /// It leaves the list: what nobody has is cancelled, and everybody else gets a release.
    fn end(&mut self, cause: &'static str, today: NaiveDate) {
        self.stage = Stage::Exited;
        self.questioned = false;
        self.cause = Some(cause);
        if self.action != Some(Action::Refused) {
            self.action = Some(Action::Ended);
        }
        let by = working_days_after(today, TO_LIFT);
        let mut releases = Vec::new();
        for directive in &mut self.directives {
            directive.due = None;
            if matches!(directive.post, Post::Proposed | Post::Issued | Post::Held | Post::Cancelled) {
                directive.post = Post::Cancelled;
            } else {
                directive.post = Post::Released;
                releases.push(Directive {
                    what: What::Release,
                    agency: directive.agency,
                    post: Post::Issued,
                    due: Some(by),
                    report_by: Some(by),
                    said: None,
                });
            }
        }
        self.directives.extend(releases);
    }

    /// Its ground is questioned: what nobody has yet waits.
    fn hold(&mut self) {
        match self.action {
            Some(Action::Proposed) => self.action = Some(Action::Held { started: false }),
            Some(Action::Started) => self.action = Some(Action::Held { started: true }),
            _ => {}
        }
        for directive in self.directives.iter_mut().filter(|d| matches!(d.post, Post::Proposed | Post::Issued)) {
            directive.post = Post::Held;
            directive.due = None;
        }
    }

    /// Its ground stands: what waited goes on where it was, with new days. Nobody could answer meanwhile, so whoever has a directive has as much time
    /// as those who get theirs now.
    fn resume(&mut self, today: NaiveDate) {
        let Some(Action::Held { started }) = self.action else { return };
        self.action = Some(if started { Action::Started } else { Action::Proposed });
        let (answer, report) = (working_days_after(today, TO_ANSWER), working_days_after(today, TO_REPORT));
        for directive in &mut self.directives {
            match directive.post {
                Post::Held if started => directive.issue(today),
                Post::Held => directive.post = Post::Proposed,
                Post::Delivered | Post::Accepted | Post::Reported => {
                    let asked = if directive.post == Post::Delivered { answer } else { report };
                    directive.due = directive.due.map(|due| due.max(asked));
                    directive.report_by = directive.report_by.max(Some(report));
                    // With new days a new cycle may begin, in which the same may be true again.
                    directive.said = None;
                }
                _ => {}
            }
        }
    }
}

/// What the rules say about one company.
#[derive(Debug, Clone)]
pub struct Model {
    pub today: NaiveDate,
    pub record: Penalty,
    pub entries: Vec<Entry>,
    /// Writes about the subject, and steps of its entries, that have to be in the logs.
    pub logged: i64,
    pub stepped: i64,
    /// Reports so far.
    pub fed: u32,
    pub last: Last,
}

/// The last transition.
#[derive(Debug, Clone)]
pub struct Last {
    /// What it has to come to.
    pub expected: Verdict,
    /// How many directives it hands out.
    pub handed: usize,
    /// The words it reports in, by number.
    pub words: u32,
    /// Whether it does everything that follows by itself.
    pub settled: bool,
}

impl Model {
    pub fn new(today: NaiveDate) -> Self {
        let record = Penalty { version: 0, withdrawn: false };
        let last = Last { expected: Ok(()), handed: 0, words: 0, settled: true };
        Self { today, record, entries: Vec::new(), logged: 0, stepped: 0, fed: 0, last }
    }

    /// Something was written: so many entries in the log, so many steps.
    fn trace(&mut self, logged: i64, stepped: i64) -> Verdict {
        self.logged += logged;
        self.stepped += stepped;
        Ok(())
    }

    /// The newest entry, if it is this official's to act on.
    fn own(&mut self, by: By) -> Result<&mut Entry, Refusals> {
        if by == By::Machine {
            return Err(vec!["official_needed"]);
        }
        let entry = self.entries.last_mut().filter(|e| e.proposed_by.agency() == by.agency());
        entry.ok_or_else(|| vec!["entry_not_found"])
    }

    /// The last day of the newest entry is over, and nothing has followed from that yet.
    pub fn is_overrun(&self) -> bool {
        self.entries.last().is_some_and(|e| e.stage == Stage::Listed && !e.goes_on(self.today))
    }

    /// Takes a step, or says why not; it may have changed something then all the same.
    pub fn act(&mut self, step: Transition) -> Verdict {
        self.last = Last { expected: Ok(()), handed: 0, words: 0, settled: false };
        match step {
            Transition::Propose(by) => self.propose(by),
            Transition::Notice { by, days_ago } => self.notice(by, days_ago),
            Transition::Object { by, day } => self.object(by, day),
            Transition::Answer { by, upheld } => self.answer(by, upheld),
            Transition::Decide { by, day } => self.decide(by, day),
            Transition::Publish(by) => self.publish(by),
            Transition::Drop(by) => self.give_up(by),
            Transition::Exit { by, cause } => self.exit(by, cause),
            Transition::Correct => {
                // A correction of what was withdrawn brings it back.
                self.record = Penalty { version: self.record.version + 1, withdrawn: false };
                self.trace(1, 0)
            }
            Transition::Withdraw => {
                none([(self.record.withdrawn, "record_withdrawn")])?;
                self.record = Penalty { version: self.record.version + 1, withdrawn: true };
                self.trace(1, 0)
            }
            Transition::ConfirmGround(by) => self.confirm_ground(by),
            Transition::AdvanceDays(days) => {
                self.today += Duration::days(days);
                Ok(())
            }
            Transition::PassLastDay => {
                let last = self.entries.last().and_then(|e| e.last_day).unwrap();
                self.today = last + Duration::days(1);
                Ok(())
            }
            Transition::Settle => self.settle(),
            Transition::ConfirmAction => self.confirm_action(),
            Transition::RefuseAction { reasoned } => self.refuse_action(reasoned),
            Transition::Pull(by) => {
                self.pull(by);
                Ok(())
            }
            Transition::Accept(aim) => self.accept(aim),
            Transition::Decline { aim, reasoned } => self.decline(aim, reasoned),
            Transition::Feed { aim, again } => self.feed(aim, again),
            Transition::Complete(aim) => self.complete(aim),
        }
    }

    fn propose(&mut self, by: By) -> Verdict {
        none([
            (by == By::Machine, "official_needed"),
            (by == By::Stranger, "not_competent"),
            (self.record.withdrawn, "ground_not_in_effect"),
            (self.entries.last().is_some_and(|e| !e.stage.ended()), "entry_exists"),
        ])?;
        self.entries.push(Entry {
            stage: Stage::Draft,
            proposed_by: by,
            proposed_on: self.today,
            ground: self.record.version,
            questioned: false,
            served: None,
            until: None,
            objection: None,
            answered_on: None,
            decided_on: None,
            last_day: None,
            cause: None,
            action: None,
            directives: Vec::new(),
        });
        self.trace(1, 1)
    }

    fn notice(&mut self, by: By, days_ago: i64) -> Verdict {
        let (today, record) = (self.today, self.record);
        let entry = self.own(by)?;
        entry.must_be(&[Stage::Draft])?;
        let served = today - Duration::days(days_ago);
        // A notice says what the draft says, so it was not served before there was one.
        none([(record.withdrawn, "ground_not_in_effect"), (served > today || served < entry.proposed_on, "bad_day")])?;
        entry.stage = Stage::Noticed;
        // The subject is told of the document as it is now.
        entry.ground = record.version;
        entry.served = Some(served);
        entry.until = Some(working_days_after(served, TO_OBJECT));
        self.trace(1, 1)
    }

    fn object(&mut self, by: Option<By>, day: i64) -> Verdict {
        let today = self.today;
        let (entry, received) = match by {
            // Whoever was not served a notice knows of no entry.
            None => (self.entries.last_mut().filter(|e| e.served.is_some()).ok_or_else(|| vec!["entry_not_found"])?, today),
            Some(by) => (self.own(by)?, today + Duration::days(day)),
        };
        // What an official entered for the subject does not keep it from speaking for itself, answered or not.
        let again = by.is_none() && entry.objection == Some(Objection::ByOfficial);
        entry.must_be(&[if again { Stage::ObjectionReview } else { Stage::Noticed }])?;
        let (served, until) = entry.window();
        none([(received < served, "before_notice"), (received > today, "bad_day"), (received > until, "objection_window_closed")])?;
        entry.stage = Stage::ObjectionReview;
        entry.objection = Some(if by.is_none() { Objection::BySubject } else { Objection::ByOfficial });
        // What it says has to be answered, whatever was before.
        entry.answered_on = None;
        self.trace(1, 1)
    }

    fn answer(&mut self, by: By, upheld: bool) -> Verdict {
        let today = self.today;
        let entry = self.own(by)?;
        entry.must_be(&[Stage::ObjectionReview])?;
        none([(entry.answered_on.is_some(), "entry_wrong_state")])?;
        entry.answered_on = Some(today);
        if upheld {
            entry.stage = Stage::Dropped;
            // What has ended waits for nobody's review.
            entry.questioned = false;
        }
        self.trace(1, 1)
    }

    fn decide(&mut self, by: By, day: i64) -> Verdict {
        let (today, record) = (self.today, self.record);
        let entry = self.own(by)?;
        none([(matches!(entry.stage, Stage::Decided | Stage::Listed), "already_decided")])?;
        entry.must_be(&[Stage::Noticed, Stage::ObjectionReview])?;
        let (served, until) = entry.window();
        let decided = today + Duration::days(day);
        let unanswered = entry.objection.is_some() && entry.answered_on.is_none();
        // Only what the subject itself entered, and was answered, makes the rest of its window needless.
        let heard = entry.objection == Some(Objection::BySubject) && !unanswered;
        none([
            (by == entry.proposed_by, "same_official"),
            (decided < served, "before_notice"),
            (decided > today, "bad_day"),
            (unanswered, "objection_unanswered"),
            (entry.answered_on.is_some_and(|answered| decided < answered), "before_answer"),
            (!heard && !unanswered && decided <= until, "objection_window_open"),
            (!entry.ground_in_effect(record), "ground_not_in_effect"),
        ])?;
        entry.stage = Stage::Decided;
        entry.decided_on = Some(decided);
        self.trace(1, 1)
    }

    fn publish(&mut self, by: By) -> Verdict {
        let (today, record) = (self.today, self.record);
        let entry = self.own(by)?;
        entry.must_be(&[Stage::Decided])?;
        // The period counts from the decision; one that is over before it was published is never published.
        let last = entry.decided_on.and_then(|decided| decided.checked_add_months(PERIOD)).unwrap();
        none([(!entry.ground_in_effect(record), "ground_not_in_effect"), (last < today, "entry_ended")])?;
        entry.stage = Stage::Listed;
        entry.last_day = Some(last);
        // The memorandum does not start by itself: everything waits for the credit office.
        entry.action = Some(Action::Proposed);
        let proposed = |agency| Directive { what: What::Execute, agency, post: Post::Proposed, due: None, report_by: None, said: None };
        entry.directives = AGENCIES.map(proposed).to_vec();
        self.trace(1, 1)
    }

    fn give_up(&mut self, by: By) -> Verdict {
        let entry = self.own(by)?;
        entry.must_be(&[Stage::Draft, Stage::Noticed, Stage::ObjectionReview, Stage::Decided])?;
        entry.stage = Stage::Dropped;
        entry.questioned = false;
        self.trace(1, 1)
    }

    fn exit(&mut self, by: By, cause: &'static str) -> Verdict {
        let today = self.today;
        let legal = none([(!["repair", "revocation", "correction"].contains(&cause), "bad_exit")]);
        let entry = match self.own(by).and_then(|entry| entry.must_be(&[Stage::Listed]).map(|()| entry)) {
            Ok(entry) => entry,
            Err(codes) => return Err([codes, legal.err().unwrap_or_default()].concat()),
        };
        legal?;
        entry.end(cause, today);
        self.trace(1, 1)
    }

    fn confirm_ground(&mut self, by: By) -> Verdict {
        let (today, record) = (self.today, self.record);
        let entry = self.own(by)?;
        none([(entry.stage.ended(), "entry_ended")])?;
        none([(!entry.questioned, "ground_is_sound")])?;
        none([(record.withdrawn, "ground_not_in_effect")])?;
        entry.ground = record.version;
        entry.questioned = false;
        entry.resume(today);
        self.trace(1, 1)
    }

    fn settle(&mut self) -> Verdict {
        self.last.settled = true;
        let (today, record) = (self.today, self.record);
        let mut steps = 0;
        if let Some(entry) = self.entries.last_mut() {
            let told = matches!(entry.stage, Stage::Noticed | Stage::ObjectionReview | Stage::Decided | Stage::Listed);
            if told && !entry.questioned && entry.ground != record.version {
                entry.questioned = true;
                entry.hold();
                steps += 1;
            }
            if entry.stage == Stage::Listed && !entry.goes_on(today) {
                entry.end("expiry", today);
                steps += 1;
            }
        }
        self.trace(steps, steps)
    }

    /// The newest entry that has come under the memorandum.
    fn acted_on(&mut self) -> Result<&mut Entry, Refusals> {
        self.entries.iter_mut().rev().find(|e| e.action.is_some()).ok_or_else(|| vec!["joint_action_not_found"])
    }

    fn confirm_action(&mut self) -> Verdict {
        let (today, record) = (self.today, self.record);
        let entry = self.acted_on()?;
        none([(entry.action != Some(Action::Proposed), "joint_action_wrong_state")])?;
        none([(!entry.footing(record, today).stands, "ground_fallen")])?;
        entry.action = Some(Action::Started);
        entry.directives.iter_mut().for_each(|d| d.issue(today));
        self.trace(1, 0)
    }

    fn refuse_action(&mut self, reasoned: bool) -> Verdict {
        none([(!reasoned, "refusal_reason_missing")])?;
        let entry = self.acted_on()?;
        none([(entry.action != Some(Action::Proposed), "joint_action_wrong_state")])?;
        entry.action = Some(Action::Refused);
        entry.directives.iter_mut().for_each(|d| d.post = Post::Cancelled);
        self.trace(1, 0)
    }

    /// An agency reads what is new in its inbox. What may not be handed out at this moment keeps back what comes after it.
    fn pull(&mut self, by: Executor) {
        let (today, record) = (self.today, self.record);
        for entry in &mut self.entries {
            let stands = entry.footing(record, today).stands;
            for directive in entry.directives.iter_mut().filter(|d| d.agency == by.code() && d.post == Post::Issued) {
                if directive.what == What::Execute && !stands {
                    return;
                }
                directive.post = Post::Delivered;
                self.last.handed += 1;
            }
        }
    }

    /// The newest directive of a kind that an agency has.
    pub fn newest(&self, of: Executor, what: What) -> Option<&Directive> {
        let mut directives = self.entries.iter().flat_map(|entry| &entry.directives);
        directives.rfind(|d| d.what == what && d.agency == of.code())
    }

    /// The directive an agency acts on. What is another's, waits for the credit office or was cancelled does not exist for it.
    fn aimed(&mut self, aim: Aim) -> Result<(&mut Directive, Footing), Refusals> {
        let (today, record) = (self.today, self.record);
        let found = self.entries.iter_mut().rev().find_map(|entry| {
            let footing = entry.footing(record, today);
            let newest = entry.directives.iter_mut().rev().find(|d| d.what == aim.what && d.agency == aim.of.code());
            newest.map(|directive| (directive, footing))
        });
        let known = found.filter(|(d, _)| aim.by == aim.of && !matches!(d.post, Post::Proposed | Post::Cancelled));
        known.ok_or_else(|| vec!["directive_not_found"])
    }

    fn accept(&mut self, aim: Aim) -> Verdict {
        let (directive, footing) = self.aimed(aim)?;
        directive.ready(What::Execute, Post::Delivered, Post::Delivered)?;
        none([(!footing.goes_on, "entry_expired"), (!footing.stands, "directive_held")])?;
        directive.post = Post::Accepted;
        directive.due = directive.report_by;
        self.trace(1, 0)
    }

    fn decline(&mut self, aim: Aim, reasoned: bool) -> Verdict {
        none([(!reasoned, "decline_reason_missing")])?;
        let (directive, footing) = self.aimed(aim)?;
        directive.ready(What::Execute, Post::Delivered, Post::Delivered)?;
        none([(!footing.goes_on, "entry_expired")])?;
        directive.post = Post::Declined;
        directive.due = None;
        self.trace(1, 0)
    }

    fn feed(&mut self, aim: Aim, again: bool) -> Verdict {
        let today = self.today;
        let said = self.newest(aim.of, aim.what).and_then(|d| d.said).filter(|_| again);
        let words = said.map_or(self.fed + 1, |(_, words)| words);
        self.last.words = words;
        let (directive, footing) = self.aimed(aim)?;
        directive.ready(What::Execute, Post::Accepted, Post::Reported)?;
        none([(!footing.goes_on, "entry_expired"), (said.is_some(), "duplicate_feedback")])?;
        directive.said = Some((today, words));
        directive.post = Post::Reported;
        // Both measures go on, so the next report is due a cycle later, on a day on which somebody works.
        let cycle = today.checked_add_months(CYCLE).unwrap();
        let next = cycle.iter_days().find(is_worked);
        directive.due = next;
        directive.report_by = next;
        self.fed += 1;
        self.trace(1, 0)
    }

    fn complete(&mut self, aim: Aim) -> Verdict {
        let (directive, _) = self.aimed(aim)?;
        directive.ready(What::Release, Post::Delivered, Post::Delivered)?;
        directive.post = Post::Completed;
        directive.due = None;
        self.trace(1, 0)
    }

    /// The whole state, line by line, as the database is asked for it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (nth, entry) in (1..).zip(&self.entries) {
            let ground = if entry.questioned { "questioned" } else { "sound" };
            let (until, last, cause) = (or_blank(entry.until), or_blank(entry.last_day), entry.cause.unwrap_or_default());
            lines.push(format!("{nth} entry {} {ground} until {until} last {last} cause {cause}", code(&entry.stage)));
            if let Some(action) = entry.action {
                let state = if matches!(action, Action::Held { .. }) { "held".to_owned() } else { code(&action) };
                lines.push(format!("{nth} action {state}"));
            }
            for d in &entry.directives {
                let (due, report) = (or_blank(d.due), or_blank(d.report_by));
                lines.push(format!("{nth} {} {} {} due {due} report {report}", code(&d.what), d.agency, code(&d.post)));
            }
        }
        lines.sort();
        lines
    }
}

/// A name as the database writes it.
pub fn code(name: &impl Debug) -> String {
    let mut code = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.extend(letter.to_lowercase());
    }
    code
}

fn or_blank(value: Option<impl Display>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// Days off, and weekend days that are worked, as the notice of 2026 states them; of later years there is none.
fn notice_of_2026() -> &'static (BTreeSet<NaiveDate>, BTreeSet<NaiveDate>) {
    static NOTICE: OnceLock<(BTreeSet<NaiveDate>, BTreeSet<NaiveDate>)> = OnceLock::new();
    NOTICE.get_or_init(|| {
        let notice = credence_rulebook::toml_json::document(include_str!("../../../config/rules/calendar-2026.toml")).unwrap();
        let days = |of: &str| -> BTreeSet<NaiveDate> {
            notice[of].as_array().unwrap().iter().map(|day| day.as_str().unwrap().parse::<NaiveDate>().unwrap()).collect()
        };
        (days("off"), days("work"))
    })
}

fn is_worked(day: &NaiveDate) -> bool {
    let (off, work) = notice_of_2026();
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    work.contains(day) || (!weekend && !off.contains(day))
}

/// The `n`-th working day after a day, counted one by one.
fn working_days_after(from: NaiveDate, n: u32) -> NaiveDate {
    from.iter_days().skip(1).filter(is_worked).nth(n as usize - 1).unwrap()
}
