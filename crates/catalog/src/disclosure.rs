//! The one door (invariant 6). Every value that leaves the platform passes [`Door`], which knows the viewer, the purpose and the field's
//! class. What it does is a table, `config/disclosure.toml`; widening disclosure is changing the table, never going around the door.
//!
//! The door is asked three times: [`Door::scope`] tells a store which statements to fetch at all (so that a count can never tell what an
//! answer may not), [`Door::sight`] judges one statement, [`Door::value`] one field. Of an entry of a list, [`Door::entry`] judges the entry,
//! [`Door::name`] and [`Door::text`] what it says.

use crate::lists::ListDefinition;
use crate::model::{DisclosureClass, Field, FieldType, Item, RecordState, Role};
use chrono::NaiveDate;
use credence_core::actor::{Actor, Role as ActorRole};
use credence_core::identifiers::person;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// In which capacity somebody looks. An actor may have several; each value is shown by the one that shows most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// Anybody.
    Public,
    /// The subject itself.
    Subject,
    /// The agency that provided the statement.
    Provider,
    /// An agency on duty.
    Agency,
    /// The service hall.
    Clerk,
    /// The credit office.
    CreditOffice,
    /// The auditor.
    Auditor,
}

/// How much of a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// Nothing.
    #[default]
    None,
    /// With its identifying part covered.
    Masked,
    /// As it is.
    Full,
}

/// What a statement is about, as far as disclosure cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A legal entity or other organisation.
    Organisation,
    /// A natural person.
    Person,
}

/// What must be at hand for a line of the table to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The caller states a purpose.
    Purpose,
    /// The caller names the subject's written authorisation.
    Authorisation,
    /// The item or list rests on a law that makes rows about persons public.
    PersonPublicBasis,
}

/// Whose statements a line covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Any agency's.
    #[default]
    Any,
    /// Those of agencies above and below the viewer's region.
    Lineage,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// In which capacity.
    pub viewer: Capacity,
    /// About whom.
    pub about: About,
    /// Values of which class.
    pub class: DisclosureClass,
    /// How much.
    pub show: Show,
    /// On what conditions.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Whose statements.
    #[serde(default)]
    pub reach: Reach,
    /// Law and article.
    pub basis: String,
}

/// What a capacity may see of a statement's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// States of records shown.
    pub states: Vec<RecordState>,
    /// Whether versions that were replaced since are shown when a past day is asked for.
    pub past_versions: bool,
    /// Whether statements are shown after their publicity period.
    pub after_publicity: bool,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// By capacity.
    pub life: BTreeMap<Capacity, Life>,
    /// Of the head of a file.
    #[serde(default)]
    pub head: HeadClasses,
    /// What is not listed is not shown.
    pub lines: Vec<Line>,
}

/// Classes of what stands in the head of a file and belongs to no item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadClasses {
    /// Numbers of an organisation, by scheme. A scheme that is not listed is not shown.
    pub identifiers: BTreeMap<String, DisclosureClass>,
    /// What an event rests on.
    pub event_basis: Option<DisclosureClass>,
}

/// Who looks, and what they said.
#[derive(Debug, Clone)]
pub struct Viewer {
    capacities: Vec<Capacity>,
    /// The agency it provides for; none for those who only use.
    provides_for: Option<Uuid>,
    lineage: Vec<Uuid>,
    /// Items and lists that its API key is limited to.
    items: Option<Vec<String>>,
    /// Agencies of the regions that its API key is limited to.
    within: Option<Vec<Uuid>>,
    purpose: bool,
    authorisation: bool,
}

impl Viewer {
    /// Anybody.
    pub fn public() -> Self {
        Self {
            capacities: vec![Capacity::Public],
            provides_for: None,
            lineage: Vec::new(),
            items: None,
            within: None,
            purpose: false,
            authorisation: false,
        }
    }

    /// A logged-in viewer. `lineage` are the agencies above and below its region; `own` says that it looks at a subject it is bound to.
    pub fn of(actor: &Actor, lineage: Vec<Uuid>, own: bool, purpose: Option<&str>, authorisation: Option<&str>) -> Self {
        let mut capacities = vec![Capacity::Public];
        for role in &actor.roles {
            match role {
                ActorRole::Provider | ActorRole::Approver | ActorRole::Consumer => capacities.push(Capacity::Agency),
                ActorRole::Clerk => capacities.push(Capacity::Clerk),
                ActorRole::CreditOffice => capacities.push(Capacity::CreditOffice),
                ActorRole::Auditor => capacities.push(Capacity::Auditor),
                ActorRole::Subject if own => capacities.push(Capacity::Subject),
                ActorRole::Subject | ActorRole::PlatformAdmin | ActorRole::SecurityAdmin => {}
            }
        }
        let given = |text: Option<&str>| text.is_some_and(|t| !t.trim().is_empty());
        Self {
            capacities,
            // Whoever decides for an organ sees what the organ provided, as the colleague who proposes does.
            provides_for: actor.agency.filter(|_| actor.is(ActorRole::Provider) || actor.is(ActorRole::Approver)).map(|a| a.0),
            lineage,
            items: actor.items.clone(),
            within: None,
            purpose: given(purpose),
            authorisation: given(authorisation),
        }
    }

    /// An agency that acts on a directive, as a push to it is put together: it needs what the directive is about for the duty at hand.
    /// `lineage` are the agencies above and below its region.
    pub fn acting(agency: Uuid, lineage: Vec<Uuid>) -> Self {
        Self {
            capacities: vec![Capacity::Public, Capacity::Agency],
            provides_for: Some(agency),
            lineage,
            items: None,
            within: None,
            purpose: true,
            authorisation: false,
        }
    }

    /// Limits it to what these agencies provided, beside what everybody may see: those of the regions that its API key is limited to.
    #[must_use]
    pub fn within(mut self, agencies: Option<Vec<Uuid>>) -> Self {
        self.within = agencies;
        self
    }

    /// Whether a statement lies within the limits of its API key. A key limited to items covers a list only where it names it.
    fn covers(&self, source: Option<Source<'_>>, agency: Option<Uuid>) -> bool {
        let named = |items: &Vec<String>| source.is_some_and(|source| items.iter().any(|code| code == source.code));
        let item_covered = self.items.as_ref().is_none_or(named);
        item_covered && self.within.as_ref().is_none_or(|within| agency.is_some_and(|a| within.contains(&a)))
    }
}

/// What a value comes from: a catalogue item or a list.
#[derive(Debug, Clone, Copy)]
struct Source<'s> {
    code: &'s str,
    /// Rests on a law that makes rows about persons public.
    person_public: bool,
}

impl<'s> From<&'s Item> for Source<'s> {
    fn from(item: &'s Item) -> Self {
        Self { code: &item.code, person_public: item.person_public_basis.is_some() }
    }
}

impl<'s> From<&'s ListDefinition> for Source<'s> {
    fn from(list: &'s ListDefinition) -> Self {
        Self { code: &list.code, person_public: list.person_public_basis.is_some() }
    }
}

/// What disclosure needs to know of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// About whom.
    pub about: About,
    /// Provided by.
    pub agency: Uuid,
    /// State of this version.
    pub state: RecordState,
    /// Last day it is public, where its provider set one.
    pub public_until: Option<NaiveDate>,
    /// Whether this version is the present one.
    pub current: bool,
}

/// What a store may fetch and count for a viewer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Items visible whoever provided them.
    pub items: Vec<String>,
    /// Items visible from one agency only: item and agency.
    pub from_agency: Vec<(String, Uuid)>,
    /// States of records.
    pub states: Vec<&'static str>,
    /// Only present versions.
    pub current_only: bool,
    /// Only statements whose publicity period includes this day.
    pub public_on: Option<NaiveDate>,
}

/// How one statement is seen.
#[derive(Debug, Clone)]
pub struct Sight {
    by_class: BTreeMap<DisclosureClass, Show>,
    about: About,
}

impl Sight {
    /// How much is shown of values of a class.
    pub fn level(&self, class: DisclosureClass) -> Show {
        self.by_class.get(&class).copied().unwrap_or_default()
    }
}

const CLASSES: [DisclosureClass; 4] =
    [DisclosureClass::Public, DisclosureClass::GovShared, DisclosureClass::Authorised, DisclosureClass::Sealed];

/// The door, opened for one viewer on one day.
#[derive(Debug, Clone)]
pub struct Door<'a> {
    table: &'a Table,
    viewer: &'a Viewer,
    today: NaiveDate,
}

impl<'a> Door<'a> {
    /// Opens the door. `today` is the real day, not the day asked about: what may be seen is decided by now.
    pub fn open(table: &'a Table, viewer: &'a Viewer, today: NaiveDate) -> Self {
        Self { table, viewer, today }
    }

    fn level(&self, source: Option<Source<'_>>, about: About, class: DisclosureClass, agency: Option<Uuid>) -> Show {
        let covered = self.viewer.covers(source, agency);
        self.table
            .lines
            .iter()
            .filter(|line| line.about == about && line.class == class)
            .filter(|line| match line.viewer {
                Capacity::Provider => self.viewer.provides_for.is_some() && agency == self.viewer.provides_for,
                capacity => self.viewer.capacities.contains(&capacity),
            })
            .filter(|line| covered || line.viewer == Capacity::Public)
            .filter(|line| line.reach == Reach::Any || agency.is_some_and(|a| self.viewer.lineage.contains(&a)))
            .filter(|line| {
                line.needs.iter().all(|need| match need {
                    Need::Purpose => self.viewer.purpose,
                    Need::Authorisation => self.viewer.authorisation,
                    Need::PersonPublicBasis => source.is_some_and(|source| source.person_public),
                })
            })
            .map(|line| line.show)
            .max()
            .unwrap_or_default()
    }

    fn life(&self) -> (Vec<RecordState>, bool, bool) {
        let lives = self.table.life.iter().filter(|(capacity, _)| self.viewer.capacities.contains(capacity)).map(|(_, life)| life);
        lives.fold((Vec::new(), false, false), |(mut states, past, after), life| {
            states.extend(life.states.iter().filter(|s| !states.contains(s)).copied().collect::<Vec<_>>());
            (states, past || life.past_versions, after || life.after_publicity)
        })
    }

    /// What may be fetched and counted at all about subjects of this sort.
    pub fn scope<'i>(&self, items: impl IntoIterator<Item = &'i Item>, about: About) -> Scope {
        let (states, past_versions, after_publicity) = self.life();
        let mut scope = Scope {
            states: states.into_iter().map(RecordState::code).collect(),
            current_only: !past_versions,
            public_on: (!after_publicity).then_some(self.today),
            ..Scope::default()
        };
        for item in items {
            if self.level(Some(item.into()), about, item.disclosure, None) > Show::None {
                scope.items.push(item.code.clone());
                continue;
            }
            let near = self.viewer.lineage.iter().chain(&self.viewer.provides_for).chain(self.viewer.within.iter().flatten()).copied();
            let visible: Vec<Uuid> =
                near.filter(|agency| self.level(Some(item.into()), about, item.disclosure, Some(*agency)) > Show::None).collect();
            scope.from_agency.extend(visible.into_iter().map(|agency| (item.code.clone(), agency)));
        }
        scope.from_agency.sort_unstable();
        scope.from_agency.dedup();
        scope
    }

    /// Whether a number of this scheme is shown in the head of a file.
    pub fn identifier(&self, about: About, scheme: &str) -> bool {
        self.table.head.identifiers.get(scheme).is_some_and(|class| self.level(None, about, *class, None) == Show::Full)
    }

    /// Whether it is shown what an event rests on.
    pub fn event_basis(&self, about: About) -> bool {
        self.table.head.event_basis.is_some_and(|class| self.level(None, about, class, None) == Show::Full)
    }

    /// How a statement is seen; `None` when this viewer may not know of it.
    pub fn sight(&self, item: &Item, facts: &Facts) -> Option<Sight> {
        let (states, past_versions, after_publicity) = self.life();
        let in_time = after_publicity || facts.public_until.is_none_or(|last| self.today <= last);
        if !states.contains(&facts.state) || !in_time || !(facts.current || past_versions) {
            return None;
        }
        self.sight_of(item.into(), item.disclosure, facts.about, facts.agency)
    }

    /// How what an agency stated is seen, by the class of where it stands; `None` when this viewer may not know of it.
    fn sight_of(&self, source: Source<'_>, class: DisclosureClass, about: About, agency: Uuid) -> Option<Sight> {
        let by_class = CLASSES.into_iter().map(|c| (c, self.level(Some(source), about, c, Some(agency)))).collect();
        let sight = Sight { by_class, about };
        (sight.level(class) > Show::None).then_some(sight)
    }

    /// How an entry of a list is seen that `agency` is the authority of; `None` when this viewer may not know of it. An entry is seen so while
    /// it is listed; whether one that ended is still told depends on [`Door::after_publicity`] too.
    pub fn entry(&self, list: &ListDefinition, about: About, agency: Uuid) -> Option<Sight> {
        self.sight_of(list.into(), list.disclosure, about, agency)
    }

    /// Whether this viewer is told what is over: statements after their publicity period, entries that left their list.
    pub fn after_publicity(&self) -> bool {
        self.life().2
    }

    /// A subject's name as it is shown beside what a sight covers: whole, covered, or not at all.
    pub fn name(&self, sight: &Sight, name: &str) -> Option<String> {
        match (sight.level(DisclosureClass::Public), sight.about) {
            (Show::None, _) => None,
            (Show::Masked, About::Person) => Some(mask_name(name)),
            (Show::Masked, About::Organisation) => Some(cover_numbers(name)),
            (Show::Full, _) => Some(name.to_owned()),
        }
    }

    /// Free text as it is shown: with personal numbers covered for all who do not see those whole, or not at all.
    pub fn text(&self, sight: &Sight, text: &str) -> Option<String> {
        match (sight.level(DisclosureClass::Public), sight.level(DisclosureClass::Sealed)) {
            (Show::None, _) => None,
            (Show::Full, Show::Full) => Some(text.to_owned()),
            _ => Some(cover_numbers(text)),
        }
    }

    /// What is shown of a field's value; `None` when nothing is.
    pub fn value(&self, item: &Item, field: &Field, sight: &Sight, value: &Value) -> Option<Value> {
        match sight.level(item.class_of(field)) {
            Show::None => None,
            Show::Full if field.free_text && sight.level(DisclosureClass::Sealed) < Show::Full => Some(cover_text(value)),
            Show::Full => Some(value.clone()),
            Show::Masked => Some(cover(field, sight.about, value)),
        }
    }
}

fn cover(field: &Field, about: About, value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    let is_number = matches!(field.of_type, FieldType::PersonDocument | FieldType::AnySubjectCode);
    let is_person_name = field.role == Some(Role::LegalRepresentative) || (field.role == Some(Role::SubjectName) && about == About::Person);
    if is_number {
        person::mask(text).into()
    } else if is_person_name {
        mask_name(text).into()
    } else {
        cover_text(value)
    }
}

/// `mask.name=family_name+*`: the first character and a star.
pub fn mask_name(name: &str) -> String {
    name.chars().next().map(|first| format!("{first}*")).unwrap_or_default()
}

/// Free text with personal numbers covered (`publicity.scan_free_text`): resident IDs as `first6_last4`, mobile numbers as `first3_last4`.
fn cover_text(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| cover_numbers(text).into())
}

/// Text with personal numbers covered, as it may be kept and shown: resident IDs as `first6_last4`, mobile numbers as `first3_last4`.
pub fn cover_numbers(text: &str) -> String {
    let mut covered = text.to_owned();
    for range in person::find_in_text(text) {
        if let Some(number) = text.get(range.clone()) {
            covered.replace_range(range, &person::mask(number));
        }
    }
    cover_mobile_numbers(&covered)
}

fn cover_mobile_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let length = from.bytes().take_while(|b| b.is_ascii_digit() || *b == b'*').count();
        let (run, after) = from.split_at(length);
        out.push_str(before);
        match (
            run.len(),
            run.starts_with('1'),
            run.get(1..2).is_some_and(|d| ("3".."9").contains(&d) || d == "9"),
            run.get(..3),
            run.get(7..),
        ) {
            (11, true, true, Some(head), Some(tail)) => {
                out.push_str(head);
                out.push_str("****");
                out.push_str(tail);
            }
            _ => out.push_str(run),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_numbers_in_free_text_are_covered() {
        let text = Value::from("当事人（身份证11010519491231002X，电话13912345678）在91110000710925462X处，案号20240001");
        assert_eq!(
            cover_text(&text),
            Value::from("当事人（身份证110105********002X，电话139****5678）在91110000710925462X处，案号20240001")
        );
    }

    /// What a class shows of a list whose authority is `agency`, by the shipped table.
    fn shown(viewer: &Viewer, list: &ListDefinition, about: About, agency: Uuid) -> Option<(Option<String>, Option<String>)> {
        let table: Table = read(include_str!("../../../config/disclosure.toml"));
        let door = Door::open(&table, viewer, "2026-11-24".parse().unwrap());
        let sight = door.entry(list, about, agency)?;
        Some((door.name(&sight, "李示例"), door.text(&sight, "电话13912345678")))
    }

    fn read<T: serde::de::DeserializeOwned>(toml: &str) -> T {
        serde_json::from_value(credence_rulebook::toml_json::document(toml).unwrap()).unwrap()
    }

    fn list(disclosure: &str, basis: bool) -> ListDefinition {
        let basis = if basis { "person_public_basis = \"x\"\n" } else { "" };
        read(&format!(
            "code = \"black\"\nname = \"x\"\nname_en = \"x\"\nkind = \"serious_dishonesty\"\nkeeping = \"native\"\nstate = \"active\"\n\
             effective_from = 2019-01-01\nsubject_kinds = [\"legal_entity\"]\nauthority_kinds = [\"tax\"]\nlegal_basis = [\"x\"]\n\
             verified = false\ndisclosure = \"{disclosure}\"\n{basis}"
        ))
    }

    #[test]
    fn an_entry_is_seen_by_the_class_of_its_list() {
        let (authority, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let some = |name: &str| Some((Some(name.to_owned()), Some("电话139****5678".to_owned())));
        let acting = |lineage: &[Uuid]| Viewer::acting(other, lineage.to_vec());
        let public = list("public", false);
        assert_eq!(shown(&Viewer::public(), &public, About::Organisation, authority), some("李示例"));
        assert_eq!(shown(&Viewer::public(), &public, About::Person, authority), None, "persons are public by a law only");
        assert_eq!(shown(&Viewer::public(), &list("public", true), About::Person, authority), some("李*"));
        assert_eq!(shown(&acting(&[]), &public, About::Person, authority), some("李示例"), "who acts has the purpose");
        let shared = list("gov_shared", false);
        assert_eq!(shown(&Viewer::public(), &shared, About::Organisation, authority), None);
        assert_eq!(shown(&acting(&[]), &shared, About::Organisation, authority), None, "an agency out of reach");
        assert_eq!(shown(&acting(&[authority]), &shared, About::Person, authority), some("李示例"));
        assert_eq!(shown(&Viewer::acting(authority, Vec::new()), &shared, About::Person, authority), some("李示例"), "its own");
    }

    #[test]
    fn a_key_limited_to_items_covers_a_list_it_names() {
        let authority = Uuid::from_u128(1);
        let limited = |codes: &[&str]| {
            let items = Some(codes.iter().map(|code| (*code).to_owned()).collect());
            Viewer { items, ..Viewer::acting(Uuid::from_u128(2), vec![authority]) }
        };
        let shared = list("gov_shared", false);
        assert!(shown(&limited(&["black"]), &shared, About::Organisation, authority).is_some());
        assert!(shown(&limited(&["honour"]), &shared, About::Organisation, authority).is_none());
        // What everybody may see, such a key sees too.
        assert!(shown(&limited(&["honour"]), &list("public", false), About::Organisation, authority).is_some());
    }

    #[test]
    fn what_is_over_is_not_for_everybody() {
        let table: Table = read(include_str!("../../../config/disclosure.toml"));
        let today = "2026-11-24".parse().unwrap();
        assert!(!Door::open(&table, &Viewer::public(), today).after_publicity());
        assert!(Door::open(&table, &Viewer::acting(Uuid::from_u128(1), Vec::new()), today).after_publicity());
    }

    #[test]
    fn names_keep_their_first_character() {
        assert_eq!(mask_name("欧阳示例"), "欧*");
        assert_eq!(mask_name(""), "");
    }
}
