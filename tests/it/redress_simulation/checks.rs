//! What the simulation looks at, and compares with what the oracle says: files, days, what is late, effects; and whether the looks
//! themselves can fail.

use super::calendar::{after, before, day};
use super::lines::{Days, Line, State};
use super::oracle::{Life, R3, Record};
use super::world::{AGENCIES, READERS, Shown, morning};
use super::{Simulation, Task};
use chrono::{DateTime, NaiveDate, Utc};
use credence_redress::service::show::LinesWanted;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Everything in the program that shows records or rests on them.
const PROJECTIONS: [&str; 7] = ["authorised_query", "directives", "evaluation", "government_sharing", "lists", "open_data", "publicity"];
/// Lines on a page.
const PAGE: i64 = 200;

/// What differs between what is there and what the oracle says; empty when nothing does.
fn differences<T: PartialEq + std::fmt::Debug>(is: &BTreeMap<Uuid, T>, should_be: &BTreeMap<Uuid, T>) -> Vec<String> {
    let keys: BTreeSet<&Uuid> = is.keys().chain(should_be.keys()).collect();
    let differing = keys.into_iter().filter(|key| is.get(key) != should_be.get(key));
    differing.map(|key| format!("{key}: {:?}, and the oracle says {:?}", is.get(key), should_be.get(key))).collect()
}

/// An effect as it is followed: by projections, by agencies with their messages, and whether all of it is done.
#[derive(Debug, Default)]
struct Followed {
    projections: Vec<(String, String)>,
    agencies: Vec<(Uuid, Uuid, String)>,
    settled: bool,
}

impl Simulation {
    fn should_show(&self, subject: usize, seen: impl Fn(&Record) -> bool) -> BTreeMap<Uuid, Shown> {
        let records = self.subjects[subject].records.iter().map(|at| &self.records[*at]);
        let shown = |record: &Record| Shown { content: record.content(), disputed: record.disputed, objection: record.objection.clone() };
        records.filter(|record| seen(record)).map(|record| (record.id, shown(record))).collect()
    }

    /// What an agency is shown and should not be, or the other way round.
    pub(super) fn shared_differences(&self, subject: usize, shown: &BTreeMap<Uuid, Shown>) -> Vec<String> {
        differences(shown, &self.should_show(subject, Record::shared))
    }

    /// The same of everybody.
    fn public_differences(&self, subject: usize, today: NaiveDate) -> Vec<String> {
        if self.subjects[subject].id.is_nil() {
            return Vec::new();
        }
        let shown = self.world.public_file(&self.subjects[subject]);
        differences(&shown, &self.should_show(subject, |record| record.public(today)))
    }

    fn check_file(&self, subject: usize, today: NaiveDate) {
        assert_eq!(self.public_differences(subject, today), Vec::<String>::new(), "the public file of {subject} on {today}");
    }

    /// On the last public day of records they are shown, on the next they are not; whether or not any job ran in between.
    pub(super) fn check_edges(&mut self, today: NaiveDate) {
        for subject in std::mem::take(&mut self.gone) {
            self.check_file(subject, today);
            self.counters.add("day after the last");
        }
        let since = usize::from(today >= day(R3));
        let mut ending = self.last_days[since].get(&today).cloned().unwrap_or_default();
        let mut looks = (self.records.len() / 25_000).clamp(1, 4);
        if after(today) == day(R3) {
            // The regime changes overnight, and with it the last day of most records.
            ending = (0..self.records.len()).collect();
            looks = 25;
        }
        ending.retain(|at| self.records[*at].public(today) && !self.records[*at].public(after(today)));
        for _ in 0..looks.min(ending.len()) {
            let at = *self.random.pick(&ending);
            let subject = self.records[at].subject;
            self.check_file(subject, today);
            self.counters.add("last public day");
            self.gone.push(subject);
        }
    }

    /// Notes which messages of today agencies will acknowledge, and when.
    pub(super) fn plan_receipts(&mut self, today: NaiveDate) {
        let query = "SELECT f.message_id, f.recipient FROM effects e
                       JOIN effect_followups f ON f.subject_id = e.subject_id AND f.effect_id = e.id
                      WHERE f.recipient_kind = 'agency' AND e.happened_at >= $1 ORDER BY f.message_id";
        for row in self.world.query(query, &[&morning(today)]) {
            let agency = row.get::<_, String>(1).parse().unwrap();
            if self.random.chance(80) {
                self.later(Task::Acknowledge { message: row.get(0), agency }, today);
            }
        }
    }

    /// Compares a sample of files, the days of every line, and all that is late.
    pub(super) fn look(&mut self, today: NaiveDate) {
        for _ in 0..(self.subjects.len() / 500).clamp(5, 40) {
            let subject = self.random.below(self.subjects.len());
            self.check_file(subject, today);
        }
        assert_eq!(self.line_differences(), Vec::<String>::new(), "days of lines on {today}");
        assert_eq!(self.case_differences(), Vec::<String>::new(), "cases on {today}");
        let late = self.check_late(today);
        for _ in 0..late {
            self.counters.add("late line seen");
        }
    }

    /// State, days and outcome of every line.
    fn line_differences(&self) -> Vec<String> {
        let rows = self.world.query("SELECT id, state, due_on, total_due_on, execute_by, outcome FROM redress_lines", &[]);
        let is: BTreeMap<Uuid, (String, Days, Option<String>)> =
            rows.iter().map(|row| (row.get(0), (row.get(1), (row.get(2), row.get(3), row.get(4)), row.get(5)))).collect();
        let should_be = |line: &Line| (line.state.code().to_owned(), line.days(&self.calendar), line.outcome.map(str::to_owned));
        differences(&is, &self.lines.iter().map(|line| (line.id, should_be(line))).collect())
    }

    /// State and last day for papers of every case.
    fn case_differences(&self) -> Vec<String> {
        let rows = self.world.query("SELECT id, state, complete_by FROM redress_cases", &[]);
        let is: BTreeMap<Uuid, (String, Option<NaiveDate>)> = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let state = |lines: &[usize]| {
            let any = |fits: fn(&Line) -> bool| lines.iter().any(|at| fits(&self.lines[*at]));
            if any(|line| line.state == State::Incomplete) {
                "incomplete"
            } else if any(Line::open) {
                "open"
            } else if any(|line| line.state != State::Withdrawn) {
                "closed"
            } else {
                "withdrawn"
            }
        };
        differences(&is, &self.cases.iter().map(|case| (case.id, (state(&case.lines).to_owned(), case.complete_by))).collect())
    }

    /// What the credit office is told to be late, and by how much; how many lines.
    fn check_late(&self, today: NaiveDate) -> usize {
        let mut told = BTreeMap::new();
        let mut wanted = LinesWanted { overdue: true, limit: PAGE, ..LinesWanted::default() };
        loop {
            let page = self.world.app.block_on(self.world.redress().lines(&self.world.office, &wanted)).unwrap();
            let Some(last) = page.last() else { break };
            wanted.after = Some(last.id);
            assert!(page.iter().all(|line| line.overdue));
            told.extend(page.iter().map(|line| (line.id, line.overdue_working_days)));
        }
        let late = self.lines.iter().filter_map(|line| Some((line.id, line.late(&self.calendar, today)?))).collect();
        assert_eq!(differences(&told, &late), Vec::<String>::new(), "what is late on {today}");
        told.len()
    }

    /// What everybody is shown of every subject; and agencies of a part of them.
    pub(super) fn check_every_file(&mut self, today: NaiveDate) {
        for subject in 0..self.subjects.len() {
            self.check_file(subject, today);
            if subject % 40 == 0 {
                self.read(subject, today);
            }
        }
    }

    /// Every change that was decided has one effect: all projections are there, and everybody follows it who had the record, nobody else.
    pub(super) fn check_effects(&self) {
        let mut followed: BTreeMap<(Uuid, DateTime<Utc>, String), Vec<Followed>> = BTreeMap::new();
        let effects = "SELECT id, target_id, happened_at, kind, settled_at IS NOT NULL FROM effects";
        let ups = "SELECT effect_id, recipient_kind, recipient, state, message_id FROM effect_followups";
        let mut by_effect: BTreeMap<Uuid, Followed> = BTreeMap::new();
        for row in self.world.query(ups, &[]) {
            let (to, recipient, state): (String, String, String) = (row.get(1), row.get(2), row.get(3));
            let one = by_effect.entry(row.get(0)).or_default();
            match to.as_str() {
                "projection" => one.projections.push((recipient, state)),
                "agency" => one.agencies.push((recipient.parse().unwrap(), row.get(4), state)),
                _ => panic!("a follow-up for {to} {recipient}, and nobody has an account"),
            }
        }
        for row in self.world.query(effects, &[]) {
            let mut one = by_effect.remove(&row.get::<_, Uuid>(0)).unwrap_or_default();
            one.settled = row.get(4);
            followed.entry((row.get(1), row.get(2), row.get(3))).or_default().push(one);
        }
        assert!(by_effect.is_empty(), "follow-ups of nothing");
        let mut wanted = 0;
        for record in &self.records {
            for effect in &record.effects {
                wanted += 1;
                let key = (record.id, effect.at, effect.kind.to_owned());
                let mut found = followed.remove(&key).unwrap_or_default();
                assert_eq!(found.len(), 1, "effects of {key:?}");
                let mut one = found.remove(0);
                one.projections.sort();
                let done: Vec<(String, String)> = PROJECTIONS.iter().map(|code| ((*code).to_owned(), "done".to_owned())).collect();
                assert_eq!(one.projections, done, "{key:?}");
                let told: BTreeSet<Uuid> = one.agencies.iter().map(|(agency, ..)| *agency).collect();
                assert_eq!(told, self.had(record, effect.at, effect.by_platform), "who follows {key:?}");
                assert_eq!(told.len(), one.agencies.len(), "each once");
                for (_, message, state) in &one.agencies {
                    assert_eq!(state == "done", self.acknowledged.contains(message), "{key:?}, message {message}");
                }
                let all = one.agencies.iter().all(|(_, message, _)| self.acknowledged.contains(message));
                assert_eq!(one.settled, all, "{key:?}");
            }
        }
        assert!(wanted > 0 && followed.is_empty(), "effects of what nobody decided: {followed:?}");
    }

    /// Agencies that read a record before an instant and did not decide about it; its own where another decided.
    fn had(&self, record: &Record, at: DateTime<Utc>, by_platform: bool) -> BTreeSet<Uuid> {
        let read = self.subjects[record.subject].readers.iter().filter(|(_, when)| (record.loaded..=at).contains(when));
        let readers = read.map(|(reader, _)| READERS[*reader]);
        readers.chain(by_platform.then_some(AGENCIES[record.agency].code)).map(|code| self.world.agencies[code]).collect()
    }

    /// The program's own look finds everything that is gone, and nothing wrong with it.
    pub(super) fn check_verification(&self) {
        let found = self.world.app.block_on(self.world.redress().verify()).unwrap();
        let gone = self.records.iter().filter(|record| record.life != Life::Shown).count();
        assert_eq!(found.targets, gone);
        assert!(found.still_shown.is_empty() && found.waiting.is_empty(), "{:?}", found.still_shown);
        assert_eq!(found.without_effect, 0);
    }

    /// Forges what no rule allows, one thing after the other, and sees that each is found.
    pub(super) fn check_that_the_checks_can_fail(&self, today: NaiveDate) {
        let repaired: Vec<&Record> = self.records.iter().filter(|record| record.life == Life::Repaired).collect();
        // A repaired record that is active again would be public.
        let again = |record: &Record| Record { life: Life::Shown, ..record.clone() };
        let young = repaired.iter().find(|record| again(record).public(today)).unwrap();
        assert_eq!(self.public_differences(young.subject, today).len(), 0);
        let set = |id: Uuid, what: &str| {
            self.world.forge(&format!("UPDATE record_versions SET {what} WHERE record_id = '{id}' AND known_to IS NULL"));
        };
        set(young.id, "state = 'active'");
        assert_eq!(self.public_differences(young.subject, today).len(), 1, "a record that is back is seen");
        set(young.id, "state = 'repaired'");
        // A record that is gone too early is seen as well.
        let at = self.records.iter().position(|record| record.public(today)).unwrap();
        let (id, subject) = (self.records[at].id, self.records[at].subject);
        set(id, &format!("public_until = '{}'", before(today)));
        assert_eq!(self.public_differences(subject, today).len(), 1, "a record that is missing is seen");
        // A day that is counted wrongly.
        let line = self.lines.iter().find(|line| line.total(&self.calendar).is_some()).unwrap();
        self.world.forge(&format!("UPDATE redress_lines SET total_due_on = total_due_on + 1 WHERE id = '{}'", line.id));
        assert_eq!(self.line_differences().len(), 1, "a day too many is seen");
        // An effect that is missing.
        let missing = repaired.last().unwrap().id;
        let effect = format!("SELECT id FROM effects WHERE target_id = '{missing}' AND kind = 'repaired'");
        self.world.forge(&format!("DELETE FROM effect_followups WHERE effect_id IN ({effect})"));
        self.world.forge(&format!("DELETE FROM effects WHERE id IN ({effect})"));
        let found = self.world.app.block_on(self.world.redress().verify()).unwrap();
        assert_eq!(found.without_effect, 1, "an effect that is missing is seen");
    }
}
