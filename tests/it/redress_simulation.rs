//! Three years of records and cases against an independent, slow count of everything: what is public on which day, by when each step is
//! owed, what follows from each decision and for whom.
//!
//! The oracle ([`oracle`], [`lines`], [`calendar`]) knows what was sent and done, and the rules, which are written down there once more; it
//! never asks the program. The clock goes from day to day, across the change of regime on 2026-04-01.
//! `CREDENCE_SIMULATION=records,cases` sets the size; the full one is `100000,20000` and wants a release build.

mod calendar;
mod checks;
mod filing;
mod lines;
mod oracle;
mod random;
mod steps;
mod world;

use self::calendar::{Calendar, after, day};
use self::lines::{Case, Line};
use self::oracle::{Counters, R3, Record, Subject, draw};
use self::random::Random;
use self::world::{READERS, World, morning};
use crate::support::builders::uscc;
use chrono::{DateTime, Days, NaiveDate, Utc};
use credence_core::clock::Clock;
use credence_core::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const FIRST: &str = "2023-06-01";
const LAST: &str = "2026-06-01";
/// Days from one look at a sample, at all days and at all that is late to the next.
const LOOK_EVERY: u64 = 20;
/// Records there are of an organisation, on average.
const RECORDS_EACH: usize = 5;

/// How something has to end: done, or refused with a code.
type Verdict = Result<(), &'static str>;

/// Something that somebody does on a day to come.
#[derive(Debug, Clone, Copy)]
enum Task {
    /// Goes on with a line.
    Line(usize),
    /// Brings the missing papers of a case.
    Complete(usize),
    /// Acknowledges a message to an agency.
    Acknowledge { message: Uuid, agency: Uuid },
}

/// The city, and all that the oracle knows of it.
struct Simulation {
    world: World,
    calendar: Calendar,
    random: Random,
    subjects: Vec<Subject>,
    records: Vec<Record>,
    cases: Vec<Case>,
    lines: Vec<Line>,
    counters: Counters,
    agenda: BTreeMap<NaiveDate, Vec<Task>>,
    /// Places of cases that wait for papers.
    incomplete: Vec<usize>,
    /// Places of subjects that were barred.
    barred: Vec<usize>,
    acknowledged: BTreeSet<Uuid>,
    /// Records by their last public day, before and since the change of regime, as they were loaded.
    last_days: [BTreeMap<NaiveDate, Vec<usize>>; 2],
    /// Subjects of whom a record is to be gone today.
    gone: Vec<usize>,
    records_wanted: usize,
    cases_wanted: usize,
}

/// The size asked for, or one that keeps the suite fast.
fn size() -> (usize, usize) {
    let Ok(asked) = std::env::var("CREDENCE_SIMULATION") else { return (3000, 600) };
    let numbers = asked.split_once(',').and_then(|(records, cases)| Some((records.trim().parse().ok()?, cases.trim().parse().ok()?)));
    numbers.expect("CREDENCE_SIMULATION=records,cases")
}

impl Simulation {
    /// On the first day, with half of the records there already.
    fn open() -> Self {
        let (records_wanted, cases_wanted) = size();
        let organisation = |n: usize| Subject { uscc: uscc("91", "131003", 200_000 + u32::try_from(n).unwrap()), ..Subject::default() };
        let mut this = Self {
            world: World::open(day(FIRST)),
            calendar: Calendar::new(),
            random: Random::new(20_230_601),
            subjects: (0..(records_wanted / RECORDS_EACH).max(20)).map(organisation).collect(),
            records: Vec::new(),
            cases: Vec::new(),
            lines: Vec::new(),
            counters: Counters::default(),
            agenda: BTreeMap::new(),
            incomplete: Vec::new(),
            barred: Vec::new(),
            acknowledged: BTreeSet::new(),
            last_days: [BTreeMap::new(), BTreeMap::new()],
            gone: Vec::new(),
            records_wanted,
            cases_wanted,
        };
        // Whatever their age: of the oldest the longest period ends while the simulation runs.
        this.load(records_wanted / 2, day("2020-06-02"), day("2023-05-31"));
        this
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.app.clock.now()
    }

    /// Loads so many new records that were decided between two days.
    fn load(&mut self, count: usize, from: NaiveDate, to: NaiveDate) {
        let mut new: Vec<Record> = (0..count)
            .map(|n| {
                let decided = from + Days::new(u64::try_from(self.random.between(0, (to - from).num_days())).unwrap());
                let subject = self.random.below(self.subjects.len());
                draw(&mut self.random, subject, self.records.len() + n, decided)
            })
            .collect();
        self.world.load(&mut self.subjects, &mut new);
        for record in new {
            let place = self.records.len();
            for (days, on) in self.last_days.iter_mut().zip([FIRST, R3]) {
                if let Some(last) = record.last_public_day(day(on)) {
                    days.entry(last).or_default().push(place);
                }
            }
            self.subjects[record.subject].records.push(place);
            self.records.push(record);
        }
    }

    /// Puts something on the agenda, mostly soon, sometimes late.
    fn later(&mut self, task: Task, today: NaiveDate) {
        let days = match self.random.below(100) {
            0..60 => 1,
            60..85 => self.random.between(2, 3),
            85..95 => self.random.between(4, 8),
            _ => self.random.between(9, 15),
        };
        self.on(task, today, days);
    }

    /// Puts something on the agenda of a working day to come.
    fn on(&mut self, task: Task, today: NaiveDate, working_days: i64) {
        let on = self.calendar.nth(today, u32::try_from(working_days).unwrap());
        self.agenda.entry(on).or_default().push(task);
    }

    /// One day. `n` counts them.
    fn day(&mut self, today: NaiveDate, n: u64) {
        // Never back: what was loaded before the first day's work is known.
        if self.now() < morning(today) {
            self.world.app.clock.set(morning(today));
        }
        self.lapse(today);
        let days = u64::try_from((day(LAST) - day(FIRST)).num_days()).unwrap();
        if n > 0 && n.is_multiple_of(7) {
            let by_now = self.records_wanted / 2 + part(self.records_wanted - self.records_wanted / 2, n, days / 7 * 7);
            self.load(by_now - self.records.len(), today - Days::new(6), today);
        }
        self.check_edges(today);
        if self.calendar.worked(today) {
            for _ in 0..(self.subjects.len() / 1000).clamp(1, 20) {
                let subject = self.random.below(self.subjects.len());
                self.read(subject, today);
            }
            for task in self.agenda.remove(&today).unwrap_or_default() {
                match task {
                    Task::Line(line) => self.act(line, today),
                    Task::Complete(case) => self.complete(case, today),
                    Task::Acknowledge { message, agency } => self.acknowledge(message, agency),
                }
            }
            let wanted = part(self.cases_wanted, n + 1, days);
            for _ in 0..5 * wanted.saturating_sub(self.cases.len()) {
                if self.cases.len() < wanted {
                    self.file(today);
                }
            }
        }
        self.world.settle();
        self.plan_receipts(today);
        if n.is_multiple_of(LOOK_EVERY) {
            self.look(today);
        }
    }

    /// An agency reads a subject's file, and is shown what the oracle says.
    fn read(&mut self, subject: usize, today: NaiveDate) {
        if self.subjects[subject].id.is_nil() {
            return;
        }
        self.world.tick();
        let reader = self.random.below(READERS.len());
        let shown = self.world.shared_file(&self.subjects[subject], reader);
        assert_eq!(self.shared_differences(subject, &shown), Vec::<String>::new(), "on {today}");
        let now = self.now();
        self.subjects[subject].readers.push((reader, now));
        self.counters.add("read by an agency");
    }

    /// Sees whether something ended as the oracle says, and counts it; what came of it when it was done.
    fn held<T>(&mut self, what: &'static str, today: NaiveDate, said: Result<T, Problem>, verdict: Verdict) -> Option<T> {
        match (said, verdict) {
            (Ok(done), Ok(())) => {
                self.counters.add(what);
                Some(done)
            }
            (Err(problem), Err(code)) if problem.code() == code => {
                self.counters.add(code);
                None
            }
            (Ok(_), Err(code)) => panic!("{what} on {today} was done, and the oracle says {code}"),
            (Err(problem), verdict) => {
                let (code, details, cause) = (problem.code(), problem.details, problem.internal);
                panic!("{what} on {today}: {code} {details:?} {cause:?}, and the oracle says {verdict:?}")
            }
        }
    }
}

/// So much of a whole as there is after `n` of so many days.
fn part(whole: usize, n: u64, days: u64) -> usize {
    let (n, days) = (usize::try_from(n).unwrap(), usize::try_from(days).unwrap());
    (whole * n / days).min(whole)
}

#[test]
fn three_years_end_as_an_independent_count_of_every_day_says() {
    let mut simulation = Simulation::open();
    let (mut today, mut n) = (day(FIRST), 0);
    while today <= day(LAST) {
        simulation.day(today, n);
        (today, n) = (after(today), n + 1);
    }
    let last = day(LAST);
    assert_eq!((simulation.records.len(), simulation.cases.len()), (simulation.records_wanted, simulation.cases_wanted));
    simulation.look(last);
    simulation.check_every_file(last);
    simulation.check_effects();
    simulation.check_verification();
    // What happened at all, so that none of the above is true for want of anything.
    let lacking = simulation.counters.lacking(&[
        ("forward", 50),
        ("own error", 5),
        ("accept", 100),
        ("stop", 10),
        ("resume", 10),
        ("extend", 10),
        ("granted", 50),
        ("refused", 5),
        ("not accepted", 5),
        ("shielded", 3),
        ("unshield", 1),
        ("corrected", 10),
        ("deleted", 10),
        ("stopped", 5),
        ("rejected", 10),
        ("noted", 5),
        ("review asked", 5),
        ("upheld", 2),
        ("review changed", 2),
        ("withdraw", 5),
        ("complete", 5),
        ("lapse", 3),
        ("acknowledge", 20),
        ("repair_too_early", 10),
        ("repair_not_needed", 1),
        ("repair_barred", 1),
        ("case_target_unknown", 5),
        ("case_already_open", 5),
        ("case_line_not_found", 1),
        ("case_not_open", 5),
        ("second_official_needed", 5),
        ("clock_stopped", 1),
        ("court_ruling_missing", 1),
        ("last public day", 50),
        ("day after the last", 50),
        ("late line seen", 20),
        ("read by an agency", 200),
    ]);
    assert_eq!(lacking, Vec::new(), "of {:?}", simulation.counters);
    simulation.check_that_the_checks_can_fail(last);
}
