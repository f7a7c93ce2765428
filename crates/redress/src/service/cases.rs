//! Cases from filing to withdrawal: what is checked before one is taken in, and how an applicant takes it back. All checks are
//! made in the transaction that writes, so that what is refused changes nothing.

use super::completion::lacking;
use super::eligibility::{Candidate, Family, named, paper_names, source_name};
use super::lines::{official, person};
use super::notices::is_address;
use super::repair::COURT_RULING;
use super::{Ready, Redress};
use crate::model::cases::{
    Applicant, Filed, NewCase, NewCaseLine, NewPaper, Person, code_of, next_number, number_prefix, required_papers, secret_hash,
};
use crate::model::lines::{CaseKind, Changed, Ground, LineState, Step, after};
use crate::model::notices::Template;
use crate::model::problems::{
    CASE_AGENCY_NEEDED, CASE_ALREADY_OPEN, CASE_ATTACHMENT_UNKNOWN, CASE_AUTHORISATION_MISSING, CASE_COMMITMENT_UNFIT, CASE_FIELD_UNKNOWN,
    CASE_LINE_UNFIT, CASE_LINES_WRONG, CASE_NOT_FOUND, CASE_NOT_OPEN, CASE_PAPER_UNKNOWN, CASE_PAPERS_TOO_MANY, CASE_TARGET_UNKNOWN,
    kept_text,
};
use crate::store::cases::{self as store, Case, NewCaseRow};
use crate::store::lines::{self, Due, Line, NewLine, NewStep};
use chrono::{Months, NaiveDate};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::crypto::random;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_dispatch::model::actions::working_days;
use credence_dispatch::model::cases::sound_text;
use credence_dispatch::service::messages;
use credence_records::service::redress::{mark, unmark};
use credence_subjects::store as subjects;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// How a case comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filing {
    /// From an account bound to the subject.
    Online,
    /// By a clerk 窗口.
    Counter,
}

/// By what right somebody acts for an applicant.
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Bound to this subject.
    Own(Uuid),
    /// Clerk of this agency, which took the case in.
    Taken(Uuid),
}

/// The person who applies as the case keeps it, sealed under the id of the case; with the commitment, until the case is complete and it is published.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    name: String,
    document_kind: String,
    document_number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) commitment: Option<String>,
}

/// What of a case could be checked without the database.
struct Checked {
    statement: String,
    authorisation: Option<String>,
    commitment: Option<String>,
    person: Kept,
}

/// A line that can be filed.
struct Resolved {
    id: Uuid,
    subject_id: Uuid,
    target: &'static str,
    target_id: Uuid,
    source: String,
    version_id: Option<Uuid>,
    agency_id: Uuid,
    /// Day of the decision, or of the listing.
    decided_on: Option<NaiveDate>,
    ground: Option<Ground>,
    wanted: Vec<Changed>,
    papers: Vec<String>,
    rules: Vec<String>,
}

/// Clocks that begin with a day.
pub(super) struct Clocks {
    pub(super) due: Due,
    pub(super) total: Due,
}

impl Clocks {
    pub(super) fn begin(ready: &Ready, kind: CaseKind) -> Result<Self> {
        let (due, total) = match kind {
            CaseKind::Dispute => ("dispute.self_wd", "dispute.total_wd"),
            CaseKind::Repair => ("repair.accept_wd", "repair.total_wd"),
        };
        Ok(Self {
            due: working_days(&ready.configuration, due, ready.today)?,
            total: working_days(&ready.configuration, total, ready.today)?,
        })
    }
}

impl Redress {
    /// Files a case: for a subject from its own account, or at the counter. A case for repair whose papers are not all there waits for them; what is
    /// missing is told once. Records that are disputed are marked at once.
    ///
    /// # Errors
    /// When anything in it is wrong, or stands in its way; then nothing was changed.
    pub async fn file(&self, actor: &Actor, subject: Uuid, new: NewCase, how: Filing) -> Result<Filed> {
        let account = official(actor)?;
        let agency = if how == Filing::Counter { Some(actor.agency()?.0) } else { None };
        let ready = self.ready().await?;
        let checked = self.check(&ready, &new)?;
        let code = code_of(random().map_err(Problem::internal)?);
        let id = Uuid::now_v7();
        self.db
            .write(async |tx| {
                let family = Family::of(tx.conn(), &ready, subject).await?;
                let resolved = self.resolve(tx.conn(), &ready, &family, &new).await?;
                self.check_papers(tx.conn(), &ready, &new.papers, 0, (agency.is_none().then_some(subject), agency)).await?;
                let region = match how {
                    Filing::Counter => Some(actor.region.clone()),
                    Filing::Online => resolved.first().and_then(|line| ready.directory.agency(line.agency_id)).map(|a| a.region.clone()),
                };
                let prefix = number_prefix(new.kind, region.as_deref().unwrap_or_default(), ready.today);
                let latest = store::latest_number(tx, &prefix).await?;
                let case_no = next_number(&prefix, latest.as_deref()).ok_or_else(|| Problem::internal("no case number is left today"))?;

                let missing = match new.kind {
                    CaseKind::Dispute => Vec::new(),
                    CaseKind::Repair => {
                        let of_lines: Vec<Vec<String>> = resolved.iter().map(|line| line.papers.clone()).collect();
                        let required = required_papers(&of_lines, how == Filing::Counter, new.applicant == Applicant::Agent);
                        let given: Vec<String> = new.papers.iter().map(|paper| paper.kind.clone()).collect();
                        let since = resolved.iter().filter_map(|line| line.decided_on).max();
                        lacking(tx.conn(), &family.members, &required, given, checked.commitment.is_some(), since).await?
                    }
                };
                let complete = missing.is_empty();
                let complete_by = if complete { None } else { Some(working_days(&ready.configuration, "repair.complete_wd", ready.today)?) };
                let clocks = if complete { Some(Clocks::begin(&ready, new.kind)?) } else { None };
                let stated = resolved.iter().flat_map(|line| line.rules.iter().cloned());
                let reckoned = clocks.iter().flat_map(|c| [c.due.1.clone(), c.total.1.clone()]).chain(complete_by.iter().map(|by| by.1.clone()));
                let rules: BTreeSet<String> = stated.chain(reckoned).collect();
                let rules: Vec<String> = rules.into_iter().collect();
                let sealed = self.seal_applicant(id, &checked.person)?;
                let row = NewCaseRow {
                    id,
                    case_no: &case_no,
                    kind: new.kind.code(),
                    subject_id: subject,
                    channel: if how == Filing::Counter { "counter" } else { "online" },
                    applicant: new.applicant.code(),
                    account_id: agency.is_none().then_some(account),
                    taken_by: agency.map(|_| account),
                    applicant_sealed: &sealed,
                    authorisation: checked.authorisation.as_deref(),
                    secret_hash: &secret_hash(&case_no, &code),
                    state: if complete { "open" } else { "incomplete" },
                    statement: &checked.statement,
                    missing: &missing,
                    complete_by: complete_by.as_ref().map(|by| by.0),
                    rules: &rules.join(" "),
                };
                store::insert(tx, &row, ready.now).await?;
                for paper in &new.papers {
                    store::add_paper(tx, (subject, id), paper, &actor.label, ready.now).await?;
                }
                // In the order of what they are about: of two cases that name the same things, neither waits for the other in a circle.
                let mut in_order: Vec<(usize, &Resolved)> = (1..).zip(&resolved).collect();
                in_order.sort_by_key(|(_, line)| line.target_id);
                for (nth, line) in in_order {
                    self.file_line(tx, actor, (&ready, new.kind), (id, nth), line, clocks.as_ref()).await?;
                }
                self.check_again(tx, &ready, &family, &resolved).await?;
                let detail = json!({
                    "case_no": case_no, "kind": new.kind.code(), "channel": row.channel, "lines": resolved.len(), "missing": missing, "rules": rules,
                });
                record(tx, actor, Change::new("case.file", "case", id).about(subject).with(detail), ready.now).await?;
                if complete {
                    self.now_complete(tx, &ready, id).await?;
                } else {
                    let names = named(&paper_names(&ready.configuration, ready.today), &missing);
                    let values = json!({ "missing": names, "complete_by": complete_by.as_ref().map(|by| by.0) });
                    let contact = self.contact(tx, id).await?;
                    self.enqueue(tx, &contact, Template::Incomplete, &values, ready.now).await?;
                }
                Ok(())
            })
            .await?;
        self.wake.notify_one();
        Ok(Filed { case: self.applicants_view(id).await?, code })
    }

    fn check(&self, ready: &Ready, new: &NewCase) -> Result<Checked> {
        let max = self.settings.text_chars_max;
        if new.lines.is_empty() || new.lines.len() > self.settings.lines_max {
            return Err(Problem::new(&CASE_LINES_WRONG).with("max", self.settings.lines_max));
        }
        let statement = kept_text("statement", &new.statement, max)?;
        let commitment = new.commitment.as_deref().map(|text| kept_text("commitment", text, max)).transpose()?;
        if commitment.is_some() && new.kind != CaseKind::Repair {
            return Err(Problem::new(&CASE_COMMITMENT_UNFIT));
        }
        let authorisation = new.authorisation.as_deref().map(|text| kept_text("authorisation", text, max)).transpose()?;
        if authorisation.is_some() != (new.applicant == Applicant::Agent) {
            return Err(Problem::new(&CASE_AUTHORISATION_MISSING));
        }
        Ok(Checked { statement, authorisation, person: self.check_person(ready, &new.person, commitment.clone())?, commitment })
    }

    fn check_person(&self, ready: &Ready, given: &Person, commitment: Option<String>) -> Result<Kept> {
        let max = self.settings.text_chars_max;
        let name = sound_text("person.name", &given.name, false, max)?;
        let document = ready.configuration.person_document(&given.document_kind, &given.document_number, ready.today)?;
        let optional = |field: &str, text: &Option<String>| text.as_deref().map(|text| sound_text(field, text, false, max)).transpose();
        let (phone, email) = (optional("person.phone", &given.phone)?, optional("person.email", &given.email)?);
        if email.as_deref().is_some_and(|address| !is_address(address)) {
            return Err(Problem::malformed("person.email 不是电子邮箱地址；请核对", "`person.email` is no mail address; check it"));
        }
        Ok(Kept {
            name,
            document_kind: document.kind().code().to_owned(),
            document_number: document.reveal().to_owned(),
            phone,
            email,
            commitment,
        })
    }

    pub(super) fn seal_applicant(&self, case: Uuid, kept: &Kept) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(kept).map_err(Problem::internal)?;
        self.keys.seal(case.as_bytes(), &plain).map_err(Problem::internal)
    }

    pub(super) fn open_applicant(&self, case: &Case) -> Result<Kept> {
        let plain = self.keys.open(case.id.as_bytes(), &case.applicant_sealed).map_err(Problem::internal)?;
        serde_json::from_slice(&plain).map_err(Problem::internal)
    }

    /// Name of the person who applies.
    pub(crate) fn applicants_name(&self, case: &Case) -> Result<String> {
        Ok(self.open_applicant(case)?.name)
    }

    /// Whether the commitment of a case that is not complete is there.
    pub(crate) fn has_commitment(&self, case: &Case) -> Result<bool> {
        Ok(self.open_applicant(case)?.commitment.is_some())
    }

    /// Every line of a new case, or what is wrong with the first that is.
    async fn resolve(&self, conn: &mut AsyncPgConnection, ready: &Ready, family: &Family, new: &NewCase) -> Result<Vec<Resolved>> {
        let barred = store::barred_until(conn, &family.members, ready.today, None).await?;
        // Shielding rests on the court's ruling and not on a minimum period. What is granted has to have one behind it all the same.
        let ruling = new.papers.iter().any(|paper| paper.kind == COURT_RULING);
        let mut resolved: Vec<Resolved> = Vec::new();
        for (nth, line) in (1_usize..).zip(&new.lines) {
            let found = match new.kind {
                CaseKind::Dispute => self.disputed(conn, ready, family, (nth, line)).await?,
                CaseKind::Repair => {
                    if line.ground.is_some() || !line.wanted.is_empty() || line.agency.is_some() {
                        return Err(Problem::new(&CASE_LINE_UNFIT).with("line", nth));
                    }
                    let candidate = self.candidate(conn, ready, family, (nth, line)).await?;
                    let open = lines::open_on(conn, candidate.subject_id, candidate.id).await?;
                    let asked = if ruling && candidate.target == "record" { candidate.whenever() } else { candidate.clone() };
                    if let Some(block) = asked.block(ready.today, barred, open) {
                        return Err(block.problem(nth, &candidate));
                    }
                    Resolved::of(candidate, None, Vec::new())
                }
            };
            if resolved.iter().any(|other| other.target_id == found.target_id) {
                return Err(Problem::new(&CASE_LINES_WRONG).with("max", self.settings.lines_max));
            }
            resolved.push(found);
        }
        Ok(resolved)
    }

    /// The record or entry that a line names.
    async fn candidate(
        &self,
        conn: &mut AsyncPgConnection,
        ready: &Ready,
        family: &Family,
        (nth, line): (usize, &NewCaseLine),
    ) -> Result<Candidate> {
        let found = match (line.record_id, line.entry_id, &line.item) {
            (Some(id), None, None) => Candidate::record(conn, ready, family, id).await?,
            (None, Some(id), None) => Candidate::entry(conn, ready, family, id).await?,
            _ => return Err(Problem::new(&CASE_LINE_UNFIT).with("line", nth)),
        };
        found.ok_or_else(|| Problem::new(&CASE_TARGET_UNKNOWN).with("line", nth))
    }

    async fn disputed(
        &self,
        conn: &mut AsyncPgConnection,
        ready: &Ready,
        family: &Family,
        (nth, line): (usize, &NewCaseLine),
    ) -> Result<Resolved> {
        let unfit = || Problem::new(&CASE_LINE_UNFIT).with("line", nth);
        let ground = line.ground.ok_or_else(unfit)?;
        if ground == Ground::Omission {
            return self.omitted(ready, family, (nth, line));
        }
        if line.item.is_some() || line.agency.is_some() {
            return Err(unfit());
        }
        let candidate = self.candidate(conn, ready, family, (nth, line)).await?;
        // What was repaired or shielded is shown to nobody, so there is nothing to dispute.
        if candidate.over {
            return Err(Problem::new(&CASE_TARGET_UNKNOWN).with("line", nth));
        }
        if let Some(case_no) = lines::open_on(conn, candidate.subject_id, candidate.id).await? {
            return Err(Problem::new(&CASE_ALREADY_OPEN).with("line", nth).with("case_no", case_no));
        }
        if candidate.target == "entry" && !line.wanted.is_empty() {
            return Err(unfit());
        }
        let wanted = wanted(ready, &candidate.source, nth, &line.wanted)?;
        Ok(Resolved::of(candidate, Some(ground), wanted))
    }

    /// A record that is missing: nothing stands for it but the line itself, and who should have provided it has to be told.
    fn omitted(&self, ready: &Ready, family: &Family, (nth, line): (usize, &NewCaseLine)) -> Result<Resolved> {
        let unfit = || Problem::new(&CASE_LINE_UNFIT).with("line", nth);
        let (Some(code), None, None) = (&line.item, line.record_id, line.entry_id) else { return Err(unfit()) };
        let item = ready.configuration.item(code, ready.today).map(|v| &v.item);
        let item = item.ok_or_else(|| Problem::new(&CASE_TARGET_UNKNOWN).with("line", nth))?;
        let providers = || ready.directory.agencies().filter(move |agency| item.provided_by(&agency.kind));
        let mut found = providers().filter(|agency| line.agency.as_ref().is_none_or(|code| *code == agency.code));
        let (Some(agency), None) = (found.next(), found.next()) else {
            let mut known: Vec<String> = providers().map(|agency| agency.code.clone()).collect();
            known.sort_unstable();
            return Err(Problem::new(&CASE_AGENCY_NEEDED).with("line", nth).with("known", known));
        };
        let id = Uuid::now_v7();
        Ok(Resolved {
            id,
            subject_id: family.subject,
            target: "record",
            target_id: id,
            source: item.code.clone(),
            version_id: None,
            agency_id: agency.id,
            decided_on: None,
            ground: Some(Ground::Omission),
            wanted: wanted(ready, &item.code, nth, &line.wanted)?,
            papers: Vec::new(),
            rules: Vec::new(),
        })
    }

    /// Between the look at a record and the writing of its line a case about it may have been decided: the line is there now, so no other can be.
    async fn check_again(&self, tx: &mut Tx<'_>, ready: &Ready, family: &Family, resolved: &[Resolved]) -> Result<()> {
        for (nth, line) in (1_usize..).zip(resolved) {
            let found = match (line.target, line.ground) {
                (_, Some(Ground::Omission)) => continue,
                ("entry", _) => Candidate::entry(tx.conn(), ready, family, line.target_id).await?,
                _ => Candidate::record(tx.conn(), ready, family, line.target_id).await?,
            };
            if found.is_none_or(|now| now.version_id != line.version_id) {
                return Err(Problem::new(&CASE_TARGET_UNKNOWN).with("line", nth));
            }
        }
        Ok(())
    }

    /// Whether papers are of known kinds, not too many, and the applicant's (or, at the counter, the agency's) own uploads.
    pub(super) async fn check_papers(
        &self,
        conn: &mut AsyncPgConnection,
        ready: &Ready,
        papers: &[NewPaper],
        present: usize,
        (subject, agency): (Option<Uuid>, Option<Uuid>),
    ) -> Result<()> {
        let names = paper_names(&ready.configuration, ready.today);
        if let Some(paper) = papers.iter().find(|paper| !names.iter().any(|(kind, _)| *kind == paper.kind)) {
            let known: Vec<String> = names.iter().map(|(kind, _)| kind.clone()).collect();
            return Err(Problem::new(&CASE_PAPER_UNKNOWN).with("kind", paper.kind.clone()).with("known", known));
        }
        if present + papers.len() > self.settings.papers_max {
            return Err(Problem::new(&CASE_PAPERS_TOO_MANY).with("max", self.settings.papers_max));
        }
        let ids: BTreeSet<Uuid> = papers.iter().map(|paper| paper.attachment_id).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let own = if ids.is_empty() { 0 } else { store::own_attachments(conn, &ids, subject, agency).await? };
        if usize::try_from(own) == Ok(ids.len()) { Ok(()) } else { Err(Problem::new(&CASE_ATTACHMENT_UNKNOWN)) }
    }

    async fn file_line(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        (ready, kind): (&Ready, CaseKind),
        (case, nth): (Uuid, usize),
        line: &Resolved,
        clocks: Option<&Clocks>,
    ) -> Result<()> {
        let state = if clocks.is_some() { LineState::Filed } else { LineState::Incomplete };
        let row = NewLine {
            subject_id: line.subject_id,
            id: line.id,
            case_id: case,
            kind,
            target: line.target,
            target_id: line.target_id,
            source: &line.source,
            version_id: line.version_id,
            agency_id: line.agency_id,
            ground: line.ground.map(Ground::code),
            wanted_sealed: if line.wanted.is_empty() { None } else { Some(self.seal_wanted(line.id, &line.wanted)?) },
            state,
            due: clocks.map(|c| &c.due),
            total: clocks.map(|c| &c.total),
        };
        lines::insert(tx, &row, || Problem::new(&CASE_ALREADY_OPEN).with("line", nth)).await?;
        let detail = json!({ "rules": line.rules });
        let step = NewStep {
            subject_id: line.subject_id,
            case_id: case,
            line_id: Some(line.id),
            step: "file",
            from: None,
            to: state.code(),
            actor_id: person(actor),
            actor_label: &actor.label,
            agency_id: actor.agency.map(|agency| agency.0),
            detail: &detail,
        };
        lines::step(tx, &step, ready.now).await?;
        if kind == CaseKind::Dispute && line.ground != Some(Ground::Omission) {
            mark(tx, line.subject_id, line.target, line.target_id, "disputed", case, None, ready.now).await?;
        }
        Ok(())
    }

    /// What follows when nothing is missing any more: the commitment is published, whoever decides about repair is told, and so is the applicant.
    pub(super) async fn now_complete(&self, tx: &mut Tx<'_>, ready: &Ready, id: Uuid) -> Result<()> {
        let case = store::find(tx.conn(), id).await?.ok_or_else(|| Problem::internal("a case without a row"))?;
        if let Some(text) = self.open_applicant(&case)?.commitment {
            let rule = ready.configuration.rulebook.number("repair.commitment_public_months", ready.today);
            let months = rule.and_then(|(months, _)| u32::try_from(months).ok());
            let until = months.and_then(|months| ready.today.checked_add_months(Months::new(months)));
            let until = until.ok_or_else(|| Problem::internal("no rule repair.commitment_public_months"))?;
            store::publish_commitment(tx, (case.subject_id, id), &text, ready.today, until, ready.now).await?;
        }
        let lines = lines::of_case(tx.conn(), id).await?;
        if case.kind == CaseKind::Repair.code() {
            for line in &lines {
                self.tell(tx, line, "case.filed", line.due_on, ready.now).await?;
            }
        }
        let names: BTreeSet<String> = lines.iter().map(|line| source_name(&ready.configuration, &line.target, &line.source)).collect();
        let values = json!({
            "source_name": names, "due_on": lines.iter().filter_map(|line| line.due_on).min(),
            "total_due_on": lines.iter().filter_map(|line| line.total_due_on).max(),
        });
        let contact = self.contact(tx, id).await?;
        self.enqueue(tx, &contact, Template::Filed, &values, ready.now).await
    }

    /// Whether somebody may act for the applicant of a case; who may not is told that there is none.
    pub(super) async fn accessible(&self, tx: &mut Tx<'_>, ready: &Ready, access: Access, id: Uuid) -> Result<Case> {
        let case = store::find(tx.conn(), id).await?.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        let allowed = match access {
            Access::Own(subject) => {
                case.subject_id == subject || subjects::family(tx.conn(), subject, ready.now).await?.contains(&case.subject_id)
            }
            Access::Taken(agency) => case.taken_agency == Some(agency),
        };
        if allowed { Ok(case) } else { Err(Problem::new(&CASE_NOT_FOUND)) }
    }

    /// Takes a case back: every line that is not decided yet. Its marks go with it.
    ///
    /// # Errors
    /// When there is no such case for this actor, or all of it is decided or withdrawn.
    pub async fn withdraw_case(&self, actor: &Actor, access: Access, id: Uuid, reason: &str) -> Result<()> {
        official(actor)?;
        let reason = kept_text("reason", reason, self.settings.text_chars_max)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let case = self.accessible(tx, &ready, access, id).await?;
                let open: Vec<Line> =
                    lines::lock_of_case(tx, id).await?.into_iter().filter(|line| step_to(line, Step::Withdraw).is_ok()).collect();
                if open.is_empty() {
                    return Err(Problem::new(&CASE_NOT_OPEN).with("state", case.state));
                }
                self.end_lines(tx, actor, &ready, &open, ("withdraw", Step::Withdraw), &reason).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Ends lines of one case without a decision.
    async fn end_lines(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        ready: &Ready,
        lines: &[Line],
        (step, of): (&str, Step),
        reason: &str,
    ) -> Result<()> {
        let Some(first) = lines.first() else { return Ok(()) };
        let ids: Vec<Uuid> = lines.iter().map(|line| line.id).collect();
        messages::withdraw(tx, None, &ids, ready.now).await?;
        for line in lines {
            let to = step_to(line, of)?;
            lines::withdraw(tx, line, ready.today, &actor.label, ready.now).await?;
            if line.kind()? == CaseKind::Dispute && !line.is_omission() {
                unmark(tx, line.subject_id, line.target_id, "disputed", ready.now).await?;
            }
            self.stepped(tx, actor, line, step, to, json!({ "reason": reason }), ready.now).await?;
            // Whoever was asked to act learns that there is nothing to do any more.
            let asked = line.kind()? == CaseKind::Repair || line.state()? != LineState::Filed;
            if asked && line.state()? != LineState::Incomplete {
                self.tell(tx, line, "case.withdrawn", None, ready.now).await?;
            }
        }
        self.settle_case(tx, first.case_id, ready.now).await?;
        let contact = self.contact(tx, first.case_id).await?;
        self.enqueue(tx, &contact, Template::Withdrawn, &json!({ "reason": reason }), ready.now).await
    }

    /// Lets cases lapse whose missing papers were not brought in time, up to a page of them; how many.
    ///
    /// # Errors
    /// When the database fails; what lapsed before stays so.
    pub async fn lapse(&self) -> Result<usize> {
        let ready = self.ready().await?;
        let actor = Actor::system("case-lapse");
        let waiting = store::lapsing(&mut *self.db.read().await?, ready.today, self.settings.sweep_page).await?;
        let mut lapsed = 0;
        for id in waiting {
            let ended = self.db.write(async |tx| {
                let lines = lines::lock_of_case(tx, id).await?;
                let waiting: Vec<Line> = lines.into_iter().filter(|line| step_to(line, Step::Lapse).is_ok()).collect();
                let over = store::lock(tx, id).await?.is_some_and(|case| case.complete_by.is_some_and(|last| last < ready.today));
                if waiting.is_empty() || !over {
                    // Completed or withdrawn in the meantime.
                    tx.mark_recorded();
                    return Ok(0);
                }
                self.end_lines(tx, &actor, &ready, &waiting, ("lapse", Step::Lapse), "逾期未补正申请材料").await?;
                Ok(1)
            });
            lapsed += ended.await?;
        }
        Ok(lapsed)
    }
}

impl Resolved {
    fn of(candidate: Candidate, ground: Option<Ground>, wanted: Vec<Changed>) -> Self {
        Self {
            id: Uuid::now_v7(),
            subject_id: candidate.subject_id,
            target: candidate.target,
            target_id: candidate.id,
            source: candidate.source,
            version_id: candidate.version_id,
            agency_id: candidate.agency_id,
            decided_on: candidate.decided_on,
            ground,
            wanted,
            papers: candidate.papers,
            // Minimum periods are no matter of a dispute.
            rules: if ground.is_none() { candidate.rules } else { Vec::new() },
        }
    }
}

/// The state a step of a line leads to.
pub(super) fn step_to(line: &Line, step: Step) -> Result<LineState> {
    after(line.kind()?, line.state()?, step).ok_or_else(|| Problem::new(&CASE_NOT_OPEN).with("state", line.state.clone()))
}

/// Fields and values that a dispute asks for; each has to be one of the item.
fn wanted(ready: &Ready, item: &str, nth: usize, fields: &Map<String, Value>) -> Result<Vec<Changed>> {
    let item = ready.configuration.items.get(item).map(|v| &v.item);
    fields
        .iter()
        .map(|(field, value)| {
            let known = item.is_some_and(|item| item.field(field).is_some()) && !value.is_array() && !value.is_object();
            if !known {
                return Err(Problem::new(&CASE_FIELD_UNKNOWN).with("line", nth).with("field", field.clone()));
            }
            Ok(Changed { field: field.clone(), old: None, new: Some(value.clone()).filter(|value| !value.is_null()) })
        })
        .collect()
}
