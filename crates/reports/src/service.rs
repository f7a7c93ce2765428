//! Putting a file together. Every value passes the one door; what the door hides is not fetched, not counted and not hinted at.

use crate::model::{
    BAD_AS_OF, EMPTY, FileView, ItemLabels, PARTIAL, PURPOSE_NEEDED, Question, SECTION_UNKNOWN, SECTIONS, SectionView, StatementView,
    SubjectView,
};
use crate::store::{self, Asked, Row, Timed};
use chrono::{Datelike, NaiveDate};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::{About, Door, Facts, Scope, Show, Viewer, mask_name};
use credence_catalog::model::RecordState;
use credence_catalog::{ConfigurationHandle, Item};
use credence_core::Actor;
use credence_core::clock::Clock;
use credence_core::crypto::KeyRing;
use credence_core::paging;
use credence_core::problem::{Problem, Result};
use credence_core::settings;
use credence_db::{Conn, Db};
use credence_identity::Directory;
use credence_identity::directory::Snapshot;
use credence_records::service::open_sealed;
use credence_subjects::model::{Event, SUBJECT_NOT_FOUND};
use credence_subjects::store as subjects;
use credence_subjects::store::head::{Found, Head, head};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// No statement is older; a year far beyond what the database knows is no day to ask about.
const EARLIEST_YEAR: i32 = 1900;

/// Everything reports need.
#[derive(Clone)]
pub struct Reports {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What is in force.
    pub configuration: ConfigurationHandle,
    /// Agencies and regions.
    pub directory: Directory,
    /// Keys for sealed values.
    pub keys: KeyRing,
    /// Paging.
    pub query: settings::Query,
}

impl Reports {
    /// The viewer behind a request.
    pub async fn viewer(&self, actor: Option<&Actor>, own: bool, purpose: Option<&str>, authorisation: Option<&str>) -> Result<Viewer> {
        let Some(actor) = actor else { return Ok(Viewer::public()) };
        let directory = self.directory.get(&self.db, self.clock.now()).await?;
        let lineage = if actor.region.is_empty() { Vec::new() } else { directory.lineage(&actor.region) };
        let within = actor.regions.as_ref().map(|regions| {
            let inside = directory.agencies().filter(|a| regions.contains(&a.region));
            inside.map(|a| a.id).collect()
        });
        Ok(Viewer::of(actor, lineage, own, purpose, authorisation).within(within))
    }

    /// The head of the file of the organisation with a code, as the question asks for it.
    pub async fn organisation(&self, uscc: &str, question: &Question) -> Result<Head> {
        let rules = self.configuration.get().uscc_rules(self.clock.today());
        let code = credence_subjects::service::parse_uscc(uscc, &rules)?;
        self.head(Found::Code(code.as_str()), question).await
    }

    /// The head of the file of the person with a document.
    pub async fn person(&self, kind: &str, number: &str, question: &Question) -> Result<Head> {
        let document = self.configuration.get().person_document(kind, number, self.clock.today())?;
        // One person's number has one index under whatever name it is asked for.
        let scheme = document.kind().code();
        let index = self.keys.index(scheme, document.reveal());
        let found = subjects::by_person_index(&mut *self.db.read().await?, scheme, &index).await?;
        let found = found.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
        self.head(Found::Id(found.id), question).await
    }

    /// The head of the file of the subject with an id.
    pub async fn subject(&self, id: Uuid, question: &Question) -> Result<Head> {
        self.head(Found::Id(id), question).await
    }

    async fn head(&self, found: Found<'_>, question: &Question) -> Result<Head> {
        let (now, today) = (self.clock.now(), self.clock.today());
        let known_at = question.known_at.unwrap_or(now);
        let too_old = |day: NaiveDate| day.year() < EARLIEST_YEAR;
        if question.as_of.is_some_and(|day| day > today || too_old(day)) || known_at > now || too_old(known_at.date_naive()) {
            return Err(Problem::new(&BAD_AS_OF));
        }
        head(&mut *self.db.read().await?, found, known_at).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))
    }

    /// A subject and all that are read through it now.
    pub async fn family(&self, id: Uuid) -> Result<Vec<Uuid>> {
        subjects::family(&mut *self.db.read().await?, id, self.clock.now()).await
    }

    /// The file of a subject as this viewer may see it.
    pub async fn file(&self, asked_for: Head, viewer: &Viewer, question: &Question) -> Result<FileView> {
        let (now, today) = (self.clock.now(), self.clock.today());
        let as_of = question.as_of.unwrap_or(today);
        let known_at = question.known_at.unwrap_or(now);
        if let Some(section) = question.section.as_ref().filter(|s| !SECTIONS.iter().any(|(code, ..)| code == s)) {
            let known: Vec<&str> = SECTIONS.iter().map(|(code, ..)| *code).collect();
            return Err(Problem::new(&SECTION_UNKNOWN).with("section", section.clone()).with("sections", known));
        }
        let configuration = self.configuration.get();
        let about = if asked_for.kind == "natural_person" { About::Person } else { About::Organisation };
        let door = Door::open(&configuration.disclosure, viewer, today);
        let scope = door.scope(configuration.items.values().map(|v| &v.item), about);
        // Of a person nobody is answered who could not say why: what everybody may see is no answer to a query by number.
        if about == About::Person {
            let anybody = Viewer::public();
            let public = Door::open(&configuration.disclosure, &anybody, today).scope(configuration.items.values().map(|v| &v.item), about);
            if (&scope.items, &scope.from_agency) == (&public.items, &public.from_agency) {
                return Err(Problem::new(&PURPOSE_NEEDED));
            }
        }

        let directory = self.directory.get(&self.db, now).await?;
        let mut conn = self.db.read().await?;
        let family = if asked_for.merged { subjects::family(&mut conn, asked_for.id, known_at).await? } else { vec![asked_for.id] };
        let root = match family.first() {
            Some(first) if *first != asked_for.id => head(&mut conn, Found::Id(*first), known_at).await?.unwrap_or(asked_for),
            _ => asked_for,
        };
        let sections: Vec<(String, String)> = configuration
            .items
            .values()
            .map(|v| (v.item.code.clone(), section_of(&v.item).to_owned()))
            .filter(|(code, _)| scope.items.contains(code) || scope.from_agency.iter().any(|(item, _)| item == code))
            .filter(|(_, section)| question.section.as_ref().is_none_or(|s| s == section))
            .collect();
        let hidden = past_publicity(&mut conn, &configuration, &directory, &family, &sections, &scope).await?;
        let hide = configuration.rulebook.rule("dispute.hide_while_open", today).is_some_and(|rule| rule.value.as_bool() == Some(true));
        let asked = Asked {
            family: &family,
            scope: &scope,
            sections: &sections,
            as_of,
            known_at,
            after_on: question.after.map(|(on, _)| on),
            after_id: question.after.map(|(_, id)| id),
            limit: question.limit,
            hidden: &hidden,
            // Whoever sees what is past is told of the marks that stood then; everybody else of those that stand now.
            marked_at: if scope.current_only { now } else { known_at },
            hide_disputed: hide && scope.public_on.is_some(),
        };
        let rows = store::statements(&mut conn, &asked).await?;
        drop(conn);
        let subject = subject_view(root, &family, about, &door, as_of);

        let mut view = FileView {
            subject,
            as_of,
            known_at: question.known_at,
            notes: notes(about, question, &scope),
            sections: Vec::new(),
            items: BTreeMap::new(),
            providers: BTreeMap::new(),
        };
        let wanted = SECTIONS.iter().filter(|(code, ..)| question.section.as_ref().is_none_or(|s| s == code));
        for (code, name, _) in wanted {
            let mut section = SectionView {
                code: (*code).to_owned(),
                name: (*name).to_owned(),
                total: 0,
                empty: None,
                partial: self.partial(&configuration, &scope, about, code).then(|| PARTIAL.to_owned()),
                statements: Vec::new(),
                next: None,
            };
            let limit = usize::try_from(question.limit).unwrap_or(usize::MAX);
            let mut last = None;
            for row in rows.iter().filter(|r| r.section == *code) {
                section.total = row.total;
                if section.statements.len() == limit {
                    section.next = last.as_ref().map(paging::encode);
                    break;
                }
                last = Some((row.sort_on, row.id));
                let until = public_until(&configuration, &directory, row, today);
                if let Some(statement) = self.statement(&configuration, &door, about, (as_of, until), row, &mut view.items)? {
                    let provider = directory.agency(row.agency_id).map(|a| a.name.clone()).unwrap_or_default();
                    view.providers.insert(row.agency_id, provider);
                    section.statements.push(statement);
                }
            }
            if section.total == 0 && question.after.is_none() {
                section.empty = Some(EMPTY.to_owned());
            }
            view.sections.push(section);
        }
        Ok(view)
    }

    /// Whether the catalogue has items of the section of which this viewer sees nothing, or not everybody's statements. Says nothing about what
    /// is held of this subject.
    fn partial(&self, configuration: &Configuration, scope: &Scope, about: About, section: &str) -> bool {
        let of_sort = |item: &Item| item.subject_kinds.iter().any(|k| k.is_person() == (about == About::Person));
        configuration.items.values().map(|v| &v.item).any(|i| section_of(i) == section && of_sort(i) && !scope.items.contains(&i.code))
    }

    fn statement(
        &self,
        configuration: &Configuration,
        door: &Door<'_>,
        about: About,
        (as_of, public_until): (NaiveDate, Option<NaiveDate>),
        row: &Row,
        labels: &mut BTreeMap<String, ItemLabels>,
    ) -> Result<Option<StatementView>> {
        let state = RecordState::from_code(&row.state).ok_or_else(|| Problem::internal(format!("unknown state {}", row.state)))?;
        let item = &configuration.items.get(&row.item).ok_or_else(|| Problem::internal("item vanished"))?.item;
        let facts = Facts { about, agency: row.agency_id, state, public_until, current: row.known_to.is_none() };
        let Some(sight) = door.sight(item, &facts) else { return Ok(None) };
        let mut content: Map<String, Value> = row.data.as_object().cloned().unwrap_or_default();
        // What is sealed is opened only for those who see it at least covered, or who see the text of which a part was covered.
        if let Some(sealed) = row.sealed.as_deref().filter(|_| sight.level(credence_catalog::model::DisclosureClass::Sealed) > Show::None) {
            content.extend(open_sealed(&self.keys, row.record_id, sealed)?);
        }
        let mut data = Map::new();
        for field in &item.fields {
            if let Some(value) = content.get(&field.code).and_then(|value| door.value(item, field, &sight, value)) {
                data.insert(field.code.clone(), value);
            }
        }
        let withheld: Vec<String> =
            item.fields.iter().filter(|f| sight.level(item.class_of(f)) == Show::None).map(|f| f.code.clone()).collect();
        let label = labels.entry(item.code.clone()).or_insert_with(|| ItemLabels {
            name: item.name.clone(),
            fields: item.fields.iter().map(|f| (f.code.clone(), f.name.clone())).collect(),
            withheld: withheld.clone(),
        });
        let holds = row.valid_from.is_none_or(|from| from <= as_of) && row.valid_to.is_none_or(|to| as_of <= to);
        Ok(Some(StatementView {
            record_id: row.record_id,
            version_id: row.id,
            item: row.item.clone(),
            item_version: row.item_version,
            provider: row.agency_id,
            batch_id: row.batch_id,
            state: row.state.clone(),
            disputed: row.marked || state == RecordState::Disputed,
            objection: row.note.as_deref().and_then(|note| door.text(&sight, note)),
            in_force: holds && matches!(state, RecordState::Active | RecordState::Disputed),
            late: row.late,
            decided_on: row.decided_on,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            public_until,
            known_from: row.known_from,
            known_to: row.known_to,
            withheld: (label.withheld != withheld).then_some(withheld),
            data,
        }))
    }
}

/// Last public day of a version, by the rules of a day.
fn public_until(configuration: &Configuration, directory: &Snapshot, row: &Row, on: NaiveDate) -> Option<NaiveDate> {
    let item = &configuration.items.get(&row.item)?.item;
    let sector = directory.agency(row.agency_id).map(|a| a.kind.as_str()).unwrap_or_default();
    configuration.public_until(item, &row.data, row.decided_on, row.public_until, sector, on)
}

/// Records whose publicity is over, by the rules of today and not by a mark that some job would have to set in time: for a viewer who sees only what is
/// public they are neither fetched nor counted.
async fn past_publicity(
    conn: &mut Conn,
    configuration: &Configuration,
    directory: &Snapshot,
    family: &[Uuid],
    sections: &[(String, String)],
    scope: &Scope,
) -> Result<Vec<Uuid>> {
    let Some(today) = scope.public_on else { return Ok(Vec::new()) };
    let has_period = |code: &str| configuration.items.get(code).is_some_and(|v| v.item.publicity.is_some());
    let items: Vec<&str> = sections.iter().map(|(item, _)| item.as_str()).filter(|code| has_period(code)).collect();
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let over = |timed: &Timed| {
        let Some(item) = configuration.items.get(&timed.item).map(|v| &v.item) else { return true };
        let sector = directory.agency(timed.agency_id).map(|a| a.kind.as_str()).unwrap_or_default();
        let last = configuration.public_until(item, &timed.data, timed.decided_on, timed.public_until, sector, today);
        last.is_some_and(|last| last < today)
    };
    Ok(store::timed(conn, family, &items, &scope.states).await?.into_iter().filter(over).map(|timed| timed.record_id).collect())
}

/// The head as this viewer may see it. A person is not told by name or number.
fn subject_view(head: Head, family: &[Uuid], about: About, door: &Door<'_>, as_of: NaiveDate) -> SubjectView {
    let holds = |from: Option<NaiveDate>, to: Option<NaiveDate>| from.is_none_or(|f| f <= as_of) && to.is_none_or(|t| as_of <= t);
    let name = head.names.iter().find(|n| holds(n.valid_from, n.valid_to)).or(head.names.first()).map(|n| n.name.clone());
    let profile = head.profiles.iter().find(|p| holds(p.valid_from, p.valid_to));
    let (standing, area_code) = profile.map(|p| (p.standing.clone(), p.area_code.clone())).unwrap_or_default();
    let person = about == About::Person;
    let show_basis = door.event_basis(about);
    let event = |e: Event| Event { basis: e.basis.filter(|_| show_basis), ..e };
    SubjectView {
        id: head.id,
        kind: head.kind,
        state: if head.confirmed { "confirmed" } else { "provisional" }.to_owned(),
        standing,
        area_code,
        name: if person { name.map(|n| mask_name(&n)) } else { name },
        names: if person { Vec::new() } else { head.names },
        identifiers: head.identifiers.into_iter().filter(|i| !person && door.identifier(about, &i.scheme)).collect(),
        events: if person { Vec::new() } else { head.events.into_iter().map(event).collect() },
        merged_subjects: family.iter().skip(1).copied().collect(),
    }
}

fn section_of(item: &Item) -> &str {
    SECTIONS.iter().map(|(code, ..)| *code).find(|code| *code == item.section).unwrap_or("other")
}

fn notes(about: About, question: &Question, scope: &credence_catalog::disclosure::Scope) -> Vec<String> {
    let mut notes = vec!["本结果由平台归集的各提供单位信息汇总而成，谁提供、谁负责；如有异议可向平台或提供单位提出。".to_owned()];
    if scope.public_on.is_some() {
        notes.push("已过公示期、已撤回或已被更正的信息不再公示，包括按历史日期查询时。".to_owned());
    }
    if about == About::Person {
        notes.push("本次查询已记录，信息主体可以查看。".to_owned());
    }
    if question.known_at.is_some() {
        notes.push("按 known_at 给出平台当时所知的内容。".to_owned());
    }
    notes
}
