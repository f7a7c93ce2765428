//! Giving refused rows back: only the bad rows, in the columns they came in, with the reasons beside them. Corrected and pushed again, the
//! file finds its way into the same batch by the columns 退回批次 and 退回行号.

use super::{Records, row_place};
use crate::header::{BATCH_COLUMN, REASON_COLUMN, ROW_COLUMN};
use crate::model::{Issue, REJECTS_TOO_MANY, Severity};
use crate::store;
use credence_core::problem::{Problem, Result};
use rust_xlsxwriter::{Color, Format, Workbook, XlsxError};
use uuid::Uuid;

/// Rows read from the database at a time.
const PAGE: i64 = 5000;
/// A sheet of XLSX has 1,048,576 rows and is built in memory; more rows than this are given as CSV only, which is streamed.
const XLSX_ROWS_MAX: usize = 200_000;

/// A refused row as it came, with its reasons.
pub struct RejectedRow {
    /// Number in the first file.
    pub row_no: i64,
    /// Header and text of each cell.
    pub cells: Vec<(String, String)>,
    /// What is wrong.
    pub issues: Vec<Issue>,
}

/// The rows in quarantine after a row, in order, a page of them; empty at the end.
pub async fn page(records: &Records, batch: Uuid, after: i64) -> Result<Vec<RejectedRow>> {
    let stored = store::quarantined(&mut *records.db.read().await?, batch, after, PAGE).await?;
    stored
        .into_iter()
        .map(|row| {
            let plain = records.keys.open(&row_place(batch), &row.sealed_row).map_err(Problem::internal)?;
            let cells = serde_json::from_slice(&plain).map_err(Problem::internal)?;
            Ok(RejectedRow { row_no: row.row_no, cells, issues: row.issues })
        })
        .collect()
}

/// Columns of all rows in quarantine, in the order in which the rows first show them; and how many rows there are.
pub async fn columns(records: &Records, batch: Uuid) -> Result<(Vec<String>, usize)> {
    let (mut names, mut rows, mut after): (Vec<String>, usize, i64) = (Vec::new(), 0, 0);
    loop {
        let page = page(records, batch, after).await?;
        let Some(last) = page.last() else { return Ok((names, rows)) };
        after = last.row_no;
        rows += page.len();
        for (name, _) in page.iter().flat_map(|r| &r.cells) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
}

fn reasons(issues: &[Issue]) -> String {
    let errors = issues.iter().filter(|i| i.severity == Severity::Error);
    errors
        .map(|i| {
            if i.field_name.is_empty() {
                format!("[{}] {}", i.rule, i.message_zh)
            } else {
                format!("[{}] {}：{}", i.rule, i.field_name, i.message_zh)
            }
        })
        .collect::<Vec<_>>()
        .join("；")
}

fn cell<'r>(row: &'r RejectedRow, name: &str) -> &'r str {
    row.cells.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str()).unwrap_or_default()
}

/// The first bytes of the CSV: a byte order mark, so that spreadsheet programs read the Chinese right, and the header.
pub fn csv_header(names: &[String]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    let header = [BATCH_COLUMN, ROW_COLUMN, REASON_COLUMN].into_iter().chain(names.iter().map(String::as_str));
    writer.write_record(header).map_err(Problem::internal)?;
    writer.into_inner().map_err(|e| Problem::internal(e.error()))
}

/// A page of rows as CSV.
pub fn csv_rows(batch: Uuid, names: &[String], rows: &[RejectedRow]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let batch = batch.to_string();
    for row in rows {
        let (number, reasons) = (row.row_no.to_string(), reasons(&row.issues));
        let fixed = [batch.as_str(), &number, &reasons];
        writer.write_record(fixed.into_iter().chain(names.iter().map(|n| cell(row, n)))).map_err(Problem::internal)?;
    }
    writer.into_inner().map_err(|e| Problem::internal(e.error()))
}

/// As XLSX, every cell as text so that nothing is rounded or turned into a date; cells with a fault are marked.
///
/// # Errors
/// When there are more rows than a sheet takes.
pub async fn xlsx(records: &Records, batch: Uuid) -> Result<Vec<u8>> {
    let (names, count) = columns(records, batch).await?;
    if count > XLSX_ROWS_MAX {
        return Err(Problem::new(&REJECTS_TOO_MANY).with("limit", XLSX_ROWS_MAX));
    }
    let mut rows: Vec<RejectedRow> = Vec::with_capacity(count);
    loop {
        let page = page(records, batch, rows.last().map_or(0, |r| r.row_no)).await?;
        if page.is_empty() {
            return write_xlsx(batch, &names, &rows).map_err(Problem::internal);
        }
        rows.extend(page);
    }
}

fn write_xlsx(batch: Uuid, names: &[String], rows: &[RejectedRow]) -> std::result::Result<Vec<u8>, XlsxError> {
    let (bold, bad) = (Format::new().set_bold(), Format::new().set_background_color(Color::RGB(0xFFC7CE)).set_num_format("@"));
    let text = Format::new().set_num_format("@");
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("数据")?;
    sheet.set_freeze_panes(1, 3)?;
    sheet.set_column_width(2, 60)?;
    let header = [BATCH_COLUMN, ROW_COLUMN, REASON_COLUMN].into_iter().chain(names.iter().map(String::as_str));
    for (column, name) in (0u16..).zip(header) {
        sheet.write_string_with_format(0, column, name, &bold)?;
    }
    for (at, row) in (1u32..).zip(rows) {
        sheet.write_string(at, 0, batch.to_string())?;
        sheet.write_string(at, 1, row.row_no.to_string())?;
        sheet.write_string(at, 2, reasons(&row.issues))?;
        for (column, name) in (3u16..).zip(names) {
            let faulty = row.issues.iter().any(|i| i.severity == Severity::Error && (i.field == *name || i.field_name == *name));
            sheet.write_string_with_format(at, column, cell(row, name), if faulty { &bad } else { &text })?;
        }
    }
    workbook.save_to_buffer()
}
