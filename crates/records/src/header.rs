//! Which column is which. A column is known by its code or by its Chinese name, in any variant of brackets and spaces; the form (feed
//! version) is stated by the sender, because the same status digit means opposite things in two of them.

use crate::model::{COLUMN_PROHIBITED, HEADER_AMBIGUOUS, HEADER_MISSING, HEADER_UNKNOWN};
use credence_catalog::model::{FeedColumn, RecordState, term_in};
use credence_catalog::{Feed, Field, Item};
use credence_core::problem::{Problem, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Headers of the columns that a file of refused rows carries besides the item's own.
pub const BATCH_COLUMN: &str = "退回批次";
/// Number of the row in the first file.
pub const ROW_COLUMN: &str = "退回行号";
/// Why the row came back.
pub const REASON_COLUMN: &str = "退回原因";

/// Whether a column belongs to the file of refused rows and not to the rows.
pub fn is_returned_column(name: &str) -> bool {
    [BATCH_COLUMN, ROW_COLUMN, REASON_COLUMN].contains(&name)
}

/// Where a column's cells go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// To the field with this index.
    Field(usize),
    /// To the record's state, through the feed column with this index.
    State(usize),
    /// Kept beside the record under this code.
    Extra(String),
    /// The batch a returned row belongs to.
    Batch,
    /// Its number there.
    Row,
    /// Nowhere: the reason column, or what the sender asked to leave out.
    Ignored,
}

/// The recognised header of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Header texts as written, in order.
    pub names: Vec<String>,
    /// Where each goes.
    pub targets: Vec<Target>,
}

/// The header texts a form understands.
pub struct Headers<'a> {
    item: &'a Item,
    feed: &'a Feed,
    known: HashMap<String, Target>,
    ignore: Vec<String>,
}

/// A header without what varies between writers: brackets' shape, spaces, case, marks for required columns.
fn normal(header: &str) -> String {
    credence_names::normalise(header).trim_matches(|c| matches!(c, '*' | '★' | '"' | '\'' | ':')).to_owned()
}

/// The same without a trailing bracket: 「行政相对人代码_1（统一社会信用代码）」 is also 「行政相对人代码_1」.
fn without_bracket(normal: &str) -> Option<&str> {
    normal.ends_with(')').then(|| normal.split_once('(')).flatten().map(|(before, _)| before).filter(|before| !before.is_empty())
}

impl<'a> Headers<'a> {
    /// What the columns of this form may be called. `ignore` are headers the sender asked to leave out.
    pub fn of(item: &'a Item, feed: &'a Feed, ignore: &[String]) -> Self {
        let mut exact: HashMap<String, Target> = HashMap::new();
        let mut loose: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        let mut add = |texts: Vec<&str>, target: Target| {
            for text in texts {
                let text = normal(text);
                if let Some(short) = without_bracket(&text) {
                    loose.entry(short.to_owned()).or_default().push(target.clone());
                }
                exact.entry(text).or_insert_with(|| target.clone());
            }
        };
        for (at, column) in feed.columns.iter().enumerate() {
            let texts = [&column.code, &column.name].into_iter().chain(&column.headers).map(String::as_str).collect();
            if let Some(target) = column_target(item, at, column) {
                add(texts, target);
            }
        }
        if feed.columns.is_empty() {
            for (at, field) in item.fields.iter().enumerate() {
                add([&field.code, &field.name].into_iter().chain(&field.headers).map(String::as_str).collect(), Target::Field(at));
            }
        }
        add(vec![BATCH_COLUMN], Target::Batch);
        add(vec![ROW_COLUMN], Target::Row);
        add(vec![REASON_COLUMN], Target::Ignored);
        for (short, targets) in loose {
            if let [only] = targets.as_slice() {
                exact.entry(short).or_insert_with(|| only.clone());
            }
        }
        Self { item, feed, known: exact, ignore: ignore.iter().map(|text| normal(text)).collect() }
    }

    /// Where a header leads; `None` when it is unknown. What may never be collected stays unknown when it is to be left out: it would lie
    /// in the spool, and with refused rows in quarantine.
    pub fn target(&self, header: &str) -> Option<Target> {
        let text = normal(header);
        if self.ignore.contains(&text) {
            return (!self.prohibits(header)).then_some(Target::Ignored);
        }
        self.known.get(&text).or_else(|| without_bracket(&text).and_then(|short| self.known.get(short))).cloned()
    }

    /// How many of the texts are known headers; by this the header row is told from a title above it.
    pub fn recognised(&self, texts: &[String]) -> usize {
        texts.iter().filter(|text| !text.trim().is_empty() && self.target(text).is_some()).count()
    }

    /// Whether a column of this name holds what may never be collected about natural persons (`prohibit.terms`). Asked of columns that
    /// are no field of the item: its own were looked at when it came into force.
    pub fn prohibits(&self, header: &str) -> bool {
        term_in(header, &self.item.prohibited).is_some()
    }

    /// Recognises a whole header. Columns of what may never be collected, unknown columns, a field fed twice and missing required columns
    /// refuse the file: nothing is left out silently, and every row would fail for the same reason.
    pub fn recognise(&self, texts: &[String]) -> Result<Header> {
        let mut names: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
        while names.last().is_some_and(String::is_empty) {
            names.pop();
        }
        let targets: Vec<Option<Target>> = names.iter().map(|name| if name.is_empty() { None } else { self.target(name) }).collect();
        let unknown: Vec<&str> = names.iter().zip(&targets).filter(|(_, t)| t.is_none()).map(|(n, _)| n.as_str()).collect();
        let prohibited: Vec<&str> = unknown.iter().copied().filter(|name| self.prohibits(name)).collect();
        if !prohibited.is_empty() {
            return Err(Problem::new(&COLUMN_PROHIBITED).with("columns", prohibited));
        }
        if !unknown.is_empty() {
            return Err(Problem::new(&HEADER_UNKNOWN)
                .with("columns", unknown.into_iter().map(|c| if c.is_empty() { "(空)" } else { c }).collect::<Vec<_>>())
                .with("expected", self.expected()));
        }
        let targets: Vec<Target> = targets.into_iter().flatten().collect();
        self.check(&names, &targets)?;
        Ok(Header { names, targets })
    }

    /// The header of a form without a header row (JSON), to which columns are added as they turn up.
    pub fn open(&self) -> Header {
        Header { names: Vec::new(), targets: Vec::new() }
    }

    fn check(&self, names: &[String], targets: &[Target]) -> Result<()> {
        for (at, target) in targets.iter().enumerate() {
            let earlier = targets.iter().take(at).any(|t| t == target);
            if earlier && !self.may_repeat(target) {
                return Err(Problem::new(&HEADER_AMBIGUOUS).with("column", names.get(at).cloned().unwrap_or_default()));
            }
        }
        let missing: Vec<&str> = self
            .item
            .fields
            .iter()
            .enumerate()
            .filter(|(at, field)| self.required(field) && !targets.contains(&Target::Field(*at)))
            .map(|(_, field)| field.name.as_str())
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(Problem::new(&HEADER_MISSING).with("columns", missing)) }
    }

    /// Whether several columns may lead there: those left out, and those of an older form that feed one field together.
    pub fn may_repeat(&self, target: &Target) -> bool {
        let Target::Field(field) = target else { return *target == Target::Ignored };
        let code = self.item.fields.get(*field).map(|f| f.code.as_str());
        self.feed.columns.iter().filter(|c| c.to.as_deref() == code).count() > 1
    }

    /// Whether rows of this form must fill the field.
    pub fn required(&self, field: &Field) -> bool {
        field.required && !self.feed.not_required.contains(&field.code)
    }

    fn expected(&self) -> Vec<&str> {
        if self.feed.columns.is_empty() {
            self.item.fields.iter().map(|f| f.name.as_str()).collect()
        } else {
            self.feed.columns.iter().map(|c| c.name.as_str()).collect()
        }
    }
}

fn column_target(item: &Item, at: usize, column: &FeedColumn) -> Option<Target> {
    if let Some(code) = &column.to {
        return item.fields.iter().position(|f| f.code == *code).map(Target::Field);
    }
    if column.state_map.is_some() {
        return Some(Target::State(at));
    }
    Some(Target::Extra(column.code.clone()))
}

/// The state that a source's text stands for; `None` when the map does not know it.
pub fn state_of(map: &BTreeMap<String, RecordState>, text: &str) -> Option<RecordState> {
    map.get(text).copied()
}

impl Headers<'_> {
    /// Known headers among the texts that are not plain ASCII: the only ones that tell one encoding from another.
    pub fn recognised_with_multibyte(&self, texts: &[String]) -> usize {
        texts.iter().filter(|text| !text.is_ascii() && self.target(text).is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let toml = r#"
code = "x"
name = "x"
name_en = "x"
heading = "x"
section = "other"
nature = "basic"
subject_kinds = ["legal_entity"]
provider_kinds = ["*"]
disclosure = "public"
coverage = "x"
update_cycle = "x"
behaviour = "x"
channel = "x"
legal_basis = ["x"]
state = "published"
effective_from = 2026-01-01
[[feeds]]
version = "v1"
[[fields]]
code = "NAME"
name = "名称"
name_en = "Name"
type = "text"
required = true
role = "subject_name"
examples = ["", ""]
[[fields]]
code = "CONTENT"
name = "疾病预防控制内容"
name_en = "Content"
type = "text"
examples = ["", ""]
"#;
        let mut item: Item = serde_json::from_value(credence_rulebook::toml_json::document(toml).unwrap()).unwrap();
        item.prohibited = ["宗教信仰", "疾病", "blood type"].map(str::to_owned).into();
        item
    }

    fn recognise(columns: &[&str], ignore: &[&str]) -> Result<Vec<Target>> {
        let (item, ignore) = (item(), ignore.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let feed = item.feed("v1").unwrap();
        Headers::of(&item, feed, &ignore).recognise(&columns).map(|header| header.targets)
    }

    #[test]
    fn a_column_of_what_may_never_be_collected_refuses_the_file_even_when_it_is_to_be_left_out() {
        for column in ["宗教信仰", "本人 宗教　信仰", "BLOOD_TYPE", "患何疾病"] {
            for ignore in [&[] as &[&str], &[column]] {
                let problem = recognise(&["名称", column, "别的"], ignore).unwrap_err();
                assert_eq!(problem.code(), "column_prohibited", "{column}");
                assert_eq!(problem.details["columns"].as_array().unwrap().len(), 1, "only what is prohibited is named");
            }
        }
    }

    #[test]
    fn the_items_own_columns_and_harmless_ones_are_not_held_against_the_terms() {
        assert_eq!(recognise(&["名称", "疾病预防控制内容"], &[]).unwrap(), [Target::Field(0), Target::Field(1)]);
        assert_eq!(recognise(&["名称", "内部备注"], &["内部备注"]).unwrap(), [Target::Field(0), Target::Ignored]);
        assert_eq!(recognise(&["名称", "内部备注"], &[]).unwrap_err().code(), "header_unknown");
        assert_eq!(recognise(&["名称", REASON_COLUMN], &[]).unwrap(), [Target::Field(0), Target::Ignored]);
    }
}
