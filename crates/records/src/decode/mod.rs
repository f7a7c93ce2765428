//! From a file as a department's program wrote it to rows of cells. Each decoder pushes its rows into a callback, so that only one row is
//! in memory at a time; the header row goes through [`Headers`] first. Every limit is checked here, before anything is stored.

mod json;
mod sheet;
mod text;

use crate::cell::Cell;
use crate::header::{Header, Headers};
use crate::model::{
    CELL_TOO_LONG, COMPRESSION_RATIO, EMPTY_FILE, FILE_CORRUPT, FILE_TOO_LARGE, FORMAT_UNKNOWN, HEADER_NOT_FOUND, ROW_TOO_LONG,
    TOO_MANY_COLUMNS, TOO_MANY_ROWS,
};
use crate::spool::{self, Upload};
use credence_core::problem::{Problem, Result};
use credence_core::settings::Ingest;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use text::Encoding;

/// How rows are written in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma (or tab, or semicolon) separated text.
    Csv,
    /// Excel 2007 and later.
    Xlsx,
    /// Excel 97 to 2003.
    Xls,
    /// One array of objects.
    Json,
    /// One object after another.
    Ndjson,
}

impl Format {
    /// Name in answers and in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Csv, Self::Xlsx, Self::Xls, Self::Json, Self::Ndjson].into_iter().find(|f| f.code() == code)
    }
}

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// How rows are written.
    pub format: Format,
    /// Whether the text is gzipped.
    pub gzip: bool,
    /// Encoding of text formats.
    pub encoding: Option<Encoding>,
}

/// A row on its way to the checks.
pub struct Row<'r> {
    /// Number of the data row, from 1.
    pub number: u64,
    /// Its cells, in the order of the header.
    pub cells: &'r [Cell],
    /// The header as known so far; JSON adds columns as they turn up.
    pub header: &'r Header,
    /// What belongs to no column: names and texts. The row is refused and goes back with them.
    pub unknown: &'r [(String, String)],
}

/// What takes the rows. An error stops the decoder.
pub type Sink<'s> = &'s mut dyn FnMut(Row<'_>) -> Result<()>;

/// Rows among which a header is looked for: sheets made for people have titles above it.
const HEADER_WITHIN_ROWS: usize = 6;

/// Finds out what a file is, by its first bytes and not by its name, and reads it through once: encoding, limits, number of rows.
pub struct Inspected {
    /// What it is.
    pub shape: Shape,
    /// Its recognised header, as far as it can be known before the rows.
    pub header: Header,
}

/// Recognises format, encoding and header, reading no further than needed for text and the first rows for sheets. `stated` is the
/// encoding the sender stated.
pub fn inspect(upload: &Upload, stated: Option<Encoding>, headers: &Headers<'_>, limits: &Ingest) -> Result<Inspected> {
    let mut magic = [0u8; 8];
    let length = open(upload)?.read(&mut magic).map_err(Problem::internal)?;
    let magic = magic.get(..length).unwrap_or_default();
    if magic.is_empty() {
        return Err(Problem::new(&EMPTY_FILE));
    }
    if magic.starts_with(b"PK\x03\x04") || magic.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        let format = if magic.starts_with(b"PK") { Format::Xlsx } else { Format::Xls };
        match format {
            Format::Xlsx => sheet::check_zip(upload, limits)?,
            _ => sheet::check_xls(upload, limits)?,
        }
        let header = sheet::header(upload, format, headers, limits)?;
        return Ok(Inspected { shape: Shape { format, gzip: false, encoding: None }, header });
    }
    let gzip = magic.starts_with(&[0x1F, 0x8B]);
    if text::is_binary(&text::head(open_text(upload, gzip, limits)?)?) {
        return Err(Problem::new(&FORMAT_UNKNOWN));
    }
    text::inspect(upload, gzip, stated, headers, limits)
}

/// Decodes the rows into `sink`.
pub fn decode(upload: &Upload, shape: &Shape, header: &Header, headers: &Headers<'_>, limits: &Ingest, sink: Sink<'_>) -> Result<u64> {
    let mut guard = Guard { limits, rows: 0, sink };
    match shape.format {
        Format::Csv => text::rows(upload, shape, header, headers, &mut guard)?,
        Format::Json | Format::Ndjson => json::rows(upload, shape, headers, &mut guard)?,
        Format::Xlsx | Format::Xls => sheet::rows(upload, shape.format, header, headers, &mut guard)?,
    }
    if guard.rows == 0 { Err(Problem::new(&EMPTY_FILE)) } else { Ok(guard.rows) }
}

/// Counts rows and holds every row to the limits before the sink sees it.
pub(crate) struct Guard<'g> {
    limits: &'g Ingest,
    rows: u64,
    sink: Sink<'g>,
}

impl Guard<'_> {
    fn row(&mut self, cells: &[Cell], header: &Header, unknown: &[(String, String)]) -> Result<()> {
        if unknown.is_empty() && cells.iter().all(|c| matches!(c, Cell::Empty) || matches!(c, Cell::Text(t) if t.trim().is_empty())) {
            return Ok(());
        }
        self.rows += 1;
        if self.rows > self.limits.rows_max {
            return Err(Problem::new(&TOO_MANY_ROWS).with("limit", self.limits.rows_max));
        }
        let max = self.limits.cell_chars_max;
        let too_long = |c: &Cell| matches!(c, Cell::Text(t) if t.len() > max && t.chars().count() > max);
        if cells.iter().any(too_long) {
            return Err(Problem::new(&CELL_TOO_LONG).with("row", self.rows).with("limit", max));
        }
        (self.sink)(Row { number: self.rows, cells, header, unknown })
    }

    /// Number of the row that is being read.
    fn current(&self) -> u64 {
        self.rows + 1
    }
}

fn open(upload: &Upload) -> Result<spool::Reader> {
    upload.open().map_err(|e| e.downcast::<Problem>().unwrap_or_else(|e| Problem::internal(format!("spool: {e}"))))
}

/// The file's bytes, unpacked, held to the size and ratio limits.
fn open_text(upload: &Upload, gzip: bool, limits: &Ingest) -> Result<Box<dyn Read + Send>> {
    let file = open(upload)?;
    let size = file.size();
    let source: Box<dyn Read + Send> =
        if gzip { Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))) } else { Box::new(file) };
    let ratio = if gzip { limits.compression_ratio_max } else { u64::MAX };
    Ok(Box::new(Limited { source, read: 0, max: limits.decompressed_bytes_max, ratio_max: size.saturating_mul(ratio).max(1 << 20), ratio }))
}

struct Limited {
    source: Box<dyn Read + Send>,
    read: u64,
    max: u64,
    ratio_max: u64,
    ratio: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.read += n as u64;
        if self.read > self.max {
            return Err(carry(Problem::new(&FILE_TOO_LARGE).with("limit_bytes", self.max)));
        }
        if self.read > self.ratio_max {
            return Err(carry(Problem::new(&COMPRESSION_RATIO).with("limit", self.ratio)));
        }
        Ok(n)
    }
}

/// Counts what was read since the last row ended: a parser that looks for the end of a row, a quotation mark or a bracket that never comes would
/// otherwise take the whole file into memory.
#[derive(Clone)]
pub(crate) struct Meter {
    since_row: Arc<AtomicU64>,
    max: u64,
}

impl Meter {
    fn new(limits: &Ingest) -> Self {
        Self { since_row: Arc::new(AtomicU64::new(0)), max: limits.row_bytes_max + (BLOCK_AHEAD as u64) }
    }

    /// A row has ended.
    fn row(&self) {
        self.since_row.store(0, Ordering::Relaxed);
    }

    fn over<R: Read>(&self, source: R) -> Metered<R> {
        Metered { source, meter: self.clone() }
    }
}

/// Bytes that a parser may have read ahead of the row it gives out.
const BLOCK_AHEAD: usize = 1 << 19;

struct Metered<R> {
    source: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        let since = self.meter.since_row.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        if since > self.meter.max {
            return Err(carry(Problem::new(&ROW_TOO_LONG).with("limit_bytes", self.meter.max - BLOCK_AHEAD as u64)));
        }
        Ok(n)
    }
}

/// A problem carried through `io::Error`, because the parsers between know nothing else.
fn carry(problem: Problem) -> io::Error {
    io::Error::other(problem)
}

/// The problem an I/O error carries, else that the file is corrupt.
fn carried(error: io::Error, row: u64) -> Problem {
    match error.downcast::<Problem>() {
        Ok(problem) => problem,
        Err(error) => corrupt(row, error),
    }
}

fn corrupt(row: u64, reason: impl std::fmt::Display) -> Problem {
    Problem::new(&FILE_CORRUPT).with("row", row).with("reason", reason.to_string())
}

/// The first row that looks like the header, and how many rows precede it.
fn find_header(rows: &[Vec<String>], headers: &Headers<'_>, limits: &Ingest) -> Result<(usize, Header)> {
    let wanted = |row: &Vec<String>| {
        let filled = row.iter().filter(|t| !t.trim().is_empty()).count();
        let known = headers.recognised(row);
        known >= 2 || (known == 1 && filled == 1)
    };
    let best = rows.iter().take(HEADER_WITHIN_ROWS).enumerate().find(|(_, row)| wanted(row));
    let Some((at, row)) = best else {
        return Err(Problem::new(&HEADER_NOT_FOUND).with("first_row", rows.first().cloned().unwrap_or_default()));
    };
    if row.len() > limits.columns_max {
        return Err(Problem::new(&TOO_MANY_COLUMNS).with("limit", limits.columns_max));
    }
    Ok((at, headers.recognise(row)?))
}
