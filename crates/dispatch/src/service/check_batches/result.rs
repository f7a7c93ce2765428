//! The file of results: made from the kept answers whenever it is asked for, in the columns a reviewer reads. What rests on an entry that has changed
//! since says so; the answer itself stays as it was given.

use super::{completed, open};
use crate::model::checks::{CHECK_SUBJECT_INCOMPLETE, CheckAnswer, CheckedKind};
use crate::service::Dispatch;
use crate::store::check_batches as store;
use chrono::{DateTime, Duration, Utc};
use credence_audit::access::{Statement, logged};
use credence_core::actor::Actor;
use credence_core::problem::{Problem, Result};
use credence_subjects::model::BAD_USCC;
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

/// Rows read from the database at a time.
const PAGE: i64 = 1000;

const COLUMNS: [&str; 15] = [
    "序号",
    "参考号",
    "查询对象",
    "统一社会信用代码",
    "核查编号",
    "结果",
    "名单",
    "适用措施",
    "依据",
    "有效期至",
    "需反馈",
    "反馈期限",
    "说明",
    "核查时间",
    // A column, not lines above the header: it stays with a row that is sorted, filtered or copied out, and the first line is the header.
    "免责说明",
];

type Line = [String; 15];

/// The result as CSV, with a byte order mark so that spreadsheet programs read the Chinese right.
///
/// # Errors
/// When there is no such batch of the own agency, or it is not completed.
pub async fn csv(dispatch: &Dispatch, actor: &Actor, id: Uuid) -> Result<Vec<u8>> {
    let lines = lines(dispatch, actor, id).await?;
    let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    writer.write_record(COLUMNS).map_err(Problem::internal)?;
    for line in &lines {
        writer.write_record(line.iter().map(|cell| harmless(cell))).map_err(Problem::internal)?;
    }
    writer.into_inner().map_err(|e| Problem::internal(e.error()))
}

/// The result as XLSX, every cell as text so that nothing is rounded or turned into a date.
///
/// # Errors
/// When there is no such batch of the own agency, or it is not completed.
pub async fn xlsx(dispatch: &Dispatch, actor: &Actor, id: Uuid) -> Result<Vec<u8>> {
    write_xlsx(&lines(dispatch, actor, id).await?).map_err(Problem::internal)
}

/// A cell that no spreadsheet program takes for a formula.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.to_owned() }
}

fn write_xlsx(lines: &[Line]) -> std::result::Result<Vec<u8>, XlsxError> {
    let (bold, text) = (Format::new().set_bold(), Format::new().set_num_format("@"));
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("核查结果")?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, name) in (0u16..).zip(COLUMNS) {
        sheet.write_string_with_format(0, column, name, &bold)?;
    }
    for (at, line) in (1u32..).zip(lines) {
        for (column, cell) in (0u16..).zip(line) {
            sheet.write_string_with_format(at, column, cell, &text)?;
        }
    }
    workbook.save_to_buffer()
}

/// Every row of a completed batch. Handing the file out is in the access log.
async fn lines(dispatch: &Dispatch, actor: &Actor, id: Uuid) -> Result<Vec<Line>> {
    let statement = Statement { action: "check_batch.result", ..Statement::default() };
    logged(&dispatch.db, actor, statement, dispatch.clock.now(), async || {
        let batch = completed(dispatch, actor, id).await?;
        let changed = store::changed(&mut *dispatch.db.read().await?, batch.id, dispatch.clock.today()).await?;
        let changed: HashSet<i32> = changed.into_iter().collect();
        let mut lines: Vec<Line> = Vec::new();
        let mut after = 0;
        loop {
            let page = store::results(&mut *dispatch.db.read().await?, batch.id, after, PAGE).await?;
            let Some(last) = page.last().map(|row| row.row_no) else { return Ok((None, lines)) };
            after = last;
            for row in page {
                let asked = open(dispatch, batch.id, &row.sealed)?.subject;
                let answer: Option<CheckAnswer> = row.result.map(serde_json::from_value).transpose().map_err(Problem::internal)?;
                // A person's name is given back only as the door shows it, in the answer.
                let named = asked.name.filter(|_| asked.kind == CheckedKind::Organisation);
                let stated = Stated { row_no: row.row_no, reference: asked.reference, name: named, uscc: asked.uscc };
                lines.push(match &answer {
                    Some(answer) => answered(stated, answer, changed.contains(&row.row_no)),
                    None => unanswered(stated, row.problem.as_deref().unwrap_or_default()),
                });
            }
        }
    })
    .await
}

/// What the sender said about a row, as far as it may be given back.
struct Stated {
    row_no: i32,
    reference: Option<String>,
    name: Option<String>,
    uscc: Option<String>,
}

/// An instant as clocks in China show it (UTC+8), in the form that spreadsheet programs read.
fn china_time(at: DateTime<Utc>) -> String {
    (at + Duration::hours(8)).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The line of a row; `changed` when what its answer names is not so any more.
fn answered(stated: Stated, answer: &CheckAnswer, changed: bool) -> Line {
    let person = answer.subject.kind == CheckedKind::NaturalPerson;
    let name = answer.subject.name.clone().or(stated.name).or_else(|| person.then(|| "自然人".to_owned())).unwrap_or_default();
    let measures = || answer.lists.iter().flat_map(|entry| &entry.measures);
    let lists = answer.lists.iter().map(|entry| entry.name.as_str());
    let bases = answer.lists.iter().map(|entry| entry.legal_basis.as_str());
    let of_measures = measures().flat_map(|m| &m.legal_basis).map(String::as_str);
    let until = answer.lists.iter().map(|entry| match entry.expires_on {
        Some(day) => format!("{}：{day}", entry.name),
        None => format!("{}：无固定期限", entry.name),
    });
    [
        stated.row_no.to_string(),
        stated.reference.unwrap_or_default(),
        name,
        answer.subject.uscc.clone().unwrap_or_default(),
        answer.check_id.to_string(),
        answer.result.zh().to_owned(),
        each_once(lists),
        each_once(measures().map(|m| m.name.as_str())),
        each_once(bases.chain(of_measures)),
        until.collect::<Vec<_>>().join("；"),
        if answer.feedback_required { "是" } else { "否" }.to_owned(),
        answer.feedback_by.map(|day| day.to_string()).unwrap_or_default(),
        remarks(answer, changed),
        china_time(answer.at),
        answer.disclaimer_zh.clone(),
    ]
}

/// Texts in their order, each once.
fn each_once<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(*text)).collect::<Vec<_>>().join("；")
}

fn remarks(answer: &CheckAnswer, changed: bool) -> String {
    let changed = changed.then(|| "名单状态已变更，请重新核查".to_owned());
    let under_review = answer
        .lists
        .iter()
        .filter(|entry| entry.under_review)
        .map(|entry| format!("{}的认定依据正在复核，复核期间不得采取措施", entry.name));
    let disputed = answer.lists.iter().filter(|entry| entry.disputed).map(|entry| format!("{}的信息正在异议处理中", entry.name));
    let stale = answer
        .lists
        .iter()
        .filter(|entry| entry.stale == Some(true))
        .map(|entry| format!("{}的来源数据未按时更新，请向来源单位核实", entry.name));
    let mismatch = answer.subject.name_mismatch.then(|| "所填名称与平台登记的名称不符，请核对".to_owned());
    changed.into_iter().chain(mismatch).chain(under_review).chain(disputed).chain(stale).collect::<Vec<_>>().join("；")
}

fn unanswered(stated: Stated, problem: &str) -> Line {
    let remark = match problem {
        code if code == BAD_USCC.code => "统一社会信用代码不正确，未核查；请核对后重新提交",
        code if code == CHECK_SUBJECT_INCOMPLETE.code => CHECK_SUBJECT_INCOMPLETE.zh,
        "malformed_request" => "证件类型或证件号码不正确，未核查；请核对后重新提交",
        _ => "内容无法识别，未核查；请核对后重新提交",
    };
    let mut line = Line::default();
    let told = [
        (0, stated.row_no.to_string()),
        (1, stated.reference.unwrap_or_default()),
        (2, stated.name.unwrap_or_default()),
        (3, stated.uscc.unwrap_or_default()),
        (5, "未核查".to_owned()),
        (12, format!("{remark}（{problem}）")),
    ];
    for (at, text) in told {
        if let Some(cell) = line.get_mut(at) {
            *cell = text;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated() -> Stated {
        Stated { row_no: 3, reference: Some("A-3".into()), name: Some("某公司".into()), uscc: Some("91".into()) }
    }

    fn answer() -> CheckAnswer {
        let measure = |code: &str, name: &str| {
            serde_json::json!({
                "code": code, "name": name, "content": "x", "class": 1, "direction": "sanction", "mandatory": true, "legal_basis": ["甲法第一条"],
                "memorandum": "m", "memorandum_name": "备忘录", "expires_on": "2027-01-01", "directive_id": null
            })
        };
        serde_json::from_value(serde_json::json!({
            "check_id": Uuid::nil(), "at": "2026-04-01T00:00:00Z", "agency": "a", "agency_name": "某局", "matter": "招标投标", "case_no": "1",
            "purpose": "x",
            "subject": { "id": Uuid::nil(), "kind": "organisation", "name": "登记名称", "uscc": "91", "name_mismatch": true },
            "result": "black", "feedback_required": true, "feedback_by": "2026-05-06", "disclaimer_zh": "仅供参考", "disclaimer_en": "",
            "lists": [
                { "list": "b", "name": "严重失信主体名单", "kind": "serious_dishonesty", "colour": "black", "entry_id": Uuid::nil(), "authority": "x",
                  "legal_basis": "乙法第二条", "facts": null, "ground_document": null, "listed_on": "2026-01-01", "expires_on": "2027-01-01",
                  "under_review": false, "measures": [measure("m1", "限制投标"), measure("m1", "限制投标")] },
                { "list": "c", "name": "失信被执行人", "kind": "judgment_default", "colour": "black", "entry_id": Uuid::nil(), "authority": "x",
                  "legal_basis": "乙法第二条", "facts": null, "ground_document": null, "listed_on": "2026-01-01", "expires_on": null,
                  "under_review": true, "stale": true, "measures": [] }
            ]
        }))
        .unwrap()
    }

    #[test]
    fn a_row_says_each_thing_once() {
        let line = answered(stated(), &answer(), false);
        assert_eq!(&line[..4], ["3", "A-3", "登记名称", "91"]);
        assert_eq!((line[5].as_str(), line[6].as_str(), line[7].as_str()), ("黑名单", "严重失信主体名单；失信被执行人", "限制投标"));
        assert_eq!(line[8], "乙法第二条；甲法第一条");
        assert_eq!(line[9], "严重失信主体名单：2027-01-01；失信被执行人：无固定期限");
        assert_eq!((line[10].as_str(), line[11].as_str()), ("是", "2026-05-06"));
        for remark in ["名称不符", "正在复核", "未按时更新"] {
            assert!(line[12].contains(remark), "{}", line[12]);
        }
        assert_eq!((line[13].as_str(), line[14].as_str()), ("2026-04-01 08:00:00", "仅供参考"));
    }

    #[test]
    fn a_row_says_when_what_it_names_is_not_so_any_more() {
        let remark = |changed: bool| answered(stated(), &answer(), changed)[12].clone();
        assert!(remark(true).starts_with("名单状态已变更，请重新核查；"), "{}", remark(true));
        assert_eq!(remark(true).replace("名单状态已变更，请重新核查；", ""), remark(false));
    }

    #[test]
    fn a_row_without_answer_says_why() {
        let line = unanswered(stated(), "bad_uscc");
        assert_eq!((line[0].as_str(), line[5].as_str()), ("3", "未核查"));
        assert!(line[12].contains("统一社会信用代码不正确"), "{}", line[12]);
        assert_eq!((line[13].as_str(), line[14].as_str()), ("", ""), "nothing was answered, at no time");
        assert!(unanswered(stated(), "malformed_request")[12].contains("证件"));
    }

    #[test]
    fn a_workbook_can_be_written_and_no_cell_is_a_formula() {
        assert!(write_xlsx(&[answered(stated(), &answer(), false)]).unwrap().starts_with(b"PK"));
        assert_eq!((harmless("=1+1"), harmless("某公司")), ("'=1+1".to_owned(), "某公司".to_owned()));
    }
}
