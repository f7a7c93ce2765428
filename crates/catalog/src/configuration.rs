//! What is in force, parsed once and shared: items, code sets, rules, lists with their memoranda and measures, the disclosure table. A
//! snapshot never changes; the handle swaps it when `config apply` brought a newer revision.

use crate::disclosure::Table;
use crate::lists::ListDefinition;
use crate::measures::{MATTERS, Measure, Memorandum};
use crate::model::{CodeSet, FieldType, Item, SubjectKind};
use crate::store;
use chrono::NaiveDate;
use credence_core::identifiers::uscc::{Uscc, UsccRules};
use credence_core::identifiers::{Pattern, PersonDocument, PersonDocumentKind, PersonRules};
use credence_core::problem::{Problem, Result};
use credence_db::Db;
use credence_rulebook::{CalendarYear, Rule, Rulebook};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// An item and the version under which the database holds it.
#[derive(Debug, Clone)]
pub struct VersionedItem {
    /// Version.
    pub version: i32,
    /// The item.
    pub item: Item,
}

/// A document and the version under which the database holds it.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    /// Version.
    pub version: i32,
    /// The document.
    pub body: T,
}

/// A snapshot of everything `config apply` brought.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Highest revision in it.
    pub revision: i64,
    /// Items by code.
    pub items: BTreeMap<String, Arc<VersionedItem>>,
    /// Code sets by code.
    pub code_sets: BTreeMap<String, CodeSet>,
    /// Lists by code, whether in force or not: what was listed under one that is retired is still told.
    pub lists: BTreeMap<String, Arc<Versioned<ListDefinition>>>,
    /// Measures by code, whether in force or not. Their matters are values of the code set, whatever writing the file has.
    pub measures: BTreeMap<String, Arc<Versioned<Measure>>>,
    /// Memoranda by code, whether in force or not.
    pub memoranda: BTreeMap<String, Arc<Versioned<Memorandum>>>,
    /// Rules and calendar.
    pub rulebook: Rulebook,
    /// Who sees what.
    pub disclosure: Table,
    /// How numbers are judged, made once a day: the list of areas has thousands of entries.
    judged: Mutex<Option<Judged>>,
}

/// How numbers are judged on a day.
#[derive(Debug, Clone)]
struct Judged {
    day: NaiveDate,
    uscc: Arc<UsccRules>,
    person: Arc<PersonRules>,
}

impl Configuration {
    /// Reads the newest version of everything.
    pub async fn load(db: &Db) -> Result<Self> {
        let mut conn = db.read().await?;
        let documents = store::current(&mut conn).await?;
        fn parse<T: DeserializeOwned>(document: &store::Stored) -> Result<T> {
            T::deserialize(&document.body).map_err(|e| Problem::internal(format!("{} {}: {e}", document.kind, document.code)))
        }
        let mut configuration = Self::default();
        let (mut rules, mut years): (Vec<Rule>, Vec<CalendarYear>) = Default::default();
        let mut items: Vec<VersionedItem> = Vec::new();
        let mut measures: Vec<Versioned<Measure>> = Vec::new();
        for document in &documents {
            configuration.revision = configuration.revision.max(document.revision);
            match document.kind.as_str() {
                "catalog_item" => items.push(VersionedItem { version: document.version, item: parse(document)? }),
                "code_set" => {
                    configuration.code_sets.insert(document.code.clone(), parse(document)?);
                }
                "list" => {
                    let list = Versioned { version: document.version, body: parse(document)? };
                    configuration.lists.insert(document.code.clone(), Arc::new(list));
                }
                "measure" => measures.push(Versioned { version: document.version, body: parse(document)? }),
                "memorandum" => {
                    let memorandum = Versioned { version: document.version, body: parse(document)? };
                    configuration.memoranda.insert(document.code.clone(), Arc::new(memorandum));
                }
                "rule" => rules.push(parse(document)?),
                "calendar" => years.push(parse(document)?),
                "disclosure" => configuration.disclosure = parse(document)?,
                other => return Err(Problem::internal(format!("unknown kind of configuration document: {other}"))),
            }
        }
        configuration.rulebook = Rulebook::new(rules, years);
        let prohibited: Vec<String> =
            configuration.rulebook.texts_of_any_version("prohibit.terms").into_iter().map(str::to_owned).collect();
        for mut versioned in items {
            versioned.item.prohibited.clone_from(&prohibited);
            configuration.items.insert(versioned.item.code.clone(), Arc::new(versioned));
        }
        for mut versioned in measures {
            for said in &mut versioned.body.matters {
                if let Some(value) = configuration.matter(said) {
                    *said = value;
                }
            }
            configuration.measures.insert(versioned.body.code.clone(), Arc::new(versioned));
        }
        Ok(configuration)
    }

    /// The item in force on a day.
    pub fn item(&self, code: &str, on: NaiveDate) -> Option<&Arc<VersionedItem>> {
        self.items.get(code).filter(|v| v.item.in_force(on))
    }

    /// The list in force on a day.
    pub fn list(&self, code: &str, on: NaiveDate) -> Option<&Arc<Versioned<ListDefinition>>> {
        self.lists.get(code).filter(|list| list.body.in_force(on))
    }

    /// The measure in force on a day.
    pub fn measure(&self, code: &str, on: NaiveDate) -> Option<&Arc<Versioned<Measure>>> {
        self.measures.get(code).filter(|measure| measure.body.in_force(on))
    }

    /// The memoranda in force on a day that a list starts.
    pub fn memoranda_of(&self, list: &str, on: NaiveDate) -> impl Iterator<Item = &Arc<Versioned<Memorandum>>> {
        self.memoranda.values().filter(move |memorandum| memorandum.body.in_force(on) && memorandum.body.lists.iter().any(|l| l == list))
    }

    /// The administrative matter that a text names, by its value or another writing of it.
    pub fn matter(&self, said: &str) -> Option<String> {
        self.code_sets.get(MATTERS)?.find(said.trim()).map(|matter| matter.value.clone())
    }

    /// A threshold of the rule book. Where no rule states it, the strictest: what is doubtful then goes to a person.
    fn threshold(&self, id: &str, on: NaiveDate, strictest: u32) -> u32 {
        self.rulebook.number(id, on).and_then(|(n, _)| u32::try_from(n).ok()).unwrap_or(strictest)
    }

    /// Oldest age believed of a natural person, in years (`id.person.max_age`).
    pub fn person_age_max(&self, on: NaiveDate) -> u32 {
        self.threshold("id.person.max_age", on, 100)
    }

    /// Weakest rule that links a row to a subject by itself (`match.auto_min_rule`): 1 USCC, 2 organisation code, 3 registration number.
    pub fn auto_min_rule(&self, on: NaiveDate) -> u32 {
        self.threshold("match.auto_min_rule", on, 1)
    }

    /// How codes are judged on a day.
    pub fn uscc_rules(&self, on: NaiveDate) -> Arc<UsccRules> {
        self.judged(on).uscc
    }

    /// How documents of persons are judged on a day, and what feeds call them (`id.person.max_age`, `id.passport.regex`,
    /// `code.person_doc_type`).
    pub fn person_rules(&self, on: NaiveDate) -> Arc<PersonRules> {
        self.judged(on).person
    }

    /// A person's document as somebody names it at a counter or in a query, read by the rules of the day. Ask the document for its kind: it
    /// knows better than who named it.
    ///
    /// # Errors
    /// When the kind is not known or the number is none of that kind.
    pub fn person_document(&self, kind: &str, number: &str, today: NaiveDate) -> Result<PersonDocument> {
        let rules = self.person_rules(today);
        let kind = rules
            .kind(kind)
            .ok_or_else(|| Problem::malformed("证件类型不在允许的范围内；请核对", "this kind of document is not known; check it"))?;
        PersonDocument::parse_with(kind, number, today, &rules).map_err(|e| Problem::malformed(e.zh(), e.en()).with("rule", e.code()))
    }

    fn judged(&self, on: NaiveDate) -> Judged {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*judged
            && known.day == on
        {
            return known.clone();
        }
        let (uscc, person) = (Arc::new(self.make_uscc_rules(on)), Arc::new(self.make_person_rules(on)));
        let made = Judged { day: on, uscc, person };
        *judged = Some(made.clone());
        made
    }

    fn make_person_rules(&self, on: NaiveDate) -> PersonRules {
        let kind = |line: &str| line.split_once('=').and_then(|(name, kind)| Some((name.to_owned(), PersonDocumentKind::from_code(kind)?)));
        let passport = self.rulebook.rule("id.passport.regex", on).and_then(|rule| rule.value.as_str());
        PersonRules {
            max_age: self.person_age_max(on),
            // A pattern that cannot be read was refused by `config check`.
            passport: passport.and_then(|text| Pattern::parse(text).ok()),
            kinds: self.rulebook.texts("code.person_doc_type", on).into_iter().filter_map(kind).collect(),
        }
    }

    fn make_uscc_rules(&self, on: NaiveDate) -> UsccRules {
        let areas = self.rulebook.rule("id.uscc.areas", on).and_then(|r| r.value.as_array());
        UsccRules {
            placeholders: self.rulebook.texts("id.uscc.placeholders", on).into_iter().map(str::to_owned).collect(),
            areas: areas.into_iter().flatten().filter_map(|v| v.as_u64().and_then(|n| u32::try_from(n).ok())).collect(),
            quarantine_if_warnings: usize::try_from(self.threshold("id.uscc.quarantine_if_warnings", on, 1)).unwrap_or(1),
        }
    }

    /// Kind of subject a code belongs to, by its first two characters; what the table does not know is an other organisation.
    pub fn kind_of(&self, uscc: &Uscc, on: NaiveDate) -> SubjectKind {
        let table = self.rulebook.texts("subject.kind_by_category", on);
        table
            .iter()
            .filter_map(|line| line.split_once('='))
            .find(|(category, _)| *category == uscc.category())
            .and_then(|(_, kind)| SubjectKind::from_code(kind))
            .unwrap_or(SubjectKind::OtherOrganisation)
    }

    /// Kind of subject its registered type tells (合伙企业, 分公司 …), where it does.
    pub fn kind_by_entity_type(&self, entity_type: &str, on: NaiveDate) -> Option<SubjectKind> {
        let table = self.rulebook.texts("subject.kind_by_entity_type", on);
        table
            .iter()
            .filter_map(|line| line.split_once('='))
            .find(|(part, _)| entity_type.contains(part))
            .and_then(|(_, kind)| SubjectKind::from_code(kind))
    }

    /// Whether any field of the item holds document numbers of persons.
    pub fn holds_person_numbers(item: &Item) -> bool {
        item.fields.iter().any(|f| matches!(f.of_type, FieldType::PersonDocument | FieldType::AnySubjectCode))
    }
}

/// The shared snapshot.
#[derive(Clone, Default)]
pub struct ConfigurationHandle(Arc<RwLock<Arc<Configuration>>>);

impl ConfigurationHandle {
    /// Loads the first snapshot.
    pub async fn load(db: &Db) -> Result<Self> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(Configuration::load(db).await?)))))
    }

    /// The snapshot as it is.
    pub fn get(&self) -> Arc<Configuration> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The snapshot after making sure that it is the newest: one small query, and a load when there is something newer.
    pub async fn fresh(&self, db: &Db) -> Result<Arc<Configuration>> {
        let known = self.get();
        let newest = store::revision(&mut *db.read().await?).await?;
        if newest == known.revision {
            return Ok(known);
        }
        let loaded = Arc::new(Configuration::load(db).await?);
        tracing::info!(config.revision = loaded.revision, "configuration loaded");
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&loaded);
        Ok(loaded)
    }
}
