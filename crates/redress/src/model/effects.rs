//! Effects: what a decision changed has to be true everywhere. What is told to whom about it, until when, and how far it has come.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use credence_rulebook::Calendar;
use credence_rulebook::clocks::days_over;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// What happened to a record or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// 修复.
    Repaired,
    /// 屏蔽 while a plan of reorganisation is carried out.
    Shielded,
    /// The shield was taken away.
    Unshielded,
    /// 更正.
    Corrected,
    /// 撤回、删除.
    Withdrawn,
    /// Its publicity was ended 停止公示.
    Stopped,
    /// An entry left its list by decision 移出.
    Delisted,
}

impl EffectKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Repaired, Self::Shielded, Self::Unshielded, Self::Corrected, Self::Withdrawn, Self::Stopped, Self::Delisted];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Repaired => "repaired",
            Self::Shielded => "shielded",
            Self::Unshielded => "unshielded",
            Self::Corrected => "corrected",
            Self::Withdrawn => "withdrawn",
            Self::Stopped => "stopped",
            Self::Delisted => "delisted",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// What a topic of the change feed means, if it has to take effect anywhere. `cause` is that of an entry's exit: what ends by the calendar, or
    /// because its source says so, follows from what was known before, and is nobody's decision.
    pub fn of_topic(topic: &str, cause: Option<&str>) -> Option<Self> {
        match topic {
            "record.repair" => Some(Self::Repaired),
            "record.shield" => Some(Self::Shielded),
            "record.unshield" => Some(Self::Unshielded),
            "record.correct" => Some(Self::Corrected),
            "record.withdraw" => Some(Self::Withdrawn),
            "record.stop" => Some(Self::Stopped),
            "list_entry.exit" if matches!(cause, Some("repair" | "revocation" | "correction")) => Some(Self::Delisted),
            _ => None,
        }
    }

    /// Topic of the messages to agencies.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Repaired => "record.repaired",
            Self::Shielded => "record.shielded",
            Self::Unshielded => "record.unshielded",
            Self::Corrected => "record.corrected",
            Self::Withdrawn => "record.withdrawn",
            Self::Stopped => "record.stopped",
            Self::Delisted => "entry.delisted",
        }
    }

    /// What an agency that received it has to do.
    pub fn instruction(self) -> &'static str {
        match self {
            Self::Repaired => "该信息已完成信用修复：请停止共享、使用，删除或封存本单位留存的该信息，解除据此采取的措施，并回执办理情况。",
            Self::Shielded => "该信息在重整计划执行期间暂时屏蔽：请暂停共享、使用，暂停据此采取的措施，并回执办理情况。",
            Self::Unshielded => "该信息的屏蔽已结束：可重新查询，使用前请以平台当前信息为准，并回执知悉。",
            Self::Corrected => "该信息已更正：请重新查询，以更正后的内容替换本单位留存的内容，核对据此作出的处理，并回执办理情况。",
            Self::Withdrawn => "该信息已撤回：请停止共享、使用，删除本单位留存的该信息，撤销据此采取的措施，并回执办理情况。",
            Self::Stopped => "该信息已停止公示：请停止公开展示、转载，并回执办理情况。",
            Self::Delisted => "该主体已移出名单：请停止共享、使用该条目，解除据此采取的措施，并回执办理情况。",
        }
    }

    /// The rule that says within how many working days it has to be true: of a repair `repair.execute_wd`, of what should not have been there
    /// `revocation.apply_wd`.
    pub fn rule(self, cause: Option<&str>) -> &'static str {
        match (self, cause) {
            (Self::Corrected | Self::Withdrawn | Self::Stopped, _) | (Self::Delisted, Some("revocation" | "correction")) => {
                "revocation.apply_wd"
            }
            _ => "repair.execute_wd",
        }
    }
}

/// How long after a look that found it not done yet the next one is: soon at first, then every half hour.
pub fn next_look(attempts: i32, now: DateTime<Utc>) -> DateTime<Utc> {
    now + match attempts {
        i32::MIN..=1 => Duration::minutes(1),
        2 => Duration::minutes(5),
        _ => Duration::minutes(30),
    }
}

/// How far something is that has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FollowUpState {
    /// There is a receipt.
    Done,
    /// Not yet.
    Open,
    /// Not yet, and its last day is over.
    Overdue,
}

impl FollowUpState {
    /// How far it is on a day.
    pub fn on(today: NaiveDate, due_on: NaiveDate, done: bool) -> Self {
        match (done, due_on < today) {
            (true, _) => Self::Done,
            (false, true) => Self::Overdue,
            (false, false) => Self::Open,
        }
    }
}

/// Somebody or something that has to follow an effect 落实对象.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecipientView {
    /// `projection` of this platform, `agency` or `account`.
    pub kind: String,
    /// Code of a projection, id of an agency; of an account nothing.
    pub recipient: Option<String>,
    /// Name; persons are not named.
    pub name: String,
    /// Whether it is done.
    pub state: FollowUpState,
    /// Last day.
    pub due_on: NaiveDate,
    /// By how many working days it is late; 0 when it is done or not late.
    pub overdue_working_days: u32,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
    /// Somebody has to act first, until this day.
    pub waits_until: Option<NaiveDate>,
    /// What was found or confirmed 回执.
    pub detail: Value,
}

/// A change that has to take effect everywhere, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EffectView {
    /// Id.
    pub id: Uuid,
    /// `repaired`, `shielded`, `unshielded`, `corrected`, `withdrawn`, `stopped` or `delisted`.
    pub kind: String,
    /// Whom it is about.
    pub subject_id: Uuid,
    /// `record` or `entry`.
    pub target: String,
    /// The record or entry.
    pub target_id: Uuid,
    /// Catalogue item of the record, or list of the entry.
    pub source: String,
    /// Its name.
    pub source_name: String,
    /// Name of the agency that answers for it.
    pub agency: Option<String>,
    /// The case that led to it; absent when it was changed without one.
    pub case_id: Option<Uuid>,
    /// The line of that case.
    pub line_id: Option<Uuid>,
    /// When it was decided.
    pub happened_at: DateTime<Utc>,
    /// Last day for all of it.
    pub due_on: NaiveDate,
    /// Rule and version that set it.
    pub rule: String,
    /// When the last of it was done.
    pub settled_at: Option<DateTime<Utc>>,
    /// How many are done.
    pub done: usize,
    /// How many are not, the late ones among them.
    pub open: usize,
    /// How many are late.
    pub overdue: usize,
    /// Each of them.
    pub recipients: Vec<RecipientView>,
}

/// How far what was decided has become true 落实情况.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tracker {
    /// In words.
    pub text: String,
    /// How many follow-ups are done.
    pub done: usize,
    /// How many are not, the late ones among them.
    pub open: usize,
    /// How many are late.
    pub overdue: usize,
    /// Each change, oldest first.
    pub effects: Vec<EffectView>,
}

impl Tracker {
    /// Puts effects together.
    pub fn of(effects: Vec<EffectView>) -> Self {
        let total = |count: fn(&EffectView) -> usize| effects.iter().map(count).sum::<usize>();
        let (done, open, overdue) = (total(|e| e.done), total(|e| e.open), total(|e| e.overdue));
        let late = effects.iter().flat_map(|e| &e.recipients).map(|r| r.overdue_working_days).max().unwrap_or(0);
        let mut text = format!("已完成 {done} 项，共 {} 项", done + open);
        if overdue > 0 {
            text.push_str(&format!("；{overdue} 项逾期 {late} 个工作日"));
        }
        Self { text, done, open, overdue, effects }
    }
}

/// What one follow-up says of itself.
pub struct FollowUp {
    /// `projection`, `agency` or `account`.
    pub kind: String,
    /// Code or id.
    pub recipient: String,
    /// Name.
    pub name: String,
    /// Last day.
    pub due_on: NaiveDate,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
    /// What was found or confirmed.
    pub receipt: Value,
}

impl FollowUp {
    /// It as it is shown on a day.
    pub fn seen(self, calendar: &Calendar, today: NaiveDate) -> RecipientView {
        let state = FollowUpState::on(today, self.due_on, self.done_at.is_some());
        let waits = self.receipt.get("waits_until").and_then(Value::as_str).and_then(|day| day.parse().ok());
        RecipientView {
            recipient: (self.kind != "account").then_some(self.recipient),
            kind: self.kind,
            name: self.name,
            state,
            due_on: self.due_on,
            overdue_working_days: if state == FollowUpState::Overdue { days_over(calendar, self.due_on, today) } else { 0 },
            done_at: self.done_at,
            waits_until: if state == FollowUpState::Done { None } else { waits },
            detail: self.receipt,
        }
    }
}

/// A projection that still shows something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StillShown {
    /// Its code.
    pub projection: String,
    /// The record or entry.
    pub target_id: Uuid,
    /// Somebody has to act first, until this day.
    pub waits_until: Option<NaiveDate>,
}

/// Whether everything that was repaired, shielded, withdrawn by a case or delisted is gone from everywhere, asked of the data and not of receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// When it was looked.
    pub checked_at: DateTime<Utc>,
    /// How many records and entries were looked at.
    pub targets: usize,
    /// What is shown although nobody has to act first: a defect.
    pub still_shown: Vec<StillShown>,
    /// What stands until an authority has decided or an agency has acted, whose day for that is not over.
    pub waiting: Vec<StillShown>,
    /// Records and entries whose change nobody follows.
    pub without_effect: usize,
    /// Follow-ups that are late.
    pub overdue: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn follow_up(kind: &str, due_on: &str, done: bool) -> FollowUp {
        FollowUp {
            kind: kind.to_owned(),
            recipient: "lists".to_owned(),
            name: "名单".to_owned(),
            due_on: day(due_on),
            done_at: done.then(|| "2026-02-26T02:00:00Z".parse().unwrap()),
            receipt: json!({ "waits_until": "2026-03-05" }),
        }
    }

    fn effect(recipients: Vec<RecipientView>) -> EffectView {
        let count = |state: FollowUpState| recipients.iter().filter(|r| r.state == state).count();
        let (done, overdue) = (count(FollowUpState::Done), count(FollowUpState::Overdue));
        EffectView {
            id: Uuid::nil(),
            kind: "repaired".to_owned(),
            subject_id: Uuid::nil(),
            target: "record".to_owned(),
            target_id: Uuid::nil(),
            source: "x".to_owned(),
            source_name: "x".to_owned(),
            agency: None,
            case_id: None,
            line_id: None,
            happened_at: "2026-02-26T02:00:00Z".parse().unwrap(),
            due_on: day("2026-02-27"),
            rule: "repair.execute_wd@1".to_owned(),
            settled_at: None,
            done,
            open: recipients.len() - done,
            overdue,
            recipients,
        }
    }

    #[test]
    fn codes_are_told_apart_and_read_back() {
        let mut topics: Vec<&str> = EffectKind::ALL.iter().map(|kind| kind.topic()).collect();
        topics.sort_unstable();
        topics.dedup();
        assert_eq!(topics.len(), EffectKind::ALL.len());
        for kind in EffectKind::ALL {
            assert_eq!(EffectKind::from_code(kind.code()), Some(kind));
            assert!(kind.instruction().contains("回执"), "{kind:?}");
        }
        assert_eq!(EffectKind::from_code("ended"), None);
    }

    #[test]
    fn only_what_was_decided_has_to_take_effect() {
        for (topic, cause, kind) in [
            ("record.repair", None, Some(EffectKind::Repaired)),
            ("list_entry.exit", Some("repair"), Some(EffectKind::Delisted)),
            ("list_entry.exit", Some("revocation"), Some(EffectKind::Delisted)),
            ("list_entry.exit", Some("correction"), Some(EffectKind::Delisted)),
            ("list_entry.exit", Some("expiry"), None),
            ("list_entry.exit", Some("source"), None),
            ("list_entry.exit", Some("negative_record"), None),
            ("list_entry.exit", None, None),
            ("records.loaded", None, None),
            ("record.repaired", None, None),
        ] {
            assert_eq!(EffectKind::of_topic(topic, cause), kind, "{topic} {cause:?}");
        }
    }

    #[test]
    fn what_should_not_have_been_there_goes_by_another_clock_than_a_repair() {
        assert_eq!(EffectKind::Repaired.rule(None), "repair.execute_wd");
        assert_eq!(EffectKind::Withdrawn.rule(None), "revocation.apply_wd");
        assert_eq!(EffectKind::Stopped.rule(None), "revocation.apply_wd", "by the day that the decision itself states");
        assert_eq!(EffectKind::Delisted.rule(Some("repair")), "repair.execute_wd");
        assert_eq!(EffectKind::Delisted.rule(Some("correction")), "revocation.apply_wd");
    }

    #[test]
    fn looks_become_rarer_and_always_lie_ahead() {
        let now: DateTime<Utc> = "2026-02-26T02:00:00Z".parse().unwrap();
        let minutes: Vec<i64> = (1..=5).map(|attempts| (next_look(attempts, now) - now).num_minutes()).collect();
        assert_eq!(minutes, [1, 5, 30, 30, 30]);
        assert!(next_look(i32::MIN, now) > now && next_look(i32::MAX, now) > now);
    }

    #[test]
    fn the_last_day_itself_is_not_late() {
        let due = day("2026-02-27");
        assert_eq!(FollowUpState::on(due, due, false), FollowUpState::Open);
        assert_eq!(FollowUpState::on(day("2026-02-28"), due, false), FollowUpState::Overdue);
        assert_eq!(FollowUpState::on(day("2026-02-28"), due, true), FollowUpState::Done);
    }

    #[test]
    fn the_tracker_counts_what_is_late_among_what_is_open_and_names_no_account() {
        let calendar = Calendar::default();
        let today = day("2026-03-03");
        let seen = |f: FollowUp| f.seen(&calendar, today);
        let recipients = vec![
            seen(follow_up("projection", "2026-02-27", true)),
            seen(follow_up("agency", "2026-02-27", false)),
            seen(follow_up("agency", "2026-03-10", false)),
            seen(follow_up("account", "2026-02-27", true)),
        ];
        assert_eq!(recipients[0].waits_until, None, "nobody is waited for any more");
        assert_eq!((recipients[1].overdue_working_days, recipients[2].overdue_working_days), (2, 0));
        assert_eq!(recipients[1].waits_until, Some(day("2026-03-05")));
        assert_eq!(recipients[3].recipient, None);
        let tracker = Tracker::of(vec![effect(recipients)]);
        assert_eq!((tracker.done, tracker.open, tracker.overdue), (2, 2, 1));
        assert_eq!(tracker.text, "已完成 2 项，共 4 项；1 项逾期 2 个工作日");
        assert_eq!(Tracker::of(Vec::new()).text, "已完成 0 项，共 0 项");
    }
}
