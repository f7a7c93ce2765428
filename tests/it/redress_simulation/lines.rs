//! What the simulation knows by itself about cases: their lines, the days by which each step is owed, stops and extensions. Counted day by
//! day, from what was done, without asking the program.

use super::calendar::{Calendar, Stop, day};
use super::oracle::R3;
use chrono::NaiveDate;
use uuid::Uuid;

/// Working days, by the rules: self-check, the provider's, a dispute as a whole, and that extended.
const SELF_CHECK: u32 = 3;
const PROVIDER: u32 = 5;
const DISPUTE: u32 = 7;
/// Acceptance, decision, and an application as a whole.
const ACCEPT: u32 = 3;
const DECIDE: u32 = 7;
const REPAIR: u32 = 10;
/// An application as a whole under order No. 58, before [`R3`].
const REPAIR_BEFORE: u32 = 7;
/// Either of them as a whole once it was extended.
const EXTENDED: u32 = 20;
/// A review, and how long one may be asked for.
const REVIEW: u32 = 5;
const ASK_REVIEW: u32 = 10;
/// To bring missing papers; to make a decision true.
const COMPLETE: u32 = 5;
const EXECUTE: u32 = 1;

/// What a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Dispute,
    Repair,
}

/// State of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Incomplete,
    Filed,
    Forwarded,
    Accepted,
    Review,
    Closed,
    Withdrawn,
}

impl State {
    /// Its name in the program.
    pub fn code(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Filed => "filed",
            Self::Forwarded => "forwarded",
            Self::Accepted => "accepted",
            Self::Review => "review",
            Self::Closed => "closed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its id in the program.
    pub id: Uuid,
    /// Place of its subject.
    pub subject: usize,
    /// Day on which it was filed.
    pub filed: NaiveDate,
    /// Whether it was taken in at the counter.
    pub counter: bool,
    /// Places of its lines.
    pub lines: Vec<usize>,
    /// Last day for missing papers.
    pub complete_by: Option<NaiveDate>,
    /// Papers that are missing.
    pub missing: Vec<&'static str>,
    /// Whether the court's ruling is among its papers.
    pub ruling: bool,
}

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its id in the program.
    pub id: Uuid,
    /// Place of its case.
    pub case: usize,
    /// Place of its record.
    pub record: usize,
    pub kind: Kind,
    pub state: State,
    /// Day from which its clocks count: when it was filed or, when papers were missing, complete.
    pub begun: Option<NaiveDate>,
    pub forwarded: Option<NaiveDate>,
    pub accepted: Option<NaiveDate>,
    /// Which official of the agency accepted, and which decided.
    pub accepted_by: Option<usize>,
    pub decided_by: Option<usize>,
    pub decided: Option<NaiveDate>,
    pub outcome: Option<&'static str>,
    pub execute_by: Option<NaiveDate>,
    pub stops: Vec<Stop>,
    pub extended: bool,
    pub review_asked: Option<NaiveDate>,
}

/// Days as the database has to hold them: of the step, of the whole, of execution.
pub type Days = (Option<NaiveDate>, Option<NaiveDate>, Option<NaiveDate>);

impl Line {
    /// A line of a new case.
    pub fn new(id: Uuid, case: usize, record: usize, kind: Kind, begun: Option<NaiveDate>) -> Self {
        Self {
            id,
            case,
            record,
            kind,
            state: if begun.is_some() { State::Filed } else { State::Incomplete },
            begun,
            forwarded: None,
            accepted: None,
            accepted_by: None,
            decided_by: None,
            decided: None,
            outcome: None,
            execute_by: None,
            stops: Vec::new(),
            extended: false,
            review_asked: None,
        }
    }

    /// Whether it stands for somebody to act.
    pub fn open(&self) -> bool {
        !matches!(self.state, State::Closed | State::Withdrawn)
    }

    /// Whether its clock stands still.
    pub fn stopped(&self) -> bool {
        self.stops.last().is_some_and(|(_, ended)| ended.is_none())
    }

    /// Last day of the whole: the working days it may last, times that did not count taken out.
    pub fn total(&self, calendar: &Calendar) -> Option<NaiveDate> {
        let begun = self.begun?;
        let n = match (self.extended, self.kind) {
            (true, _) => EXTENDED,
            (false, Kind::Dispute) => DISPUTE,
            // The rule of the day on which it begins holds to its end.
            (false, Kind::Repair) if begun < day(R3) => REPAIR_BEFORE,
            (false, Kind::Repair) => REPAIR,
        };
        let over: Vec<Stop> = self.stops.iter().copied().filter(|(_, ended)| ended.is_some()).collect();
        calendar.nth_with_stops(begun, n, &over)
    }

    /// Last day of what is owed now.
    pub fn due(&self, calendar: &Calendar) -> Option<NaiveDate> {
        match self.state {
            State::Incomplete | State::Closed | State::Withdrawn => None,
            State::Filed if self.kind == Kind::Dispute => Some(calendar.nth(self.begun?, SELF_CHECK)),
            State::Filed => Some(calendar.nth(self.begun?, ACCEPT)),
            State::Forwarded => Some(calendar.nth(self.forwarded?, PROVIDER)),
            State::Review => Some(calendar.nth(self.review_asked?, REVIEW)),
            State::Accepted if self.stopped() => None,
            State::Accepted if self.extended => self.total(calendar),
            State::Accepted if self.kind == Kind::Repair => Some(calendar.nth(self.accepted?, DECIDE)),
            State::Accepted => calendar.nth_with_stops(self.forwarded?, PROVIDER, &self.stops),
        }
    }

    /// All of its days.
    pub fn days(&self, calendar: &Calendar) -> Days {
        (self.due(calendar), self.total(calendar), self.execute_by)
    }

    /// The day that counts: of the step or, outside of a review and when it is earlier, of the whole.
    pub fn owed_by(&self, calendar: &Calendar) -> Option<NaiveDate> {
        let due = self.due(calendar)?;
        if self.state == State::Review { Some(due) } else { Some(self.total(calendar).map_or(due, |total| total.min(due))) }
    }

    /// By how many working days it is late on a day; none when it is not.
    pub fn late(&self, calendar: &Calendar, today: NaiveDate) -> Option<u32> {
        self.owed_by(calendar).filter(|owed| *owed < today).map(|owed| calendar.between(owed, today))
    }
}

/// Last day for missing papers of what was filed on a day.
pub fn complete_by(calendar: &Calendar, filed: NaiveDate) -> NaiveDate {
    calendar.nth(filed, COMPLETE)
}

/// Last day on which what was decided on a day has to be true everywhere.
pub fn execute_by(calendar: &Calendar, decided: NaiveDate) -> NaiveDate {
    calendar.nth(decided, EXECUTE)
}

/// Last day on which a review of what was decided on a day can be asked for.
pub fn review_until(calendar: &Calendar, decided: NaiveDate) -> NaiveDate {
    calendar.nth(decided, ASK_REVIEW)
}
