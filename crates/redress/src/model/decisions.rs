//! Decisions about lines: which outcome fits what, what may still be asked, and what is said when it does not go.

use super::lines::{CaseKind, Ground, Outcome};
use chrono::NaiveDate;
use credence_core::problem::{Kind, ProblemType};
use credence_rulebook::{Calendar, clocks};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Whoever accepted or decided may not take this step.
pub static SECOND_OFFICIAL_NEEDED: ProblemType = ProblemType {
    code: "second_official_needed",
    kind: Kind::Conflict,
    zh: "受理人不得作出决定、批准延期或办理复核，原决定人不得办理复核；请由本单位另一名审批人办理",
    en: "whoever accepted does not decide, extend or review, and whoever decided does not review; another approver of the agency has to",
};
/// The outcome cannot be that of this line.
pub static OUTCOME_NOT_FITTING: ProblemType = ProblemType {
    code: "outcome_not_fitting",
    kind: Kind::Unprocessable,
    zh: "该处理结果不适用于此事项，或所附内容与结果不符（见 field）；可用的结果见 outcomes，请修改",
    en: "this outcome does not fit the line, or what comes with it does not fit the outcome (see `field`); those that fit are in `outcomes`",
};
/// Shielding rests on a ruling.
pub static COURT_RULING_MISSING: ProblemType = ProblemType {
    code: "court_ruling_missing",
    kind: Kind::Unprocessable,
    zh: "屏蔽须以法院批准重整计划的裁定书为依据；请先补充材料 court_ruling",
    en: "shielding rests on the court's ruling on the plan of reorganisation; add a paper of kind `court_ruling` first",
};
/// Nothing is shielded by this line.
pub static NOT_SHIELDED_HERE: ProblemType = ProblemType {
    code: "not_shielded_here",
    kind: Kind::Conflict,
    zh: "该事项的处理结果不是屏蔽，没有可终止的屏蔽；请核对编号",
    en: "this line did not end in shielding, so there is none to end; check the id",
};
/// Time that does not count is running.
pub static CLOCK_STOPPED: ProblemType = ProblemType {
    code: "clock_stopped",
    kind: Kind::Conflict,
    zh: "期限中止期间不能办理此步骤，未作更改；请先恢复计时（resume）",
    en: "the clock stands still and nothing was changed; let it go on first (`resume`)",
};
/// Only some clocks stop.
pub static CLOCK_NOT_STOPPABLE: ProblemType = ProblemType {
    code: "clock_not_stoppable",
    kind: Kind::Conflict,
    zh: "只有异议的办理期限可以因检验、鉴定等中止，信用修复的期限不中止；确需更多时间的请申请延期（extend）",
    en: "only the clock of a dispute stops for inspections and the like, that of repair does not; extend it (`extend`) if more time is needed",
};
/// No stop to end.
pub static CLOCK_RUNNING: ProblemType = ProblemType {
    code: "clock_running",
    kind: Kind::Conflict,
    zh: "期限未中止，无需恢复；请核对编号",
    en: "the clock is not stopped; check the id",
};
/// The rules do not stop the clock for that.
pub static STOP_REASON_UNKNOWN: ProblemType = ProblemType {
    code: "stop_reason_unknown",
    kind: Kind::Unprocessable,
    zh: "中止事由不在规定范围内；可用的事由见 reasons",
    en: "the clock is not stopped for that; what it is stopped for is in `reasons`",
};
/// The day is over.
pub static STOP_TOO_LATE: ProblemType = ProblemType {
    code: "stop_too_late",
    kind: Kind::Conflict,
    zh: "办理期限已于 due_on 届满，不能再中止；请尽快作出决定",
    en: "the last day (`due_on`) is over and its clock cannot be stopped any more; decide soon",
};
/// The day of the whole is over.
pub static EXTENSION_TOO_LATE: ProblemType = ProblemType {
    code: "extension_too_late",
    kind: Kind::Conflict,
    zh: "总期限已于 total_due_on 届满，不能再延期；请尽快作出决定",
    en: "the last day of the whole (`total_due_on`) is over and cannot be extended any more; decide soon",
};
/// Extended before.
pub static EXTENDED_ALREADY: ProblemType = ProblemType {
    code: "extended_already",
    kind: Kind::Conflict,
    zh: "该事项已延期一次，不能再次延期；请在期限内作出决定",
    en: "the line was extended once and is not extended again; decide in time",
};
/// No review of this.
pub static REVIEW_NOT_OPEN: ProblemType = ProblemType {
    code: "review_not_open",
    kind: Kind::Conflict,
    zh: "该事项不能申请复核：已复核过、处理结果不属于可复核范围，或申请期限（until）已过；可依法申请行政复议或提起诉讼",
    en: "no review can be asked for: there was one, the outcome is none that is reviewed, or the last day (`until`) is over; the ways of appeal are open",
};

/// What the platform's self-check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The platform shows what it was sent: the provider has to look.
    Forward,
    /// The platform's own error, which it corrects itself.
    OwnError,
}

/// The platform's self-check 平台自查.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSelfCheck {
    /// What was found.
    pub finding: Finding,
    /// Why.
    pub reason: String,
    /// Of an own error: `deleted` or `stopped`.
    pub outcome: Option<String>,
}

/// A decision about a line.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CaseDecision)]
pub struct NewDecision {
    /// Dispute: `corrected`, `deleted`, `supplemented`, `stopped`, `delisted`, `rejected`, `noted`; repair: `granted`, `refused`, `shielded`.
    pub outcome: String,
    /// Reasons; no number of a person's document.
    pub reason: String,
    /// Number of the written decision.
    pub decision_no: Option<String>,
    /// Of `corrected`: fields and their new values.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub changes: Option<Map<String, Value>>,
    /// Of `noted`: what is shown beside the record; the subject's own statement when absent.
    pub note: Option<String>,
    /// Of `refused`: papers were false, which bars the subject for a time.
    #[serde(default)]
    pub false_papers: bool,
    /// Of `refused`: the way of appeal; that of the list or the rules when absent.
    pub appeal: Option<String>,
}

/// What a review comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// It stays as it was decided.
    Upheld,
    /// It is decided otherwise.
    Changed,
}

/// A decision about a review 复核决定.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReviewDecision {
    /// Upheld or changed.
    pub outcome: ReviewOutcome,
    /// Reasons; no number of a person's document.
    pub text: String,
    /// Of a changed one: the outcome that takes the place of the first, as in a decision.
    pub new_outcome: Option<String>,
    /// Number of the written decision.
    pub decision_no: Option<String>,
    /// Of `corrected`: fields and their new values.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub changes: Option<Map<String, Value>>,
    /// Of `noted`: what is shown beside the record.
    pub note: Option<String>,
    /// Of `refused`: the way of appeal.
    pub appeal: Option<String>,
}

/// A stop of the clock 期限中止.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStop {
    /// What is waited for: one that rule `dispute.clock_stop` names.
    pub reason: String,
    /// What exactly.
    pub note: String,
}

/// Reasons, where nothing else is said.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    /// Why; no number of a person's document.
    pub reason: String,
}

/// The end of a shielding 终止屏蔽.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUnshield {
    /// Why; no number of a person's document.
    pub reason: String,
    /// Whether the plan of reorganisation was carried out: the subject may then apply for repair with the court's ruling.
    pub completed: bool,
}

/// No more than an empty object: a step that says nothing but that it is taken.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What a line is about, as far as its outcome goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matter {
    /// Dispute or repair.
    pub kind: CaseKind,
    /// Of a dispute: its ground.
    pub ground: Option<Ground>,
    /// Whether it is about an entry of a list, and not about a record.
    pub entry: bool,
}

/// Whether an outcome can be that of a line. An error is corrected or deleted, an omission supplemented, what is past its period stopped, a wrong listing
/// taken off; whatever the ground, it can be rejected, and what cannot be ascertained is noted beside the record (征信业管理条例 art. 25).
pub fn fits(matter: Matter, outcome: Outcome) -> bool {
    let record = !matter.entry;
    match (matter.kind, outcome) {
        (CaseKind::Dispute, Outcome::Rejected) => true,
        (CaseKind::Dispute, Outcome::Supplemented) => matter.ground == Some(Ground::Omission),
        (CaseKind::Dispute, _) if matter.ground == Some(Ground::Omission) => false,
        (CaseKind::Dispute, Outcome::Corrected | Outcome::Deleted | Outcome::Stopped) => record,
        (CaseKind::Dispute, Outcome::Delisted) => matter.entry,
        (CaseKind::Dispute, Outcome::Noted) => true,
        (CaseKind::Repair, Outcome::Granted | Outcome::Refused) => true,
        (CaseKind::Repair, Outcome::Shielded) => record,
        _ => false,
    }
}

/// Codes of the outcomes that fit a line.
pub fn fitting(matter: Matter) -> Vec<&'static str> {
    Outcome::ALL.into_iter().filter(|outcome| fits(matter, *outcome)).map(Outcome::code).collect()
}

/// The rule that says how soon an outcome has to be true everywhere; none where it changes nothing.
pub fn execution_rule(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Granted | Outcome::Shielded => Some("repair.execute_wd"),
        Outcome::Corrected | Outcome::Deleted | Outcome::Supplemented | Outcome::Stopped | Outcome::Delisted => Some("revocation.apply_wd"),
        Outcome::Rejected | Outcome::Noted | Outcome::Refused | Outcome::NotAccepted => None,
    }
}

/// A time that does not count and is over: the days on which it began and ended.
pub type Pause = (NaiveDate, NaiveDate);

/// The last day of a clock of so many working days that began on a day and stood still in between: the stops are taken out in their order, as they were
/// when they happened. `None` when the calendar of dates ends.
pub fn last_day(calendar: &Calendar, begun_on: NaiveDate, working_days: u32, pauses: &[Pause]) -> Option<NaiveDate> {
    let mut last = calendar.add_working_days(begun_on, working_days)?.date;
    for (began_on, ended_on) in pauses {
        // A stop that began when the clock had run out moves nothing.
        if *began_on <= last {
            last = clocks::resume(calendar, *ended_on, clocks::days_left(calendar, *began_on, last));
        }
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_rulebook::CalendarYear;

    fn matters() -> Vec<Matter> {
        let of = |entry: bool| {
            let disputes = Ground::ALL.map(|ground| Matter { kind: CaseKind::Dispute, ground: Some(ground), entry });
            disputes.into_iter().chain([Matter { kind: CaseKind::Repair, ground: None, entry }])
        };
        of(false).chain(of(true)).collect()
    }

    #[test]
    fn every_line_can_be_decided_for_and_against_and_never_by_the_other_workflow() {
        for matter in matters() {
            let fitting = fitting(matter);
            let against = if matter.kind == CaseKind::Dispute { "rejected" } else { "refused" };
            assert!(fitting.contains(&against), "{matter:?}");
            // An omission from a list has no entry to take off, and is supplemented like any other.
            assert!(fitting.iter().any(|code| *code != against), "{matter:?}: {fitting:?}");
            let of_repair = ["granted", "refused", "shielded"];
            assert!(fitting.iter().all(|code| of_repair.contains(code) == (matter.kind == CaseKind::Repair)), "{matter:?}: {fitting:?}");
            assert!(!fits(matter, Outcome::NotAccepted), "not accepting is a step of its own");
        }
    }

    #[test]
    fn an_outcome_that_needs_a_record_is_none_of_an_entry() {
        for matter in matters() {
            for outcome in [Outcome::Corrected, Outcome::Deleted, Outcome::Stopped, Outcome::Shielded] {
                assert!(!(matter.entry && fits(matter, outcome)), "{matter:?}");
            }
            assert!(matter.entry || !fits(matter, Outcome::Delisted), "{matter:?}");
            assert_eq!(fits(matter, Outcome::Supplemented), matter.ground == Some(Ground::Omission), "{matter:?}");
            assert!(
                matter.ground != Some(Ground::Omission) || fitting(matter) == ["supplemented", "rejected"],
                "nothing is there to change"
            );
        }
    }

    #[test]
    fn what_changes_something_has_a_last_day_and_what_does_not_can_be_reviewed() {
        for outcome in Outcome::ALL {
            assert_eq!(execution_rule(outcome).is_none(), outcome.may_be_reviewed(), "{outcome:?}");
        }
    }

    #[test]
    fn stops_are_taken_out_of_an_extension_in_their_order() {
        let read = |year: i32| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../config/rules/calendar-{year}.toml"));
            let document = credence_rulebook::toml_json::document(&std::fs::read_to_string(path).unwrap()).unwrap();
            serde_json::from_value::<CalendarYear>(document).unwrap()
        };
        let calendar = Calendar::new([read(2025), read(2026)]);
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let last = |pauses: &[Pause]| last_day(&calendar, day("2025-09-26"), 7, pauses).unwrap();
        assert_eq!(last(&[]), day("2025-10-13"), "over the National Day, with two weekend days worked");
        assert_eq!(last(&[(day("2025-10-09"), day("2025-10-15"))]), day("2025-10-20"), "three days left, counted from the day after");
        assert_eq!(last(&[(day("2025-10-09"), day("2025-10-09"))]), day("2025-10-13"), "stopped and resumed on one day moves nothing");
        let twice = [(day("2025-09-29"), day("2025-09-30")), (day("2025-10-09"), day("2025-10-15"))];
        assert_eq!(last(&twice), day("2025-10-21"), "one working day and then four");
        assert_eq!(last(&[(day("2025-10-14"), day("2025-10-30"))]), day("2025-10-13"), "what was over is not taken back by a stop");
    }
}
