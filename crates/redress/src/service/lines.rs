//! What every step of a line has in common: whose it is, that it is written down, and that its case follows.

use super::Redress;
use crate::model::lines::{Changed, LineState};
use crate::model::problems::{CASE_LINE_NOT_FOUND, OFFICIAL_NEEDED};
use crate::store::cases;
use crate::store::lines::{self, Line, NewStep};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::actor::Credential;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use serde_json::Value;
use uuid::Uuid;

/// The account behind an actor; keys and the program have none.
pub(crate) fn person(actor: &Actor) -> Option<Uuid> {
    match actor.credential {
        Credential::Account(id) => Some(id.0),
        Credential::ApiKey(_) | Credential::System => None,
    }
}

/// The account of an official, or a refusal: cases are handled by people.
pub(crate) fn official(actor: &Actor) -> Result<Uuid> {
    person(actor).ok_or_else(|| Problem::new(&OFFICIAL_NEEDED))
}

/// Where the wanted fields of a line open: not where those of its decision do.
fn wanted_place(line: Uuid) -> Vec<u8> {
    let mut place = line.as_bytes().to_vec();
    place.extend_from_slice(b"wanted");
    place
}

impl Redress {
    /// A line of the actor's agency, locked until the transaction ends.
    ///
    /// # Errors
    /// When the actor is no person, or there is no such line of its agency.
    pub(crate) async fn line_of_agency(&self, tx: &mut Tx<'_>, actor: &Actor, id: Uuid) -> Result<Line> {
        official(actor)?;
        let agency = actor.agency()?.0;
        lines::lock(tx, id).await?.filter(|line| line.agency_id == agency).ok_or_else(|| Problem::new(&CASE_LINE_NOT_FOUND))
    }

    /// Writes a step of a line down, in the case's own history and in the change log. `detail` must not identify a natural person.
    ///
    /// # Errors
    /// When the database fails.
    #[expect(clippy::too_many_arguments, reason = "a step is as wide as its row")]
    pub(crate) async fn stepped(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        line: &Line,
        step: &str,
        to: LineState,
        detail: Value,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let new = NewStep {
            subject_id: line.subject_id,
            case_id: line.case_id,
            line_id: Some(line.id),
            step,
            from: Some(&line.state),
            to: to.code(),
            actor_id: person(actor),
            actor_label: &actor.label,
            agency_id: actor.agency.map(|agency| agency.0),
            detail: &detail,
        };
        lines::step(tx, &new, now).await?;
        let mut detail = detail;
        if let Some(map) = detail.as_object_mut() {
            map.insert("case_no".to_owned(), line.case_no.clone().into());
            map.insert("case_id".to_owned(), line.case_id.to_string().into());
        }
        let action = format!("case.{step}");
        record(tx, actor, Change::new(&action, "case_line", line.id).about(line.subject_id).with(detail), now).await
    }

    /// Lets a case follow its lines: closed when all of them are closed or withdrawn (withdrawn when all are that), open again when a review was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn settle_case(&self, tx: &mut Tx<'_>, case_id: Uuid, now: DateTime<Utc>) -> Result<()> {
        cases::settle(tx, case_id, now).await
    }

    /// Fields before and after a decision, sealed under the id of the line.
    ///
    /// # Errors
    /// When they cannot be sealed.
    pub(crate) fn seal_changes(&self, line: Uuid, changes: &[Changed]) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(changes).map_err(Problem::internal)?;
        self.keys.seal(line.as_bytes(), &plain).map_err(Problem::internal)
    }

    /// Fields before and after a decision, as `decision_sealed` keeps them under the id of the line; nothing where nothing was changed.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub(crate) fn open_changes(&self, line: &Line) -> Result<Vec<Changed>> {
        self.open_column(line.id.as_bytes(), line.decision_sealed.as_deref())
    }

    /// Fields and values that are asked for, as `wanted_sealed` keeps them.
    ///
    /// # Errors
    /// When they cannot be sealed.
    pub(crate) fn seal_wanted(&self, line: Uuid, wanted: &[Changed]) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(wanted).map_err(Problem::internal)?;
        self.keys.seal(&wanted_place(line), &plain).map_err(Problem::internal)
    }

    /// The reverse of [`Self::seal_wanted`]; nothing where nothing was asked for.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub(crate) fn open_wanted(&self, line: &Line) -> Result<Vec<Changed>> {
        self.open_column(&wanted_place(line.id), line.wanted_sealed.as_deref())
    }

    fn open_column(&self, place: &[u8], sealed: Option<&[u8]>) -> Result<Vec<Changed>> {
        let Some(sealed) = sealed else { return Ok(Vec::new()) };
        let plain = self.keys.open(place, sealed).map_err(Problem::internal)?;
        serde_json::from_slice(&plain).map_err(Problem::internal)
    }
}
