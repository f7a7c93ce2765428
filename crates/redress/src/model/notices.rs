//! Notices to applicants: what they say. A notice tells what happened, until when what comes next, and which way is open to whoever disagrees. It holds
//! no document number, whatever was written into a reason.

use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::disclosure::cover_numbers;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The application was taken in.
    Filed,
    /// Papers are missing, told once 一次性告知.
    Incomplete,
    /// A line was forwarded to the agency that answers for it.
    Forwarded,
    /// That agency took it up.
    Accepted,
    /// It was decided.
    Decided,
    /// A review 复核 was asked for or decided.
    Review,
    /// What was decided is true everywhere.
    Done,
    /// The application was withdrawn, or lapsed for want of papers.
    Withdrawn,
}

impl Template {
    /// Every template.
    pub const ALL: [Self; 8] =
        [Self::Filed, Self::Incomplete, Self::Forwarded, Self::Accepted, Self::Decided, Self::Review, Self::Done, Self::Withdrawn];

    /// Stable code, as in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Incomplete => "incomplete",
            Self::Forwarded => "forwarded",
            Self::Accepted => "accepted",
            Self::Decided => "decided",
            Self::Review => "review",
            Self::Done => "done",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Filed => "申请已收到",
            Self::Incomplete => "申请材料需要补正",
            Self::Forwarded => "申请已转交办理单位",
            Self::Accepted => "申请已受理",
            Self::Decided => "申请已作出决定",
            Self::Review => "复核情况",
            Self::Done => "决定已全部落实",
            Self::Withdrawn => "申请已终止",
        }
    }

    fn opening(self) -> &'static str {
        match self {
            Self::Filed => "已收到。",
            Self::Incomplete => "所附材料不全，现一次性告知需要补正的材料。补正前不计算办理期限；逾期未补正的，申请终止，可以重新提出。",
            Self::Forwarded => "已核查，不属于平台自身差错，已转交信息提供单位核实处理。",
            Self::Accepted => "已由办理单位受理。",
            Self::Decided => "已作出决定。",
            Self::Review => "的复核有新的进展。",
            Self::Done => "所作决定已在公示、查询、共享、名单及联合奖惩各环节落实。",
            Self::Withdrawn => "已终止办理，相关标注已经去除。",
        }
    }

    /// Name of the last day that `due_on` gives.
    fn due(self) -> &'static str {
        match self {
            Self::Filed | Self::Forwarded => "本环节办理期限",
            Self::Accepted => "作出决定的期限",
            Self::Review => "复核决定的期限",
            _ => "下一环节期限",
        }
    }
}

/// What a notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// Outcomes in words; what has none is said as it is.
fn outcome_words(code: &str) -> &str {
    match code {
        "corrected" => "异议成立，予以更正",
        "deleted" => "异议成立，予以删除",
        "supplemented" => "异议成立，予以补充",
        "stopped" => "停止公示",
        "delisted" => "移出名单",
        "rejected" => "异议不成立，不予处理",
        "noted" => "无法核实，在信息旁记载异议内容",
        "granted" => "准予信用修复",
        "refused" => "不予信用修复",
        "not_accepted" => "不予受理",
        "shielded" => "重整期间暂时屏蔽",
        "unshielded" => "终止屏蔽",
        "upheld" => "维持原决定",
        "changed" => "变更原决定",
        other => other,
    }
}

/// A day as it is written in letters; what is no day stays as it is.
fn day(text: &str) -> String {
    text.parse::<NaiveDate>().map_or_else(|_| text.to_owned(), |day| day.format("%Y年%-m月%-d日").to_string())
}

/// Words of a value: a text, a number, or several of them.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(words).collect();
            Some(parts.join("、")).filter(|text| !text.is_empty())
        }
        _ => None,
    }
}

/// What a notice says. `values` may hold, each of them or none: `source_name` (which record), `agency` (its name), `missing` (names of papers),
/// `complete_by`, `due_on`, `total_due_on`, `extended_to`, `review` (its outcome), `outcome` (its code), `decision_no`, `reason`, `note`, `execute_by`,
/// `appeal`, `review_until`; days as `YYYY-MM-DD`. What is absent is not spoken of; personal numbers are covered wherever they stand.
pub fn compose(template: Template, case_no: &str, values: &Value) -> Text {
    let kind = if case_no.starts_with("XF") { "信用修复申请" } else { "信用信息异议申请" };
    let get = |key: &str| values.get(key).and_then(words);
    let mut text = format!("您好：\n\n您的{kind}（办件编号{case_no}）{}\n", template.opening());
    let mut say = |name: &str, what: Option<String>| {
        if let Some(what) = what {
            // Writing into a text does not fail.
            let _ = write!(text, "\n{name}：{what}");
        }
    };
    say("涉及信息", get("source_name"));
    say("办理单位", get("agency"));
    say("需要补正", get("missing"));
    say("补正截止", get("complete_by").map(|text| day(&text)));
    say("复核结论", get("review").map(|code| outcome_words(&code).to_owned()));
    say("决定", get("outcome").map(|code| outcome_words(&code).to_owned()));
    say("决定文号", get("decision_no"));
    say("理由", get("reason"));
    say("说明", get("note"));
    say("落实期限", get("execute_by").map(|text| day(&text)));
    say(template.due(), get("due_on").map(|text| day(&text)));
    say("全部办结期限", get("total_due_on").map(|text| day(&text)));
    say("延长后的期限", get("extended_to").map(|text| day(&text)));
    say("申请复核截止", get("review_until").map(|text| day(&text)));
    say("救济途径", get("appeal"));
    text.push_str("\n\n可凭办件编号与查询码查询进度，或登录后查看。本通知由系统发出，请勿直接回复。\n");
    Text { title: cover_numbers(&format!("{kind}{case_no}：{}", template.title())), text: cover_numbers(&text) }
}

/// A notice as it is shown with its case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CaseNotice)]
pub struct NoticeView {
    /// Id.
    pub id: Uuid,
    /// What it is about: `filed`, `incomplete`, `forwarded`, `accepted`, `decided`, `review`, `done` or `withdrawn`.
    pub template: String,
    /// `portal` (shown here) or `email`.
    pub channel: String,
    /// `shown`; of a mail `waiting`, `sent` or `dead` (given up).
    pub state: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Its title; not of a mail, which says the same.
    pub title: Option<String>,
    /// Its text; not of a mail.
    pub text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_notice_tells_what_happened_until_when_and_which_way_is_open() {
        let values = json!({
            "source_name": "行政处罚", "agency": "廊坊市市场监督管理局", "outcome": "refused", "reason": "义务尚未履行完毕",
            "decision_no": "廊市监修〔2025〕3号", "execute_by": "2025-10-09", "appeal": "60日内申请行政复议", "review_until": "2026-02-27",
        });
        let notice = compose(Template::Decided, "XF13100020251001000001", &values);
        assert!(notice.title.contains("信用修复") && notice.title.contains("XF13100020251001000001"), "{}", notice.title);
        for part in
            ["不予信用修复", "义务尚未履行完毕", "廊市监修〔2025〕3号", "2025年10月9日", "60日内申请行政复议", "2026年2月27日", "市场监督"]
        {
            assert!(notice.text.contains(part), "{part}: {}", notice.text);
        }
    }

    #[test]
    fn what_is_absent_is_not_spoken_of() {
        let bare = compose(Template::Filed, "YY13100020251001000001", &json!({ "reason": "  ", "missing": [], "due_on": null }));
        assert!(bare.title.contains("异议") && bare.text.contains("YY13100020251001000001"));
        for name in ["理由", "需要补正", "期限：", "决定："] {
            assert!(!bare.text.contains(name), "{name}: {}", bare.text);
        }
        let told = compose(Template::Incomplete, "XF1", &json!({ "missing": ["履行义务证明", "信用报告"], "complete_by": "2026-02-27" }));
        assert!(told.text.contains("需要补正：履行义务证明、信用报告") && told.text.contains("补正截止：2026年2月27日"), "{}", told.text);
    }

    #[test]
    fn no_notice_holds_a_personal_number_wherever_it_was_written() {
        let id = "11010519491231002X";
        let values = json!({
            "source_name": id, "agency": id, "missing": [id], "outcome": id, "reason": format!("张某（{id}，13912345678）已履行"), "note": id,
            "decision_no": id, "appeal": id, "due_on": id,
        });
        for template in Template::ALL {
            let notice = compose(template, "YY13100020251001000001", &values);
            assert!(!notice.text.contains(id) && !notice.text.contains("13912345678"), "{}", notice.text);
            assert!(notice.text.contains("YY13100020251001000001"), "the number of the case is not one of a person");
        }
    }
}
