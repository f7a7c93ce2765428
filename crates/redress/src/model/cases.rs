//! Cases: what is filed, what is shown of them, and the number and code by which an applicant follows one.

use super::lines::LineView;
pub use super::lines::{CaseKind, Ground};
use super::notices::NoticeView;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use credence_core::crypto::sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Applicant {
    /// The subject itself.
    Subject,
    /// An agent 代理人 with the subject's written authorisation.
    Agent,
}

impl Applicant {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Agent => "agent",
        }
    }
}

/// The person who applies 经办人. Kept sealed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = CasePerson)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Kind of document, as code or as departments write it (`身份证`).
    pub document_kind: String,
    /// Its number.
    pub document_number: String,
    /// Telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Where notices are sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(…)")
    }
}

/// One record or list entry that a case is about.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCaseLine {
    /// The record.
    pub record_id: Option<Uuid>,
    /// The entry of a list that is kept here.
    pub entry_id: Option<Uuid>,
    /// Of an omission: catalogue item of the record that is missing.
    pub item: Option<String>,
    /// Of an omission: code of the agency that should have provided it, where several could.
    pub agency: Option<String>,
    /// Of a dispute: why.
    pub ground: Option<Ground>,
    /// Of a dispute: fields and what they should say.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub wanted: Map<String, Value>,
}

/// A paper that comes with a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPaper {
    /// Kind, one of rule `repair.papers`.
    pub kind: String,
    /// The attachment, uploaded before.
    pub attachment_id: Uuid,
}

/// A case to be filed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCase {
    /// Dispute or repair.
    pub kind: CaseKind,
    /// What is stated and asked for. Numbers of persons in it are covered before it is kept.
    pub statement: String,
    /// Who applies.
    pub applicant: Applicant,
    /// Of an agent: reference of the written authorisation.
    pub authorisation: Option<String>,
    /// The person who applies.
    pub person: Person,
    /// What it is about.
    pub lines: Vec<NewCaseLine>,
    /// Papers.
    #[serde(default)]
    pub papers: Vec<NewPaper>,
    /// Of repair: the public commitment 信用承诺.
    pub commitment: Option<String>,
}

/// Papers that are brought later.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPapers {
    /// Papers.
    #[serde(default)]
    pub papers: Vec<NewPaper>,
    /// The public commitment, where it was missing.
    pub commitment: Option<String>,
}

/// A paper of a case.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PaperView {
    /// Id.
    pub id: Uuid,
    /// Kind.
    pub kind: String,
    /// Its name.
    pub kind_name: String,
    /// The attachment.
    pub attachment_id: Uuid,
    /// When it was added.
    pub added_at: DateTime<Utc>,
}

/// A step as it was taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CaseStep)]
pub struct StepView {
    /// The line; absent of a step of the whole case.
    pub line_id: Option<Uuid>,
    /// Which.
    pub step: String,
    /// State before.
    pub from_state: Option<String>,
    /// State after.
    pub to_state: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Agency it was taken for.
    pub agency: Option<String>,
    /// Account that took it; not shown to applicants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Particulars; not shown to applicants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

/// A case as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RedressCase)]
pub struct CaseView {
    /// Id.
    pub id: Uuid,
    /// Number 办件编号.
    pub case_no: String,
    /// `dispute` or `repair`.
    pub kind: String,
    /// `incomplete`, `open`, `closed` or `withdrawn`.
    pub state: String,
    /// `online` or `counter`.
    pub channel: String,
    /// `subject` or `agent`.
    pub applicant: String,
    /// Whose records it is about.
    pub subject_id: Uuid,
    /// What is stated and asked for; of a natural person's case not shown to those who only supervise.
    pub statement: Option<String>,
    /// Papers that are missing, told once.
    pub missing: Vec<String>,
    /// Their names.
    pub missing_names: Vec<String>,
    /// Last day to bring them.
    pub complete_by: Option<NaiveDate>,
    /// When it was filed.
    pub filed_at: DateTime<Utc>,
    /// When it was closed or withdrawn.
    pub closed_at: Option<DateTime<Utc>>,
    /// Rules it was taken in under.
    pub rules: String,
    /// Its lines; to an agency that decides, its own.
    pub lines: Vec<LineView>,
    /// Its papers; not shown to those who only supervise.
    pub papers: Vec<PaperView>,
    /// Its steps.
    pub steps: Vec<StepView>,
    /// What the applicant was told; shown to applicants.
    pub notices: Vec<NoticeView>,
    /// What can be done against a decision.
    pub appeal: String,
}

/// What filing gives: the case, and the code that opens it without a login. The code is shown once.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = FiledCase)]
pub struct Filed {
    /// The case.
    pub case: CaseView,
    /// The code 查询码.
    pub code: String,
}

/// A case on a list of cases: deadlines, no contents.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CaseSummary {
    /// Id.
    pub id: Uuid,
    /// Number.
    pub case_no: String,
    /// `dispute` or `repair`.
    pub kind: String,
    /// `incomplete`, `open`, `closed` or `withdrawn`.
    pub state: String,
    /// `online` or `counter`.
    pub channel: String,
    /// Whose records it is about.
    pub subject_id: Uuid,
    /// When it was filed.
    pub filed_at: DateTime<Utc>,
    /// Last day to bring what is missing.
    pub complete_by: Option<NaiveDate>,
    /// When it was closed or withdrawn.
    pub closed_at: Option<DateTime<Utc>>,
    /// Lines.
    pub lines: i64,
    /// Lines that are open.
    pub open: i64,
    /// Lines that are overdue.
    pub overdue: i64,
    /// Next last day of its lines.
    pub due_on: Option<NaiveDate>,
}

/// What stands on the printed receipt 受理回执.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Receipt {
    /// Number 办件编号.
    pub case_no: String,
    /// Name of the kind.
    pub kind_name: String,
    /// Name of the subject.
    pub subject_name: Option<String>,
    /// Name of the person who applies, covered.
    pub person_name: String,
    /// When it was filed.
    pub filed_at: DateTime<Utc>,
    /// Agency that took it in.
    pub taken_by: Option<String>,
    /// What it is about.
    pub lines: Vec<ReceiptLine>,
    /// Papers that were handed in, by name.
    pub papers: Vec<String>,
    /// Papers that are missing, by name.
    pub missing: Vec<String>,
    /// Last day to bring them.
    pub complete_by: Option<NaiveDate>,
    /// How it is followed, and what can be done against a decision.
    pub hint: String,
}

/// A line on a receipt.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReceiptLine {
    /// Name of the item or list.
    pub source_name: String,
    /// Agency that decides.
    pub agency: String,
    /// Last day for the whole of it.
    pub total_due_on: Option<NaiveDate>,
}

/// What a subject may ask to be repaired, from when, and what it needs for it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Eligibility {
    /// `record` or `entry`.
    pub target: String,
    /// The record or entry.
    pub id: Uuid,
    /// Catalogue item or list.
    pub source: String,
    /// Its name.
    pub source_name: String,
    /// Day of the decision, or of the listing.
    pub decided_on: Option<NaiveDate>,
    /// Class 失信程度, by its Chinese name, where rules give one.
    pub class: Option<String>,
    /// Whether it may be applied for today.
    pub may_apply: bool,
    /// First day on which it may; absent when it never may.
    pub from: Option<NaiveDate>,
    /// Why, in Chinese.
    pub because: String,
    /// Rules it follows from, `id@version` each.
    pub rules: Vec<String>,
    /// Kinds of papers that are needed.
    pub required: Vec<String>,
    /// Those of them that are not there yet.
    pub missing: Vec<String>,
    /// Last day of a bar after false papers.
    pub barred_until: Option<NaiveDate>,
    /// Number of a case about it that is open.
    pub open_case: Option<String>,
    /// Agency that decides.
    pub decides: String,
    /// Working days until a decision.
    pub total_days: Option<i64>,
}

/// Everything that a subject could ask to be repaired.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EligibilityView {
    /// The subject.
    pub subject_id: Uuid,
    /// Adverse records and list entries.
    pub targets: Vec<Eligibility>,
}

/// Names of kinds of papers that hold where rule `repair.papers` does not name them.
pub const PAPERS: [(&str, &str); 8] = [
    ("proof_of_performance", "履行义务证明"),
    ("commitment", "信用承诺书"),
    ("training_certificate", "信用修复培训证明"),
    ("credit_report", "信用报告"),
    ("identity", "身份证明"),
    ("authorisation", "授权委托书"),
    ("court_ruling", "人民法院裁定书"),
    ("evidence", "证据材料"),
];

/// Characters of the code: no two of them look alike, and their number is a power of two, so that every code is as likely as any other.
const ALPHABET: [u8; 32] = *b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The code that random bytes make, one character a byte.
pub fn code_of(random: [u8; 10]) -> String {
    random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).map(|byte| char::from(*byte)).collect()
}

/// What is kept of a code. Given back in small letters or with spaces it is the same code.
pub fn secret_hash(case_no: &str, code: &str) -> [u8; 32] {
    let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
    sha256(format!("{case_no}\n{code}").as_bytes())
}

/// What the numbers of a day's cases of a kind in a division begin with: letters, division, day.
pub fn number_prefix(kind: CaseKind, region: &str, on: NaiveDate) -> String {
    // A division has six digits; whoever acts for none, for none.
    let region = if region.len() == 6 { region } else { "000000" };
    format!("{}{region}{:04}{:02}{:02}", kind.letters(), on.year(), on.month(), on.day())
}

/// The number after the latest of a day; `None` when the day's numbers are used up.
pub fn next_number(prefix: &str, latest: Option<&str>) -> Option<String> {
    let latest = match latest {
        None => 0,
        Some(number) => number.strip_prefix(prefix)?.parse::<u32>().ok()?,
    };
    let next = latest + 1;
    (next <= 999_999).then(|| format!("{prefix}{next:06}"))
}

/// Kinds of papers an application for repair needs: what each of its lines asks for, and who applies where.
pub fn required_papers(of_lines: &[Vec<String>], counter: bool, agent: bool) -> Vec<String> {
    let mut required: Vec<String> = Vec::new();
    let person =
        [("identity", counter), ("authorisation", agent)].into_iter().filter(|(_, needed)| *needed).map(|(kind, _)| kind.to_owned());
    for kind in of_lines.iter().flatten().cloned().chain(person) {
        if !required.contains(&kind) {
            required.push(kind);
        }
    }
    required
}

/// Those of the required papers that are not at hand.
pub fn missing_papers(required: &[String], at_hand: &[String]) -> Vec<String> {
    required.iter().filter(|kind| !at_hand.contains(kind)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_makes_a_character_and_all_characters_are_as_frequent() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=u8::MAX {
            let code = code_of([byte; 10]);
            assert_eq!(code.len(), 10);
            *counts.entry(code.chars().next().unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 32, "no character stands twice in the alphabet");
        assert!(counts.values().all(|n| *n == 8), "{counts:?}");
        for unclear in ['0', 'O', '1', 'I'] {
            assert!(!counts.contains_key(&unclear), "{unclear}");
        }
    }

    #[test]
    fn a_code_opens_its_own_case_only_however_it_is_written() {
        let kept = secret_hash("YY13100020250926000001", "ABCDE23456");
        assert_eq!(secret_hash("YY13100020250926000001", " abcde 23456"), kept);
        assert_eq!(secret_hash("YY13100020250926000001", "ABCDE-23456"), kept);
        assert_ne!(secret_hash("YY13100020250926000002", "ABCDE23456"), kept);
        assert_ne!(secret_hash("YY13100020250926000001", "ABCDE23457"), kept);
    }

    #[test]
    fn numbers_count_up_within_a_day_and_end() {
        let day = "2025-09-06".parse().unwrap();
        let prefix = number_prefix(CaseKind::Repair, "131000", day);
        assert_eq!(prefix, "XF13100020250906");
        assert_eq!(number_prefix(CaseKind::Dispute, "", day), "YY00000020250906");
        assert_eq!(next_number(&prefix, None).as_deref(), Some("XF13100020250906000001"));
        assert_eq!(next_number(&prefix, Some("XF13100020250906000009")).as_deref(), Some("XF13100020250906000010"));
        assert_eq!(next_number(&prefix, Some("XF13100020250906999999")), None);
    }

    #[test]
    fn papers_are_asked_for_once() {
        let of_lines =
            [vec!["proof_of_performance".to_owned(), "commitment".to_owned()], vec!["commitment".to_owned(), "credit_report".to_owned()]];
        let required = required_papers(&of_lines, true, false);
        assert_eq!(required, ["proof_of_performance", "commitment", "credit_report", "identity"]);
        assert_eq!(missing_papers(&required, &["commitment".to_owned(), "identity".to_owned()]), ["proof_of_performance", "credit_report"]);
        assert_eq!(required_papers(&[], false, true), ["authorisation"]);
    }

    #[test]
    fn a_person_is_not_written_into_logs() {
        let person =
            Person { name: "张示例".into(), document_kind: "身份证".into(), document_number: "1".into(), phone: None, email: None };
        assert_eq!(format!("{person:?}"), "Person(…)");
    }
}
