//! One chunk of rows, in one transaction: whose they are, what they say already, what becomes of each, and all of it written.

use super::ahead::Ahead;
use super::kept::Kept;
use super::{Records, record_place, row_place};
use crate::cell::Cell;
use crate::check::{Checked, SoundRow, first_half};
use crate::header::is_returned_column;
use crate::model::{Counts, Issue, Severity, Verdict};
use crate::store::FileToLoad;
use crate::store::bulk::{self, Decided, NewVersion, Present, Quarantined, Shared, Unmatched};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::{Change, record_bulk};
use credence_core::Actor;
use credence_core::crypto::{KeyRing, sha256};
use credence_core::problem::{Problem, Result};
use credence_core::settings::UnseenName;
use credence_db::BulkTx;
use credence_subjects::history::{self, Named, Profile};
use credence_subjects::matching::{Identified, KnownName, NameFit, Resolution, SubjectRef, fit};
use credence_subjects::store::bulk::{Registered, register, resolve};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// A row on its way to the database.
pub(super) struct Ready {
    pub row_no: i64,
    pub checked: Checked,
    pub raw: Raw,
}

/// The cells of a row as they arrived, in one piece of memory, kept until the row has its verdict: whatever refuses it, the checks or what
/// the database knows, it goes back as it came.
pub(super) struct Raw {
    names: Arc<[String]>,
    text: String,
    ends: Vec<usize>,
    /// What belonged to no column.
    further: Vec<(String, String)>,
}

impl Raw {
    pub(super) fn of(names: &Arc<[String]>, cells: &[Cell], further: &[(String, String)]) -> Self {
        let mut raw = Self {
            names: Arc::clone(names),
            text: String::with_capacity(1024),
            ends: Vec::with_capacity(cells.len()),
            further: further.to_vec(),
        };
        for cell in cells {
            match cell {
                Cell::Empty => {}
                Cell::Text(text) | Cell::Number(text) => raw.text.push_str(text),
                Cell::Date(day) => raw.text.push_str(&day.to_string()),
            }
            raw.ends.push(raw.text.len());
        }
        raw
    }

    /// Header and text of every cell that the sender filled in.
    fn cells(&self) -> Vec<(&str, &str)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let texts = starts.zip(&self.ends).map(|(from, to)| self.text.get(from..*to).unwrap_or_default());
        let further = self.further.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        self.names.iter().map(String::as_str).zip(texts).filter(|(name, _)| !is_returned_column(name)).chain(further).collect()
    }
}

/// Rows that commit together.
pub(super) struct Chunk {
    /// Position of its first row in the file, from 0.
    pub first_row: i64,
    pub rows: Vec<Ready>,
}

fn issue(rule: &str, severity: Severity, value: &str, zh: impl Into<String>, en: impl Into<String>) -> Issue {
    Issue {
        field: String::new(),
        field_name: String::new(),
        rule: rule.to_owned(),
        severity,
        value: value.to_owned(),
        message_zh: zh.into(),
        message_en: en.into(),
    }
}

/// What a chunk changed that a look before it could not see.
pub(super) struct Touched {
    /// Subject and business key of every new version.
    pub keys: Vec<(Uuid, Uuid)>,
    /// Subjects whose names changed.
    pub registered: Vec<Uuid>,
}

/// A chunk that is written, though not committed.
pub(super) struct Written {
    pub verdicts: Verdicts,
    pub touched: Touched,
}

pub(super) type Verdicts = Vec<(i64, Verdict, Vec<Issue>)>;

/// What the rows of a chunk become.
#[derive(Default)]
struct Effects {
    new: Vec<NewVersion>,
    /// (subject, version) of present versions that are replaced.
    closed: Vec<(Uuid, Uuid)>,
    quarantined: Vec<Quarantined>,
    unmatched: Vec<Unmatched>,
    registered: BTreeMap<Uuid, Registered>,
    /// (subject, record) of every row that was taken, unchanged ones among them.
    seen: Vec<(Uuid, Uuid)>,
    /// Position in `new` of the version a key has got within this chunk.
    in_chunk: HashMap<(Uuid, Uuid), usize>,
}

/// What all chunks of a load share.
pub(super) struct Loading<'l> {
    pub records: &'l Records,
    pub file: &'l FileToLoad,
    pub item_version: i32,
    pub actor: &'l Actor,
    pub today: NaiveDate,
}

/// Writes a chunk: every row's effect, its verdict, and the file's progress.
pub(super) async fn write_chunk(loading: &Loading<'_>, tx: &mut BulkTx<'_>, chunk: &Chunk, mut ahead: Ahead) -> Result<Written> {
    let &Loading { records, file, item_version, actor, today } = loading;
    let now = records.clock.now();
    let refs: Vec<&SubjectRef> =
        chunk.rows.iter().filter_map(|r| if let Checked::Sound(row) = &r.checked { Some(&row.subject) } else { None }).collect();
    let auto_min_rule = records.configuration.get().auto_min_rule(today);
    let mut resolutions = resolve(tx, &refs, &ahead.seen, auto_min_rule, &file.item, now).await?.into_iter();

    // Pair each sound row with its subject, then look at all their present versions at once.
    let mut paired: Vec<(&Ready, Option<(&SoundRow, Resolution)>)> = chunk
        .rows
        .iter()
        .map(|ready| match &ready.checked {
            Checked::Sound(row) => (ready, resolutions.next().map(|resolution| (row.as_ref(), resolution))),
            Checked::Refused(_) => (ready, None),
        })
        .collect();
    // What a person decided about the same row before holds again.
    let unsettled: Vec<Uuid> = paired
        .iter()
        .filter_map(|(_, sound)| sound.as_ref())
        .filter(|(_, resolution)| matches!(resolution, Resolution::Unmatched))
        .map(|(row, _)| match_key(&file.item, row))
        .collect();
    let decided = bulk::decided(tx, file.agency_id, &unsettled).await?;
    for (row, resolution) in paired.iter_mut().filter_map(|(_, sound)| sound.as_mut()) {
        let linked = matches!(resolution, Resolution::Unmatched).then(|| decided.get(&match_key(&file.item, row))?.subject_id).flatten();
        if let Some(subject_id) = linked {
            *resolution = Resolution::Found { subject_id, provisional: false, names: Arc::default() };
        }
    }
    let keys: Vec<(Uuid, Uuid)> = paired
        .iter()
        .filter_map(|(_, sound)| sound.as_ref())
        .filter_map(|(row, resolution)| {
            if let Resolution::Found { subject_id, .. } = resolution { Some((*subject_id, row.statement.business_key)) } else { None }
        })
        .collect();
    let unseen: Vec<(Uuid, Uuid)> = keys.into_iter().filter(|key| ahead.lacks(key)).collect();
    let mut present = std::mem::take(&mut ahead.present);
    present.extend(bulk::present(tx.raw(), &unseen).await?);

    let mut effects = Effects::default();
    let mut verdicts: Verdicts = Vec::with_capacity(chunk.rows.len());
    let mut counts = Counts::default();
    let writer = Writer { records, keys: &records.keys, present: &present, decided: &decided, file, today, now };
    for (ready, sound) in paired {
        let (verdict, issues) = match (sound, &ready.checked) {
            (Some((row, resolution)), _) => writer.row(&mut effects, &mut counts, row, resolution)?,
            (None, Checked::Refused(issues)) => (Verdict::Refused, issues.clone()),
            (None, Checked::Sound(_)) => return Err(Problem::internal("a sound row without a resolution")),
        };
        let issues: Vec<Issue> = issues.into_iter().map(Issue::storable).collect();
        if verdict == Verdict::Refused {
            let text = serde_json::to_vec(&ready.raw.cells()).map_err(Problem::internal)?;
            effects.quarantined.push(Quarantined {
                row_no: ready.row_no,
                issues: serde_json::to_value(&issues).map_err(Problem::internal)?,
                sealed_row: records.keys.seal(&row_place(file.batch_id), &text).map_err(Problem::internal)?,
            });
        }
        counts.add(verdict);
        verdicts.push((ready.row_no, verdict, issues));
    }

    let shared = Shared { item: &file.item, item_version, agency_id: file.agency_id, batch_id: file.batch_id, known_from: now };
    if !effects.registered.is_empty() {
        register(tx, &effects.registered, &file.item, today, now).await?;
    }
    bulk::close(tx, &effects.closed, now).await?;
    bulk::insert(tx, &shared, &effects.new).await?;
    if let Some(list) = file.noted_in {
        bulk::note(tx, list, effects.seen).await?;
    }
    let rows: Vec<i64> = chunk.rows.iter().map(|r| r.row_no).collect();
    bulk::resolve_quarantine(tx, file.batch_id, file.round, &rows, now).await?;
    bulk::quarantine(tx, file.batch_id, file.round, &effects.quarantined, now).await?;
    bulk::unmatched(tx, &shared, &effects.unmatched).await?;
    let letters: Vec<u8> = verdicts.iter().map(|(_, verdict, _)| verdict.letter()).collect();
    bulk::progress(tx, file.id, chunk.first_row, &letters, &counts, now).await?;
    let detail = json!({ "round": file.round, "first_row": chunk.first_row, "rows": letters.len(), "counts": counts });
    record_bulk(tx, actor, Change::new("records.loaded", "batch", file.batch_id).with(detail), now).await?;
    let touched = Touched { keys: effects.in_chunk.into_keys().collect(), registered: effects.registered.into_keys().collect() };
    Ok(Written { verdicts, touched })
}

/// By what an unmatched row is known again.
fn match_key(item: &str, row: &SoundRow) -> Uuid {
    let mut text = format!("{item}\u{1f}{}\u{1f}{}", row.statement.business_key, row.subject.name_normal);
    for (scheme, value) in &row.subject.others {
        text.push('\u{1f}');
        text.push_str(scheme);
        text.push('=');
        text.push_str(value);
    }
    first_half(&sha256(text.as_bytes()))
}

struct Writer<'w> {
    records: &'w Records,
    keys: &'w KeyRing,
    present: &'w HashMap<(Uuid, Uuid), Present>,
    decided: &'w HashMap<Uuid, Decided>,
    file: &'w FileToLoad,
    today: NaiveDate,
    now: DateTime<Utc>,
}

impl Writer<'_> {
    /// Decides what becomes of a sound row and notes its effects.
    fn row(&self, effects: &mut Effects, counts: &mut Counts, row: &SoundRow, resolution: Resolution) -> Result<(Verdict, Vec<Issue>)> {
        let mut issues = row.statement.warnings.clone();
        let Resolution::Found { subject_id, names, .. } = resolution else {
            return self.unmatched(effects, counts, row, issues);
        };
        let name_fit = fit(&names, &row.subject.name_normal, row.subject.on);
        // A row that a person linked has no names here: that person looked at the name.
        if row.registration.is_none() && !names.is_empty() && name_fit == NameFit::Unseen {
            let known = names.iter().find(|n| n.valid_to.is_none()).map(|n| n.name.clone()).unwrap_or_default();
            let severity = if self.records.ingest.unseen_name == UnseenName::Refuse { Severity::Error } else { Severity::Warning };
            let (zh, en) = (
                format!("该主体从未使用过此名称，平台登记的名称为「{known}」；请核对代码与名称是否对应"),
                format!("the subject was never known by this name; the platform has `{known}`. Check that code and name belong together"),
            );
            // A person's name is personal data: the issue does not repeat the one on file.
            let persons = matches!(row.subject.identifier, Identified::Person { .. });
            let (zh, en) = if persons {
                (
                    "姓名与平台登记的不一致；请核对证件号码与姓名是否对应".to_owned(),
                    "the name differs from the one on file; check that number and name belong together".to_owned(),
                )
            } else {
                (zh, en)
            };
            issues.push(issue("subject_name_unseen", severity, if persons { "" } else { &row.subject.name }, zh, en));
            if severity == Severity::Error {
                return Ok((Verdict::Refused, issues));
            }
        }

        let key = (subject_id, row.statement.business_key);
        let earlier = effects.in_chunk.get(&key).copied();
        let same = |hash: Uuid| hash == row.statement.content_hash;
        let kept = self.present.get(&key).map(|present| Kept::new(&present.state, present.stopped)).unwrap_or_default();
        let mut record_id = None;
        let mut timeliness = (row.statement.late, row.statement.late_rule.clone());
        if let Some(at) = earlier {
            let before = effects.new.get_mut(at).ok_or_else(|| Problem::internal("chunk index"))?;
            if same(before.content_hash) {
                effects.seen.push((subject_id, before.record_id));
                return Ok((Verdict::Unchanged, issues));
            }
            before.known_to = Some(self.now);
            record_id = Some(before.record_id);
            timeliness = (before.late, before.late_rule.clone());
        } else if let Some(present) = self.present.get(&key) {
            if present.agency_id != self.file.agency_id && !same(present.content_hash) {
                issues.push(issue(
                    "record_of_other_agency",
                    Severity::Error,
                    "",
                    "该记录由其他单位提供，只有提供单位可以更新；如内容有误请与其联系或提出异议",
                    "this record was provided by another agency, and only that agency changes it; if it is wrong, turn to it or dispute it",
                ));
                return Ok((Verdict::Refused, issues));
            }
            if present.state == "withdrawn" && present.change == "withdrawn" {
                issues.push(issue(
                    "record_withdrawn",
                    Severity::Error,
                    "",
                    "该记录已由提供单位撤回，重新报送不会恢复；如需恢复请通过更正接口说明理由",
                    "the record was withdrawn by its provider and does not come back by being pushed; use a correction with a reason",
                ));
                return Ok((Verdict::Refused, issues));
            }
            if same(present.content_hash) {
                effects.seen.push((subject_id, present.record_id));
                return Ok((Verdict::Unchanged, issues));
            }
            if present.change == "corrected" {
                issues.push(issue(
                    "overrides_correction",
                    Severity::Warning,
                    "",
                    "本次内容覆盖了此前通过接口作出的更正；请确认来源系统已同步更正",
                    "this content replaces a correction made before; make sure the source system has it too",
                ));
            }
            effects.closed.push((subject_id, present.version_id));
            record_id = Some(present.record_id);
            // A record that came in time is not late because it changed later; one whose batch was undone never came.
            if present.change != "undone" || present.state != "withdrawn" {
                timeliness = (present.late, present.late_rule.clone());
            }
        }
        issues.extend(kept.issues(row.statement.state));
        if row.registration.is_some() {
            issues.extend(self.registration(effects, subject_id, &names, row));
        }
        let verdict = match (record_id, issues.is_empty()) {
            (Some(_), _) => Verdict::NewVersion,
            (None, true) => Verdict::Accepted,
            (None, false) => Verdict::AcceptedWithWarnings,
        };
        counts.late += i64::from(row.statement.late && record_id.is_none());
        let issues: Vec<Issue> = issues.into_iter().map(Issue::storable).collect();
        let version = self.version(subject_id, record_id, row, timeliness, kept, &issues)?;
        effects.in_chunk.insert(key, effects.new.len());
        effects.seen.push((subject_id, version.record_id));
        effects.new.push(version);
        Ok((verdict, issues))
    }

    /// Reckons what a row of registration data means for its subject; says what a person should look at.
    fn registration(&self, effects: &mut Effects, subject_id: Uuid, known: &[KnownName], row: &SoundRow) -> Option<Issue> {
        let facts = row.registration.as_ref()?;
        let registered = effects.registered.entry(subject_id).or_insert_with(|| Registered {
            stored_names: known.iter().map(|n| n.id).collect(),
            names: history::confirmed(known),
            ..Registered::default()
        });
        let source = self.file.item.clone();
        registered
            .profiles
            .push((facts.since, Profile { standing: facts.standing.clone(), area: facts.area.clone(), source: source.clone() }));
        registered.kind = facts.kind.or(registered.kind);
        registered.numbers.extend(row.subject.others.iter().filter(|(scheme, _)| *scheme == "registration_no").cloned());
        let name = Named { name: row.subject.name.clone(), normal: row.subject.name_normal.clone(), confirmed: true, source };
        let renamed = history::state_name(&mut registered.names, name, facts.since, self.today)?;
        let (old, new) = (renamed.from.clone(), renamed.to.clone());
        registered.renames.push(renamed);
        Some(issue(
            "subject_renamed",
            Severity::Warning,
            &row.subject.name,
            format!("登记名称由「{old}」变更为「{new}」，已记入名称历史"),
            format!("the registered name changed from `{old}` to `{new}`; both are kept in the history of names"),
        ))
    }

    fn version(
        &self,
        subject_id: Uuid,
        record_id: Option<Uuid>,
        row: &SoundRow,
        (late, late_rule): (bool, Option<String>),
        kept: Kept,
        issues: &[Issue],
    ) -> Result<NewVersion> {
        let id = Uuid::now_v7();
        let record_id = record_id.unwrap_or(id);
        let s = &row.statement;
        let sealed = s
            .sealed
            .as_ref()
            .map(|plain| self.keys.seal(&record_place(record_id), plain.as_bytes()))
            .transpose()
            .map_err(Problem::internal)?;
        let warnings = if issues.is_empty() { None } else { Some(serde_json::to_string(issues).map_err(Problem::internal)?) };
        Ok(NewVersion {
            subject_id,
            id,
            record_id,
            business_key: s.business_key,
            content_hash: s.content_hash,
            data: s.data.clone(),
            sealed,
            state: kept.state(s.state).code(),
            decided_on: s.decided_on,
            valid_from: s.valid_from,
            valid_to: s.valid_to,
            public_until: kept.public_until(s.public_until),
            late,
            late_rule,
            warnings,
            row_no: i64::try_from(s.row_no).unwrap_or(0),
            known_to: None,
        })
    }

    fn unmatched(
        &self,
        effects: &mut Effects,
        counts: &mut Counts,
        row: &SoundRow,
        mut issues: Vec<Issue>,
    ) -> Result<(Verdict, Vec<Issue>)> {
        let match_key = match_key(&self.file.item, row);
        if let Some(rejected) = self.decided.get(&match_key) {
            issues.push(issue(
                "row_rejected_before",
                Severity::Error,
                "",
                format!("信用办此前已认定本行无法对应任何主体（理由：{}）；请补充统一社会信用代码后重报", rejected.reason),
                format!(
                    "the credit office found before that this row belongs to no subject ({}); push it with the unified social credit code",
                    rejected.reason
                ),
            ));
            return Ok((Verdict::Refused, issues));
        }
        issues.push(issue(
            "subject_unmatched",
            Severity::Warning,
            "",
            "所给代码不能唯一确定主体，本行已保存，待信用办人工确认后生效；如有统一社会信用代码请补报",
            "the codes given do not settle whose row this is; it is kept and takes effect once the credit office has decided. If you have the unified social credit code, push it",
        ));
        let text = serde_json::to_vec(&row.statement).map_err(Problem::internal)?;
        let hints: Value = row.subject.others.iter().map(|(scheme, value)| json!({ "scheme": scheme, "value": value })).collect();
        effects.unmatched.push(Unmatched {
            id: Uuid::now_v7(),
            match_key,
            row_no: i64::try_from(row.statement.row_no).unwrap_or(0),
            subject_name: row.subject.name.clone(),
            hints,
            sealed_row: self.keys.seal(&row_place(self.file.batch_id), &text).map_err(Problem::internal)?,
        });
        counts.unmatched += 1;
        counts.late += i64::from(row.statement.late);
        Ok((Verdict::AcceptedWithWarnings, issues))
    }
}
