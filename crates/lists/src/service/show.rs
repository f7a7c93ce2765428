//! What lists show, and to whom. Everybody sees who stands on a list now; those who answer for an entry, and its subject, see how it came about and
//! what has become of it. Every value passes the one door.

use super::follow::{READER, behind_since, is_stale};
use super::{Lists, about, definition};
use crate::model::{Capacity, ENTRY_NOT_FOUND, EntryView, LIST_UNKNOWN, NoticeView, ProcedureView, Responsible};
use crate::store::channel;
pub use crate::store::channel::Place as Cursor;
use crate::store::entries::{self, Asked, Entry};
use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::{About, Door, Viewer};
use credence_catalog::lists::ListDefinition;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_core::{Actor, Permission, Role};
use credence_db::Conn;
use credence_dispatch::service::directives::progress;
use credence_identity::directory::Snapshot;
use credence_subjects::model::SUBJECT_NOT_FOUND;
use credence_subjects::store as subjects;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A list as everybody may see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListView {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// `commendation`, `serious_dishonesty`, `judgment_default`, `abnormal_operation` or `watch`.
    pub kind: String,
    /// `native` or `mirror`.
    pub keeping: String,
    /// Whether it is in force today.
    pub in_force: bool,
    /// Laws and articles.
    pub legal_basis: Vec<String>,
    /// Kinds of organs that are competent.
    pub authority_kinds: Vec<String>,
    /// How it can be left.
    pub exit_conditions: Option<String>,
    /// By what procedure.
    pub exit_procedure: Option<String>,
    /// What the subject can do against it.
    pub remedies: Option<String>,
    /// How many stand on it today.
    pub entries: i64,
    /// Of a mirror: when its source last sent a file that was loaded to its end.
    pub last_fed_at: Option<DateTime<Utc>>,
    /// Of a mirror: since when it has not followed its source, once that is longer than a row that left its source may stay.
    pub behind_since: Option<DateTime<Utc>>,
    /// Of a mirror: whether its source has been silent for longer than allowed, or it is behind its source; what it shows may be out of date.
    pub stale: bool,
}

/// A page of entries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntryPage {
    /// Entries.
    pub items: Vec<EntryView>,
    /// Where the next page begins; absent on the last.
    pub next: Option<String>,
    /// Of a mirror: whether what it shows may be out of date.
    #[serde(default)]
    pub stale: bool,
}

/// How up to date a mirror is; a list that is kept here always is.
#[derive(Debug, Clone, Copy, Default)]
struct Freshness {
    last_fed_at: Option<DateTime<Utc>>,
    behind_since: Option<DateTime<Utc>>,
    stale: bool,
}

impl Freshness {
    async fn of(configuration: &Configuration, conn: &mut Conn, list: &ListDefinition, now: DateTime<Utc>) -> Result<Self> {
        let Some(mirror) = &list.mirror else { return Ok(Self::default()) };
        let last_fed_at = channel::last_fed(conn, &mirror.item).await?;
        let unread = channel::oldest_unread(conn, READER).await?;
        let behind_since = behind_since(configuration, mirror, unread, china_date(now));
        let stale = behind_since.is_some() || is_stale(configuration, &list.code, last_fed_at, now);
        Ok(Self { last_fed_at, behind_since, stale })
    }
}

/// How much of an entry a viewer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What the list itself shows.
    Listed,
    /// Also how it came about and what became of it.
    Procedure,
}

/// What showing entries needs.
struct Shown<'a> {
    configuration: &'a Configuration,
    directory: &'a Snapshot,
    viewer: &'a Viewer,
    today: NaiveDate,
}

/// Whether a viewer is shown what was repaired or is shielded: the auditor.
fn audits(actor: Option<&Actor>) -> bool {
    actor.is_some_and(|actor| actor.is(Role::Auditor))
}

impl Lists {
    /// Every list.
    pub async fn lists(&self) -> Result<Vec<ListView>> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let mut conn = self.db.read().await?;
        let counts = channel::counts(&mut conn, self.clock.today()).await?;
        let mut views = Vec::new();
        for list in configuration.lists.values() {
            let count = counts.iter().find(|(code, _)| *code == list.body.code).map_or(0, |(_, n)| *n);
            views.push(self.list_view(&configuration, &mut conn, &list.body, count).await?);
        }
        Ok(views)
    }

    /// One list.
    pub async fn list(&self, code: &str) -> Result<ListView> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let list = definition(&configuration, code).ok_or_else(|| Problem::new(&LIST_UNKNOWN).with("list", code))?;
        let mut conn = self.db.read().await?;
        let counts = channel::counts(&mut conn, self.clock.today()).await?;
        let count = counts.iter().find(|(found, _)| found == code).map_or(0, |(_, n)| *n);
        self.list_view(&configuration, &mut conn, &list.body, count).await
    }

    async fn list_view(&self, configuration: &Configuration, conn: &mut Conn, list: &ListDefinition, entries: i64) -> Result<ListView> {
        let now = self.clock.now();
        let fresh = Freshness::of(configuration, conn, list, now).await?;
        let native = list.native.as_ref();
        Ok(ListView {
            code: list.code.clone(),
            name: list.name.clone(),
            name_en: list.name_en.clone(),
            kind: list.kind.code().to_owned(),
            keeping: list.keeping.code().to_owned(),
            in_force: list.in_force(china_date(now)),
            legal_basis: list.legal_basis.clone(),
            authority_kinds: list.authority_kinds.clone(),
            exit_conditions: native.map(|n| n.exit_conditions.clone()),
            exit_procedure: native.map(|n| n.exit_procedure.clone()),
            remedies: native.map(|n| n.remedies.clone()),
            entries,
            last_fed_at: fresh.last_fed_at,
            behind_since: fresh.behind_since,
            stale: fresh.stale,
        })
    }

    /// A page of who stands on a list today, as everybody may see it, newest first.
    pub async fn current(&self, list: &str, search: Option<&str>, after: Option<Cursor>, limit: i64) -> Result<EntryPage> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let found = definition(&configuration, list).ok_or_else(|| Problem::new(&LIST_UNKNOWN).with("list", list))?;
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        let viewer = Viewer::public();
        let shown = Shown { configuration: &configuration, directory: &directory, viewer: &viewer, today: china_date(now) };
        let normal = search.map(|text| (credence_names::normalise(text), text.trim().to_uppercase()));
        let search = normal.as_ref().map(|(name, code)| (name.as_str(), code.as_str())).filter(|(name, _)| !name.is_empty());
        let mut conn = self.db.read().await?;
        let stale = Freshness::of(&configuration, &mut conn, &found.body, now).await?.stale;
        let mut rows = channel::current(&mut conn, list, shown.today, search, after, limit + 1).await?;
        let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let last = rows.last().and_then(|e| Some(Cursor { listed_on: e.listed_on?, id: e.id }));
        let next = last.filter(|_| more).map(|place| credence_core::paging::encode(&place));
        let items = rows.into_iter().filter_map(|entry| shown.view(entry, None)).collect();
        Ok(EntryPage { items, next, stale })
    }

    /// The notices of a list that are shown today, newest first.
    pub async fn notices(&self, list: &str, before: Option<Uuid>, limit: i64) -> Result<Vec<NoticeView>> {
        let configuration = self.configuration.get();
        definition(&configuration, list).ok_or_else(|| Problem::new(&LIST_UNKNOWN).with("list", list))?;
        let rows = channel::notices(&mut *self.db.read().await?, list, self.clock.today(), before, limit).await?;
        Ok(rows
            .into_iter()
            .map(|n| NoticeView {
                id: n.id,
                entry_id: n.entry_id,
                kind: n.kind,
                subject_name: n.subject_name,
                body: n.body,
                published_at: n.published_at,
            })
            .collect())
    }

    /// Entries in whatever state, for the authority that answers for them and for supervisors.
    pub async fn entries(&self, actor: &Actor, supervises: bool, mut asked: EntriesAsked) -> Result<EntryPage> {
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        let agency = if supervises {
            asked.agency.take().map(|code| directory.by_code(&code).map_or(Uuid::nil(), |a| a.id))
        } else {
            Some(actor.agency()?.0)
        };
        let configuration = self.configuration.fresh(&self.db).await?;
        let viewer = self.viewer(actor, &directory, false, None);
        let shown = Shown { configuration: &configuration, directory: &directory, viewer: &viewer, today: china_date(now) };
        let query = Asked {
            agency,
            list: asked.list.as_deref(),
            state: asked.state.as_deref(),
            under_review: asked.under_review,
            overdue_on: asked.overdue.then_some(shown.today),
            before: asked.before,
            limit: asked.limit + 1,
        };
        let mut rows = entries::page(&mut *self.db.read().await?, &query).await?;
        let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > asked.limit;
        rows.truncate(usize::try_from(asked.limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(|e| credence_core::paging::encode(&e.id));
        // An authority sees its own; a supervisor sees nothing of what is hidden.
        let hides = supervises && !audits(Some(actor));
        rows.retain(|entry| !hides || !shown.hidden(entry));
        let items = rows.into_iter().filter_map(|entry| shown.view(entry, None)).collect();
        Ok(EntryPage { items, next, stale: false })
    }

    /// One entry: to the officials of its authority and to supervisors with its procedure and progress, to everybody else while it is listed; with the
    /// subject, for the access log. What was repaired or is shielded is told to its authority and the auditor only.
    pub async fn entry(&self, actor: Option<&Actor>, purpose: Option<&str>, id: Uuid) -> Result<(Uuid, EntryView)> {
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        let configuration = self.configuration.fresh(&self.db).await?;
        let mut conn = self.db.read().await?;
        let entry = entries::find(&mut conn, id).await?.ok_or_else(|| Problem::new(&ENTRY_NOT_FOUND))?;
        let own = actor.is_some_and(|a| a.may(Permission::ProposeListing) && a.agency.is_some_and(|of| of.0 == entry.agency_id));
        let supervises = actor.is_some_and(|actor| actor.may(Permission::SuperviseListing));
        let today = china_date(now);
        let viewer = actor.map_or_else(Viewer::public, |actor| self.viewer(actor, &directory, false, purpose));
        let shown = Shown { configuration: &configuration, directory: &directory, viewer: &viewer, today };
        let supervises = supervises && (audits(actor) || !shown.hidden(&entry));
        if !(own || supervises || shown.is_current(&entry) || shown.in_history(&entry)) {
            return Err(Problem::new(&ENTRY_NOT_FOUND));
        }
        let depth = if own || supervises { Depth::Procedure } else { Depth::Listed };
        let procedure = self.procedure(&mut conn, &entry, depth).await?;
        let subject = entry.subject_id;
        let mut view = shown.view(entry, procedure).ok_or_else(|| Problem::new(&ENTRY_NOT_FOUND))?;
        if depth == Depth::Procedure {
            let progress = progress(&configuration, &mut conn, subject, id, today).await?;
            view.progress = Some(serde_json::to_value(progress).map_err(Problem::internal)?);
        }
        Ok((subject, view))
    }

    /// Entries about an organisation: the present ones for everybody, ended ones for those who may see what is past its publicity.
    pub async fn of_organisation(&self, actor: Option<&Actor>, uscc: &str) -> Result<(Uuid, Vec<EntryView>)> {
        let now = self.clock.now();
        let today = china_date(now);
        let configuration = self.configuration.fresh(&self.db).await?;
        let directory = self.directory.get(&self.db, now).await?;
        let code = credence_subjects::service::parse_uscc(uscc, &configuration.uscc_rules(today))?;
        let mut conn = self.db.read().await?;
        let subject = subjects::by_uscc(&mut conn, code.as_str()).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
        let family = subjects::family(&mut conn, subject.id, now).await?;
        let viewer = actor.map_or_else(Viewer::public, |actor| self.viewer(actor, &directory, false, None));
        let supervises = actor.is_some_and(|actor| actor.may(Permission::SuperviseListing));
        let rows = entries::of_subjects(&mut conn, &family, true, false).await?;
        let shown = Shown { configuration: &configuration, directory: &directory, viewer: &viewer, today };
        let all = |e: &Entry| supervises && (audits(actor) || !shown.hidden(e));
        let rows = rows.into_iter().filter(|e| shown.is_current(e) || all(e) || shown.in_history(e));
        let views = rows.filter_map(|entry| shown.view(entry, None)).collect();
        Ok((subject.id, views))
    }

    /// Entries about the actor's own subject, those in procedure of which it was told included, with every step.
    pub async fn own_entries(&self, actor: &Actor, subject: Uuid) -> Result<Vec<EntryView>> {
        let now = self.clock.now();
        let configuration = self.configuration.fresh(&self.db).await?;
        let directory = self.directory.get(&self.db, now).await?;
        let viewer = self.viewer(actor, &directory, true, None);
        let shown = Shown { configuration: &configuration, directory: &directory, viewer: &viewer, today: china_date(now) };
        let mut conn = self.db.read().await?;
        let family = subjects::family(&mut conn, subject, now).await?;
        let mut views = Vec::new();
        for entry in entries::of_subjects(&mut conn, &family, true, true).await? {
            let procedure = self.procedure(&mut conn, &entry, Depth::Procedure).await?;
            views.extend(shown.view(entry, procedure));
        }
        Ok(views)
    }

    fn viewer(&self, actor: &Actor, directory: &Snapshot, own: bool, purpose: Option<&str>) -> Viewer {
        let lineage = if actor.region.is_empty() { Vec::new() } else { directory.lineage(&actor.region) };
        Viewer::of(actor, lineage, own, purpose, None)
    }

    async fn procedure(&self, conn: &mut Conn, entry: &Entry, depth: Depth) -> Result<Option<ProcedureView>> {
        if depth == Depth::Listed {
            return Ok(None);
        }
        Ok(Some(ProcedureView {
            proposed_at: entry.proposed_at,
            notice_no: entry.notice_no.clone(),
            served_on: entry.notice_served_on,
            notice_method: entry.notice_method.clone(),
            notice_proof: entry.notice_proof.clone(),
            notice_rule: entry.notice_rule.clone(),
            objection_until: entry.objection_until,
            objection_received_on: entry.objection_received_on,
            objection: entry.objection.clone(),
            objection_by_subject: entry.objection_by_subject,
            objection_answer: entry.objection_answer.clone(),
            objection_upheld: entry.objection_upheld,
            ground_record_id: entry.ground_record_id,
            steps: entries::steps(conn, entry.subject_id, entry.id).await?,
        }))
    }
}

/// Which entries an authority or supervisor asks for.
#[derive(Debug, Clone, Default)]
pub struct EntriesAsked {
    /// Code of an authority; supervisors only.
    pub agency: Option<String>,
    /// Code of a list.
    pub list: Option<String>,
    /// A state.
    pub state: Option<String>,
    /// Only those whose ground is being reviewed.
    pub under_review: bool,
    /// Only those whose ground should have been decided about by now.
    pub overdue: bool,
    /// Before this entry.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: i64,
}

impl Shown<'_> {
    fn door(&self) -> Door<'_> {
        Door::open(&self.configuration.disclosure, self.viewer, self.today)
    }

    /// Whether this viewer may know of an entry as one that stands on its list. What its source took away is on it for nobody, whatever the list has
    /// followed yet; what is past its publicity only for those who see beyond that.
    fn is_current(&self, entry: &Entry) -> bool {
        let listed = entry.state == "listed" && !self.over(entry) && !entry.source_gone();
        listed && (!entry.source_past(self.today) || self.door().after_publicity())
    }

    fn over(&self, entry: &Entry) -> bool {
        entry.state == "exited" || entry.state == "listed" && entry.expires_on.is_some_and(|last| last < self.today)
    }

    /// Whether an entry is told of to nobody but its authority and the auditor: it was left by repair, or rested on what was repaired or is shielded. What
    /// an authority listed by hand and still has to decide about is not hidden before it has.
    fn hidden(&self, entry: &Entry) -> bool {
        let stands = entry.keeping == "native" && entry.state != "dropped" && !self.over(entry);
        !stands && (entry.ground_hidden || entry.exit_cause.as_deref() == Some("repair"))
    }

    /// Whether this viewer may know of an entry that has ended: those that are past their publicity, though not those that should never have been, nor
    /// those that are hidden.
    fn in_history(&self, entry: &Entry) -> bool {
        let wrong = entry.exit_cause.as_deref().is_some_and(|cause| ["correction", "revocation"].contains(&cause));
        self.over(entry) && !wrong && !self.hidden(entry) && self.door().after_publicity()
    }

    /// An entry through the door; `None` when this viewer may not know of it.
    fn view(&self, entry: Entry, procedure: Option<ProcedureView>) -> Option<EntryView> {
        let list = &definition(self.configuration, &entry.list)?.body;
        let door = Door::open(&self.configuration.disclosure, self.viewer, self.today);
        let sight = door.entry(list, about(&entry), entry.agency_id)?;
        let over = entry.state == "listed" && entry.expires_on.is_some_and(|last| last < self.today);
        // The legal representative of an organisation is public with it; the others are persons, and seen as persons are.
        let persons = door.entry(list, About::Person, entry.agency_id);
        let responsible = entry.responsible().into_iter();
        let responsible = responsible
            .filter_map(|p| {
                let sight = if p.capacity == Capacity::LegalRepresentative { Some(&sight) } else { persons.as_ref() };
                Some(Responsible { name: door.name(sight?, &p.name)?, capacity: p.capacity })
            })
            .collect();
        Some(EntryView {
            id: entry.id,
            subject_id: entry.subject_id,
            subject_name: entry.subject_name.as_deref().and_then(|name| door.name(&sight, name)),
            uscc: entry.uscc,
            list_name: list.name.clone(),
            authority: self.directory.agency(entry.agency_id).map(|a| a.name.clone()).unwrap_or_default(),
            facts: door.text(&sight, &entry.facts),
            list: entry.list,
            kind: entry.kind,
            keeping: entry.keeping,
            state: if over { "exited".to_owned() } else { entry.state },
            legal_basis: door.text(&sight, &entry.legal_basis).unwrap_or_default(),
            ground_document: entry.ground_document.as_deref().and_then(|number| door.text(&sight, number)),
            under_review: entry.ground_state == "questioned",
            ground_review_by: entry.ground_review_by,
            disputed: entry.disputed,
            measures: entry.measures,
            exit_conditions: entry.exit_conditions,
            responsible,
            decision_no: entry.decision_no,
            decided_on: entry.decided_on,
            listed_on: entry.listed_on,
            expires_on: entry.expires_on,
            period_rule: entry.period_rule,
            exit_cause: entry.exit_cause.or_else(|| over.then(|| "expiry".to_owned())),
            exit_reason: entry.exit_reason.as_deref().and_then(|reason| door.text(&sight, reason)),
            exited_on: entry.exited_on,
            procedure,
            progress: None,
        })
    }
}
