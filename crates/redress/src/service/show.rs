//! What cases show, and to whom. The applicant sees all of its case; the agency that took it in too; an agency that decides sees its own lines; those who
//! supervise see deadlines and outcomes, and of a natural person's case nothing that was written; the credit office sees what was stated and handed in while
//! it has to look whether an error is the platform's own. Values of fields pass the one door.

use super::eligibility::{about, named, own_viewer, paper_names, source_name};
use super::lines::official;
use super::{Ready, Redress};
use crate::model::cases::{CaseSummary, CaseView, EligibilityView, PaperView, Receipt, ReceiptLine, StepView, secret_hash};
use crate::model::lines::{CaseKind, Changed, ExtensionView, LineState, LineSummary, LineView, StopView, owed_by};
use crate::model::problems::{CASE_FILTER_UNKNOWN, CASE_LINE_NOT_FOUND, CASE_LOOKUP_LOCKED, CASE_NOT_FOUND};
use crate::store::cases::{self as store, Case, CasesAsked};
use crate::store::lines::{self, ExtensionRow, Line, LinesAsked, StopRow};
use chrono::Duration;
use credence_audit::{Change, record};
use credence_catalog::disclosure::{About, Door, Facts, Viewer, mask_name};
use credence_catalog::model::RecordState;
use credence_core::problem::{Problem, Result};
use credence_core::{Actor, Permission};
use credence_rulebook::clocks::days_over;
use credence_subjects::model::SUBJECT_NOT_FOUND;
use credence_subjects::store as subjects;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use uuid::Uuid;

/// States of cases.
pub const CASE_STATES: [&str; 4] = ["incomplete", "open", "closed", "withdrawn"];

/// Who looks at a case.
enum Eyes {
    /// The applicant, by login or code.
    Applicant,
    /// The agency that took it in, for the applicant.
    Counter(Viewer),
    /// An agency that decides, and which.
    Deciding(Viewer, Uuid),
    /// The credit office while it looks whether an error is the platform's own: as one that supervises, with what was stated and handed in.
    Checking(Viewer),
    /// Somebody who supervises.
    Supervisor(Viewer),
}

/// What was found behind a number and a code.
enum Lookup {
    Opened(Uuid),
    Wrong,
    Locked(i64),
}

/// Which cases are asked for.
#[derive(Debug, Clone, Default)]
pub struct CasesWanted {
    /// A state.
    pub state: Option<String>,
    /// Only those with an overdue line.
    pub overdue: bool,
    /// Before this case.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: i64,
}

/// Which lines are asked for.
#[derive(Debug, Clone, Default)]
pub struct LinesWanted {
    /// `dispute` or `repair`.
    pub kind: Option<String>,
    /// A state.
    pub state: Option<String>,
    /// Only those that are overdue.
    pub overdue: bool,
    /// After this line.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: i64,
}

/// A subject as somebody at a counter names it: by exactly one of id, code and document.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// Its id.
    pub subject_id: Option<Uuid>,
    /// Unified social credit code.
    pub uscc: Option<String>,
    /// Kind of a person's document.
    pub document_kind: Option<String>,
    /// Its number.
    pub document_number: Option<String>,
}

fn filtered(filter: &str, value: Option<&str>, known: &[&str]) -> Result<()> {
    match value.filter(|value| !known.contains(value)) {
        None => Ok(()),
        Some(_) => Err(Problem::new(&CASE_FILTER_UNKNOWN).with("filter", filter).with("known", known.to_vec())),
    }
}

/// The last day that counts is over, and by how many working days.
fn late(ready: &Ready, line: &Line) -> Result<(bool, u32)> {
    let owed = owed_by(line.state()?, line.due_on, line.total_due_on).filter(|last| *last < ready.today);
    let days = owed.map_or(0, |last| days_over(&ready.configuration.rulebook.calendar, last, ready.today));
    Ok((owed.is_some(), days))
}

fn agency_name(ready: &Ready, id: Uuid) -> String {
    ready.directory.agency(id).map(|agency| agency.name.clone()).unwrap_or_default()
}

/// Fields as a viewer sees them: each by its class, and not at all where the item is not shown to it.
fn fields(ready: &Ready, viewer: &Viewer, line: &Line, about: About, changed: Vec<Changed>) -> Vec<Changed> {
    let item = ready.configuration.items.get(&line.source).map(|v| &v.item);
    let door = Door::open(&ready.configuration.disclosure, viewer, ready.today);
    let facts = Facts { about, agency: line.agency_id, state: RecordState::Active, public_until: None, current: true };
    let sight = item.and_then(|item| door.sight(item, &facts));
    let shown = |code: &str, value: Option<serde_json::Value>| {
        let (item, sight, value) = (item?, sight.as_ref()?, value?);
        door.value(item, item.field(code)?, sight, &value)
    };
    let through = |change: Changed| {
        let (old, new) = (shown(&change.field, change.old), shown(&change.field, change.new));
        Changed { field: change.field, old, new }
    };
    changed.into_iter().map(through).collect()
}

impl Redress {
    /// The subject that somebody at a counter names.
    ///
    /// # Errors
    /// When it is named in no way or in several, wrongly, or there is none.
    pub async fn subject(&self, who: &Who) -> Result<Uuid> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let today = self.clock.today();
        let mut conn = self.db.read().await?;
        let found = match (who.subject_id, &who.uscc, &who.document_kind, &who.document_number) {
            (Some(id), None, None, None) => subjects::find(&mut conn, id).await?,
            (None, Some(uscc), None, None) => {
                let code = credence_subjects::service::parse_uscc(uscc, &configuration.uscc_rules(today))?;
                subjects::by_uscc(&mut conn, code.as_str()).await?
            }
            (None, None, Some(kind), Some(number)) => {
                let document = configuration.person_document(kind, number, today)?;
                let scheme = document.kind().code();
                subjects::by_person_index(&mut conn, scheme, &self.keys.index(scheme, document.reveal())).await?
            }
            _ => {
                return Err(Problem::malformed(
                    "subject_id、uscc、证件类型与号码三者须且只能填写一项",
                    "name the subject by exactly one of `subject_id`, `uscc`, and `document_kind` with `document_number`",
                ));
            }
        };
        found.map(|subject| subject.id).ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))
    }

    /// A case as its applicant sees it. Whether somebody is the applicant was asked before.
    ///
    /// # Errors
    /// When there is no such case.
    pub async fn applicants_view(&self, id: Uuid) -> Result<CaseView> {
        let ready = self.ready().await?;
        let mut conn = self.db.read().await?;
        let case = store::find(&mut conn, id).await?.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        self.case_view(&mut conn, &ready, case, Eyes::Applicant).await
    }

    /// Opens a case by its number and code, without a login. Wrong codes are counted, and too many of them close that way for a time.
    ///
    /// # Errors
    /// When the number or the code is wrong, which of them is not told, or too many codes were.
    pub async fn open_by_code(&self, case_no: &str, code: &str) -> Result<Uuid> {
        let now = self.clock.now();
        let case_no = case_no.trim().to_ascii_uppercase();
        let locked_until = now + Duration::minutes(self.settings.lookup_lock_minutes);
        let found = self
            .db
            .write(async |tx| {
                // A count of wrong codes changes no thing that is logged; that a case was locked is.
                tx.mark_recorded();
                let Some(case) = store::lock_by_number(tx, &case_no).await? else { return Ok(Lookup::Wrong) };
                if let Some(until) = case.secret_locked_until.filter(|until| now < *until) {
                    return Ok(Lookup::Locked((until - now).num_seconds().max(1)));
                }
                if case.secret_hash == secret_hash(&case_no, code) {
                    if case.secret_failures > 0 || case.secret_locked_until.is_some() {
                        store::code_matched(tx, case.id).await?;
                    }
                    return Ok(Lookup::Opened(case.id));
                }
                store::code_failed(tx, case.id, self.settings.lookup_failures_max, locked_until).await?;
                if case.secret_failures + 1 >= self.settings.lookup_failures_max {
                    let detail = json!({ "case_no": case.case_no, "until": locked_until });
                    let change = Change::new("case.lookup_locked", "case", case.id).about(case.subject_id).with(detail);
                    record(tx, &Actor::system("case-lookup"), change, now).await?;
                }
                Ok(Lookup::Wrong)
            })
            .await?;
        match found {
            Lookup::Opened(id) => Ok(id),
            Lookup::Wrong => Err(Problem::new(&CASE_NOT_FOUND)),
            Lookup::Locked(seconds) => Err(Problem::new(&CASE_LOOKUP_LOCKED).with("retry_after_seconds", seconds)),
        }
    }

    /// A case of a subject, or of one that is read through it.
    ///
    /// # Errors
    /// When there is no such case of this subject.
    pub async fn own_case(&self, subject: Uuid, id: Uuid) -> Result<CaseView> {
        let ready = self.ready().await?;
        let mut conn = self.db.read().await?;
        let family = subjects::family(&mut conn, subject, ready.now).await?;
        let case = store::find(&mut conn, id).await?.filter(|case| family.contains(&case.subject_id));
        let case = case.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        self.case_view(&mut conn, &ready, case, Eyes::Applicant).await
    }

    /// The cases of a subject, newest first.
    ///
    /// # Errors
    /// When a filter has no such value.
    pub async fn own_cases(&self, subject: Uuid, wanted: &CasesWanted) -> Result<Vec<CaseSummary>> {
        filtered("state", wanted.state.as_deref(), &CASE_STATES)?;
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        let family = subjects::family(&mut conn, subject, now).await?;
        let asked = CasesAsked { subjects: Some(&family), ..asked(wanted) };
        store::page(&mut conn, &asked, self.clock.today()).await
    }

    /// Cases for those who work on them, newest first: everybody's for who supervises, otherwise those that the actor's agency took in.
    ///
    /// # Errors
    /// When a filter has no such value, or the actor acts for no agency.
    pub async fn cases(&self, actor: &Actor, wanted: &CasesWanted) -> Result<Vec<CaseSummary>> {
        filtered("state", wanted.state.as_deref(), &CASE_STATES)?;
        let taken_by = if actor.may(Permission::SuperviseCases) { None } else { Some(actor.agency()?.0) };
        let asked = CasesAsked { taken_by, ..asked(wanted) };
        store::page(&mut *self.db.read().await?, &asked, self.clock.today()).await
    }

    fn viewer(&self, ready: &Ready, actor: &Actor) -> Viewer {
        let lineage = if actor.region.is_empty() { Vec::new() } else { ready.directory.lineage(&actor.region) };
        Viewer::of(actor, lineage, false, Some("权益保障办理"), None)
    }

    /// In which capacity an official may see a case; `None` when it may not.
    fn eyes(&self, ready: &Ready, actor: &Actor, case: &Case, lines: &[Line]) -> Option<Eyes> {
        let agency = actor.agency.map(|agency| agency.0);
        if actor.may(Permission::TakeCases) && case.taken_agency.is_some() && case.taken_agency == agency {
            return Some(Eyes::Counter(self.viewer(ready, actor)));
        }
        let deciding = agency.filter(|agency| actor.may(Permission::HandleCases) && lines.iter().any(|line| line.agency_id == *agency));
        if let Some(agency) = deciding {
            return Some(Eyes::Deciding(self.viewer(ready, actor), agency));
        }
        let to_check = |line: &Line| line.kind == CaseKind::Dispute.code() && line.state == LineState::Filed.code();
        if actor.may(Permission::CheckCases) && lines.iter().any(to_check) {
            return Some(Eyes::Checking(self.viewer(ready, actor)));
        }
        actor.may(Permission::SuperviseCases).then(|| Eyes::Supervisor(self.viewer(ready, actor)))
    }

    /// A case, for an official: whole for the agency that took it in, its own lines for one that decides, deadlines for those who supervise, and what
    /// was stated and handed in for the credit office while it has to look. With the subject, for the access log.
    ///
    /// # Errors
    /// When there is no such case for this official.
    pub async fn case(&self, actor: &Actor, id: Uuid) -> Result<(Uuid, CaseView)> {
        official(actor)?;
        let ready = self.ready().await?;
        let mut conn = self.db.read().await?;
        let case = store::find(&mut conn, id).await?.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        let lines = lines::of_case(&mut conn, id).await?;
        let eyes = self.eyes(&ready, actor, &case, &lines).ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        let subject = case.subject_id;
        Ok((subject, self.case_view(&mut conn, &ready, case, eyes).await?))
    }

    /// What stands on the printed receipt of a case that the actor's agency took in. The code is not among it: it is shown once.
    ///
    /// # Errors
    /// When there is no such case.
    pub async fn receipt(&self, actor: &Actor, id: Uuid) -> Result<(Uuid, Receipt)> {
        let agency = actor.agency()?.0;
        let ready = self.ready().await?;
        let mut conn = self.db.read().await?;
        let case = store::find(&mut conn, id).await?.filter(|case| case.taken_agency == Some(agency));
        let case = case.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        let lines = lines::of_case(&mut conn, id).await?;
        let papers = store::papers(&mut conn, id).await?;
        let names = paper_names(&ready.configuration, ready.today);
        let kinds: Vec<String> = papers.into_iter().map(|paper| paper.kind).collect();
        let missing = self.still_missing(&mut conn, &ready, &case, &lines, kinds.clone()).await?;
        let kind = CaseKind::from_code(&case.kind).ok_or_else(|| Problem::internal("unknown kind of case"))?;
        let line = |line: Line| ReceiptLine {
            source_name: source_name(&ready.configuration, &line.target, &line.source),
            agency: agency_name(&ready, line.agency_id),
            total_due_on: line.total_due_on,
        };
        let of_person = about(&case.subject_kind) == About::Person;
        let receipt = Receipt {
            kind_name: kind.zh().to_owned(),
            subject_name: case.subject_name.as_deref().map(|name| if of_person { mask_name(name) } else { name.to_owned() }),
            person_name: mask_name(&self.applicants_name(&case)?),
            filed_at: case.filed_at,
            taken_by: case.taken_agency.map(|agency| agency_name(&ready, agency)),
            lines: lines.into_iter().map(line).collect(),
            papers: named(&names, &kinds),
            missing: named(&names, &missing),
            complete_by: case.complete_by,
            hint: format!("凭办件编号与查询码可在线查询办理进度；查询码仅在受理时出示一次，请妥善保管。{}", appeal(&ready)),
            case_no: case.case_no,
        };
        Ok((case.subject_id, receipt))
    }

    /// Lines, oldest first: everybody's for those who supervise, otherwise those that the actor's agency decides.
    ///
    /// # Errors
    /// When a filter has no such value, or the actor is no official.
    pub async fn lines(&self, actor: &Actor, wanted: &LinesWanted) -> Result<Vec<LineSummary>> {
        official(actor)?;
        filtered("state", wanted.state.as_deref(), &LineState::ALL.map(LineState::code))?;
        filtered("kind", wanted.kind.as_deref(), &CaseKind::ALL.map(CaseKind::code))?;
        let agency = if actor.may(Permission::SuperviseCases) { None } else { Some(actor.agency()?.0) };
        let ready = self.ready().await?;
        let asked = LinesAsked {
            agency,
            kind: wanted.kind.as_deref(),
            state: wanted.state.as_deref(),
            overdue_on: wanted.overdue.then_some(ready.today),
            after: wanted.after,
            limit: wanted.limit,
        };
        let found = lines::page(&mut *self.db.read().await?, &asked).await?;
        let summary = |line: Line| {
            let (overdue, overdue_working_days) = late(&ready, &line)?;
            Ok(LineSummary {
                id: line.id,
                case_id: line.case_id,
                subject_id: line.subject_id,
                source_name: source_name(&ready.configuration, &line.target, &line.source),
                agency: agency_name(&ready, line.agency_id),
                filed_at: line.filed_at,
                due_on: line.due_on,
                total_due_on: line.total_due_on,
                overdue,
                overdue_working_days,
                case_no: line.case_no,
                kind: line.kind,
                target: line.target,
                source: line.source,
                state: line.state,
                ground: line.ground,
                outcome: line.outcome,
            })
        };
        found.into_iter().map(summary).collect()
    }

    /// One line, for an official of the agency that decides it and for those who supervise: what a step of it answers.
    ///
    /// # Errors
    /// When there is no such line for this official.
    pub async fn line(&self, actor: &Actor, id: Uuid) -> Result<LineView> {
        let ready = self.ready().await?;
        let mut conn = self.db.read().await?;
        let unknown = || Problem::new(&CASE_LINE_NOT_FOUND);
        let line = lines::find(&mut conn, id).await?.ok_or_else(unknown)?;
        let case = store::find(&mut conn, line.case_id).await?.ok_or_else(unknown)?;
        let eyes = self.eyes(&ready, actor, &case, std::slice::from_ref(&line)).ok_or_else(unknown)?;
        let view = self.line_views(&mut conn, &ready, &case, vec![line], &eyes).await?.pop();
        view.ok_or_else(unknown)
    }

    async fn case_view(&self, conn: &mut AsyncPgConnection, ready: &Ready, case: Case, eyes: Eyes) -> Result<CaseView> {
        let mut found = lines::of_case(conn, case.id).await?;
        let rows = store::papers(conn, case.id).await?;
        let missing = self.still_missing(conn, ready, &case, &found, rows.iter().map(|paper| paper.kind.clone()).collect()).await?;
        if let Eyes::Deciding(_, agency) = &eyes {
            found.retain(|line| line.agency_id == *agency);
        }
        let applies = matches!(eyes, Eyes::Applicant | Eyes::Counter(_));
        let supervises = matches!(eyes, Eyes::Supervisor(_) | Eyes::Checking(_));
        let only = matches!(eyes, Eyes::Supervisor(_));
        let of_person = about(&case.subject_kind) == About::Person;
        let names = paper_names(&ready.configuration, ready.today);
        let papers = rows.into_iter().filter(|_| !only).map(|paper| PaperView {
            id: paper.id,
            kind_name: named(&names, std::slice::from_ref(&paper.kind)).pop().unwrap_or_default(),
            kind: paper.kind,
            attachment_id: paper.attachment_id,
            added_at: paper.added_at,
        });
        let papers = papers.collect();
        let ids: Vec<Uuid> = found.iter().map(|line| line.id).collect();
        let steps = lines::steps(conn, case.id).await?.into_iter();
        let steps = steps.filter(|step| step.line_id.is_none_or(|line| ids.contains(&line))).map(|step| StepView {
            line_id: step.line_id,
            step: step.step,
            from_state: step.from_state,
            to_state: step.to_state,
            at: step.at,
            agency: step.agency_id.map(|agency| agency_name(ready, agency)),
            by: (!applies).then_some(step.actor_label),
            detail: (!(applies || supervises && of_person)).then_some(step.detail),
        });
        let steps = steps.collect();
        let notices = if applies { self.notices(conn, case.id).await? } else { Vec::new() };
        let lines = self.line_views(conn, ready, &case, found, &eyes).await?;
        Ok(CaseView {
            id: case.id,
            missing_names: named(&names, &missing),
            missing,
            statement: Some(case.statement).filter(|_| !(only && of_person)),
            complete_by: case.complete_by,
            filed_at: case.filed_at,
            closed_at: case.closed_at,
            subject_id: case.subject_id,
            lines,
            papers,
            steps,
            notices,
            appeal: appeal(ready),
            case_no: case.case_no,
            kind: case.kind,
            state: case.state,
            channel: case.channel,
            applicant: case.applicant,
            rules: case.rules,
        })
    }

    async fn line_views(
        &self,
        conn: &mut AsyncPgConnection,
        ready: &Ready,
        case: &Case,
        found: Vec<Line>,
        eyes: &Eyes,
    ) -> Result<Vec<LineView>> {
        let about = about(&case.subject_kind);
        let own = own_viewer(case.subject_id);
        let viewer = match eyes {
            Eyes::Applicant => &own,
            Eyes::Counter(viewer) | Eyes::Deciding(viewer, _) | Eyes::Checking(viewer) | Eyes::Supervisor(viewer) => viewer,
        };
        let covered = matches!(eyes, Eyes::Supervisor(_) | Eyes::Checking(_)) && about == About::Person;
        let ids: Vec<Uuid> = found.iter().map(|line| line.id).collect();
        let stops = lines::stops(conn, &ids).await?;
        let extensions = lines::extensions(conn, &ids).await?;
        let mut views = Vec::new();
        for line in found {
            let tracker = self.tracker(conn, line.id).await?;
            let (overdue, overdue_working_days) = late(ready, &line)?;
            let changes = fields(ready, viewer, &line, about, self.open_changes(&line)?);
            let wanted = fields(ready, viewer, &line, about, self.open_wanted(&line)?);
            let written = |text: Option<String>| text.filter(|_| !covered);
            views.push(LineView {
                id: line.id,
                case_id: line.case_id,
                target_id: Some(line.target_id).filter(|_| !line.is_omission()),
                source_name: source_name(&ready.configuration, &line.target, &line.source),
                agency: agency_name(ready, line.agency_id),
                wanted,
                due_on: line.due_on,
                overdue,
                overdue_working_days,
                total_due_on: line.total_due_on,
                accepted_at: line.accepted_at,
                decision_reason: written(line.decision_reason),
                changes,
                decided_at: line.decided_at,
                execute_by: line.execute_by,
                review_reason: written(line.review_reason),
                review_asked_at: line.review_asked_at,
                review_text: written(line.review_text),
                reviewed_at: line.reviewed_at,
                stops: stops.iter().filter(|stop| stop.line_id == line.id).map(|stop| stop_view(stop, covered)).collect(),
                extension: extensions.iter().find(|extension| extension.line_id == line.id).map(|found| extension_view(found, covered)),
                tracker,
                case_no: line.case_no,
                kind: line.kind,
                target: line.target,
                source: line.source,
                state: line.state,
                ground: line.ground,
                due_rule: line.due_rule,
                total_rule: line.total_rule,
                outcome: line.outcome,
                decision_no: line.decision_no,
                decision_rule: line.decision_rule,
                review_outcome: line.review_outcome,
            });
        }
        Ok(views)
    }

    /// What a subject that somebody at a counter names could ask to be repaired.
    ///
    /// # Errors
    /// When there is no such subject.
    pub async fn eligibility_of(&self, who: &Who) -> Result<(Uuid, EligibilityView)> {
        let subject = self.subject(who).await?;
        Ok((subject, self.eligibility(subject).await?))
    }
}

fn asked(wanted: &CasesWanted) -> CasesAsked<'_> {
    CasesAsked {
        state: wanted.state.as_deref(),
        overdue: wanted.overdue,
        before: wanted.before,
        limit: wanted.limit,
        ..CasesAsked::default()
    }
}

/// A stop; covered, without what was written about it.
fn stop_view(stop: &StopRow, covered: bool) -> StopView {
    StopView {
        reason: stop.reason.clone(),
        note: (!covered).then(|| stop.note.clone()),
        began_on: stop.began_on,
        ended_on: stop.ended_on,
        days_left: stop.days_left,
    }
}

/// An extension; covered, without what was written about it.
fn extension_view(extension: &ExtensionRow, covered: bool) -> ExtensionView {
    ExtensionView {
        reason: (!covered).then(|| extension.reason.clone()),
        from_due: extension.from_due,
        to_due: extension.to_due,
        rule: extension.rule.clone(),
        approved_at: extension.approved_at,
    }
}

/// What can be done against a decision.
fn appeal(ready: &Ready) -> String {
    let days = ready.configuration.rulebook.number("dispute.review_ask_wd", ready.today).map(|(days, _)| days);
    let review = days.map(|days| format!("可自处理结果作出之日起{days}个工作日内申请复核一次；")).unwrap_or_default();
    format!("对处理结果不服的，{review}也可依法申请行政复议或者提起行政诉讼。")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_is_known_and_nothing_else() {
        assert!(filtered("state", None, &CASE_STATES).is_ok() && filtered("state", Some("open"), &CASE_STATES).is_ok());
        let problem = filtered("state", Some("opened"), &CASE_STATES).unwrap_err();
        assert_eq!(problem.code(), "case_filter_unknown");
    }
}
