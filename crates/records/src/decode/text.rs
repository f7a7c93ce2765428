//! Text: which encoding, strictly; then CSV. A byte that does not fit is an error with its place, never a replacement character.

use super::{Format, Guard, HEADER_WITHIN_ROWS, Inspected, Meter, Shape, carried, carry, corrupt, find_header, open_text};
use crate::cell::Cell;
use crate::header::{Header, Headers};
use crate::model::{ENCODING_INVALID, ENCODING_UNDECIDABLE, ENCODING_UNKNOWN, FILE_CORRUPT};
use crate::spool::Upload;
use credence_core::problem::{Problem, Result};
use credence_core::settings::Ingest;
use encoding_rs::{DecoderResult, GB18030, UTF_8};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{self, Read};

/// Encodings that are taken. GBK and GB2312 are parts of GB18030.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB18030.
    #[serde(rename = "gb18030")]
    Gb18030,
}

impl Encoding {
    /// Name in answers and in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gb18030 => "gb18030",
        }
    }

    /// Reads what a sender stated.
    pub fn parse(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "gb18030" | "gbk" | "gb2312" => Ok(Self::Gb18030),
            _ => Err(Problem::new(&ENCODING_UNKNOWN)),
        }
    }

    fn decoder(self) -> encoding_rs::Decoder {
        match self {
            Self::Utf8 => UTF_8.new_decoder_with_bom_removal(),
            Self::Gb18030 => GB18030.new_decoder_without_bom_handling(),
        }
    }
}

const BUFFER: usize = 1 << 16;

/// The first bytes of a text.
pub(super) fn head(mut source: Box<dyn Read + Send>) -> Result<Vec<u8>> {
    let mut head = vec![0; BUFFER];
    let mut filled = 0;
    while let Some(rest) = head.get_mut(filled..).filter(|r| !r.is_empty()) {
        match source.read(rest).map_err(|e| carried(e, 0))? {
            0 => break,
            n => filled += n,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Whether this is no text: it holds NUL bytes (which also tells UTF-16).
pub(super) fn is_binary(head: &[u8]) -> bool {
    head.contains(&0)
}

/// A strict decoder as a reader of UTF-8.
struct Strict<R> {
    source: R,
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    from: usize,
    to: usize,
    consumed: u64,
    ended: bool,
    done: bool,
    spill: Vec<u8>,
    spill_from: usize,
}

impl<R: Read> Strict<R> {
    fn new(source: R, encoding: Encoding) -> Self {
        Self {
            source,
            decoder: encoding.decoder(),
            input: vec![0; BUFFER],
            from: 0,
            to: 0,
            consumed: 0,
            ended: false,
            done: false,
            spill: Vec::new(),
            spill_from: 0,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.from < self.to || self.ended {
            return Ok(());
        }
        self.from = 0;
        self.to = self.source.read(&mut self.input)?;
        self.ended = self.to == 0;
        Ok(())
    }
}

/// The decoder wants room for at least one character.
const ROOM: usize = 16;

impl<R: Read> Read for Strict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(rest) = self.spill.get(self.spill_from..).filter(|r| !r.is_empty()) {
            let n = rest.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(rest) {
                *to = *from;
            }
            self.spill_from += n;
            return Ok(n);
        }
        if buffer.len() < ROOM {
            let mut room = vec![0; BUFFER];
            let n = self.read(&mut room)?;
            room.truncate(n);
            self.spill = room;
            self.spill_from = 0;
            return if n == 0 { Ok(0) } else { self.read(buffer) };
        }
        while !self.done {
            self.refill()?;
            let input = self.input.get(self.from..self.to).unwrap_or_default();
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(input, buffer, self.ended);
            self.from += read;
            self.consumed += read as u64;
            match result {
                DecoderResult::Malformed(bad, _) => {
                    let at = self.consumed.saturating_sub(u64::from(bad));
                    return Err(carry(
                        Problem::new(&FILE_CORRUPT)
                            .with("reason", format!("bytes at offset {at} do not fit the encoding"))
                            .with("byte", at),
                    ));
                }
                DecoderResult::InputEmpty => self.done = self.ended,
                DecoderResult::OutputFull => {}
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// The text of a file in its encoding, as a reader of UTF-8.
pub(super) fn reader(upload: &Upload, shape: &Shape, limits: &Ingest) -> Result<impl Read + Send + use<>> {
    Ok(Strict::new(open_text(upload, shape.gzip, limits)?, shape.encoding.unwrap_or(Encoding::Utf8)))
}

/// What reading a whole file under one encoding showed.
struct Reading {
    /// Offset of the first byte that does not fit.
    error_at: Option<u64>,
    /// Characters of more than one byte.
    multibyte: usize,
}

fn read_through(upload: &Upload, gzip: bool, encoding: Encoding, limits: &Ingest) -> Result<Reading> {
    let mut source = open_text(upload, gzip, limits)?;
    let mut decoder = encoding.decoder();
    let (mut input, mut output) = (vec![0u8; BUFFER], vec![0u8; BUFFER * 3]);
    let (mut consumed, mut multibyte) = (0u64, 0usize);
    loop {
        let n = source.read(&mut input).map_err(|e| carried(e, 0))?;
        let mut rest = input.get(..n).unwrap_or_default();
        loop {
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, &mut output, n == 0);
            consumed += read as u64;
            rest = rest.get(read..).unwrap_or_default();
            // Lead bytes of UTF-8 sequences: one for every character beyond ASCII.
            multibyte += output.get(..written).unwrap_or_default().iter().filter(|b| **b >= 0xC0).count();
            match result {
                DecoderResult::Malformed(bad, _) => {
                    return Ok(Reading { error_at: Some(consumed.saturating_sub(u64::from(bad))), multibyte });
                }
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
            }
        }
        if n == 0 {
            return Ok(Reading { error_at: None, multibyte });
        }
    }
}

/// Decides the encoding and recognises the header. Order: what the sender stated; a byte order mark; whole text valid in only one;
/// enough multi-byte characters that are all valid UTF-8, which no GB18030 text is by chance; the header known in only one. Otherwise it
/// is undecidable, and the sender is shown both readings.
pub(super) fn inspect(upload: &Upload, gzip: bool, stated: Option<Encoding>, headers: &Headers<'_>, limits: &Ingest) -> Result<Inspected> {
    let head = head(open_text(upload, gzip, limits)?)?;
    let format = format_of(&head);
    let shape = |encoding| Shape { format, gzip, encoding: Some(encoding) };
    let stated = stated.or(head.starts_with(&[0xEF, 0xBB, 0xBF]).then_some(Encoding::Utf8));
    // RFC 8259: JSON between systems is UTF-8.
    let stated = if format == Format::Csv { stated } else { stated.or(Some(Encoding::Utf8)) };
    let encoding = match stated {
        Some(encoding) => {
            if let Some(at) = read_through(upload, gzip, encoding, limits)?.error_at {
                return Err(Problem::new(&FILE_CORRUPT)
                    .with("reason", format!("bytes at offset {at} are not valid {}", encoding.code()))
                    .with("byte", at));
            }
            encoding
        }
        None => decide(upload, gzip, headers, limits, &shape)?,
    };
    let shape = shape(encoding);
    let header = match format {
        Format::Csv => header(upload, &shape, headers, limits)?.1,
        _ => headers.open(),
    };
    Ok(Inspected { shape, header })
}

fn decide(upload: &Upload, gzip: bool, headers: &Headers<'_>, limits: &Ingest, shape: &impl Fn(Encoding) -> Shape) -> Result<Encoding> {
    let utf8 = read_through(upload, gzip, Encoding::Utf8, limits)?;
    if utf8.error_at.is_none() && (utf8.multibyte == 0 || utf8.multibyte >= limits.encoding_proof_chars) {
        return Ok(Encoding::Utf8);
    }
    let gb18030 = read_through(upload, gzip, Encoding::Gb18030, limits)?;
    match (utf8.error_at, gb18030.error_at) {
        (Some(utf8_at), Some(gb_at)) => Err(Problem::new(&ENCODING_INVALID).with("utf8_error_at", utf8_at).with("gb18030_error_at", gb_at)),
        (None, Some(_)) => Ok(Encoding::Utf8),
        (Some(_), None) => Ok(Encoding::Gb18030),
        (None, None) => {
            let known = |encoding| {
                first_rows(upload, &shape(encoding), limits)
                    .map(|rows| rows.iter().map(|r| headers.recognised_with_multibyte(r)).max().unwrap_or(0))
            };
            match (known(Encoding::Utf8)?, known(Encoding::Gb18030)?) {
                (utf8, 0) if utf8 > 0 => Ok(Encoding::Utf8),
                (0, gb) if gb > 0 => Ok(Encoding::Gb18030),
                _ => {
                    let sample = |encoding| {
                        first_rows(upload, &shape(encoding), limits)
                            .map(|rows| rows.into_iter().take(3).map(|r| r.join(",")).collect::<Vec<_>>())
                    };
                    Err(Problem::new(&ENCODING_UNDECIDABLE)
                        .with("samples", json!({ "utf-8": sample(Encoding::Utf8)?, "gb18030": sample(Encoding::Gb18030)? })))
                }
            }
        }
    }
}

fn format_of(head: &[u8]) -> Format {
    let text = head.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(head);
    match text.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'[') => Format::Json,
        Some(b'{') => Format::Ndjson,
        _ => Format::Csv,
    }
}

/// The separator that splits the first line into most parts.
fn separator(upload: &Upload, shape: &Shape, limits: &Ingest) -> Result<u8> {
    let mut text = String::new();
    reader(upload, shape, limits)?.take(BUFFER as u64).read_to_string(&mut text).or_else(|e| {
        // The cut may fall inside a character; everything before it has been read.
        if e.kind() == io::ErrorKind::InvalidData { Ok(0) } else { Err(carried(e, 0)) }
    })?;
    let lines: Vec<&str> = text.lines().take(HEADER_WITHIN_ROWS).collect();
    let count = |c: char| lines.iter().map(|l| l.matches(c).count()).max().unwrap_or(0);
    let best = [',', '\t', ';'].into_iter().rev().max_by_key(|c| count(*c)).unwrap_or(',');
    Ok(u8::try_from(best).unwrap_or(b','))
}

fn csv_reader(upload: &Upload, shape: &Shape, limits: &Ingest) -> Result<(csv::Reader<impl Read + use<>>, Meter)> {
    let separator = separator(upload, shape, limits)?;
    let meter = Meter::new(limits);
    let source = meter.over(reader(upload, shape, limits)?);
    let mut builder = csv::ReaderBuilder::new();
    Ok((builder.delimiter(separator).has_headers(false).flexible(true).buffer_capacity(BUFFER * 4).from_reader(source), meter))
}

fn csv_problem(error: csv::Error, row: u64) -> Problem {
    match error.into_kind() {
        csv::ErrorKind::Io(e) => carried(e, row),
        kind => corrupt(row, format!("{kind:?}")),
    }
}

fn first_rows(upload: &Upload, shape: &Shape, limits: &Ingest) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let (reader, meter) = csv_reader(upload, shape, limits)?;
    for record in reader.into_records().take(HEADER_WITHIN_ROWS) {
        let record = record.map_err(|e| csv_problem(e, 0))?;
        meter.row();
        rows.push(record.iter().map(|t| t.chars().take(limits.cell_chars_max).collect()).collect());
    }
    Ok(rows)
}

fn header(upload: &Upload, shape: &Shape, headers: &Headers<'_>, limits: &Ingest) -> Result<(usize, Header)> {
    find_header(&first_rows(upload, shape, limits)?, headers, limits)
}

/// CSV rows after the header.
pub(super) fn rows(upload: &Upload, shape: &Shape, expected: &Header, headers: &Headers<'_>, guard: &mut Guard<'_>) -> Result<()> {
    let limits = guard.limits;
    let (skip, header) = header(upload, shape, headers, limits)?;
    if header != *expected {
        return Err(Problem::internal("the spooled file changed under way"));
    }
    let (mut reader, meter) = csv_reader(upload, shape, limits)?;
    let mut record = csv::StringRecord::new();
    let mut cells: Vec<Cell> = Vec::new();
    let mut at = 0;
    loop {
        let row = guard.current();
        if !reader.read_record(&mut record).map_err(|e| csv_problem(e, row))? {
            return Ok(());
        }
        meter.row();
        at += 1;
        if at <= skip + 1 {
            continue;
        }
        let width = header.names.len();
        // A cell beyond the header is nobody's: the row is refused, the file is not.
        let surplus: Vec<(String, String)> = record
            .iter()
            .enumerate()
            .skip(width)
            .filter(|(_, t)| !t.trim().is_empty())
            .map(|(at, text)| (format!("第{}列", at + 1), text.to_owned()))
            .collect();
        cells.resize(width, Cell::Empty);
        for (cell, text) in cells.iter_mut().zip(record.iter().map(Some).chain(std::iter::repeat(None))) {
            fill(cell, text.unwrap_or_default());
        }
        guard.row(&cells, &header, &surplus)?;
    }
}

/// Puts a text into a cell, keeping its allocation.
fn fill(cell: &mut Cell, text: &str) {
    if let Cell::Text(old) = cell {
        old.clear();
        old.push_str(text);
    } else if !text.is_empty() {
        *cell = Cell::Text(text.to_owned());
    }
}
