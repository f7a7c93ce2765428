//! JSON arrays and NDJSON, row by row. A row is a flat object; the value of a field is a text, a number, or a list of texts. `serde_json`
//! streams both; its own recursion limit stands behind ours.

use super::{Guard, Meter, Shape, carried, corrupt, text};
use crate::cell::Cell;
use crate::header::{Header, Headers};
use crate::model::{COLUMN_PROHIBITED, TOO_DEEP, TOO_MANY_COLUMNS};
use crate::spool::Upload;
use credence_core::problem::{Problem, Result};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::BufReader;

/// Rows of a JSON file.
pub(super) fn rows(upload: &Upload, shape: &Shape, headers: &Headers<'_>, guard: &mut Guard<'_>) -> Result<()> {
    let meter = Meter::new(guard.limits);
    let source = BufReader::with_capacity(1 << 16, meter.over(text::reader(upload, shape, guard.limits)?));
    let mut table = Table { headers, header: headers.open(), guard, meter, problem: None };
    if shape.format == super::Format::Json {
        let mut json = serde_json::Deserializer::from_reader(source);
        let read = json.deserialize_seq(Rows(&mut table)).and_then(|()| json.end());
        return table.finish(read);
    }
    for value in serde_json::Deserializer::from_reader(source).into_iter::<Value>() {
        match value {
            Ok(value) => table.row(value)?,
            Err(e) => return table.finish(Err(e)),
        }
    }
    table.finish(Ok(()))
}

struct Table<'t, 'g, 'h> {
    headers: &'t Headers<'h>,
    header: Header,
    guard: &'t mut Guard<'g>,
    meter: Meter,
    problem: Option<Problem>,
}

impl Table<'_, '_, '_> {
    fn row(&mut self, value: Value) -> Result<()> {
        self.meter.row();
        let number = self.guard.current();
        let Value::Object(row) = value else {
            return Err(corrupt(number, "a row is not an object"));
        };
        let mut unknown = Vec::new();
        self.columns(&row, &mut unknown)?;
        let mut cells = vec![Cell::Empty; self.header.names.len()];
        for (name, value) in row {
            if let Some(cell) = self.header.names.iter().position(|n| *n == name).and_then(|at| cells.get_mut(at)) {
                // The row itself is the first level.
                *cell = cell_of(value, self.guard.limits.nesting_max.saturating_sub(1))
                    .ok_or_else(|| Problem::new(&TOO_DEEP).with("row", number).with("column", name))?;
            }
        }
        self.guard.row(&cells, &self.header, &unknown)
    }

    /// Adds the columns a row brings.
    fn columns(&mut self, row: &Map<String, Value>, unknown: &mut Vec<(String, String)>) -> Result<()> {
        for (name, value) in row {
            if self.header.names.contains(name) {
                continue;
            }
            match self.headers.target(name) {
                Some(target) if self.headers.may_repeat(&target) || !self.header.targets.contains(&target) => {
                    self.header.names.push(name.clone());
                    self.header.targets.push(target);
                }
                None if self.headers.prohibits(name) => return Err(Problem::new(&COLUMN_PROHIBITED).with("columns", [name.as_str()])),
                _ => unknown.push((name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
            }
            if self.header.names.len() > self.guard.limits.columns_max {
                return Err(Problem::new(&TOO_MANY_COLUMNS).with("limit", self.guard.limits.columns_max));
            }
        }
        Ok(())
    }

    fn finish(&mut self, read: serde_json::Result<()>) -> Result<()> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        read.map_err(|e| {
            let row = self.guard.current();
            if e.is_io() { carried(e.into(), row) } else { corrupt(row, e) }
        })
    }
}

/// A value as a cell; a list may hold plain values only, as deep as `levels` allows. `None` is nested too deeply.
fn cell_of(value: Value, levels: usize) -> Option<Cell> {
    Some(match value {
        Value::Null => Cell::Empty,
        Value::Bool(b) => Cell::Text(b.to_string()),
        // Unlike a spreadsheet's, whole numbers of JSON arrive as they were written.
        Value::Number(n) => Cell::Text(n.to_string()),
        Value::String(s) => Cell::Text(s),
        Value::Array(list) => {
            let inner = levels.checked_sub(1)?;
            let parts: Option<Vec<String>> = list.into_iter().map(|v| cell_of(v, inner).map(|c| c.raw())).collect();
            Cell::Text(parts?.join(";"))
        }
        Value::Object(_) => return None,
    })
}

/// Walks the outer array without building it.
struct Rows<'r, 't, 'g, 'h>(&'r mut Table<'t, 'g, 'h>);

impl<'de> Visitor<'de> for Rows<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> std::result::Result<(), A::Error> {
        while let Some(value) = rows.next_element_seed(Element)? {
            if let Err(problem) = self.0.row(value) {
                self.0.problem = Some(problem);
                return Err(A::Error::custom("stopped"));
            }
        }
        while rows.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct Element;

impl<'de> DeserializeSeed<'de> for Element {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}
