//! Papers that are brought after a case was filed: what still is missing, and what follows when nothing is any more.

use super::cases::{Access, Clocks, step_to};
use super::lines::official;
use super::{Ready, Redress};
use crate::model::cases::{NewPapers, missing_papers};
use crate::model::lines::{CaseKind, Step};
use crate::model::problems::{
    CASE_COMMITMENT_UNFIT, CASE_COMPLETION_OVER, CASE_NOT_FOUND, CASE_NOT_OPEN, CASE_NOTHING_ADDED, REPAIR_BARRED, kept_text,
};
use crate::store::cases::{self as store, Case};
use crate::store::lines::{self, Line};
use chrono::NaiveDate;
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::problem::{Problem, Result};
use credence_lists::service::redress::entry_target;
use credence_records::service::redress::target;
use credence_subjects::store as subjects;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use uuid::Uuid;

/// What only a text stands for, because it is published; a paper of this kind is none.
const COMMITMENT: &str = "commitment";
/// What a training that is recorded here stands for as well.
const TRAINING: &str = "training_certificate";

/// Those of the required papers that are not at hand: given, as the text of the commitment, or as a training that was held since the decision.
pub(super) async fn lacking(
    conn: &mut AsyncPgConnection,
    family: &[Uuid],
    required: &[String],
    mut given: Vec<String>,
    commitment: bool,
    since: Option<NaiveDate>,
) -> Result<Vec<String>> {
    given.retain(|kind| kind != COMMITMENT);
    if commitment {
        given.push(COMMITMENT.to_owned());
    }
    let mut missing = missing_papers(required, &given);
    if missing.iter().any(|kind| kind == TRAINING) && store::was_trained(conn, family, since).await? {
        missing.retain(|kind| kind != TRAINING);
    }
    Ok(missing)
}

/// The latest day on which something that these lines are about was decided or listed: a training before it was for something else.
async fn latest_decision(conn: &mut AsyncPgConnection, lines: &[Line]) -> Result<Option<NaiveDate>> {
    let mut latest: Option<NaiveDate> = None;
    for line in lines {
        let decided_on = if line.target == "entry" {
            entry_target(conn, line.target_id).await?.and_then(|entry| entry.listed_on)
        } else {
            target(conn, line.subject_id, line.target_id).await?.and_then(|record| record.decided_on)
        };
        latest = latest.max(decided_on);
    }
    Ok(latest)
}

impl Redress {
    /// Papers that a case still waits for: those it was told of when it was filed, without what has come since. `given` are the kinds of its papers,
    /// `lines` all of its lines.
    pub(super) async fn still_missing(
        &self,
        conn: &mut AsyncPgConnection,
        ready: &Ready,
        case: &Case,
        lines: &[Line],
        given: Vec<String>,
    ) -> Result<Vec<String>> {
        if case.state != "incomplete" {
            return Ok(Vec::new());
        }
        let family = subjects::family(conn, case.subject_id, ready.now).await?;
        let since = latest_decision(conn, lines).await?;
        lacking(conn, &family, &case.missing, given, self.has_commitment(case)?, since).await
    }

    /// Adds papers to a case that is not decided, and the commitment where it was missing. When nothing is missing any more the case is filed, and its
    /// clocks begin; nothing has to be brought for that where a training that was recorded meanwhile is the last of it.
    ///
    /// # Errors
    /// When there is no such case for this actor, it is decided or withdrawn, its last day for papers is over, or nothing that can be added is brought;
    /// when nothing is missing any more and the subject is barred from repair.
    pub async fn add_papers(&self, actor: &Actor, access: Access, id: Uuid, new: &NewPapers) -> Result<()> {
        official(actor)?;
        let ready = self.ready().await?;
        let commitment = new.commitment.as_deref().map(|text| kept_text("commitment", text, self.settings.text_chars_max)).transpose()?;
        self.db
            .write(async |tx| {
                self.accessible(tx, &ready, access, id).await?;
                let lines = lines::lock_of_case(tx, id).await?;
                let case = store::lock(tx, id).await?.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
                let incomplete = case.state == "incomplete";
                if !incomplete && case.state != "open" {
                    return Err(Problem::new(&CASE_NOT_OPEN).with("state", case.state));
                }
                if let Some(last) = case.complete_by.filter(|last| incomplete && *last < ready.today) {
                    return Err(Problem::new(&CASE_COMPLETION_OVER).with("complete_by", last.to_string()));
                }
                let present = store::papers(tx.conn(), id).await?;
                let owner = match access {
                    Access::Own(subject) => (Some(subject), None),
                    Access::Taken(agency) => (None, Some(agency)),
                };
                self.check_papers(tx.conn(), &ready, &new.papers, present.len(), owner).await?;
                let mut added = Vec::new();
                for paper in &new.papers {
                    if store::add_paper(tx, (case.subject_id, id), paper, &actor.label, ready.now).await? {
                        added.push(paper.kind.clone());
                    }
                }
                let mut kept = self.open_applicant(&case)?;
                let mut brought = added.clone();
                if let Some(text) = &commitment {
                    if !incomplete || kept.commitment.is_some() || !case.missing.iter().any(|kind| kind == COMMITMENT) {
                        return Err(Problem::new(&CASE_COMMITMENT_UNFIT));
                    }
                    kept.commitment = Some(text.clone());
                    store::keep_applicant(tx, id, &self.seal_applicant(id, &kept)?).await?;
                    brought.push(COMMITMENT.to_owned());
                }
                let family = subjects::family(tx.conn(), case.subject_id, ready.now).await?;
                let mut completes = false;
                if incomplete {
                    let given = present.into_iter().map(|paper| paper.kind).chain(added).collect();
                    let since = latest_decision(tx.conn(), &lines).await?;
                    let missing = lacking(tx.conn(), &family, &case.missing, given, kept.commitment.is_some(), since).await?;
                    completes = missing.is_empty();
                }
                if brought.is_empty() && !completes {
                    return Err(Problem::new(&CASE_NOTHING_ADDED));
                }
                if !brought.is_empty() {
                    let detail = json!({ "case_no": case.case_no, "kinds": brought });
                    record(tx, actor, Change::new("case.add_papers", "case", id).about(case.subject_id).with(detail), ready.now).await?;
                }
                if !completes {
                    return Ok(());
                }
                // A bar may have come while papers were missing, and an application is made when nothing is.
                if let Some(until) = store::barred_until(tx.conn(), &family, ready.today, None).await? {
                    return Err(Problem::new(&REPAIR_BARRED).with("until", until.to_string()));
                }
                let clocks = Clocks::begin(&ready, CaseKind::Repair)?;
                for line in &lines {
                    let to = step_to(line, Step::Complete)?;
                    lines::complete(tx, line, &clocks.due, &clocks.total).await?;
                    let detail = json!({ "due_on": clocks.due.0, "rule": clocks.due.1, "total_due_on": clocks.total.0, "total_rule": clocks.total.1 });
                    self.stepped(tx, actor, line, "complete", to, detail, ready.now).await?;
                }
                self.settle_case(tx, id, ready.now).await?;
                self.now_complete(tx, &ready, id).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }
}
