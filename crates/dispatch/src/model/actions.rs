//! Joint actions: one list entry under one memorandum.

use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::configuration::Configuration;
use credence_catalog::measures::Reach;
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use credence_identity::directory::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use uuid::Uuid;

/// No such joint action.
pub static ACTION_NOT_FOUND: ProblemType = ProblemType {
    code: "joint_action_not_found",
    kind: Kind::NotFound,
    zh: "没有该联合奖惩发起；请核对编号",
    en: "there is no such joint action; check the id",
};
/// It waits for nothing.
pub static ACTION_WRONG_STATE: ProblemType = ProblemType {
    code: "joint_action_wrong_state",
    kind: Kind::Conflict,
    zh: "该联合奖惩不在待确认状态（现状态见 state），未作更改；请刷新后再看",
    en: "this joint action does not wait for confirmation (its state is `state`), and nothing was changed; look at it again",
};
/// The entry's ground does not stand.
pub static GROUND_FALLEN: ProblemType = ProblemType {
    code: "ground_fallen",
    kind: Kind::Conflict,
    zh: "名单条目已退出、到期或其认定依据正在复核，不能据此发起；请待认定单位处理",
    en: "the list entry has ended or expired, or its ground is being reviewed: nothing can be started on it; wait for the competent authority",
};
/// A refusal needs a reason.
pub static REFUSAL_REASON_MISSING: ProblemType = ProblemType {
    code: "refusal_reason_missing",
    kind: Kind::Unprocessable,
    zh: "不予发起须写明理由；请填写 reason",
    en: "refusing a joint action needs a reason; give `reason`",
};

/// Last days for what directives that are issued today ask, and the rules that set them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadlines {
    /// To accept or decline.
    pub respond_by: NaiveDate,
    /// To report.
    pub feedback_by: NaiveDate,
    /// To lift a measure.
    pub release_by: NaiveDate,
    /// Rules of the first two, `id@version` each.
    pub rules: String,
    /// Rule of the third.
    pub release_rule: String,
}

impl Deadlines {
    /// Reckons them for directives issued on a day (`joint.ack_wd`, `joint.feedback_wd`, `joint.release_wd`).
    ///
    /// # Errors
    /// When a rule is missing: a deadline is never guessed.
    pub fn reckon(configuration: &Configuration, today: NaiveDate) -> Result<Self> {
        let (respond_by, ack) = working_days(configuration, "joint.ack_wd", today)?;
        let (feedback_by, feedback) = working_days(configuration, "joint.feedback_wd", today)?;
        let (release_by, release_rule) = working_days(configuration, "joint.release_wd", today)?;
        Ok(Self { respond_by, feedback_by, release_by, rules: format!("{ack} {feedback}"), release_rule })
    }
}

/// The day that lies as many working days after `from` as a rule says, and the rule as `id@version`.
///
/// # Errors
/// When there is no such rule: a deadline is never guessed.
pub fn working_days(configuration: &Configuration, rule: &str, from: NaiveDate) -> Result<(NaiveDate, String)> {
    let found = configuration.rulebook.rule_or_first(rule, from);
    let number = found.and_then(|rule| Some((u32::try_from(rule.value.as_i64()?).ok()?, rule)));
    let Some((days, found)) = number else { return Err(Problem::internal(format!("no rule {rule} on {from}"))) };
    let counted = configuration.rulebook.calendar.add_working_days(from, days);
    let day = counted.ok_or_else(|| Problem::internal(format!("{from} + {days} working days is no date")))?.date;
    Ok((day, format!("{}@{}", found.id, found.version)))
}

/// One memorandum that an entry comes under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMemorandum {
    /// Its code.
    pub code: String,
    /// Its version.
    pub version: i32,
    /// Whether it starts by itself 自动启动.
    pub automatic: bool,
}

/// One directive for every entry of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDirective {
    /// Division of the entries it is for.
    pub region: String,
    /// Under which memorandum.
    pub memorandum: String,
    /// Which measure.
    pub measure: String,
    /// Its version.
    pub measure_version: i32,
    /// Whether feedback is given again in every cycle.
    pub continuing: bool,
    /// Who carries it out.
    pub agency: Uuid,
}

/// What listing an entry on a list brings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The list.
    pub list: String,
    /// Memoranda it comes under.
    pub memoranda: Vec<PlannedMemorandum>,
    /// Directives by region.
    pub directives: Vec<PlannedDirective>,
}

impl Plan {
    /// Draws the plan for entries of a list in some divisions on a day: every measure of every memorandum of the list, for each agency of a kind that
    /// carries it out, in the division or above it (everywhere, where the memorandum says so). `only` limits it to the measures that a decision
    /// published beforehand: what was not published must not be applied (上海条例 art. 32, 浙江条例 art. 28). A measure that two memoranda name is one
    /// directive an agency, of the memorandum that starts by itself if one does.
    pub fn draw(
        configuration: &Configuration,
        directory: &Snapshot,
        list: &str,
        regions: &BTreeSet<String>,
        only: Option<&[String]>,
        on: NaiveDate,
    ) -> Self {
        let mut memoranda: Vec<_> = configuration.memoranda_of(list, on).collect();
        memoranda.sort_by_key(|m| (!m.body.automatic, m.body.code.clone()));
        let mut seen: BTreeSet<(&str, &str, Uuid)> = BTreeSet::new();
        let mut plan = Self { list: list.to_owned(), ..Self::default() };
        let mut by_kind: BTreeMap<&str, Vec<(Uuid, &str)>> = BTreeMap::new();
        for agency in directory.agencies() {
            by_kind.entry(&agency.kind).or_default().push((agency.id, &agency.region));
        }
        for memorandum in memoranda {
            let about = &memorandum.body;
            plan.memoranda.push(PlannedMemorandum { code: about.code.clone(), version: memorandum.version, automatic: about.automatic });
            for line in &about.measures {
                let Some(measure) = configuration.measure(&line.measure, on) else { continue };
                if only.is_some_and(|codes| !codes.contains(&line.measure)) {
                    continue;
                }
                let kinds = line.department_kinds.as_ref().unwrap_or(&measure.body.department_kinds);
                for region in regions {
                    for (agency, of) in kinds.iter().filter_map(|kind| by_kind.get(kind.as_str())).flatten() {
                        let concerned = about.reach == Reach::Everywhere || directory.is_within(region, of);
                        if concerned && seen.insert((region, &measure.body.code, *agency)) {
                            plan.directives.push(PlannedDirective {
                                region: region.clone(),
                                memorandum: about.code.clone(),
                                measure: measure.body.code.clone(),
                                measure_version: measure.version,
                                continuing: measure.body.continuing,
                                agency: *agency,
                            });
                        }
                    }
                }
            }
        }
        plan
    }
}

/// An entry that has just been listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whom it is about.
    pub subject_id: Uuid,
    /// The entry.
    pub entry_id: Uuid,
    /// Its division.
    pub region: String,
}

/// A joint action as the credit office sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ActionView {
    /// Id.
    pub id: Uuid,
    /// Whom it is about.
    pub subject_id: Uuid,
    /// The list entry.
    pub entry_id: Uuid,
    /// Code of the list.
    pub list: String,
    /// Code of the memorandum.
    pub memorandum: String,
    /// Its name.
    pub memorandum_name: String,
    /// Division of the entry.
    pub region: String,
    /// `proposed`, `started`, `held`, `refused` or `ended`.
    pub state: String,
    /// Whether the memorandum starts by itself.
    pub automatic: bool,
    /// When the entry was listed.
    pub proposed_at: DateTime<Utc>,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// By whom.
    pub started_by: Option<String>,
    /// Why it was refused.
    pub refused_reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Cause of the entry's exit.
    pub end_cause: Option<String>,
    /// How many directives it has.
    pub directives: i64,
}

/// Why the credit office refuses a joint action.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// In words.
    pub reason: String,
}
