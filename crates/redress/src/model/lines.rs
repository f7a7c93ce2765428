//! Lines of cases: one record or list entry each, and the steps they go.

use super::effects::Tracker;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// 异议: something is wrong.
    Dispute,
    /// 信用修复: what was right shall be over.
    Repair,
}

impl CaseKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Dispute, Self::Repair];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dispute => "dispute",
            Self::Repair => "repair",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its Chinese name.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Dispute => "异议",
            Self::Repair => "信用修复",
        }
    }

    /// Letters its case numbers begin with.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Dispute => "YY",
            Self::Repair => "XF",
        }
    }
}

/// State of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Waits for papers; no clock runs.
    Incomplete,
    /// Filed; of a dispute the platform's self-check, of repair the acceptance is next.
    Filed,
    /// A dispute that is not the platform's own error, with the provider.
    Forwarded,
    /// 受理.
    Accepted,
    /// 复核 was asked for.
    Review,
    /// Decided.
    Closed,
    /// Taken back by the applicant, or lapsed for want of papers.
    Withdrawn,
}

impl LineState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Incomplete, Self::Filed, Self::Forwarded, Self::Accepted, Self::Review, Self::Closed, Self::Withdrawn];

    /// Stable code.
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

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether somebody still owes something.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Closed | Self::Withdrawn)
    }
}

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The missing papers are there.
    Complete,
    /// They were not brought in time.
    Lapse,
    /// The platform's self-check finds no error of its own.
    Forward,
    /// The self-check finds one, which is put right at once.
    OwnError,
    /// Accepted.
    Accept,
    /// Not accepted, which is a decision.
    NotAccept,
    /// Decided.
    Decide,
    /// A review is asked for.
    AskReview,
    /// The review is decided.
    Review,
    /// The applicant takes it back.
    Withdraw,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Complete,
        Self::Lapse,
        Self::Forward,
        Self::OwnError,
        Self::Accept,
        Self::NotAccept,
        Self::Decide,
        Self::AskReview,
        Self::Review,
        Self::Withdraw,
    ];
}

/// The state a step leads to; `None` when it cannot be taken. The database holds the same table without the kinds (`redress_lines_guard`).
pub fn after(kind: CaseKind, state: LineState, step: Step) -> Option<LineState> {
    use LineState::{Accepted, Closed, Filed, Forwarded, Incomplete, Review, Withdrawn};
    Some(match (kind, state, step) {
        (_, Incomplete, Step::Complete) => Filed,
        (_, Incomplete, Step::Lapse) | (_, Incomplete | Filed | Forwarded | Accepted, Step::Withdraw) => Withdrawn,
        (CaseKind::Dispute, Filed, Step::Forward) => Forwarded,
        (CaseKind::Dispute, Forwarded, Step::Accept) | (CaseKind::Repair, Filed, Step::Accept) => Accepted,
        (CaseKind::Dispute, Filed, Step::OwnError)
        | (CaseKind::Repair, Filed, Step::NotAccept)
        | (_, Accepted, Step::Decide)
        | (_, Review, Step::Review) => Closed,
        (_, Closed, Step::AskReview) => Review,
        _ => return None,
    })
}

/// Why something is disputed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// 信息有误.
    Error,
    /// 信息遗漏.
    Omission,
    /// 侵犯商业秘密、个人隐私.
    Privacy,
    /// 超过公示期限仍在公示.
    Overdue,
    /// 错误列入名单或者应移出未移出.
    WrongListing,
}

impl Ground {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Error, Self::Omission, Self::Privacy, Self::Overdue, Self::WrongListing];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Omission => "omission",
            Self::Privacy => "privacy",
            Self::Overdue => "overdue",
            Self::WrongListing => "wrong_listing",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ground| ground.code() == code)
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 更正: fields say something else now.
    Corrected,
    /// 删除: withdrawn.
    Deleted,
    /// 补充: what was missing has been or is being provided.
    Supplemented,
    /// 停止公示.
    Stopped,
    /// 移出名单.
    Delisted,
    /// 异议不成立.
    Rejected,
    /// 无法核实: what the subject states stands beside the record.
    Noted,
    /// 准予修复.
    Granted,
    /// 不予修复.
    Refused,
    /// 不予受理.
    NotAccepted,
    /// 屏蔽 while a plan of reorganisation is carried out.
    Shielded,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Corrected,
        Self::Deleted,
        Self::Supplemented,
        Self::Stopped,
        Self::Delisted,
        Self::Rejected,
        Self::Noted,
        Self::Granted,
        Self::Refused,
        Self::NotAccepted,
        Self::Shielded,
    ];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Deleted => "deleted",
            Self::Supplemented => "supplemented",
            Self::Stopped => "stopped",
            Self::Delisted => "delisted",
            Self::Rejected => "rejected",
            Self::Noted => "noted",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::NotAccepted => "not_accepted",
            Self::Shielded => "shielded",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// Which kind of case ends so.
    pub fn of(self) -> CaseKind {
        match self {
            Self::Granted | Self::Refused | Self::NotAccepted | Self::Shielded => CaseKind::Repair,
            _ => CaseKind::Dispute,
        }
    }

    /// Whether the applicant did not get what was asked for, and may ask for a review.
    pub fn may_be_reviewed(self) -> bool {
        matches!(self, Self::Rejected | Self::Noted | Self::Refused | Self::NotAccepted)
    }
}

/// A field before and after a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CaseField)]
pub struct Changed {
    /// Code of the field.
    pub field: String,
    /// What it said; absent when it was empty, or when this viewer may not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What it says now, or should say; absent likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// A time that does not count.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StopView {
    /// One of rule `dispute.clock_stop`.
    pub reason: String,
    /// What exactly; not shown to those who only supervise a natural person's case.
    pub note: Option<String>,
    /// First day that does not count.
    pub began_on: NaiveDate,
    /// Day on which it ended; absent while it runs.
    pub ended_on: Option<NaiveDate>,
    /// Working days of the step that were left.
    pub days_left: i32,
}

/// An approved extension.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExtensionView {
    /// Why; not shown to those who only supervise a natural person's case.
    pub reason: Option<String>,
    /// Last day before.
    pub from_due: NaiveDate,
    /// Last day after.
    pub to_due: NaiveDate,
    /// Rule and version that allow it.
    pub rule: String,
    /// When it was approved.
    pub approved_at: DateTime<Utc>,
}

/// A line as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LineView {
    /// Id.
    pub id: Uuid,
    /// Its case.
    pub case_id: Uuid,
    /// Number of its case.
    pub case_no: String,
    /// `dispute` or `repair`.
    pub kind: String,
    /// `record` or `entry`.
    pub target: String,
    /// The record or entry; absent of an omission.
    pub target_id: Option<Uuid>,
    /// Catalogue item or list.
    pub source: String,
    /// Its name.
    pub source_name: String,
    /// Agency that decides.
    pub agency: String,
    /// State.
    pub state: String,
    /// Of a dispute: why.
    pub ground: Option<String>,
    /// Fields and values that are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Changed>,
    /// Last day of the step that is owed now; absent while a clock stop runs and when nothing is owed.
    pub due_on: Option<NaiveDate>,
    /// Rule and version that set it.
    pub due_rule: Option<String>,
    /// Whether a last day is over.
    pub overdue: bool,
    /// By how many working days.
    pub overdue_working_days: u32,
    /// Last day for the whole of it.
    pub total_due_on: Option<NaiveDate>,
    /// Rule and version that set it.
    pub total_rule: Option<String>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// What was decided.
    pub outcome: Option<String>,
    /// Number of the written decision.
    pub decision_no: Option<String>,
    /// Reasons, and of a refusal the way of appeal.
    pub decision_reason: Option<String>,
    /// Fields before and after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
    /// Rules it was decided under.
    pub decision_rule: Option<String>,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// Last day for everything that follows.
    pub execute_by: Option<NaiveDate>,
    /// Why a review was asked for.
    pub review_reason: Option<String>,
    /// When.
    pub review_asked_at: Option<DateTime<Utc>>,
    /// `upheld` or `changed`.
    pub review_outcome: Option<String>,
    /// Reasons of the review.
    pub review_text: Option<String>,
    /// When it was decided.
    pub reviewed_at: Option<DateTime<Utc>>,
    /// Times that do not count.
    pub stops: Vec<StopView>,
    /// Its extension.
    pub extension: Option<ExtensionView>,
    /// How far the effects are, once there are any.
    pub tracker: Option<Tracker>,
}

/// A line on a list of lines: what is owed, by whom, until when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LineSummary {
    /// Id.
    pub id: Uuid,
    /// Its case.
    pub case_id: Uuid,
    /// Number of its case.
    pub case_no: String,
    /// `dispute` or `repair`.
    pub kind: String,
    /// Whose record it is.
    pub subject_id: Uuid,
    /// `record` or `entry`.
    pub target: String,
    /// Catalogue item or list.
    pub source: String,
    /// Its name.
    pub source_name: String,
    /// Agency that decides.
    pub agency: String,
    /// State.
    pub state: String,
    /// Of a dispute: why.
    pub ground: Option<String>,
    /// When the case was filed.
    pub filed_at: DateTime<Utc>,
    /// Last day of the step that is owed now.
    pub due_on: Option<NaiveDate>,
    /// Last day for the whole of it.
    pub total_due_on: Option<NaiveDate>,
    /// Whether a last day is over.
    pub overdue: bool,
    /// By how many working days.
    pub overdue_working_days: u32,
    /// What was decided.
    pub outcome: Option<String>,
}

/// The last day that counts for a line: of what is owed now or, if that is earlier, for the whole of it. None while a clock stop runs, and when nothing is
/// owed. A review has its own time, after the whole.
pub fn owed_by(state: LineState, due_on: Option<NaiveDate>, total_due_on: Option<NaiveDate>) -> Option<NaiveDate> {
    let due = due_on.filter(|_| state.is_open())?;
    if state == LineState::Review { Some(due) } else { Some(total_due_on.map_or(due, |total| due.min(total))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_back_and_are_all_different() {
        for state in LineState::ALL {
            assert_eq!(LineState::from_code(state.code()), Some(state));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
        }
        for ground in Ground::ALL {
            assert_eq!(Ground::from_code(ground.code()), Some(ground));
        }
        for kind in CaseKind::ALL {
            assert_eq!(CaseKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!((LineState::from_code("decided"), Outcome::from_code(""), Ground::from_code("x")), (None, None, None));
    }

    #[test]
    fn every_step_of_every_kind_in_every_state_is_as_the_table_says() {
        use LineState::*;
        // Everything that is allowed, written out; whatever is not here is refused.
        let allowed: &[(CaseKind, LineState, Step, LineState)] = &[
            (CaseKind::Dispute, Incomplete, Step::Complete, Filed),
            (CaseKind::Dispute, Incomplete, Step::Lapse, Withdrawn),
            (CaseKind::Dispute, Incomplete, Step::Withdraw, Withdrawn),
            (CaseKind::Dispute, Filed, Step::Forward, Forwarded),
            (CaseKind::Dispute, Filed, Step::OwnError, Closed),
            (CaseKind::Dispute, Filed, Step::Withdraw, Withdrawn),
            (CaseKind::Dispute, Forwarded, Step::Accept, Accepted),
            (CaseKind::Dispute, Forwarded, Step::Withdraw, Withdrawn),
            (CaseKind::Dispute, Accepted, Step::Decide, Closed),
            (CaseKind::Dispute, Accepted, Step::Withdraw, Withdrawn),
            (CaseKind::Dispute, Closed, Step::AskReview, Review),
            (CaseKind::Dispute, Review, Step::Review, Closed),
            (CaseKind::Repair, Incomplete, Step::Complete, Filed),
            (CaseKind::Repair, Incomplete, Step::Lapse, Withdrawn),
            (CaseKind::Repair, Incomplete, Step::Withdraw, Withdrawn),
            (CaseKind::Repair, Filed, Step::Accept, Accepted),
            (CaseKind::Repair, Filed, Step::NotAccept, Closed),
            (CaseKind::Repair, Filed, Step::Withdraw, Withdrawn),
            (CaseKind::Repair, Forwarded, Step::Withdraw, Withdrawn),
            (CaseKind::Repair, Accepted, Step::Decide, Closed),
            (CaseKind::Repair, Accepted, Step::Withdraw, Withdrawn),
            (CaseKind::Repair, Closed, Step::AskReview, Review),
            (CaseKind::Repair, Review, Step::Review, Closed),
        ];
        let mut taken = 0;
        for kind in CaseKind::ALL {
            for state in LineState::ALL {
                for step in Step::ALL {
                    let found = allowed.iter().find(|(k, s, t, _)| (*k, *s, *t) == (kind, state, step)).map(|(.., to)| *to);
                    assert_eq!(after(kind, state, step), found, "{kind:?} {state:?} {step:?}");
                    taken += usize::from(found.is_some());
                }
            }
        }
        assert_eq!(taken, allowed.len(), "every allowed step was met once");
    }

    #[test]
    fn what_is_withdrawn_stays_so() {
        for kind in CaseKind::ALL {
            assert!(Step::ALL.into_iter().all(|step| after(kind, LineState::Withdrawn, step).is_none()));
        }
    }

    #[test]
    fn the_earlier_day_counts_but_not_while_the_clock_stands_or_in_a_review() {
        let day = |d: &str| Some(d.parse::<NaiveDate>().unwrap());
        let (early, late) = (day("2026-03-02"), day("2026-03-09"));
        assert_eq!(owed_by(LineState::Forwarded, late, early), early);
        assert_eq!(owed_by(LineState::Filed, early, late), early);
        assert_eq!(owed_by(LineState::Accepted, None, early), None, "a stop runs");
        assert_eq!(owed_by(LineState::Review, late, early), late);
        assert_eq!(owed_by(LineState::Closed, early, early), None);
    }
}
