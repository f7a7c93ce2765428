//! The check 红黑名单核查: one call from inside an approval system, before it decides. It says on which lists a subject stands, which measures apply
//! to this matter at this agency, and until when; the answer is kept, signed, and when there is a measure to apply it has to be reported what came of
//! it. What is read is the entries themselves and the day: nothing is answered from a ground that has fallen, whatever has followed it yet.

pub(crate) mod answer;
mod applicable;

use super::Dispatch;
use crate::model::checks::{
    AskedSubject, CHECK_INCOMPLETE, CHECK_TEXT_REFUSED, CheckAnswer, CheckFeedbackRequest, CheckFeedbackView, CheckOutcome, CheckPage,
    CheckRecord, CheckRequest, CheckSummary, FEEDBACK_DUPLICATE, FEEDBACK_REASON_MISSING, MATTER_UNKNOWN, MEASURE_UNKNOWN,
    NO_FEEDBACK_OWED, SignedCheck,
};
use crate::store::checks::{self as store, FeedbackRow, NewFeedback, StoredCheck, Whose};
use answer::{Assessed, Inquiry, assess};
use chrono::NaiveDate;
use credence_audit::access::{Statement, logged};
use credence_audit::{Change, record};
use credence_catalog::Configuration;
use credence_catalog::measures::MATTERS;
use credence_core::actor::{Actor, Credential, Permission};
use credence_core::identifiers::person::find_in_text;
use credence_core::paging;
use credence_core::problem::{FORBIDDEN, NOT_FOUND, Problem, Result};
use credence_db::Tx;
use credence_identity::model::AGENCY_UNKNOWN;
use credence_web::idempotency::{self, Key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is kept under an `Idempotency-Key`: the answer itself is in its own table.
#[derive(Serialize, Deserialize)]
struct Kept {
    check_id: Uuid,
}

/// Which checks are listed.
#[derive(Debug, Default)]
pub struct ChecksAsked {
    /// Only those whose feedback is owed, or only the others.
    pub owed: Option<bool>,
    /// Code of an agency, for those who supervise.
    pub agency: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Checks on a page.
    pub limit: Option<i64>,
}

impl Dispatch {
    /// Answers a check. The query is in the access log, where its subject finds it.
    ///
    /// # Errors
    /// When what is asked cannot be read. That nobody is known by what was given is an answer.
    pub async fn check(&self, actor: &Actor, asked: CheckRequest, key: Option<Key>) -> Result<SignedCheck> {
        let configuration = self.configuration.get();
        let limit = self.settings.text_chars_max;
        let matter = known_matter(&configuration, &asked.matter)?;
        let texts = (stated("case_no", &asked.case_no, limit)?, stated("purpose", &asked.purpose, limit)?);
        refuse_unfit_name(&asked.subject, limit)?;
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        let inquiry = Inquiry::new(self, actor, configuration, directory, matter, texts)?;
        logged(&self.db, actor, inquiry.statement(), now, async || {
            self.db
                .write(async |tx| {
                    if let Some(kept) = idempotency::replay::<Kept>(tx, key.as_ref(), now).await? {
                        let stored = store::find(tx.conn(), kept.check_id).await?.ok_or_else(|| Problem::internal("check vanished"))?;
                        return Ok((stored.subject_id, signed(stored)?));
                    }
                    let assessed = assess(self, tx, &inquiry, &asked.subject).await?;
                    store::insert(tx, assessed.row(&inquiry, None)).await?;
                    idempotency::keep(tx, key.as_ref(), &Kept { check_id: assessed.answer.check_id }, None, now).await?;
                    note(tx, actor, &assessed).await?;
                    Ok((assessed.subject_id, SignedCheck { answer: assessed.answer, signed: assessed.signed }))
                })
                .await
        })
        .await
    }

    /// A check of the own agency as it was answered, and what came of it.
    ///
    /// # Errors
    /// When there is none of the own agency.
    pub async fn stored_check(&self, actor: &Actor, id: Uuid) -> Result<CheckRecord> {
        let statement = Statement { action: "check.read", ..Statement::default() };
        logged(&self.db, actor, statement, self.clock.now(), async || {
            let mut conn = self.db.read().await?;
            let stored = store::find(&mut conn, id).await?.filter(|check| is_of(actor, check.agency_id, check.actor_id));
            let stored = stored.ok_or_else(|| Problem::new(&NOT_FOUND))?;
            let feedback = store::feedback_of(&mut conn, id).await?.into_iter().map(feedback_view).collect();
            let (subject_id, feedback_state) = (stored.subject_id, stored.feedback_state.clone());
            let today = self.clock.today();
            let overdue = is_overdue(&stored, today);
            let changed = store::changed(&mut conn, id, today).await?;
            Ok((subject_id, CheckRecord { check: signed(stored)?, feedback_state, overdue, changed, feedback }))
        })
        .await
    }

    /// Checks of the own agency, or of any for those who supervise.
    ///
    /// # Errors
    /// When the cursor, the limit or the agency is none.
    pub async fn checks(&self, actor: &Actor, asked: ChecksAsked) -> Result<CheckPage> {
        let limit = paging::limit(asked.limit, self.query.page_default, self.query.page_max)?;
        let directory = self.directory.get(&self.db, self.clock.now()).await?;
        let named = match &asked.agency {
            Some(code) => Some(directory.by_code(code).ok_or_else(|| Problem::new(&AGENCY_UNKNOWN))?.id),
            None => None,
        };
        let whose = if actor.may(Permission::SuperviseJointAction) {
            Whose { agency: named, actor: None }
        } else {
            let own = actor.agency()?.0;
            if named.is_some_and(|agency| agency != own) {
                return Err(Problem::new(&FORBIDDEN));
            }
            Whose { agency: Some(own), actor: limited(actor).flatten() }
        };
        let mut conn = self.db.read().await?;
        // One more than the page holds tells whether there is a next one.
        let mut rows = match asked.owed {
            Some(true) => {
                let after: Option<(NaiveDate, Uuid)> = asked.cursor.as_deref().map(paging::decode).transpose()?;
                store::owed(&mut conn, whose, after, limit + 1).await?
            }
            owed => {
                let before: Option<Uuid> = asked.cursor.as_deref().map(paging::decode).transpose()?;
                store::newest(&mut conn, whose, owed == Some(false), before, limit + 1).await?
            }
        };
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > page;
        rows.truncate(page);
        let next = rows.last().filter(|_| more).map(|last| match (asked.owed, last.feedback_by) {
            (Some(true), Some(day)) => paging::encode(&(day, last.id)),
            _ => paging::encode(&last.id),
        });
        let today = self.clock.today();
        let items = rows.into_iter().map(|check| CheckSummary {
            check_id: check.id,
            at: check.at,
            agency: directory.agency(check.agency_id).map(|a| a.code.clone()),
            overdue: is_overdue(&check, today),
            check_batch_id: check.batch_id,
            result: check.result.get("result").and_then(Value::as_str).unwrap_or_default().to_owned(),
            matter: check.matter,
            case_no: check.case_no,
            hit: check.hit,
            feedback_by: check.feedback_by,
            feedback_state: check.feedback_state,
        });
        Ok(CheckPage { items: items.collect(), next })
    }

    /// Takes what came of a check with a hit. A case that is not decided yet may be reported as pending as often as needed; what settles it, once.
    ///
    /// # Errors
    /// When there is no such check of the own agency, nothing is owed on it or it was settled before, a measure is not one of those it returned, or
    /// the reason is missing.
    pub async fn give_check_feedback(
        &self,
        actor: &Actor,
        id: Uuid,
        given: CheckFeedbackRequest,
        key: Option<Key>,
    ) -> Result<CheckFeedbackView> {
        let now = self.clock.now();
        let limit = self.settings.text_chars_max;
        let reason = said("reason", given.reason.as_deref(), limit)?;
        let result = said("result", given.result.as_deref(), limit)?;
        if given.outcome != CheckOutcome::Applied && reason.is_none() {
            return Err(Problem::new(&FEEDBACK_REASON_MISSING));
        }
        let mut measures = given.measures;
        measures.sort_unstable();
        measures.dedup();
        self.db
            .write(async |tx| {
                if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                    return Ok(done);
                }
                let check = store::lock(tx, id).await?.filter(|check| is_of(actor, check.agency_id, check.actor_id));
                let check = check.ok_or_else(|| Problem::new(&NOT_FOUND))?;
                if !check.hit {
                    return Err(Problem::new(&NO_FEEDBACK_OWED));
                }
                if check.feedback_state == "given" {
                    return Err(Problem::new(&FEEDBACK_DUPLICATE));
                }
                let answer: CheckAnswer = serde_json::from_value(check.result).map_err(Problem::internal)?;
                check_measures(&answer, given.outcome, &measures)?;
                let view = CheckFeedbackView {
                    feedback_id: Uuid::now_v7(),
                    check_id: id,
                    outcome: given.outcome.code().to_owned(),
                    measures: measures.clone(),
                    reason: reason.clone(),
                    result: result.clone(),
                    given_at: now,
                };
                let new = NewFeedback {
                    id: view.feedback_id,
                    check_id: id,
                    outcome: &view.outcome,
                    measures: &view.measures,
                    reason: view.reason.as_deref(),
                    result: view.result.as_deref(),
                    given_by: &actor.label,
                };
                store::give_feedback(tx, &new, given.outcome.state(), now, || Problem::new(&FEEDBACK_DUPLICATE)).await?;
                idempotency::keep(tx, key.as_ref(), &view, None, now).await?;
                let detail = json!({ "outcome": view.outcome, "measures": view.measures, "feedback_id": view.feedback_id });
                let mut change = Change::new("check.feedback", "check", id).with(detail);
                change.subject_id = check.subject_id;
                record(tx, actor, change, now).await?;
                Ok(view)
            })
            .await
    }
}

/// The matter a text stands for.
pub(crate) fn known_matter(configuration: &Configuration, said: &str) -> Result<String> {
    configuration.matter(said.trim()).ok_or_else(|| {
        let set = configuration.code_sets.get(MATTERS);
        let known: Vec<String> = set.into_iter().flat_map(|set| &set.values).map(|v| v.value.clone()).collect();
        Problem::new(&MATTER_UNKNOWN).with("matters", known)
    })
}

/// A line of at most so many characters that has to be stated and may stand in any log.
pub(crate) fn stated(field: &str, text: &str, limit: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::new(&CHECK_INCOMPLETE).with("field", field));
    }
    refuse_unfit(field, text, [text], limit)?;
    Ok(text.to_owned())
}

/// A text of several lines that may be left out.
fn said(field: &str, text: Option<&str>, limit: usize) -> Result<Option<String>> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
    refuse_unfit(field, text, text.lines(), limit)?;
    Ok(Some(text.to_owned()))
}

/// The name that is compared; a person's stays nowhere.
pub(crate) fn refuse_unfit_name(subject: &AskedSubject, limit: usize) -> Result<()> {
    let name = subject.name.as_deref().unwrap_or_default().trim();
    refuse_unfit("name", name, [name], limit)
}

fn refuse_unfit<'t>(field: &str, text: &str, lines: impl IntoIterator<Item = &'t str>, limit: usize) -> Result<()> {
    let unfit = |line: &str| line.chars().any(char::is_control) || !find_in_text(line).is_empty();
    if text.chars().count() > limit || lines.into_iter().any(unfit) {
        return Err(Problem::new(&CHECK_TEXT_REFUSED).with("field", field).with("limit", limit));
    }
    Ok(())
}

/// Records a check that was answered.
async fn note(tx: &mut Tx<'_>, actor: &Actor, assessed: &Assessed) -> Result<()> {
    let answer = &assessed.answer;
    let detail =
        json!({ "matter": answer.matter, "result": answer.result, "measures": answer.measures(), "feedback_by": answer.feedback_by });
    let mut change = Change::new("check.answer", "check", answer.check_id).with(detail);
    change.subject_id = assessed.subject_id;
    record(tx, actor, change, answer.at).await
}

fn signed(stored: StoredCheck) -> Result<SignedCheck> {
    Ok(SignedCheck { answer: serde_json::from_value(stored.result).map_err(Problem::internal)?, signed: stored.signed })
}

fn feedback_view(row: FeedbackRow) -> CheckFeedbackView {
    CheckFeedbackView {
        feedback_id: row.id,
        check_id: row.check_id,
        outcome: row.outcome,
        measures: row.measures,
        reason: row.reason,
        result: row.result,
        given_at: row.given_at,
    }
}

/// Whether the feedback is owed and its day is over.
fn is_overdue(check: &StoredCheck, today: NaiveDate) -> bool {
    matches!(check.feedback_state.as_str(), "owed" | "pending") && check.feedback_by.is_some_and(|day| today > day)
}

/// The one account or key whose answers it may read, when its key is limited to some items or regions; `None` for who has no such limit.
fn limited(actor: &Actor) -> Option<Option<Uuid>> {
    let own = match actor.credential {
        Credential::Account(id) => Some(id.0),
        Credential::ApiKey(id) => Some(id),
        Credential::System => None,
    };
    (actor.items.is_some() || actor.regions.is_some()).then_some(own)
}

/// Whether what was asked for an agency, by an account or key, may be read again by this actor: its own agency's, and under a limited key only what
/// that key itself was told.
pub(crate) fn is_of(actor: &Actor, agency: Uuid, asked_by: Option<Uuid>) -> bool {
    actor.agency.is_some_and(|own| own.0 == agency) && limited(actor).is_none_or(|own| own == asked_by)
}

/// Measures of a feedback are among those that the check returned; what was applied has a name.
fn check_measures(answer: &CheckAnswer, outcome: CheckOutcome, measures: &[String]) -> Result<()> {
    let returned = answer.measures();
    let unknown: Vec<&String> = measures.iter().filter(|code| !returned.contains(&code.as_str())).collect();
    if unknown.is_empty() && (outcome != CheckOutcome::Applied || !measures.is_empty()) {
        return Ok(());
    }
    let unknown: Vec<String> = unknown.into_iter().cloned().collect();
    Err(Problem::new(&MEASURE_UNKNOWN).with("measures", unknown).with("returned", returned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::Role;
    use credence_core::ids::AgencyId;

    fn key(id: u128, items: Option<Vec<String>>) -> Actor {
        Actor {
            credential: Credential::ApiKey(Uuid::from_u128(id)),
            agency: Some(AgencyId(Uuid::from_u128(1))),
            roles: vec![Role::Consumer],
            items,
            ..Actor::system("key")
        }
    }

    #[test]
    fn a_limited_key_reads_what_it_was_told_itself() {
        let (own, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (whole, limited) = (key(7, None), key(8, Some(Vec::new())));
        for by in [None, Some(Uuid::from_u128(7)), Some(Uuid::from_u128(8))] {
            assert!(is_of(&whole, own, by), "{by:?}");
            assert!(!is_of(&whole, other, by), "{by:?}");
            assert_eq!(is_of(&limited, own, by), by == Some(Uuid::from_u128(8)), "{by:?}");
        }
    }

    fn answer() -> CheckAnswer {
        let measure = json!({
            "code": "m1", "name": "x", "content": "x", "class": 1, "direction": "sanction", "mandatory": true, "legal_basis": [], "memorandum": "m",
            "memorandum_name": "x", "expires_on": null, "directive_id": null
        });
        let entry = json!({
            "list": "b", "name": "x", "kind": "serious_dishonesty", "colour": "black", "entry_id": Uuid::nil(), "authority": "x", "legal_basis": "x",
            "facts": null, "ground_document": null, "listed_on": "2026-01-01", "expires_on": null, "under_review": false, "measures": [measure]
        });
        serde_json::from_value(json!({
            "check_id": Uuid::nil(), "at": "2026-04-01T00:00:00Z", "agency": "a", "agency_name": "x", "matter": "x", "case_no": "1", "purpose": "x",
            "subject": { "id": null, "kind": "organisation", "name": null, "uscc": null, "name_mismatch": false }, "result": "black",
            "lists": [entry], "feedback_required": true, "feedback_by": "2026-05-06", "disclaimer_zh": "", "disclaimer_en": ""
        }))
        .unwrap()
    }

    #[test]
    fn feedback_names_measures_of_the_check() {
        let said = |outcome, measures: &[&str]| {
            let measures: Vec<String> = measures.iter().map(|m| (*m).to_owned()).collect();
            check_measures(&answer(), outcome, &measures).map_err(|p| p.code())
        };
        assert!(answer().hit());
        assert_eq!(said(CheckOutcome::Applied, &["m1"]), Ok(()));
        assert_eq!(said(CheckOutcome::Applied, &[]), Err("measure_unknown"));
        assert_eq!(said(CheckOutcome::Applied, &["m1", "m2"]), Err("measure_unknown"));
        assert_eq!(said(CheckOutcome::NotApplicable, &[]), Ok(()));
        assert_eq!(said(CheckOutcome::Pending, &["m2"]), Err("measure_unknown"));
    }

    #[test]
    fn texts_that_no_log_may_hold_are_refused() {
        assert_eq!(stated("case_no", " 2026-1 ", 10).unwrap(), "2026-1");
        for (text, code) in [
            ("  ", "check_incomplete"),
            ("12345678901", "check_text_refused"),
            ("a\nb", "check_text_refused"),
            ("11010519491231002X", "check_text_refused"),
        ] {
            assert_eq!(stated("case_no", text, 10).unwrap_err().code(), code, "{text}");
        }
        assert_eq!(said("reason", Some("a\nb"), 10).unwrap().as_deref(), Some("a\nb"));
        assert_eq!(said("reason", Some("  "), 10).unwrap(), None);
        assert!(said("reason", Some("证件11010519491231002X"), 100).is_err());
    }
}
