//! What was decided about a record and holds whatever its provider says of it since: that it was repaired, that it is shielded, that its publicity was
//! stopped. The provider's content is taken as it comes, as a new version; the decision goes on with it.

use crate::model::{Issue, Severity};
use crate::store::versions::{self, Version};
use chrono::NaiveDate;
use credence_catalog::model::RecordState;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use serde_json::Value;
use uuid::Uuid;

/// Mark of a version whose publicity was stopped by a decision; stands among its warnings, and so goes with its content.
const STOPPED: &str = "publicity_stopped";
const REPAIRED: &str = "record_repaired";
const SHIELDED: &str = "record_shielded";

/// What a decision fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kept {
    state: Option<RecordState>,
    /// Last public day that a decision set.
    stopped: Option<NaiveDate>,
}

impl Kept {
    /// Of a present version in a state, with the last public day that a decision set.
    pub(super) fn new(state: &str, stopped: Option<NaiveDate>) -> Self {
        Self { state: RecordState::from_code(state).filter(|state| state.is_hidden()), stopped }
    }

    /// Of a version. A record that was withdrawn after it was repaired is a repaired one when it comes back.
    pub(super) async fn of(tx: &mut Tx<'_>, version: &Version) -> Result<Self> {
        let stopped = if is_stopped(version) { version.public_until } else { None };
        if version.state == RecordState::Withdrawn.code() && version.change == "withdrawn" {
            let before = versions::state_before_withdrawal(tx.conn(), version.subject_id, version.record_id).await?;
            return Ok(Self::new(before.as_deref().unwrap_or_default(), stopped));
        }
        Ok(Self::new(&version.state, stopped))
    }

    /// Whether the record is hidden whatever its provider says.
    pub(super) fn hides(self) -> bool {
        self.state.is_some()
    }

    /// The state of a new version whose provider states `stated`.
    pub(super) fn state(self, stated: RecordState) -> RecordState {
        self.state.unwrap_or(stated)
    }

    /// The last public day of a new version whose provider sent `sent`.
    pub(super) fn public_until(self, sent: Option<NaiveDate>) -> Option<NaiveDate> {
        match (self.stopped, sent) {
            (Some(stopped), Some(sent)) => Some(stopped.min(sent)),
            (stopped, sent) => stopped.or(sent),
        }
    }

    /// What the sender is told. `stated` is kept in it: a shielded record has to be in that state again once the shield is taken away.
    pub(super) fn issues(self, stated: RecordState) -> Vec<Issue> {
        let hidden = match self.state {
            Some(RecordState::Repaired) => Some(said(
                REPAIRED,
                stated.code(),
                "该记录已完成信用修复；本次内容已留存，不恢复公示、共享和使用",
                "the record was repaired; this content is kept, and does not bring it back",
            )),
            Some(RecordState::Shielded) => Some(said(
                SHIELDED,
                stated.code(),
                "该记录因重整计划执行处于屏蔽状态；本次内容已留存，屏蔽终止前不恢复展示",
                "the record is shielded while a plan of reorganisation is carried out; this content is kept, and is not shown before that ends",
            )),
            _ => None,
        };
        hidden.into_iter().chain(self.stopped.map(|_| stopped_issue())).collect()
    }
}

fn said(rule: &str, value: &str, zh: &str, en: &str) -> Issue {
    Issue {
        field: String::new(),
        field_name: String::new(),
        rule: rule.to_owned(),
        severity: Severity::Warning,
        value: value.to_owned(),
        message_zh: zh.to_owned(),
        message_en: en.to_owned(),
    }
}

fn stopped_issue() -> Issue {
    said(
        STOPPED,
        "",
        "该记录的公示已依异议处理决定终止；报送的公示截止日期晚于该日的不予采用",
        "the publicity of this record was ended by a decision on a dispute; a later last public day is not taken",
    )
}

fn rules(warnings: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let list = warnings.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|issue| Some((issue.get("rule")?.as_str()?, issue)))
}

fn is_stopped(version: &Version) -> bool {
    rules(version.warnings.as_ref()).any(|(rule, _)| rule == STOPPED)
}

/// The warnings of a version with the mark that its publicity was stopped.
pub(super) fn with_stop(warnings: Option<&Value>) -> Result<Value> {
    let mut list: Vec<Value> = warnings.and_then(Value::as_array).cloned().unwrap_or_default();
    if !rules(warnings).any(|(rule, _)| rule == STOPPED) {
        list.push(serde_json::to_value(stopped_issue()).map_err(Problem::internal)?);
    }
    Ok(Value::Array(list))
}

/// The warnings of a version without what they say of a shield that has ended: what was stated under it is the record's state now.
pub(super) fn without_shield(warnings: Option<&Value>) -> Option<Value> {
    let list = warnings.and_then(Value::as_array).into_iter().flatten();
    let left: Vec<Value> = list.filter(|issue| issue.get("rule").and_then(Value::as_str) != Some(SHIELDED)).cloned().collect();
    (!left.is_empty()).then_some(Value::Array(left))
}

/// The state in which a shielded record would be without its shield: what was stated last by a batch that was not undone, or by a correction, while it
/// was shielded, else the state before, unless that rested on a batch that was undone; withdrawn when every batch that stated it was undone. `history` is every version about the subject under the
/// item, oldest first, each with whether its batch was undone.
pub(super) fn beneath(history: &[(Version, bool)], record: Uuid) -> RecordState {
    let newest_first = history.iter().rev().filter(|(version, _)| version.record_id == record);
    newest_first
        .filter(|(version, undone)| !undone || !["loaded", "linked", "absent", "unshielded", "stopped"].contains(&version.change.as_str()))
        .find_map(|(version, _)| {
            if version.state != RecordState::Shielded.code() {
                return RecordState::from_code(&version.state);
            }
            let stated = rules(version.warnings.as_ref()).find(|(rule, _)| *rule == SHIELDED && version.change != "undone")?;
            RecordState::from_code(stated.1.get("value")?.as_str()?)
        })
        .unwrap_or(RecordState::Withdrawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_decision_holds_whatever_is_stated() {
        let nothing = Kept::new("active", None);
        assert_eq!((nothing.hides(), nothing.state(RecordState::Ended)), (false, RecordState::Ended));
        assert_eq!(nothing.public_until(Some(day("2027-01-01"))), Some(day("2027-01-01")));
        assert!(nothing.issues(RecordState::Active).is_empty());
        let repaired = Kept::new("repaired", None);
        assert_eq!(repaired.state(RecordState::Active), RecordState::Repaired);
        assert_eq!(repaired.issues(RecordState::Ended)[0].value, "ended");
        let stopped = Kept::new("active", Some(day("2026-01-01")));
        assert_eq!(stopped.public_until(None), Some(day("2026-01-01")));
        assert_eq!(stopped.public_until(Some(day("2027-01-01"))), Some(day("2026-01-01")), "no later day");
        assert_eq!(stopped.public_until(Some(day("2025-01-01"))), Some(day("2025-01-01")), "though an earlier one");
        assert_eq!(stopped.issues(RecordState::Active)[0].rule, STOPPED);
    }

    #[test]
    fn of_a_shield_that_has_ended_nothing_is_left() {
        let shielded = serde_json::json!([{ "rule": SHIELDED, "value": "disputed" }, { "rule": STOPPED }]);
        assert_eq!(without_shield(Some(&shielded)), Some(serde_json::json!([{ "rule": STOPPED }])));
        assert_eq!(without_shield(Some(&serde_json::json!([{ "rule": SHIELDED }]))), None);
        assert_eq!(without_shield(None), None);
    }

    #[test]
    fn a_stop_is_marked_once_beside_what_was_odd_before() {
        let odd = serde_json::json!([{ "rule": "subject_renamed" }]);
        let marked = with_stop(Some(&odd)).unwrap();
        assert_eq!(marked.as_array().unwrap().len(), 2);
        assert_eq!(with_stop(Some(&marked)).unwrap(), marked);
        assert_eq!(with_stop(None).unwrap().as_array().unwrap().len(), 1);
    }
}
