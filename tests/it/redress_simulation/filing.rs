//! What applicants do: they file, too early, twice, about what is not theirs or is gone, with papers and without; they bring what was
//! missing, or do not; they take back.

use super::lines::{Case, Kind, Line, State, complete_by};
use super::oracle::Life;
use super::world::World;
use super::{Simulation, Task, Verdict};
use chrono::NaiveDate;
use credence_core::Actor;
use credence_redress::model::cases::{Applicant, NewCase, NewCaseLine, NewPaper, NewPapers};
use credence_redress::model::lines::{CaseKind, Ground};
use credence_redress::service::cases::{Access, Filing};
use serde_json::Map;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Records that are looked at in search of one that fits.
const LOOKS: usize = 60;
const COMMITMENT: &str = "承诺所提供材料真实，今后守法经营。";

impl Simulation {
    /// Tries to file a case. Whether it is taken in, the oracle knows before.
    pub(super) fn file(&mut self, today: NaiveDate) {
        let kind = if self.random.chance(50) { Kind::Repair } else { Kind::Dispute };
        let Some(first) = self.choose(kind, today) else { return };
        let mut records = vec![first];
        let owner = self.records[first].subject;
        if self.random.chance(15) {
            let others: Vec<usize> = self.subjects[owner].records.iter().copied().filter(|at| *at != first).collect();
            if !others.is_empty() {
                records.push(*self.random.pick(&others));
            }
        }
        let stranger = self.random.below(self.subjects.len());
        let estranged = self.random.chance(3) && stranger != owner && !self.subjects[stranger].id.is_nil();
        let subject = if estranged { stranger } else { owner };
        // Whoever has the court's ruling asks for shielding, and need not wait.
        let ruling = kind == Kind::Repair && self.random.chance(10);
        let first_refusal = records.iter().find_map(|at| self.may_file((kind, ruling), *at, subject, today).err());
        self.submit((kind, ruling), subject, &records, first_refusal.map_or(Ok(()), Err), today);
    }

    /// What a case might be about: mostly what is due for it, sometimes what is not.
    fn choose(&mut self, kind: Kind, today: NaiveDate) -> Option<usize> {
        let free = |this: &Self, at: usize| this.records[at].life == Life::Shown && this.records[at].open.is_none();
        let gone = |this: &Self, at: usize| this.records[at].life != Life::Shown;
        let due = move |this: &Self, at: usize| {
            free(this, at) && this.may_file((Kind::Repair, false), at, this.records[at].subject, today).is_ok()
        };
        match (self.random.below(100), kind) {
            (0..5, _) if !self.lines.is_empty() => {
                let back = self.random.below(self.lines.len().min(60));
                Some(self.lines[self.lines.len() - 1 - back].record)
            }
            (5..10, _) => self.find(gone),
            (10..25, Kind::Repair) => {
                // One of those that were loaded last, most of which are too young.
                let back = self.random.below(self.records.len().div_ceil(20));
                Some(self.records.len() - 1 - back)
            }
            (25..28, Kind::Repair) if !self.barred.is_empty() => {
                let subject = *self.random.pick(&self.barred);
                let records = self.subjects[subject].records.clone();
                Some(*self.random.pick(&records))
            }
            (_, Kind::Repair) => self.find(due),
            (_, Kind::Dispute) => self.find(free),
        }
    }

    fn find(&mut self, fits: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        (0..LOOKS).find_map(|_| {
            let at = self.random.below(self.records.len());
            fits(self, at).then_some(at)
        })
    }

    /// Whether a subject may file about a record on a day, with or without the court's ruling.
    fn may_file(&self, (kind, ruling): (Kind, bool), at: usize, subject: usize, today: NaiveDate) -> Verdict {
        let record = &self.records[at];
        if record.subject != subject || record.life == Life::Withdrawn {
            return Err("case_target_unknown");
        }
        match kind {
            // There is nothing to dispute about what nobody is shown.
            Kind::Dispute if record.life != Life::Shown => return Err("case_target_unknown"),
            Kind::Dispute => {}
            Kind::Repair if record.life != Life::Shown => return Err("repair_not_needed"),
            Kind::Repair if self.subjects[subject].barred(today, None) => return Err("repair_barred"),
            Kind::Repair if !ruling && today < record.repairable_from(today) => return Err("repair_too_early"),
            Kind::Repair => {}
        }
        if record.open.is_some() { Err("case_already_open") } else { Ok(()) }
    }

    /// Who files, and by what right, for a subject at the counter or online.
    pub(super) fn applicant(&self, subject: usize, counter: bool) -> (Actor, Access) {
        let id = self.subjects[subject].id;
        if counter {
            let clerk = self.world.clerk.clone();
            let agency = clerk.agency.unwrap().0;
            (clerk, Access::Taken(agency))
        } else {
            (self.world.applicant(id), Access::Own(id))
        }
    }

    fn paper(&mut self, kind: &str, subject: usize, counter: bool) -> NewPaper {
        let owner = (!counter).then_some(self.subjects[subject].id);
        NewPaper { kind: kind.to_owned(), attachment_id: self.world.attachment(owner) }
    }

    fn submit(&mut self, (kind, ruling): (Kind, bool), subject: usize, records: &[usize], verdict: Verdict, today: NaiveDate) {
        let (counter, agent) = (self.random.chance(25), self.random.chance(10));
        let mut given: Vec<&'static str> = Vec::new();
        let mut needed: Vec<&'static str> = Vec::new();
        if kind == Kind::Repair {
            needed.extend(["proof_of_performance", "commitment"]);
            needed.extend(counter.then_some("identity"));
            needed.extend(agent.then_some("authorisation"));
            given = needed.iter().copied().filter(|_| self.random.chance(92)).collect();
            given.extend(ruling.then_some("court_ruling"));
        } else if self.random.chance(20) {
            given.push("evidence");
        }
        let missing: Vec<&'static str> = needed.iter().copied().filter(|kind| !given.contains(kind)).collect();
        let papers = given.iter().filter(|kind| **kind != "commitment").map(|kind| self.paper(kind, subject, counter)).collect();
        let lines = records.iter().map(|at| self.new_line(kind, *at)).collect();
        let new = NewCase {
            kind: if kind == Kind::Dispute { CaseKind::Dispute } else { CaseKind::Repair },
            statement: if kind == Kind::Dispute { "该条信息与事实不符。" } else { "已履行处罚决定规定的义务。" }.to_owned(),
            applicant: if agent { Applicant::Agent } else { Applicant::Subject },
            authorisation: agent.then(|| "授权书甲号".to_owned()),
            person: World::person(),
            lines,
            papers,
            commitment: given.contains(&"commitment").then(|| COMMITMENT.to_owned()),
        };
        let (actor, _) = self.applicant(subject, counter);
        let how = if counter { Filing::Counter } else { Filing::Online };
        self.world.tick();
        let redress = self.world.redress();
        let said = self.world.app.block_on(redress.file(&actor, self.subjects[subject].id, new, how));
        let Some(filed) = self.held("file", today, said, verdict) else { return };

        let begun = missing.is_empty().then_some(today);
        let case = self.cases.len();
        let by = begun.is_none().then(|| complete_by(&self.calendar, today));
        let told: BTreeSet<&str> = filed.case.missing.iter().map(String::as_str).collect();
        let lacking: BTreeSet<&str> = missing.iter().copied().collect();
        assert_eq!((told, filed.case.complete_by), (lacking, by), "what is missing, told on {today}");
        let mut places = Vec::new();
        for at in records {
            let record = &mut self.records[*at];
            let line = filed.case.lines.iter().find(|line| line.target_id == Some(record.id)).unwrap();
            places.push(self.lines.len());
            record.open = Some(self.lines.len());
            record.disputed = kind == Kind::Dispute;
            self.lines.push(Line::new(line.id, case, *at, kind, begun));
        }
        let (id, lines) = (filed.case.id, places.clone());
        self.cases.push(Case { id, subject, filed: today, counter, lines, complete_by: by, missing, ruling });
        if begun.is_some() {
            for line in places {
                self.later(Task::Line(line), today);
            }
            return;
        }
        self.incomplete.push(case);
        if self.random.chance(75) {
            let days = self.random.between(1, 7);
            self.on(Task::Complete(case), today, days);
        }
    }

    fn new_line(&mut self, kind: Kind, at: usize) -> NewCaseLine {
        let mut wanted = Map::new();
        let ground = match kind {
            Kind::Repair => None,
            Kind::Dispute => Some(*self.random.pick(&[Ground::Error, Ground::Privacy, Ground::Overdue])),
        };
        if ground == Some(Ground::Error) {
            wanted.insert("CF_NR".to_owned(), "处罚内容有误，请更正".into());
        }
        NewCaseLine { record_id: Some(self.records[at].id), entry_id: None, item: None, agency: None, ground, wanted }
    }

    /// The applicant brings what was missing, as far as there is time.
    pub(super) fn complete(&mut self, case: usize, today: NaiveDate) {
        let Case { id, subject, counter, missing, lines, .. } = self.cases[case].clone();
        let verdict = if self.lines[lines[0]].state != State::Incomplete {
            Err("case_not_open")
        } else if self.subjects[subject].barred(today, None) {
            Err("repair_barred")
        } else {
            Ok(())
        };
        let papers = missing.iter().filter(|kind| **kind != "commitment").map(|kind| self.paper(kind, subject, counter)).collect();
        let commitment = missing.contains(&"commitment").then(|| COMMITMENT.to_owned());
        let (actor, access) = self.applicant(subject, counter);
        self.world.tick();
        let redress = self.world.redress();
        let said = self.world.app.block_on(redress.add_papers(&actor, access, id, &NewPapers { papers, commitment }));
        if self.held("complete", today, said, verdict).is_none() {
            return;
        }
        self.incomplete.retain(|waiting| *waiting != case);
        for line in lines {
            self.lines[line].begun = Some(today);
            self.lines[line].state = State::Filed;
            self.later(Task::Line(line), today);
        }
    }

    /// What was not completed in time lapses.
    pub(super) fn lapse(&mut self, today: NaiveDate) {
        let over = |this: &Self, case: usize| this.cases[case].complete_by.is_some_and(|last| last < today);
        let lapsing: Vec<usize> = self.incomplete.iter().copied().filter(|case| over(self, *case)).collect();
        let mut lapsed = 0;
        loop {
            match self.world.app.block_on(self.world.redress().lapse()).unwrap() {
                0 => break,
                n => lapsed += n,
            }
        }
        assert_eq!(lapsed, lapsing.len(), "cases that lapse on {today}");
        self.incomplete.retain(|case| !lapsing.contains(case));
        for case in lapsing {
            self.counters.add("lapse");
            self.end_lines(case);
        }
    }

    /// The applicant takes a case back.
    pub(super) fn withdraw(&mut self, case: usize, today: NaiveDate) {
        let Case { id, subject, counter, .. } = self.cases[case];
        let (actor, access) = self.applicant(subject, counter);
        self.world.tick();
        let redress = self.world.redress();
        let said = self.world.app.block_on(redress.withdraw_case(&actor, access, id, "不再主张"));
        self.held("withdraw", today, said, Ok(()));
        self.end_lines(case);
    }

    /// Lines that nobody has decided end with their case.
    fn end_lines(&mut self, case: usize) {
        for place in self.cases[case].lines.clone() {
            let line = &mut self.lines[place];
            if matches!(line.state, State::Incomplete | State::Filed | State::Forwarded | State::Accepted) {
                line.state = State::Withdrawn;
                let record = &mut self.records[line.record];
                record.open = None;
                record.disputed = false;
            }
        }
    }

    /// An agency says what it did about a message.
    pub(super) fn acknowledge(&mut self, message: Uuid, agency: Uuid) {
        self.world.tick();
        let reader = self.world.reader(agency);
        self.world.app.block_on(self.world.app.app.dispatch.acknowledge_message(&reader, message, "已停止使用")).unwrap();
        self.acknowledged.insert(message);
        self.counters.add("acknowledge");
    }
}
