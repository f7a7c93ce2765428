//! Spreadsheets, read by `calamine` (alive, pure Rust, knows XLSX and XLS). XLSX cells are streamed; XLS has at most 65,536 rows.

use super::{Format, Guard, HEADER_WITHIN_ROWS, carried, corrupt, find_header, open};
use crate::cell::Cell;
use crate::header::{Header, Headers};
use crate::model::{COMPRESSION_RATIO, EMPTY_FILE, FILE_TOO_LARGE};
use crate::spool::Upload;
use calamine::{Data, DataRef, Reader, Xls, Xlsx};
use chrono::NaiveDate;
use credence_core::problem::{Problem, Result};
use credence_core::settings::Ingest;
use std::io::{BufReader, Read};

/// What stopped a parser that does not say whether the file or its storage was at fault.
fn fault(upload: &Upload, error: impl std::fmt::Display) -> Problem {
    match upload.verify() {
        Ok(()) => corrupt(0, error),
        Err(e) => carried(e, 0),
    }
}

/// XLS is held in memory as a whole, so it may be no larger than that allows.
pub(super) fn check_xls(upload: &Upload, limits: &Ingest) -> Result<()> {
    let max = limits.xls_bytes_max;
    if open(upload)?.size() > max { Err(Problem::new(&FILE_TOO_LARGE).with("limit_bytes", max)) } else { Ok(()) }
}

/// Unpacks every part into nothing, to know that the whole stays within the limits before anything is parsed.
pub(super) fn check_zip(upload: &Upload, limits: &Ingest) -> Result<()> {
    let size = open(upload)?.size();
    let mut archive = zip::ZipArchive::new(BufReader::new(open(upload)?)).map_err(|e| fault(upload, e))?;
    // A workbook's strings are held in memory, so it may unpack to less than a text.
    let max = limits.workbook_unpacked_bytes_max;
    let ratio_max = size.saturating_mul(limits.compression_ratio_max).max(8 << 20);
    let mut total = 0u64;
    let mut buffer = vec![0u8; 1 << 16];
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(|e| fault(upload, e))?;
        loop {
            let n = part.read(&mut buffer).map_err(|e| fault(upload, e))?;
            if n == 0 {
                break;
            }
            total += n as u64;
            if total > max {
                return Err(Problem::new(&FILE_TOO_LARGE).with("limit_bytes", max));
            }
            if total > ratio_max {
                return Err(Problem::new(&COMPRESSION_RATIO).with("limit", limits.compression_ratio_max));
            }
        }
    }
    Ok(())
}

/// The recognised header of the first sheet.
pub(super) fn header(upload: &Upload, format: Format, headers: &Headers<'_>, limits: &Ingest) -> Result<Header> {
    let mut first: Vec<Vec<String>> = Vec::new();
    walk(upload, format, limits, &mut |cells| {
        first.push(cells.iter().map(Cell::raw).collect());
        Ok(first.len() < HEADER_WITHIN_ROWS)
    })?;
    if first.is_empty() {
        return Err(Problem::new(&EMPTY_FILE));
    }
    Ok(find_header(&first, headers, limits)?.1)
}

/// Rows after the header.
pub(super) fn rows(upload: &Upload, format: Format, expected: &Header, headers: &Headers<'_>, guard: &mut Guard<'_>) -> Result<()> {
    let limits = guard.limits;
    let mut before: Option<Vec<Vec<String>>> = Some(Vec::new());
    walk(upload, format, limits, &mut |cells| {
        if let Some(titles) = &mut before {
            titles.push(cells.iter().map(Cell::raw).collect());
            match find_header(titles, headers, limits) {
                Ok((_, header)) if header == *expected => before = None,
                Ok(_) => return Err(Problem::internal("the spooled file changed under way")),
                Err(problem) if titles.len() >= HEADER_WITHIN_ROWS => return Err(problem),
                Err(_) => {}
            }
            return Ok(true);
        }
        let width = expected.names.len();
        let surplus: Vec<(String, String)> = cells
            .iter()
            .enumerate()
            .skip(width)
            .map(|(at, c)| (format!("第{}列", at + 1), c.raw()))
            .filter(|(_, text)| !text.trim().is_empty())
            .collect();
        cells.resize(width, Cell::Empty);
        guard.row(cells, expected, &surplus)?;
        Ok(true)
    })
}

/// Walks the rows of the first sheet (the template's 「数据」 when there is one) until the callback says stop.
fn walk(upload: &Upload, format: Format, limits: &Ingest, take: &mut dyn FnMut(&mut Vec<Cell>) -> Result<bool>) -> Result<()> {
    let bad = |e: &dyn std::fmt::Display| fault(upload, e);
    let pick = |names: Vec<String>| names.iter().find(|n| *n == "数据").or(names.first()).cloned().ok_or_else(|| Problem::new(&EMPTY_FILE));
    if format == Format::Xls {
        let mut book: Xls<_> = Xls::new(BufReader::new(open(upload)?)).map_err(|e| bad(&e))?;
        let name = pick(book.sheet_names())?;
        let range = book.worksheet_range(&name).map_err(|e| bad(&e))?;
        for row in range.rows() {
            let mut cells: Vec<Cell> = row.iter().map(owned_cell).collect();
            if !take(&mut cells)? {
                return Ok(());
            }
        }
        return Ok(());
    }
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(open(upload)?)).map_err(|e| bad(&e))?;
    let name = pick(book.sheet_names())?;
    let mut reader = book.worksheet_cells_reader(&name).map_err(|e| bad(&e))?;
    let mut row: Option<u32> = None;
    let mut cells: Vec<Cell> = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(|e| bad(&e))? {
        let (r, c) = cell.get_position();
        if row.is_some_and(|current| current != r) {
            if !take(&mut cells)? {
                return Ok(());
            }
            cells.clear();
        }
        row = Some(r);
        // A stray cell far to the right must not make a row of thousands of cells.
        let c = c as usize;
        if c > limits.columns_max {
            if matches!(cell.get_value(), DataRef::Empty) {
                continue;
            }
            return Err(corrupt(u64::from(r) + 1, format!("there is a cell in column {}", c + 1)));
        }
        if cells.len() <= c {
            cells.resize(c + 1, Cell::Empty);
        }
        if let Some(slot) = cells.get_mut(c) {
            *slot = shared_cell(cell.get_value());
        }
    }
    if row.is_some() {
        take(&mut cells)?;
    }
    Ok(())
}

/// Shortest exact writing of a number: 18-digit codes typed as numbers have lost digits already, and show it.
fn number(value: f64) -> Cell {
    if value.is_finite() { Cell::Number(format!("{value}")) } else { Cell::Empty }
}

fn iso(text: &str) -> Cell {
    match text.get(..10).and_then(|d| d.parse::<NaiveDate>().ok()) {
        Some(day) => Cell::Date(day),
        None => Cell::Text(text.to_owned()),
    }
}

fn shared_cell(data: &DataRef<'_>) -> Cell {
    match data {
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        other => owned_cell(&Data::from(other.clone())),
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers beyond 2^53 have lost digits in the spreadsheet before")]
fn owned_cell(data: &Data) -> Cell {
    match data {
        Data::Empty => Cell::Empty,
        Data::String(text) => Cell::Text(text.clone()),
        Data::Float(value) => number(*value),
        Data::Int(value) => number(*value as f64),
        Data::Bool(value) => Cell::Text(value.to_string()),
        // Both date systems (1900 and 1904) are told apart by the reader; a number outside every calendar stays a number.
        Data::DateTime(value) => value.as_datetime().map_or_else(|| number(value.as_f64()), |at| Cell::Date(at.date())),
        Data::DateTimeIso(text) => iso(text),
        other => Cell::Text(other.to_string()),
    }
}
