//! From a folder of TOML files to documents in the database. `credence config check` stops after [`Folder::faults`]; `apply` stores what
//! changed, each document under the next version, all in one transaction.

use crate::lists::ListDefinition;
use crate::measures::{MATTERS, Measure, Memorandum};
use crate::model::{CodeSet, Item};
use crate::{disclosure, publicity, store};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::identifiers::{Pattern, PersonDocumentKind};
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use credence_db::{Db, Tx};
use credence_rulebook::publicity::{REGIME, TRANSITION};
use credence_rulebook::{CalendarYear, Rule, toml_json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The folder holds something that may not come into force.
pub static BAD_CONFIG: ProblemType = ProblemType {
    code: "bad_config",
    kind: Kind::Unprocessable,
    zh: "配置未通过检查，未作任何更改；请按 faults 逐条修改后重新应用",
    en: "the configuration has faults and nothing was applied; mend what `faults` lists and apply again",
};

/// One document: a catalogue item, a code set, a rule, a calendar year, a list, a measure, a memorandum, the disclosure table.
#[derive(Debug, Clone)]
pub struct Document {
    /// `catalog_item`, `code_set`, `rule`, `calendar`, `list`, `measure`, `memorandum` or `disclosure`.
    pub kind: &'static str,
    /// Its code within the kind.
    pub code: String,
    /// The content.
    pub body: Value,
    /// File it came from.
    pub file: String,
}

/// The documents of a folder.
#[derive(Debug, Default)]
pub struct Folder {
    /// All of them.
    pub documents: Vec<Document>,
    faults: Vec<String>,
}

impl Folder {
    /// Reads files given as (path within the folder, text). Files the program does not know by place are left alone:
    /// `default.toml` and `regions.toml` have readers of their own.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut folder = Self::default();
        for (path, text) in files {
            let Some(kind) = kind_of(path) else { continue };
            match toml_json::document(text) {
                Err(e) => folder.faults.push(format!("{path}: {e}")),
                Ok(body) => folder.add(kind, path, body),
            }
        }
        folder
    }

    fn add(&mut self, kind: &'static str, path: &str, body: Value) {
        let file = path.to_owned();
        if kind == "rule" && body.get("rules").is_some() {
            for rule in body.get("rules").and_then(Value::as_array).into_iter().flatten() {
                let text = |key: &str| rule.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default();
                let code = format!("{}@{}", text("id"), text("version"));
                self.documents.push(Document { kind, code, body: rule.clone(), file: file.clone() });
            }
            return;
        }
        let kind = if kind == "rule" { "calendar" } else { kind };
        let key = if kind == "calendar" { "year" } else { "code" };
        let code = match body.get(key) {
            Some(Value::String(code)) => code.clone(),
            Some(Value::Number(year)) => year.to_string(),
            _ if kind == "disclosure" => "table".to_owned(),
            _ => {
                self.faults.push(format!("{path}: `{key}` is missing"));
                return;
            }
        };
        self.documents.push(Document { kind, code, body, file });
    }

    /// Everything wrong with the folder by itself, each line with its file.
    pub fn faults(&self) -> Vec<String> {
        self.faults_beside(&[])
    }

    /// Everything wrong with the folder when it comes beside `held`: a folder of one item is checked against the code sets and rules that are
    /// in force, the never-collect list among them; a folder of one memorandum against the lists and measures.
    pub fn faults_beside(&self, held: &[Document]) -> Vec<String> {
        let mut faults = self.faults.clone();
        let mut seen: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for document in &self.documents {
            if let Some(other) = seen.insert((document.kind, &document.code), &document.file) {
                faults.push(format!("{}: {} {} is also in {other}", document.file, document.kind, document.code));
            }
        }
        let mine = |d: &Document| self.documents.iter().any(|own| own.kind == d.kind && own.code == d.code);
        let held: Vec<&Document> = held.iter().filter(|d| !mine(d)).collect();
        let mut code_sets: BTreeMap<String, CodeSet> =
            self.parsed::<CodeSet>("code_set", &mut faults).into_iter().map(|(d, set)| (d.code.clone(), set)).collect();
        let own_rules = self.parsed::<Rule>("rule", &mut faults);
        for (document, rule) in &own_rules {
            if rule.legal_basis.trim().is_empty() {
                faults.push(format!("{}: {} has no legal_basis", document.file, document.code));
            }
            if let Some(fault) = fault_of_value(rule) {
                faults.push(format!("{}: {}: {fault}", document.file, document.code));
            }
        }
        self.parsed::<CalendarYear>("calendar", &mut faults);
        self.parsed::<disclosure::Table>("disclosure", &mut faults);
        code_sets.extend(of::<CodeSet>(&held, "code_set").into_iter().map(|set| (set.code.clone(), set)));
        let held_rules: Vec<Rule> = of(&held, "rule");
        let rules: Vec<&Rule> = own_rules.iter().map(|(_, rule)| rule).chain(&held_rules).collect();
        // Of every version, whatever its day: a prohibition holds in its strictest reading.
        let terms = |id: &str| -> Vec<&str> {
            rules.iter().filter(|r| r.id == id).filter_map(|r| r.value.as_array()).flatten().filter_map(Value::as_str).collect()
        };
        let (prohibited, consent) = (terms("prohibit.terms"), terms("prohibit.consent_terms"));
        let mut items: BTreeMap<String, Item> = of::<Item>(&held, "catalog_item").into_iter().map(|i| (i.code.clone(), i)).collect();
        for (document, item) in self.parsed::<Item>("catalog_item", &mut faults) {
            faults.extend(item.faults(&code_sets, &prohibited, &consent).into_iter().map(|f| format!("{}: {f}", document.file)));
            // Without these rules nothing would tell how long its records are public.
            let of_publicity: &[&str] = if item.publicity.is_some() { &[REGIME, TRANSITION] } else { &[] };
            let needed = item.deadline_rule.as_deref().into_iter().chain(of_publicity.iter().copied());
            for id in needed.filter(|id| !rules.iter().any(|r| r.id == *id)) {
                faults.push(format!("{}: there is no rule {id}", document.file));
            }
            items.insert(item.code.clone(), item);
        }
        let lists: BTreeSet<&str> =
            self.documents.iter().chain(held.iter().copied()).filter(|d| d.kind == "list").map(|d| d.code.as_str()).collect();
        for (document, rule) in &own_rules {
            let unknown = publicity::faults_of_regime(rule, &items, &lists, &code_sets, &rules);
            let unknown = unknown.into_iter().chain(publicity::fault_of_extension(rule, &rules));
            faults.extend(unknown.map(|f| format!("{}: {}: {f}", document.file, document.code)));
        }
        self.faults_of_joint_action(&held, &items, &rules, code_sets.get(MATTERS), &mut faults);
        faults
    }

    /// What is wrong with lists, measures and memoranda. Memoranda come last: they name both.
    fn faults_of_joint_action(
        &self,
        held: &[&Document],
        items: &BTreeMap<String, Item>,
        rules: &[&Rule],
        matters: Option<&CodeSet>,
        faults: &mut Vec<String>,
    ) {
        let mut lists: BTreeMap<String, ListDefinition> =
            of(held, "list").into_iter().map(|l: ListDefinition| (l.code.clone(), l)).collect();
        for (document, list) in self.parsed::<ListDefinition>("list", faults) {
            faults.extend(list.faults(items, rules).into_iter().map(|f| format!("{}: {f}", document.file)));
            lists.insert(list.code.clone(), list);
        }
        let mut measures: BTreeMap<String, Measure> = of(held, "measure").into_iter().map(|m: Measure| (m.code.clone(), m)).collect();
        for (document, measure) in self.parsed::<Measure>("measure", faults) {
            faults.extend(measure.faults(matters).into_iter().map(|f| format!("{}: {f}", document.file)));
            measures.insert(measure.code.clone(), measure);
        }
        for (document, memorandum) in self.parsed::<Memorandum>("memorandum", faults) {
            faults.extend(memorandum.faults(&lists, &measures).into_iter().map(|f| format!("{}: {f}", document.file)));
        }
    }

    /// The documents of a kind that can be read; the others are faults.
    fn parsed<T: DeserializeOwned>(&self, kind: &str, faults: &mut Vec<String>) -> Vec<(&Document, T)> {
        let mut good = Vec::new();
        for document in self.documents.iter().filter(|d| d.kind == kind) {
            match serde_json::from_value(document.body.clone()) {
                Ok(value) => good.push((document, value)),
                Err(e) => faults.push(format!("{}: {}: {e}", document.file, document.code)),
            }
        }
        good
    }
}

/// The held documents of a kind.
fn of<T: DeserializeOwned>(held: &[&Document], kind: &str) -> Vec<T> {
    held.iter().filter(|d| d.kind == kind).filter_map(|d| T::deserialize(&d.body).ok()).collect()
}

/// What is wrong with the value of a rule that has a form of its own. The program falls back on what it knows where it cannot read a
/// value, so a value that cannot be read must not come into force.
fn fault_of_value(rule: &Rule) -> Option<String> {
    match rule.id.as_str() {
        "id.passport.regex" => match rule.value.as_str().map(Pattern::parse) {
            Some(parsed) => parsed.err(),
            None => Some("the value is not a text".to_owned()),
        },
        "code.person_doc_type" => {
            let known = |line: &Value| {
                let parts = line.as_str().and_then(|line| line.split_once('='));
                parts.is_some_and(|(name, kind)| !name.trim().is_empty() && PersonDocumentKind::from_code(kind).is_some())
            };
            let lines = rule.value.as_array().filter(|lines| !lines.is_empty());
            let Some(lines) = lines else { return Some("the value is not a list of `name=kind`".to_owned()) };
            lines.iter().find(|line| !known(line)).map(|line| format!("{line} is not `name=kind` with a kind of document that there is"))
        }
        id if publicity::governs(id) => publicity::fault_of_value(rule),
        // Periods of lists and of joint action are counted; without a number nothing would ever fall due.
        id if id.starts_with("list.") || id.starts_with("joint.") => {
            rule.value.as_u64().is_none().then(|| "the value is not a whole number of zero or more".to_owned())
        }
        _ => None,
    }
}

/// The kinds there are.
fn kind(text: &str) -> Option<&'static str> {
    ["catalog_item", "code_set", "rule", "calendar", "list", "measure", "memorandum", "disclosure"].into_iter().find(|kind| *kind == text)
}

fn kind_of(path: &str) -> Option<&'static str> {
    let (folder, _) = path.strip_suffix(".toml")?.rsplit_once('/').unwrap_or(("", path));
    match (folder, path) {
        ("catalog", _) => Some("catalog_item"),
        ("code-sets", _) => Some("code_set"),
        ("rules", _) => Some("rule"),
        ("lists", _) => Some("list"),
        ("measures", _) => Some("measure"),
        ("memoranda", _) => Some("memorandum"),
        (_, "disclosure.toml") => Some("disclosure"),
        _ => None,
    }
}

/// What an apply run did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Applied {
    /// The run's number; what is in force carries it or an earlier one.
    pub revision: i64,
    /// `kind code` of what is new.
    pub added: Vec<String>,
    /// `kind code` of what changed.
    pub changed: Vec<String>,
    /// How many were as they are.
    pub unchanged: usize,
    /// `kind code` of what the database has and the folder has not: it stays in force. To end an item, publish it as `retired`.
    pub kept: Vec<String>,
}

/// What the database holds, in the form of a folder's documents.
fn documents_of(current: &[store::Stored]) -> Vec<Document> {
    current
        .iter()
        .filter_map(|d| Some(Document { kind: kind(&d.kind)?, code: d.code.clone(), body: d.body.clone(), file: String::new() }))
        .collect()
}

/// The newest version of every document that was applied.
pub async fn held(db: &Db) -> Result<Vec<Document>> {
    Ok(documents_of(&store::current(&mut *db.read().await?).await?))
}

/// Checks rules and calendar years that are only thought of as `apply` would: in form, and against the items, code sets, lists and rules that are held.
/// Nothing is changed.
///
/// # Errors
/// `bad_config` with every fault.
pub async fn check_rules(db: &Db, rules: &[Rule], years: &[CalendarYear]) -> Result<()> {
    let mut folder = Folder::default();
    for rule in rules {
        let code = format!("{}@{}", rule.id, rule.version);
        let body = serde_json::to_value(rule).map_err(Problem::internal)?;
        folder.documents.push(Document { kind: "rule", code, body, file: "rules".to_owned() });
    }
    for year in years {
        let body = serde_json::to_value(year).map_err(Problem::internal)?;
        folder.documents.push(Document { kind: "calendar", code: year.year.to_string(), body, file: "years".to_owned() });
    }
    let faults = folder.faults_beside(&held(db).await?);
    if faults.is_empty() { Ok(()) } else { Err(Problem::new(&BAD_CONFIG).with("faults", faults)) }
}

/// Stores what changed. A folder with faults, and a rule whose value changed under the same version, change nothing.
pub async fn apply(tx: &mut Tx<'_>, actor: &Actor, folder: &Folder, now: DateTime<Utc>) -> Result<Applied> {
    let current = store::current(tx.conn()).await?;
    let held = documents_of(&current);
    let mut faults = folder.faults_beside(&held);
    let revision = current.iter().map(|d| d.revision).max().unwrap_or(0) + 1;
    let mut applied = Applied { revision, ..Applied::default() };
    let mut inserts = Vec::new();
    for document in &folder.documents {
        let label = format!("{} {}", document.kind, document.code);
        match current.iter().find(|d| d.kind == document.kind && d.code == document.code) {
            Some(old) if old.body == document.body => applied.unchanged += 1,
            Some(old) => {
                let kept = |key: &str| old.body.get(key) == document.body.get(key);
                if document.kind == "rule" && !(kept("value") && kept("effective_from") && kept("unit")) {
                    faults.push(format!(
                        "{}: {} was applied with another value; decisions rest on it, so raise its version",
                        document.file, document.code
                    ));
                }
                if document.kind == "list" && !(kept("kind") && kept("keeping")) {
                    faults.push(format!(
                        "{}: {} was applied with another kind or keeping; entries rest on it, so give the other list a code of its own",
                        document.file, document.code
                    ));
                }
                applied.changed.push(label);
                inserts.push((document, old.version + 1));
            }
            None => {
                applied.added.push(label);
                inserts.push((document, 1));
            }
        }
    }
    if !faults.is_empty() {
        return Err(Problem::new(&BAD_CONFIG).with("faults", faults));
    }
    applied.kept = current
        .iter()
        .filter(|old| !folder.documents.iter().any(|d| d.kind == old.kind && d.code == old.code))
        .map(|old| format!("{} {}", old.kind, old.code))
        .collect();
    if inserts.is_empty() {
        applied.revision -= 1;
    }
    for (document, version) in inserts {
        store::insert(tx.conn(), document, version, revision, &actor.label, now).await?;
    }
    let detail = json!({ "revision": applied.revision, "added": applied.added, "changed": applied.changed });
    record(tx, actor, Change::new("config.apply", "configuration", Uuid::nil()).with(detail), now).await?;
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(id: &str, value: &str) -> Vec<String> {
        let rule = format!(
            "[[rules]]\nid = \"{id}\"\nversion = 1\neffective_from = 2019-01-01\nvalue = {value}\nlegal_basis = \"x\"\nverified = false\n"
        );
        Folder::read([("rules/x.toml", rule.as_str())]).faults()
    }

    #[test]
    fn a_rule_that_could_not_be_read_does_not_come_into_force() {
        assert_eq!(faults("id.passport.regex", "'^[0-9A-Z]{5,17}$'"), Vec::<String>::new());
        assert_eq!(faults("code.person_doc_type", "['身份证=resident_id', '02=passport']"), Vec::<String>::new());
        assert_eq!(faults("joint.ack_wd", "5"), Vec::<String>::new());
        assert_eq!(faults("publicity.transition", "'more_favourable'"), Vec::<String>::new());
        assert_eq!(faults("repair.never_items", "[]"), Vec::<String>::new());
        assert_eq!(faults("dispute.hide_while_open", "false"), Vec::<String>::new());
        assert_eq!(faults("repair.appeal", "'可以依法申请行政复议'"), Vec::<String>::new());
        assert_eq!(faults("kpi.low_rank_months", "3"), Vec::<String>::new());
        for (id, value) in [
            ("id.passport.regex", "'[0-9A-Z'"),
            ("id.passport.regex", "'([0-9A-Z]{1000}){1000}'"),
            ("id.passport.regex", "17"),
            ("code.person_doc_type", "['身份证=identity_card']"),
            ("code.person_doc_type", "['身份证']"),
            ("code.person_doc_type", "['=passport']"),
            ("code.person_doc_type", "[2]"),
            ("code.person_doc_type", "[]"),
            ("code.person_doc_type", "'身份证=resident_id'"),
            ("publicity.transition", "'by_lot'"),
            ("publicity.sent_value", "'later'"),
            ("publicity.max_reached_uncorrected", "'keep_public'"),
            ("publicity.regime", "'R3'"),
            ("publicity.colour", "'red'"),
            ("repair.total_wd", "'10'"),
            ("repair.total_wd", "4000"),
            ("repair.never_items", "'a'"),
            ("repair.papers", "['identity']"),
            ("dispute.clock_stop", "[1]"),
            ("dispute.clock_stop", "['']"),
            ("dispute.hide_while_open", "true"),
            ("dispute.pause_measures", "'no'"),
            ("revocation.apply_wd", "0.5"),
            ("repair.appeal", "3"),
            ("repair.appeal", "' '"),
            // A slip in a name is told: nobody would read such a rule.
            ("repair.totl_wd", "10"),
            ("dispute.extend_wd", "20"),
            ("revocation.days", "1"),
            ("kpi.repair_share", "60"),
            ("kpi.repair_training_share", "101"),
            ("list.notice_objection_days", "'5'"),
            ("joint.ack_wd", "-1"),
            ("joint.ack_wd", "1.5"),
        ] {
            let found = faults(id, value);
            assert!(found.len() == 1 && found[0].starts_with(&format!("rules/x.toml: {id}@1: ")), "{id} = {value}: {found:?}");
        }
    }

    #[test]
    fn an_item_with_publicity_needs_the_rules_that_reckon_it_own_or_held() {
        let read = |path: &str| {
            let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
            std::fs::read_to_string(config.join(path)).unwrap()
        };
        let item = read("catalog/administrative_penalty_organisation.toml");
        let rules = read("rules/publicity.toml");
        let missing = |folder: &Folder, held: &[Document]| -> Vec<String> {
            folder.faults_beside(held).into_iter().filter(|f| f.contains("there is no rule publicity.")).collect()
        };
        let alone = Folder::read([("catalog/x.toml", item.as_str())]);
        let ends: Vec<String> = ["regime", "transition"].map(|name| format!("catalog/x.toml: there is no rule publicity.{name}")).to_vec();
        assert_eq!(missing(&alone, &[]), ends);
        let of_rules = Folder::read([("rules/publicity.toml", rules.as_str())]);
        assert_eq!(missing(&alone, &of_rules.documents), Vec::<String>::new());
        let whole = Folder::read([("catalog/x.toml", item.as_str()), ("rules/publicity.toml", rules.as_str())]);
        assert_eq!(missing(&whole, &[]), Vec::<String>::new());
        // An item without publicity of its own needs neither.
        let licence = read("catalog/administrative_licence_organisation.toml");
        assert_eq!(missing(&Folder::read([("catalog/x.toml", licence.as_str())]), &[]), Vec::<String>::new());
    }
}
