//! What officials do with lines, in their turn and out of it, and what the oracle knows of the records afterwards.

use super::calendar::{before, months_later};
use super::lines::{Kind, Line, State, execute_by, review_until};
use super::oracle::{BAN, Effect, Life};
use super::world::AGENCIES;
use super::{Simulation, Task, Verdict};
use chrono::NaiveDate;
use credence_redress::model::decisions::{
    Finding, NewDecision, NewReviewDecision, NewSelfCheck, NewStop, NewUnshield, Reasoned, ReviewOutcome,
};
use serde_json::{Map, Value};

const REASON: &str = "经核查案卷，理由成立。";

impl Simulation {
    /// The next step of a line, or one that is out of its turn.
    pub(super) fn act(&mut self, at: usize, today: NaiveDate) {
        let line = self.lines[at].clone();
        self.world.tick();
        match (line.state, self.random.below(100)) {
            (State::Incomplete | State::Withdrawn, _) => {}
            (State::Filed | State::Forwarded | State::Accepted, 0..3) => self.take_back(at, today),
            (State::Filed, 3..6) => {
                // Somebody of another agency; or, of a dispute, before the platform has looked.
                let other = (self.agency(&line) + 1) % AGENCIES.len();
                let said = self.world.app.block_on(self.world.redress().accept(self.world.official(other, 0), line.id));
                self.held("accept", today, said, Err("case_line_not_found"));
                self.later(Task::Line(at), today);
            }
            (State::Filed, 6..9) if line.kind == Kind::Dispute => {
                self.accept(at, Err("case_not_open"), today);
                self.later(Task::Line(at), today);
            }
            (State::Filed, 6..12) if line.kind == Kind::Repair => self.not_accept(at, today),
            (State::Filed, 9..20) if line.kind == Kind::Dispute => self.own_error(at, today),
            (State::Filed, _) if line.kind == Kind::Dispute => self.forward(at, today),
            (State::Filed | State::Forwarded, _) => {
                self.accept(at, Ok(()), today);
                self.later(Task::Line(at), today);
            }
            (State::Accepted, 3..13) if line.stopped() => {
                self.decide_as(at, self.decider(at), "rejected", Err("clock_stopped"), today);
                self.later(Task::Line(at), today);
            }
            (State::Accepted, _) if line.stopped() => self.resume(at, today),
            (State::Accepted, 3..23) if line.stops.len() < 2 => self.stop(at, today),
            (State::Accepted, 23..38) => self.extend(at, today),
            (State::Accepted, 38..42) => {
                let outcome = if line.kind == Kind::Dispute { "rejected" } else { "refused" };
                self.decide_as(at, line.accepted_by.unwrap(), outcome, Err("second_official_needed"), today);
                self.later(Task::Line(at), today);
            }
            (State::Accepted, _) => self.decide(at, today),
            (State::Review, 0..10) => {
                let new = review(ReviewOutcome::Upheld, None, None);
                // Whoever decided, or whoever accepted.
                let who = if at.is_multiple_of(2) { line.decided_by } else { line.accepted_by.or(line.decided_by) };
                let again = self.world.official(self.agency(&line), who.unwrap());
                let said = self.world.app.block_on(self.world.redress().decide_review(again, line.id, new));
                self.held("review", today, said, Err("second_official_needed"));
                self.later(Task::Line(at), today);
            }
            (State::Review, _) => self.decide_review(at, today),
            (State::Closed, _) if line.outcome == Some("shielded") => self.unshield(at, today),
            (State::Closed, _) => self.ask_review(at, today),
        }
    }

    fn agency(&self, line: &Line) -> usize {
        self.records[line.record].agency
    }

    /// An approver who did not accept the line.
    fn decider(&self, at: usize) -> usize {
        if self.lines[at].accepted_by == Some(1) { 2 } else { 1 }
    }

    fn take_back(&mut self, at: usize, today: NaiveDate) {
        self.withdraw(self.lines[at].case, today);
        // Whoever is late with a decision finds nothing to decide.
        let outcome = if self.lines[at].kind == Kind::Dispute { "rejected" } else { "refused" };
        self.decide_as(at, self.decider(at), outcome, Err("case_not_open"), today);
    }

    fn forward(&mut self, at: usize, today: NaiveDate) {
        let new = NewSelfCheck { finding: Finding::Forward, reason: "与报送内容一致".to_owned(), outcome: None };
        let said = self.world.app.block_on(self.world.redress().self_check(&self.world.office, self.lines[at].id, new));
        self.held("forward", today, said, Ok(()));
        let line = &mut self.lines[at];
        (line.state, line.forwarded) = (State::Forwarded, Some(today));
        self.later(Task::Line(at), today);
    }

    fn own_error(&mut self, at: usize, today: NaiveDate) {
        let outcome = *self.random.pick(&["deleted", "stopped"]);
        let new = NewSelfCheck { finding: Finding::OwnError, reason: "平台处理有误".to_owned(), outcome: Some(outcome.to_owned()) };
        let said = self.world.app.block_on(self.world.redress().self_check(&self.world.office, self.lines[at].id, new));
        self.held("own error", today, said, Ok(()));
        self.lines[at].decided_by = None;
        self.decided(at, outcome, true, today);
    }

    fn accept(&mut self, at: usize, verdict: Verdict, today: NaiveDate) {
        let who = if self.random.chance(80) { 0 } else { 1 };
        let official = self.world.official(self.agency(&self.lines[at]), who);
        let said = self.world.app.block_on(self.world.redress().accept(official, self.lines[at].id));
        if self.held("accept", today, said, verdict).is_some() {
            let line = &mut self.lines[at];
            (line.state, line.accepted, line.accepted_by) = (State::Accepted, Some(today), Some(who));
        }
    }

    fn not_accept(&mut self, at: usize, today: NaiveDate) {
        let official = self.world.official(self.agency(&self.lines[at]), 1);
        let new = Reasoned { reason: "不属于本单位认定的失信信息。".to_owned() };
        let said = self.world.app.block_on(self.world.redress().not_accept(official, self.lines[at].id, new));
        self.held("not accepted", today, said, Ok(()));
        self.lines[at].decided_by = Some(1);
        self.decided(at, "not_accepted", false, today);
    }

    fn stop(&mut self, at: usize, today: NaiveDate) {
        let line = &self.lines[at];
        let over = line.owed_by(&self.calendar).is_some_and(|owed| owed < today);
        let verdict = match line.kind {
            Kind::Repair => Err("clock_not_stoppable"),
            Kind::Dispute if over => Err("stop_too_late"),
            Kind::Dispute => Ok(()),
        };
        let new = NewStop { reason: "鉴定".to_owned(), note: "等待鉴定意见".to_owned() };
        let official = self.world.official(self.agency(line), 0);
        let said = self.world.app.block_on(self.world.redress().stop(official, line.id, new));
        if self.held("stop", today, said, verdict).is_some() {
            self.lines[at].stops.push((today, None));
        }
        self.later(Task::Line(at), today);
    }

    fn resume(&mut self, at: usize, today: NaiveDate) {
        let official = self.world.official(self.agency(&self.lines[at]), 0);
        let said = self.world.app.block_on(self.world.redress().resume(official, self.lines[at].id));
        self.held("resume", today, said, Ok(()));
        self.lines[at].stops.last_mut().unwrap().1 = Some(today);
        self.later(Task::Line(at), today);
    }

    fn extend(&mut self, at: usize, today: NaiveDate) {
        let line = &self.lines[at];
        let verdict = match line.total(&self.calendar) {
            _ if line.extended => Err("extended_already"),
            Some(total) if total < today => Err("extension_too_late"),
            _ => Ok(()),
        };
        let official = self.world.official(self.agency(line), self.decider(at));
        let new = Reasoned { reason: "案情复杂，需要进一步核实。".to_owned() };
        let said = self.world.app.block_on(self.world.redress().extend(official, line.id, new));
        if self.held("extend", today, said, verdict).is_some() {
            self.lines[at].extended = true;
        }
        self.later(Task::Line(at), today);
    }

    /// Decides as an official, with what an outcome needs beside it.
    fn decide_as(&mut self, at: usize, who: usize, outcome: &'static str, verdict: Verdict, today: NaiveDate) -> bool {
        let new = NewDecision {
            outcome: outcome.to_owned(),
            reason: REASON.to_owned(),
            changes: (outcome == "corrected").then(|| self.correction(at)),
            note: (outcome == "noted").then(|| note(at)),
            ..NewDecision::default()
        };
        let official = self.world.official(self.agency(&self.lines[at]), who);
        let said = self.world.app.block_on(self.world.redress().decide(official, self.lines[at].id, new));
        self.held("decide", today, said, verdict).is_some()
    }

    /// What a correction of a line's record says.
    fn correction(&self, at: usize) -> Map<String, Value> {
        let mut record = self.records[self.lines[at].record].clone();
        record.corrected += 1;
        Map::from_iter([("CF_NR".to_owned(), Value::from(record.content()))])
    }

    fn decide(&mut self, at: usize, today: NaiveDate) {
        let who = self.decider(at);
        let ruling = self.cases[self.lines[at].case].ruling;
        let outcome = match (self.lines[at].kind, self.random.below(100)) {
            (Kind::Dispute, 0..30) => "corrected",
            (Kind::Dispute, 30..45) => "deleted",
            (Kind::Dispute, 45..55) => "stopped",
            (Kind::Dispute, 55..80) => "rejected",
            (Kind::Dispute, _) => "noted",
            (Kind::Repair, 0..60) if ruling => "shielded",
            (Kind::Repair, 0..3) => {
                self.decide_as(at, who, "shielded", Err("court_ruling_missing"), today);
                return self.later(Task::Line(at), today);
            }
            (Kind::Repair, 3..78) => "granted",
            (Kind::Repair, 78..82) => return self.refuse_false_papers(at, who, today),
            (Kind::Repair, _) => "refused",
        };
        let verdict = if outcome == "granted" { self.may_grant(at, today) } else { Ok(()) };
        if self.decide_as(at, who, outcome, verdict, today) {
            self.lines[at].decided_by = Some(who);
            self.decided(at, outcome, false, today);
        } else {
            self.later(Task::Line(at), today);
        }
    }

    /// Whether an application may be granted on a day: nothing else bars the subject, and the least period was over when it was filed or complete.
    fn may_grant(&self, at: usize, today: NaiveDate) -> Verdict {
        let line = &self.lines[at];
        let record = &self.records[line.record];
        if self.subjects[record.subject].barred(today, Some(at)) {
            return Err("repair_barred");
        }
        let days = [Some(self.cases[line.case].filed), line.begun];
        let due = days.into_iter().flatten().any(|on| on >= record.repairable_from(on));
        if due { Ok(()) } else { Err("outcome_not_fitting") }
    }

    fn refuse_false_papers(&mut self, at: usize, who: usize, today: NaiveDate) {
        let new = NewDecision {
            outcome: "refused".to_owned(),
            reason: "证明材料系伪造。".to_owned(),
            false_papers: true,
            ..NewDecision::default()
        };
        let official = self.world.official(self.agency(&self.lines[at]), who);
        let said = self.world.app.block_on(self.world.redress().decide(official, self.lines[at].id, new));
        self.held("barred", today, said, Ok(()));
        let subject = self.records[self.lines[at].record].subject;
        self.subjects[subject].bars.push((at, months_later(today, BAN)));
        self.barred.push(subject);
        self.lines[at].decided_by = Some(who);
        self.decided(at, "refused", false, today);
    }

    /// A line is decided: what that does to its record, and what may come of it.
    fn decided(&mut self, at: usize, outcome: &'static str, by_platform: bool, today: NaiveDate) {
        self.counters.add(outcome);
        self.closed(at, outcome, by_platform, today);
        if matches!(outcome, "rejected" | "noted" | "refused" | "not_accepted") && self.random.chance(40) {
            let days = self.random.between(1, 12);
            self.on(Task::Line(at), today, days);
        } else if outcome == "shielded" {
            let days = self.random.between(20, 60);
            self.on(Task::Line(at), today, days);
        }
    }

    /// A line is closed with an outcome.
    fn closed(&mut self, at: usize, outcome: &'static str, by_platform: bool, today: NaiveDate) {
        let now = self.now();
        let line = &mut self.lines[at];
        let changes = !matches!(outcome, "rejected" | "noted" | "refused" | "not_accepted");
        (line.state, line.outcome) = (State::Closed, Some(outcome));
        line.decided = line.decided.or(Some(today));
        line.execute_by = changes.then(|| execute_by(&self.calendar, today));
        let record = &mut self.records[line.record];
        record.open = None;
        record.disputed = false;
        let effect = match outcome {
            "corrected" => {
                record.corrected += 1;
                record.objection = None;
                Some("corrected")
            }
            "deleted" => {
                record.life = Life::Withdrawn;
                record.objection = None;
                Some("withdrawn")
            }
            "stopped" => {
                let yesterday = before(today);
                record.stopped = Some(record.stopped.map_or(yesterday, |last| last.min(yesterday)));
                Some("stopped")
            }
            "granted" => {
                record.life = Life::Repaired;
                Some("repaired")
            }
            "shielded" => {
                record.life = Life::Shielded;
                Some("shielded")
            }
            "noted" => {
                record.objection = Some(note(at));
                None
            }
            _ => None,
        };
        record.effects.extend(effect.map(|kind| Effect { kind, at: now, by_platform }));
    }

    fn unshield(&mut self, at: usize, today: NaiveDate) {
        let official = self.world.official(self.agency(&self.lines[at]), 1);
        let new = NewUnshield { reason: "重整计划执行完毕".to_owned(), completed: at.is_multiple_of(2) };
        let said = self.world.app.block_on(self.world.redress().unshield(official, self.lines[at].id, new));
        self.held("unshield", today, said, Ok(()));
        let now = self.now();
        let record = &mut self.records[self.lines[at].record];
        record.life = Life::Shown;
        record.effects.push(Effect { kind: "unshielded", at: now, by_platform: false });
    }

    fn ask_review(&mut self, at: usize, today: NaiveDate) {
        let line = &self.lines[at];
        let over = today > review_until(&self.calendar, line.decided.unwrap());
        let verdict = if over {
            Err("review_not_open")
        } else if self.records[line.record].open.is_some() {
            Err("case_already_open")
        } else {
            Ok(())
        };
        let case = &self.cases[line.case];
        let (actor, access) = self.applicant(case.subject, case.counter);
        let said = self.world.app.block_on(self.world.redress().ask_review(&actor, access, case.id, line.id, "不服处理决定"));
        if self.held("review asked", today, said, verdict).is_none() {
            return;
        }
        let line = &mut self.lines[at];
        (line.state, line.review_asked) = (State::Review, Some(today));
        let record = &mut self.records[line.record];
        record.open = Some(at);
        record.disputed |= line.kind == Kind::Dispute;
        self.later(Task::Line(at), today);
    }

    fn decide_review(&mut self, at: usize, today: NaiveDate) {
        let line = self.lines[at].clone();
        let before = [line.accepted_by, line.decided_by];
        let who = (1..=3).find(|who| !before.contains(&Some(*who))).unwrap();
        let official = self.world.official(self.agency(&line), who);
        let record = &self.records[line.record];
        // Meanwhile something else may have been decided about the record.
        let noted = line.outcome == Some("noted");
        let as_it_was = record.life == Life::Shown && (!noted || record.objection == Some(note(at)));
        if as_it_was && self.random.chance(45) {
            let outcome = match line.kind {
                Kind::Dispute => *self.random.pick(&["corrected", "deleted", "stopped"]),
                Kind::Repair => "granted",
            };
            let verdict = if outcome == "granted" { self.may_grant(at, today) } else { Ok(()) };
            let new = review(ReviewOutcome::Changed, Some(outcome), (outcome == "corrected").then(|| self.correction(at)));
            let said = self.world.app.block_on(self.world.redress().decide_review(official, line.id, new));
            if self.held("review changed", today, said, verdict).is_none() {
                return self.later(Task::Line(at), today);
            }
            // What was found false was not.
            let subject = self.records[line.record].subject;
            self.subjects[subject].bars.retain(|(barring, _)| *barring != at);
            if noted {
                self.records[line.record].objection = None;
            }
            return self.closed(at, outcome, false, today);
        }
        let new = review(ReviewOutcome::Upheld, None, None);
        let said = self.world.app.block_on(self.world.redress().decide_review(official, line.id, new));
        self.held("upheld", today, said, Ok(()));
        self.lines[at].state = State::Closed;
        let record = &mut self.records[line.record];
        record.open = None;
        record.disputed = false;
    }
}

/// What is noted beside the record of a line.
fn note(at: usize) -> String {
    format!("主体对第{at}项持异议")
}

fn review(outcome: ReviewOutcome, new_outcome: Option<&str>, changes: Option<Map<String, Value>>) -> NewReviewDecision {
    NewReviewDecision {
        outcome,
        text: "复核意见".to_owned(),
        new_outcome: new_outcome.map(str::to_owned),
        decision_no: None,
        changes,
        note: None,
        appeal: None,
    }
}
