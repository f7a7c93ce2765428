//! What of a directive is shown to whom. Everything about the subject and the entry passes the one door; where it shows nothing, only ids remain.

use super::super::Dispatch;
use crate::model::directives::{
    DirectiveKind, DirectiveMessage, DirectiveState, DirectiveView, FeedbackView, MessageDirective, MessageEntry, MessageMeasure,
    MessageMemorandum, MessageReminder, MessageSubject, working_days_late,
};
use crate::store::directives::{self, DirectiveRow, FeedbackRow};
use crate::store::reminders;
use chrono::NaiveDate;
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::{About, Door, Show, Sight, Viewer};
use credence_catalog::lists::ListDefinition;
use credence_catalog::model::DisclosureClass;
use credence_core::crypto::KeyRing;
use credence_core::identifiers::person;
use credence_core::problem::{Problem, Result};
use credence_identity::directory::Snapshot;
use diesel_async::AsyncPgConnection;
use serde_json::Value;
use uuid::Uuid;

/// Topic of reminders.
const REMINDER: &str = "directive.reminder";
/// Topic of updates: the directive is told again because of what changed under it.
pub(crate) const UPDATE: &str = "directive.update";

/// The viewer that an agency is for the directives it carries out.
pub(crate) fn acting(directory: &Snapshot, agency: Uuid) -> Viewer {
    let lineage = directory.agency(agency).map(|a| directory.lineage(&a.region)).unwrap_or_default();
    Viewer::acting(agency, lineage)
}

/// A directive as somebody sees it.
pub(crate) struct Seen<'a> {
    configuration: &'a Configuration,
    row: &'a DirectiveRow,
    today: NaiveDate,
    door: Door<'a>,
    about: About,
    /// The list and how its entry is seen; nothing when the viewer may not know of it.
    listed: Option<(&'a ListDefinition, Sight)>,
}

impl<'a> Seen<'a> {
    /// Looks at a directive through the eyes of a viewer.
    pub(crate) fn by(viewer: &'a Viewer, configuration: &'a Configuration, row: &'a DirectiveRow, today: NaiveDate) -> Self {
        let about = if row.subject_kind == "natural_person" { About::Person } else { About::Organisation };
        let door = Door::open(&configuration.disclosure, viewer, today);
        let list = configuration.lists.get(&row.list).map(|list| &list.body);
        let listed = list.and_then(|list| Some((list, door.entry(list, about, row.entry_agency)?)));
        Self { configuration, row, today, door, about, listed }
    }

    fn text(&self, text: &str) -> Option<String> {
        self.listed.as_ref().and_then(|(_, sight)| self.door.text(sight, text))
    }

    fn subject(&self, keys: &KeyRing) -> Result<MessageSubject> {
        let row = self.row;
        let bare = MessageSubject { id: row.subject_id, kind: None, name: None, uscc: None, document: None };
        let Some((_, sight)) = &self.listed else { return Ok(bare) };
        let natural = self.about == About::Person;
        let document = match (&row.document_scheme, &row.document_sealed) {
            (Some(scheme), Some(sealed)) if natural && sight.level(DisclosureClass::Sealed) > Show::None => {
                let number = keys.open(scheme.as_bytes(), sealed).map_err(Problem::internal)?;
                // However much the table shows: a message never carries the whole number.
                Some(person::mask(&String::from_utf8(number).map_err(Problem::internal)?))
            }
            _ => None,
        };
        Ok(MessageSubject {
            kind: Some(row.subject_kind.clone()),
            name: row.subject_name.as_deref().and_then(|name| self.door.name(sight, name)),
            uscc: row.uscc.clone().filter(|_| !natural && self.door.identifier(self.about, "uscc")),
            document,
            ..bare
        })
    }

    fn entry(&self, directory: &Snapshot) -> MessageEntry {
        let row = self.row;
        // What the subject did is told while it stands on the list; whoever lifts a measure needs ids, list and measure.
        let stands = row.entry_state == "listed";
        let Some((list, _)) = &self.listed else {
            return MessageEntry {
                id: row.entry_id,
                list: None,
                list_name: None,
                kind: None,
                authority: None,
                legal_basis: None,
                facts: None,
                listed_on: None,
                expires_on: None,
                ground_document: None,
                ground_state: None,
                disputed: false,
            };
        };
        MessageEntry {
            id: row.entry_id,
            list: Some(row.list.clone()),
            list_name: Some(list.name.clone()),
            kind: Some(row.entry_kind.clone()),
            authority: directory.agency(row.entry_agency).map(|a| a.name.clone()),
            legal_basis: self.text(&row.legal_basis),
            facts: self.text(&row.facts).filter(|_| stands),
            listed_on: row.listed_on,
            expires_on: row.expires_on,
            ground_document: row.ground_document.as_deref().filter(|_| stands).and_then(|number| self.text(number)),
            ground_state: Some(row.ground_state.clone()),
            disputed: row.disputed,
        }
    }

    /// The directive as it is read.
    pub(crate) fn view(&self, keys: &KeyRing, directory: &Snapshot) -> Result<DirectiveView> {
        let (row, configuration) = (self.row, self.configuration);
        let late = row.due_on.filter(|due| *due < self.today);
        Ok(DirectiveView {
            id: row.id,
            action_id: row.action_id,
            kind: row.kind.clone(),
            releases: row.releases,
            memorandum: row.memorandum.clone(),
            memorandum_name: memorandum_name(configuration, row),
            measure: row.measure.clone(),
            measure_name: configuration.measures.get(&row.measure).map(|m| m.body.name.clone()),
            agency_id: row.agency_id,
            agency: directory.agency(row.agency_id).map(|a| a.name.clone()),
            continuing: row.continuing,
            suspended: suspended(row),
            state: row.state.clone(),
            due_on: row.due_on,
            respond_by: row.respond_by,
            feedback_by: row.feedback_by,
            overdue: late.is_some(),
            overdue_working_days: late.map_or(0, |due| working_days_late(&configuration.rulebook.calendar, due, self.today)),
            rules: row.rules.clone(),
            issued_at: row.issued_at,
            delivered_at: row.delivered_at,
            responded_at: row.responded_at,
            response_reason: row.response_reason.as_deref().and_then(|reason| self.text(reason)),
            first_feedback_at: row.first_feedback_at,
            last_feedback_at: row.last_feedback_at,
            ended_at: row.ended_at,
            subject: self.subject(keys)?,
            entry: self.entry(directory),
            feedback: None,
        })
    }

    /// A feedback about it as it is read; its free texts are covered as those of the entry are.
    pub(crate) fn feedback(&self, row: FeedbackRow) -> FeedbackView {
        FeedbackView {
            id: row.id,
            check_id: row.check_id,
            started_on: row.started_on,
            ended_on: row.ended_on,
            measure_text: self.text(&row.measure_text),
            content: self.text(&row.content),
            field_area: self.text(&row.field_area),
            kind_code: row.kind_code,
            effect: self.text(&row.effect),
            status: self.text(&row.status),
            attachments: row.attachments,
            given_by: row.given_by,
            given_at: row.given_at,
        }
    }
}

fn memorandum_name(configuration: &Configuration, row: &DirectiveRow) -> Option<String> {
    configuration.memoranda.get(&row.memorandum).map(|m| m.body.name.clone())
}

fn measure(configuration: &Configuration, row: &DirectiveRow) -> MessageMeasure {
    let known = configuration.measures.get(&row.measure).map(|m| &m.body);
    MessageMeasure {
        code: row.measure.clone(),
        version: row.measure_version,
        name: known.map(|m| m.name.clone()),
        content: known.map(|m| m.content.clone()),
        class: known.map(|m| m.class),
        mandatory: known.map(|m| m.mandatory),
        direction: known.map(|m| m.direction.code().to_owned()),
        legal_basis: known.map(|m| m.legal_basis.clone()).unwrap_or_default(),
    }
}

/// Whether an agency that has the directive may not act on it at this moment. What was lifted says so by its state.
fn suspended(row: &DirectiveRow) -> bool {
    row.kind == DirectiveKind::Execute.code() && row.state != DirectiveState::Released.code() && !row.stands
}

/// The message of a directive, as its agency may see it.
///
/// # Errors
/// When a sealed number cannot be opened.
pub fn message(
    dispatch: &Dispatch,
    configuration: &Configuration,
    directory: &Snapshot,
    row: &DirectiveRow,
    today: NaiveDate,
) -> Result<DirectiveMessage> {
    let viewer = acting(directory, row.agency_id);
    let seen = Seen::by(&viewer, configuration, row, today);
    // Whoever reads the message has it.
    let issued = row.state == DirectiveState::Issued.code();
    let state = if issued { DirectiveState::Delivered.code().to_owned() } else { row.state.clone() };
    let topic = if row.kind == DirectiveKind::Release.code() { "directive.release" } else { "directive.execute" };
    Ok(DirectiveMessage {
        id: row.id,
        topic: topic.to_owned(),
        directive: MessageDirective {
            id: row.id,
            kind: row.kind.clone(),
            state,
            releases: row.releases,
            memorandum: MessageMemorandum { code: row.memorandum.clone(), name: memorandum_name(configuration, row) },
            measure: measure(configuration, row),
            continuing: row.continuing,
            suspended: suspended(row),
            respond_by: row.respond_by.filter(|_| !suspended(row)),
            feedback_by: row.feedback_by.filter(|_| !suspended(row)),
            issued_at: row.issued_at,
        },
        subject: seen.subject(&dispatch.keys)?,
        entry: seen.entry(directory),
        reminder: None,
    })
}

/// The message of a reminder or update.
pub(crate) fn reminder(
    dispatch: &Dispatch,
    configuration: &Configuration,
    directory: &Snapshot,
    row: &DirectiveRow,
    (id, about): (Uuid, MessageReminder),
    today: NaiveDate,
) -> Result<DirectiveMessage> {
    let of = message(dispatch, configuration, directory, row, today)?;
    let topic = if about.kind == "updated" { UPDATE } else { REMINDER };
    Ok(DirectiveMessage { id, topic: topic.to_owned(), reminder: Some(about), ..of })
}

/// The body of a directive's message, for the inbox and for pushing.
///
/// # Errors
/// As [`message`].
pub fn payload(
    dispatch: &Dispatch,
    configuration: &Configuration,
    directory: &Snapshot,
    row: &DirectiveRow,
    today: NaiveDate,
) -> Result<Value> {
    serde_json::to_value(message(dispatch, configuration, directory, row, today)?).map_err(Problem::internal)
}

/// The body of a message that is pushed: of a directive, or of a reminder or update of one. `None` when there is none with this id.
///
/// # Errors
/// As [`message`], and when the database cannot be read.
pub async fn message_body(
    dispatch: &Dispatch,
    directory: &Snapshot,
    (id, topic): (Uuid, &str),
    conn: &mut AsyncPgConnection,
    directive: Uuid,
    subject: Uuid,
    today: NaiveDate,
) -> Result<Option<Value>> {
    let Some(row) = directives::rows(conn, &[(subject, directive)], today).await?.pop() else { return Ok(None) };
    let configuration = dispatch.configuration.get();
    if topic != REMINDER && topic != UPDATE {
        return payload(dispatch, &configuration, directory, &row, today).map(Some);
    }
    let Some(of) = reminders::find(conn, subject, id).await? else { return Ok(None) };
    let about = MessageReminder { kind: of.kind, due_on: of.due_on };
    let message = reminder(dispatch, &configuration, directory, &row, (of.id, about), today)?;
    serde_json::to_value(message).map(Some).map_err(Problem::internal)
}
