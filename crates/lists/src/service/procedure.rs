//! The procedure of a native entry, step by step. Each step locks the entry, asks the rules of [`crate::model`], changes it, writes down the step and,
//! where something rests on it, lets that follow, all in one transaction.

use super::reviews::call_off;
use super::{Lists, Ready, blocks};
use crate::model::NUMBER_IN_TEXT;
use crate::model::{
    ALREADY_DECIDED, BAD_DAY, BAD_EXIT, BAD_TEXT, BEFORE_NOTICE, ENTRY_ENDED, ENTRY_EXISTS, ENTRY_NOT_FOUND, ENTRY_WRONG_STATE, EntryState,
    GROUND_IS_SOUND, GROUND_MISSING, GROUND_NOT_IN_EFFECT, LIST_IS_MIRRORED, LIST_UNKNOWN, MEASURE_UNKNOWN, MEASURES_MISSING,
    NOT_COMPETENT, NewAnswer, NewDecision, NewEntry, NewExit, NewNotice, NewObjection, NoticeMethod, OFFICIAL_NEEDED, RED_BLOCKED,
    Responsible, SUBJECT_KIND_REFUSED, Step, ToDecide, WINDOW_CLOSED, after, last_day, may_decide, objecting, stated_again,
};
use crate::store::entries::{self, Draft, Entry, Ground, person};
use crate::store::follow;
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_catalog::lists::{ListDefinition, ListKind, NativeList};
use credence_catalog::model::Role;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::identifiers::person as person_number;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_dispatch::model::actions::{Deadlines, Listed, Plan, working_days};
use credence_dispatch::service::actions::{resume, start, updated};
use credence_subjects::model::{SUBJECT_NOT_FOUND, Subject};
use credence_subjects::store as subjects;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

impl Lists {
    /// A text of the procedure: there, not too long, printable.
    fn text<'t>(&self, field: &str, text: &'t str) -> Result<&'t str> {
        let trimmed = text.trim();
        let sound = !trimmed.is_empty()
            && trimmed.chars().count() <= self.settings.text_chars_max
            && !trimmed.chars().any(|c| c.is_control() && c != '\n');
        if !person_number::find_in_text(trimmed).is_empty() {
            return Err(Problem::new(&NUMBER_IN_TEXT).with("field", field));
        }
        if sound { Ok(trimmed) } else { Err(Problem::new(&BAD_TEXT).with("field", field).with("max", self.settings.text_chars_max)) }
    }

    /// An official of the competent authority proposes an entry.
    ///
    /// # Errors
    /// When the list is none of this authority's, the subject none of the list's, the document not in effect, or a text or measure unusable.
    pub async fn propose(&self, actor: &Actor, new: NewEntry) -> Result<Uuid> {
        let official = person(actor).ok_or_else(|| Problem::new(&OFFICIAL_NEEDED))?;
        let agency = actor.agency()?.0;
        let ready = self.ready().await?;
        let list =
            ready.configuration.list(&new.list, ready.today).ok_or_else(|| Problem::new(&LIST_UNKNOWN).with("list", new.list.clone()))?;
        let (definition, native) = ready.native(&new.list)?;
        let kind = ready.directory.agency(agency).map(|a| a.kind.as_str()).unwrap_or_default();
        if !definition.authority_kinds.iter().any(|k| k == kind) {
            return Err(Problem::new(&NOT_COMPETENT).with("authority_kinds", definition.authority_kinds.clone()));
        }
        let (facts, legal_basis) = (self.text("facts", &new.facts)?, self.text("legal_basis", &new.legal_basis)?);
        self.check_measures(&ready, definition, &new.measures)?;
        let id = Uuid::now_v7();
        let (responsible, responsible_sealed) = self.responsible(&ready, id, &new)?;
        let subject = self.subject(&ready, &new).await?;
        if !definition.subject_kinds.iter().any(|k| k.code() == subject.kind) {
            return Err(Problem::new(&SUBJECT_KIND_REFUSED)
                .with("subject_kinds", definition.subject_kinds.iter().map(|k| k.code()).collect::<Vec<_>>()));
        }
        let areas = subjects::areas(&mut *self.db.read().await?, &[subject.id]).await?;
        let known = areas.get(&subject.id).filter(|area| ready.directory.is_region(area));
        let region = known.cloned().unwrap_or_else(|| actor.region.clone());
        self.db
            .write(async |tx| {
                let ground = match new.ground_record_id {
                    Some(record) => Some(self.ground(tx, &ready, native, subject.id, record).await?),
                    None if definition.kind == ListKind::SeriousDishonesty => {
                        return Err(Problem::new(&GROUND_MISSING).with("items", native.ground_items.clone()));
                    }
                    None => None,
                };
                if definition.kind.is_commendation() {
                    self.check_red(tx, &ready, subject.id).await?;
                }
                let draft = Draft {
                    subject_id: subject.id,
                    id,
                    list: &new.list,
                    list_version: list.version,
                    kind: definition.kind.code(),
                    agency_id: agency,
                    region: &region,
                    facts,
                    legal_basis,
                    measures: &new.measures,
                    exit_conditions: &native.exit_conditions,
                    responsible,
                    responsible_sealed,
                    ground: ground.as_ref(),
                    proposed_by: official,
                };
                entries::insert(tx, &draft, || Problem::new(&ENTRY_EXISTS), ready.now).await?;
                let detail = json!({ "list": new.list, "measures": new.measures, "ground_record_id": new.ground_record_id });
                entries::step(tx, (subject.id, id), ("propose", None, "draft"), actor, detail.clone(), ready.now).await?;
                record(tx, actor, Change::new("list_entry.propose", "list_entry", id).about(subject.id).with(detail), ready.now).await
            })
            .await?;
        Ok(id)
    }

    /// The notice was served, or a commendation is announced: the window for objections begins.
    pub async fn notice(&self, actor: &Actor, id: Uuid, notice: NewNotice) -> Result<()> {
        self.text("notice_no", &notice.notice_no)?;
        self.text("proof", &notice.proof)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let entry = self.own(tx, actor, id).await?;
                let (definition, native) = ready.native(&entry.list)?;
                step_from(&entry, Step::Notice)?;
                let ground = match entry.ground_record_id {
                    Some(record) => Some(self.ground(tx, &ready, native, entry.subject_id, record).await?),
                    None => None,
                };
                // A notice says what the draft says: it was not served before there was one.
                let announcement = definition.kind.is_commendation();
                let earliest = china_date(entry.proposed_at);
                if notice.served_on > ready.today || notice.served_on < earliest || (announcement && notice.served_on != ready.today) {
                    let earliest = if announcement { ready.today } else { earliest };
                    return Err(Problem::new(&BAD_DAY)
                        .with("field", "served_on")
                        .with("earliest", earliest.to_string())
                        .with("latest", ready.today.to_string()));
                }
                if announcement != (notice.method == NoticeMethod::Announcement) {
                    return Err(Problem::new(&BAD_TEXT).with("field", "method").with("max", self.settings.text_chars_max));
                }
                if announcement {
                    self.check_red(tx, &ready, entry.subject_id).await?;
                }
                let (until, rule) = working_days(&ready.configuration, &native.objection_rule, notice.served_on)?;
                entries::notice(tx, &entry, &notice, (&rule, until), ground.map(|g| g.version_id)).await?;
                if let Some(name) = self.public_name(&ready, definition, &entry).filter(|_| announcement) {
                    let body = format!(
                        "拟将{name}列入{}。理由：{}。依据：{}。公示期至{until}，对公示内容有异议的，请在公示期内向认定单位提出。",
                        definition.name,
                        self.public_text(&ready, definition, &entry, &entry.facts),
                        entry.legal_basis
                    );
                    entries::publish_notice(tx, &entry, "announcement", &name, &body, None, ready.now).await?;
                }
                let detail = json!({ "notice_no": notice.notice_no.trim(), "served_on": notice.served_on, "method": notice.method.code(), "objection_until": until, "rule": rule });
                self.stepped(tx, actor, &entry, ("notice", EntryState::Noticed), detail, ready.now).await
            })
            .await
    }

    /// The subject objects: entered by the subject itself, or by the authority that received it. To what the authority entered for it the subject may
    /// add its own within the window; whatever was answered before, that has to be answered then.
    pub async fn object(&self, actor: &Actor, id: Uuid, objection: NewObjection, by_subject: Option<Uuid>) -> Result<()> {
        let text = self.text("text", &objection.text)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let entry = match by_subject {
                    // Whoever was not served a notice knows of no entry.
                    Some(subject) => {
                        let family = follow::families(tx, &[subject]).await?;
                        let entry = entries::lock(tx, id).await?;
                        entry
                            .filter(|e| family.contains(&e.subject_id) && e.notice_served_on.is_some())
                            .ok_or_else(|| Problem::new(&ENTRY_NOT_FOUND))?
                    }
                    None => self.own(tx, actor, id).await?,
                };
                let step = objecting(by_subject.is_some(), entry.objection_by_subject);
                step_from(&entry, step)?;
                let received_on = if by_subject.is_some() { ready.today } else { objection.received_on.unwrap_or(ready.today) };
                let served_on = entry.notice_served_on.ok_or_else(|| Problem::internal("noticed without a notice"))?;
                let until = entry.objection_until.ok_or_else(|| Problem::internal("noticed without a window"))?;
                if received_on < served_on {
                    return Err(Problem::new(&BEFORE_NOTICE).with("served_on", served_on.to_string()));
                }
                if received_on > ready.today {
                    return Err(Problem::new(&BAD_DAY)
                        .with("field", "received_on")
                        .with("earliest", served_on.to_string())
                        .with("latest", ready.today.to_string()));
                }
                if received_on > until {
                    return Err(Problem::new(&WINDOW_CLOSED).with("objection_until", until.to_string()));
                }
                let mut detail = json!({ "received_on": received_on, "by_subject": by_subject.is_some() });
                if step == Step::ObjectAgain {
                    let stated = entry.objection.as_deref().unwrap_or_default();
                    let text = stated_again(stated, entry.objection_answer.as_deref(), text);
                    entries::object_again(tx, &entry, &text, received_on).await?;
                    let answered_on = entry.objection_answered_at.map(china_date);
                    let received_on = entry.objection_received_on;
                    let earlier = json!({ "received_on": received_on, "answered_on": answered_on, "upheld": entry.objection_upheld });
                    if let Some(map) = detail.as_object_mut() {
                        map.insert("earlier".to_owned(), earlier);
                    }
                } else {
                    entries::object(tx, &entry, text, received_on, by_subject.is_some()).await?;
                }
                self.stepped(tx, actor, &entry, ("object", EntryState::ObjectionReview), detail, ready.now).await
            })
            .await
    }

    /// The authority answers the objection; one that it finds right ends the entry.
    pub async fn answer(&self, actor: &Actor, id: Uuid, answer: NewAnswer) -> Result<()> {
        let text = self.text("answer", &answer.answer)?;
        let official = person(actor).ok_or_else(|| Problem::new(&OFFICIAL_NEEDED))?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let entry = self.own(tx, actor, id).await?;
                let to = step_from(&entry, Step::Answer { upheld: answer.upheld })?;
                if entry.objection_answer.is_some() {
                    return Err(wrong_state(&entry));
                }
                entries::answer(tx, &entry, text, answer.upheld, official, ready.now).await?;
                if answer.upheld {
                    call_off(tx, &entry, ready.now).await?;
                }
                self.stepped(tx, actor, &entry, ("answer", to), json!({ "upheld": answer.upheld }), ready.now).await
            })
            .await
    }

    /// Another official of the authority decides that the subject is listed.
    pub async fn decide(&self, actor: &Actor, id: Uuid, decision: NewDecision) -> Result<()> {
        self.text("decision_no", &decision.decision_no)?;
        let official = person(actor).ok_or_else(|| Problem::new(&OFFICIAL_NEEDED))?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let entry = self.own(tx, actor, id).await?;
                if matches!(entry.state()?, EntryState::Decided | EntryState::Listed) {
                    return Err(Problem::new(&ALREADY_DECIDED).with("decision_no", entry.decision_no.clone()));
                }
                step_from(&entry, Step::Decide)?;
                ready.native(&entry.list)?;
                let served_on = entry.notice_served_on.ok_or_else(|| Problem::internal("noticed without a notice"))?;
                let until = entry.objection_until.ok_or_else(|| Problem::internal("noticed without a window"))?;
                let facts = ToDecide {
                    proposed_by: entry.proposed_by,
                    decided_by: official,
                    decided_on: decision.decided_on,
                    served_on,
                    objection_until: until,
                    objected: entry.objection_received_on.is_some(),
                    by_subject: entry.objection_by_subject == Some(true),
                    answered_on: entry.objection_answered_at.map(china_date),
                    today: ready.today,
                };
                may_decide(facts).map_err(|problem| {
                    let problem = Problem::new(problem).with("served_on", served_on.to_string()).with("objection_until", until.to_string());
                    problem.with("field", "decided_on").with("earliest", served_on.to_string()).with("latest", ready.today.to_string())
                })?;
                self.ground_in_effect(tx, &entry).await?;
                entries::decide(tx, &entry, &decision, official, ready.now).await?;
                let detail = json!({ "decision_no": decision.decision_no.trim(), "decided_on": decision.decided_on });
                self.stepped(tx, actor, &entry, ("decide", EntryState::Decided), detail, ready.now).await
            })
            .await
    }

    /// Puts a decided entry on the list: it is public from now on, its joint action starts, and a commendation of the same subject ends when this is a
    /// list of dishonesty.
    pub async fn publish(&self, actor: &Actor, id: Uuid) -> Result<()> {
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                entries::take_turn(tx).await?;
                let entry = self.own(tx, actor, id).await?;
                let (definition, native) = ready.native(&entry.list)?;
                step_from(&entry, Step::List)?;
                self.ground_in_effect(tx, &entry).await?;
                if definition.kind.is_commendation() {
                    self.check_red(tx, &ready, entry.subject_id).await?;
                }
                // The period counts from the decision, whenever it is published.
                let decided_on = entry.decided_on.ok_or_else(|| Problem::internal("decided without a day"))?;
                let (publish_by, publish_rule) = working_days(&ready.configuration, "list.publish_after_decision_wd", decided_on)?;
                let period = match &native.period_rule {
                    None => (None, None),
                    Some(id) => {
                        let found =
                            ready.configuration.rulebook.number(id, ready.today).and_then(|(n, rule)| Some((u32::try_from(n).ok()?, rule)));
                        let Some((months, rule)) = found else { return Err(Problem::internal(format!("no rule {id}"))) };
                        (last_day(decided_on, months), Some(format!("{}@{}", rule.id, rule.version)))
                    }
                };
                if period.0.is_some_and(|last| last < ready.today) {
                    return Err(Problem::new(&ENTRY_ENDED));
                }
                entries::list(tx, &entry, ready.today, (period.0, period.1.as_deref()), ready.now).await?;
                if let Some(name) = self.public_name(&ready, definition, &entry) {
                    let body = format!(
                        "{name}被列入{}。列入决定：{}（{}）。事由：{}。依据：{}。{}移出条件：{}。救济途径：{}",
                        definition.name,
                        entry.decision_no.as_deref().unwrap_or_default(),
                        entry.decided_on.map(|d| d.to_string()).unwrap_or_default(),
                        self.public_text(&ready, definition, &entry, &entry.facts),
                        entry.legal_basis,
                        period.0.map(|d| format!("列入期限至{d}。")).unwrap_or_default(),
                        entry.exit_conditions,
                        native.remedies
                    );
                    entries::publish_notice(tx, &entry, "listing", &name, &body, None, ready.now).await?;
                }
                let started = self.start_action(tx, &ready, &entry).await?;
                let detail = json!({
                    "listed_on": ready.today, "expires_on": period.0, "rule": period.1, "directives": started,
                    "publish_by": publish_by, "publish_rule": publish_rule, "late": ready.today > publish_by
                });
                self.stepped(tx, actor, &entry, ("list", EntryState::Listed), detail, ready.now).await?;
                if definition.kind.is_dishonesty() {
                    self.end_commendations(tx, &ready, &[entry.subject_id], &format!("被列入{}", definition.name)).await?;
                }
                Ok(())
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn start_action(&self, tx: &mut Tx<'_>, ready: &Ready, entry: &Entry) -> Result<usize> {
        let regions = BTreeSet::from([entry.region.clone()]);
        let plan = Plan::draw(&ready.configuration, &ready.directory, &entry.list, &regions, Some(&entry.measures), ready.today);
        let deadlines = Deadlines::reckon(&ready.configuration, ready.today)?;
        let listed = Listed { subject_id: entry.subject_id, entry_id: entry.id, region: entry.region.clone() };
        Ok(start(tx, &plan, &[listed], &deadlines, ready.now).await?.directives)
    }

    /// Gives an entry up before it was listed.
    pub async fn drop_entry(&self, actor: &Actor, id: Uuid, reason: &str) -> Result<()> {
        let reason = self.text("reason", reason)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let entry = self.own(tx, actor, id).await?;
                step_from(&entry, Step::Drop)?;
                entries::drop_entry(tx, &entry).await?;
                call_off(tx, &entry, ready.now).await?;
                self.stepped(tx, actor, &entry, ("drop", EntryState::Dropped), json!({ "reason": reason }), ready.now).await
            })
            .await
    }

    /// Takes an entry off the list by decision of the authority. A correction is made public on the same channel, at once.
    pub async fn exit(&self, actor: &Actor, id: Uuid, exit: NewExit) -> Result<()> {
        let reason = self.exit_reason(&exit.cause, &exit.reason)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let entry = self.own(tx, actor, id).await?;
                self.exit_entry(tx, &ready, actor, entry, (&exit.cause, reason)).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Why an entry leaves by decision, if it can leave for that cause.
    pub(super) fn exit_reason<'r>(&self, cause: &str, reason: &'r str) -> Result<&'r str> {
        let reason = self.text("reason", reason)?;
        if ["repair", "revocation", "correction"].contains(&cause) { Ok(reason) } else { Err(Problem::new(&BAD_EXIT)) }
    }

    /// Takes a locked entry off its list, if it still stands there.
    pub(super) async fn exit_entry(
        &self,
        tx: &mut Tx<'_>,
        ready: &Ready,
        actor: &Actor,
        entry: Entry,
        (cause, reason): (&str, &str),
    ) -> Result<()> {
        step_from(&entry, Step::Exit)?;
        not_over(&entry, ready)?;
        self.end(tx, ready, actor, &[entry], (cause, reason)).await
    }

    /// The authority confirms that the ground of an entry stands although the record under it changed; what was held goes on.
    pub async fn confirm_ground(&self, actor: &Actor, id: Uuid, reason: &str) -> Result<()> {
        let reason = self.text("reason", reason)?;
        let ready = self.ready().await?;
        let deadlines = Deadlines::reckon(&ready.configuration, ready.today)?;
        self.db
            .write(async |tx| {
                let entry = self.own(tx, actor, id).await?;
                let state = entry.state()?;
                if matches!(state, EntryState::Exited | EntryState::Dropped) {
                    return Err(Problem::new(&ENTRY_ENDED));
                }
                not_over(&entry, &ready)?;
                if entry.ground_state != "questioned" {
                    return Err(Problem::new(&GROUND_IS_SOUND));
                }
                let record = entry.ground_record_id.ok_or_else(|| Problem::internal("questioned without a ground"))?;
                let ground = entries::ground(tx, entry.subject_id, record).await?;
                // What is disputed or ended may still be true; what was withdrawn is not.
                let ground = ground.filter(|g| ["active", "disputed", "ended"].contains(&g.state.as_str()));
                let ground = ground.ok_or_else(|| Problem::new(&GROUND_NOT_IN_EFFECT).with("state", "withdrawn"))?;
                entries::confirm_ground(tx, &entry, ground.version_id).await?;
                call_off(tx, &entry, ready.now).await?;
                let resumed = resume(tx, &[(entry.subject_id, entry.id)], &deadlines, ready.now).await?;
                let updates = updated(tx, &[(entry.subject_id, entry.id)], ready.now).await?;
                let detail = json!({ "reason": reason, "version_id": ground.version_id, "resumed": resumed, "updates": updates });
                self.stepped(tx, actor, &entry, ("confirm_ground", state), detail, ready.now).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// The entry, locked, if it is of the actor's agency.
    async fn own(&self, tx: &mut Tx<'_>, actor: &Actor, id: Uuid) -> Result<Entry> {
        if person(actor).is_none() {
            return Err(Problem::new(&OFFICIAL_NEEDED));
        }
        let agency = actor.agency()?.0;
        let entry = entries::lock(tx, id).await?.filter(|e| e.agency_id == agency).ok_or_else(|| Problem::new(&ENTRY_NOT_FOUND))?;
        if entry.keeping == "mirror" {
            return Err(Problem::new(&LIST_IS_MIRRORED).with("list", entry.list));
        }
        Ok(entry)
    }

    /// The present version of the record an entry is to rest on, if it is in effect.
    async fn ground(&self, tx: &mut Tx<'_>, ready: &Ready, native: &NativeList, subject: Uuid, record: Uuid) -> Result<Ground> {
        let missing = || Problem::new(&GROUND_MISSING).with("items", native.ground_items.clone());
        let mut ground = entries::ground(tx, subject, record).await?.ok_or_else(missing)?;
        if !native.ground_items.contains(&ground.item) {
            return Err(missing());
        }
        if ground.state != "active" {
            return Err(Problem::new(&GROUND_NOT_IN_EFFECT).with("state", ground.state));
        }
        let field = ready.configuration.items.get(&ground.item).and_then(|v| v.item.with_role(Role::DecisionNo)).map(|f| f.code.clone());
        let number = field.and_then(|code| ground.data.get(&code).and_then(Value::as_str).map(str::to_owned));
        ground.document = number.unwrap_or_else(|| ground.record_id.to_string());
        Ok(ground)
    }

    /// Whether the very version that the subject was told of is still the present one.
    async fn ground_in_effect(&self, tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
        let (Some(record), Some(version)) = (entry.ground_record_id, entry.ground_version_id) else { return Ok(()) };
        let present = entries::ground(tx, entry.subject_id, record).await?;
        let sound = entry.ground_state == "sound" && present.as_ref().is_some_and(|g| g.version_id == version && g.state == "active");
        let state = present.map_or_else(|| "none".to_owned(), |g| g.state);
        if sound { Ok(()) } else { Err(Problem::new(&GROUND_NOT_IN_EFFECT).with("state", state)) }
    }

    async fn check_red(&self, tx: &mut Tx<'_>, ready: &Ready, subject: Uuid) -> Result<()> {
        let family = subjects::family(tx.conn(), subject, ready.now).await?;
        let found = blocks(tx, ready, &family).await?;
        if found.is_empty() { Ok(()) } else { Err(Problem::new(&RED_BLOCKED).with("blocked_by", found)) }
    }

    fn check_measures(&self, ready: &Ready, definition: &ListDefinition, measures: &[String]) -> Result<()> {
        let known: BTreeSet<&str> = ready
            .configuration
            .memoranda_of(&definition.code, ready.today)
            .flat_map(|m| &m.body.measures)
            .map(|line| line.measure.as_str())
            .filter(|code| ready.configuration.measure(code, ready.today).is_some())
            .collect();
        if let Some(unknown) = measures.iter().find(|code| !known.contains(code.as_str())) {
            return Err(Problem::new(&MEASURE_UNKNOWN)
                .with("measure", unknown.clone())
                .with("measures", known.into_iter().collect::<Vec<_>>()));
        }
        if measures.is_empty() && !known.is_empty() {
            return Err(Problem::new(&MEASURES_MISSING).with("measures", known.into_iter().collect::<Vec<_>>()));
        }
        Ok(())
    }

    /// Responsible persons as they are kept: names and capacities clear, numbers of documents sealed by position.
    fn responsible(&self, ready: &Ready, entry: Uuid, new: &NewEntry) -> Result<(Value, Option<Vec<u8>>)> {
        if new.responsible.len() > self.settings.responsible_max {
            return Err(Problem::new(&BAD_TEXT).with("field", "responsible").with("max", self.settings.responsible_max));
        }
        let mut clear = Vec::new();
        let mut numbers = Vec::new();
        for person in &new.responsible {
            clear.push(Responsible { name: self.text("responsible.name", &person.name)?.to_owned(), capacity: person.capacity });
            numbers.push(match (&person.document_kind, &person.document_number) {
                (Some(kind), Some(number)) => {
                    let document = ready.configuration.person_document(kind, number, ready.today)?;
                    json!({ "kind": document.kind().code(), "number": document.reveal() })
                }
                (None, None) => Value::Null,
                _ => return Err(Problem::malformed("证件类型与证件号码须同时填写", "give the kind and the number of a document together")),
            });
        }
        let sealed = numbers.iter().any(|n| !n.is_null()).then(|| {
            let plain = serde_json::to_vec(&numbers).map_err(Problem::internal)?;
            self.keys.seal(entry.as_bytes(), &plain).map_err(Problem::internal)
        });
        Ok((serde_json::to_value(clear).map_err(Problem::internal)?, sealed.transpose()?))
    }

    async fn subject(&self, ready: &Ready, new: &NewEntry) -> Result<Subject> {
        let mut conn = self.db.read().await?;
        let found = match (&new.uscc, new.subject_id) {
            (Some(uscc), None) => {
                let code = credence_subjects::service::parse_uscc(uscc, &ready.configuration.uscc_rules(ready.today))?;
                subjects::by_uscc(&mut conn, code.as_str()).await?
            }
            (None, Some(id)) => subjects::find(&mut conn, id).await?,
            _ => return Err(Problem::malformed("uscc 与 subject_id 须且只能填写一项", "give exactly one of `uscc` and `subject_id`")),
        };
        found.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))
    }

    async fn stepped(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        entry: &Entry,
        (step, to): (&str, EntryState),
        detail: Value,
        now: DateTime<Utc>,
    ) -> Result<()> {
        entries::step(tx, (entry.subject_id, entry.id), (step, Some(&entry.state), to.code()), actor, detail.clone(), now).await?;
        let action = format!("list_entry.{step}");
        let mut detail = detail;
        if let Some(map) = detail.as_object_mut() {
            map.insert("list".to_owned(), entry.list.clone().into());
        }
        record(tx, actor, Change::new(&action, "list_entry", entry.id).about(entry.subject_id).with(detail), now).await
    }
}

fn wrong_state(entry: &Entry) -> Problem {
    match entry.state.as_str() {
        "exited" | "dropped" => Problem::new(&ENTRY_ENDED).with("state", entry.state.clone()),
        state => Problem::new(&ENTRY_WRONG_STATE).with("state", state),
    }
}

/// An entry whose last day is over has ended, though it may not have been written down yet.
fn not_over(entry: &Entry, ready: &Ready) -> Result<()> {
    let over = entry.state == "listed" && entry.expires_on.is_some_and(|last| last < ready.today);
    if over { Err(Problem::new(&ENTRY_ENDED)) } else { Ok(()) }
}

/// The state a step leads to, or what stands against it.
fn step_from(entry: &Entry, step: Step) -> Result<EntryState> {
    after(entry.state()?, step).ok_or_else(|| wrong_state(entry))
}
