//! Configuration documents are written as TOML by people and kept as JSON by the database; this is the one conversion between them.

use serde_json::{Map, Value};

/// A TOML document as JSON; dates become ISO texts.
///
/// # Errors
/// What is wrong with the TOML and where.
pub fn document(text: &str) -> Result<Value, String> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    Ok(value(toml::Value::Table(table)))
}

fn value(from: toml::Value) -> Value {
    match from {
        toml::Value::String(s) => s.into(),
        toml::Value::Integer(i) => i.into(),
        toml::Value::Float(f) => f.into(),
        toml::Value::Boolean(b) => b.into(),
        toml::Value::Datetime(d) => d.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(value).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(k, v)| (k, value(v))).collect::<Map<_, _>>()),
    }
}
