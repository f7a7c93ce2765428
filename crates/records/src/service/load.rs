//! Loading a file: one thread decodes and checks, the task writes chunk after chunk, each in a transaction with its progress. Killed at any
//! moment, the next worker finds how far the file came and goes on after it; a row's effect and its verdict are there together or not at all.

use super::receive::Returned;
use super::{Records, record_place, row_place};
use crate::check::{Checked, Checker, SoundRow};
use crate::decode::{self, Encoding, Format, Shape};
use crate::header::{Header, Headers, Target};
use crate::model::{Counts, Issue, MIXED_BATCHES, Severity, Verdict};
use crate::store;
use crate::store::FileToLoad;
use crate::store::bulk::{self, NewVersion, Present, Quarantined, Shared, Unmatched};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::{Change, record, record_bulk};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::crypto::KeyRing;
use credence_core::problem::{Kind, Problem, Result};
use credence_core::settings::UnseenName;
use credence_db::BulkTx;
use credence_jobs::{Lease, Outcome};
use credence_subjects::matching::{Identified, NameFit, Resolution, SubjectRef, fit};
use credence_subjects::store::bulk::{Registration, register, resolve};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Times a chunk is taken again after a conflict with a parallel load.
const CONFLICTS_MAX: usize = 20;
/// Chunks that may wait between the checks and the database.
const CHUNKS_AHEAD: usize = 2;

/// A row on its way to the database.
struct Ready {
    row_no: i64,
    checked: Checked,
    /// Header and text of every cell, kept of refused rows.
    raw: Option<Vec<(String, String)>>,
}

struct Chunk {
    /// Position of its first row in the file, from 0.
    first_row: i64,
    rows: Vec<Ready>,
}

/// What a load tells its caller about rows, in order of the file.
pub(crate) type RowReport<'r> = &'r mut (dyn FnMut(i64, Verdict, Vec<Issue>) + Send);

/// Everything one load needs.
pub(crate) struct Load {
    pub file: FileToLoad,
    pub item_version: i32,
    pub today: NaiveDate,
    pub path: PathBuf,
    pub shape: Shape,
    pub header: Header,
    pub ignore: Vec<String>,
    pub regions: Option<Vec<String>>,
    /// The batch that the column 退回批次 has to name; a dry run has a batch of its own beside it.
    pub returned_to: Uuid,
}

/// How a file's header and options are kept with it.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptHeader {
    pub header: Header,
    pub ignore: Vec<String>,
    pub gzip: bool,
    pub regions: Option<Vec<String>>,
}

impl Load {
    pub(crate) fn new(records: &Records, file: FileToLoad, item_version: i32) -> Result<Self> {
        let kept: KeptHeader = serde_json::from_value(file.header.clone()).map_err(Problem::internal)?;
        let format = Format::from_code(&file.format).ok_or_else(|| Problem::internal(format!("unknown format {}", file.format)))?;
        let encoding = file.encoding.as_deref().map(Encoding::parse).transpose()?;
        Ok(Self {
            item_version,
            today: china_date(file.received_at),
            path: records.spool.join(&file.spool_name),
            shape: Shape { format, gzip: kept.gzip, encoding },
            header: kept.header,
            ignore: kept.ignore,
            regions: kept.regions,
            returned_to: file.batch_id,
            file,
        })
    }
}

/// Loads a file, from where it stands to its end. Done twice, it does nothing the second time.
pub async fn run(records: &Records, file_id: Uuid, lease: &Lease) -> Result<Outcome> {
    run_reporting(records, file_id, lease, &mut |_, _, _| {}).await
}

/// The same, telling about every row.
pub(crate) async fn run_reporting(records: &Records, file_id: Uuid, lease: &Lease, report: RowReport<'_>) -> Result<Outcome> {
    let configuration = records.configuration.fresh(&records.db).await?;
    let file = store::file_to_load(&mut *records.db.read().await?, file_id).await?;
    let Some(file) = file.filter(|f| f.state == "queued" || f.state == "loading") else { return Ok(Outcome::Done) };
    let actor = Actor::system(&format!("load for {}", file.submitted_by));
    let today = china_date(file.received_at);
    let item = match records.item(&configuration, &file.item, today) {
        Ok(item) => item,
        Err(problem) => return refuse(records, &actor, &file, problem).await,
    };
    let item_version = item.version;
    let load = Load::new(records, file.clone(), item_version)?;
    let directory = records.directory.get(&records.db, records.clock.now()).await?;
    let basis = records.basis(&directory, configuration, item, &file.feed, today, load.regions.clone());

    if file.state == "queued" {
        // Read it through once, so that a fault of the file as a whole shows before anything of it is stored, and its size is known.
        let counted = count_rows(&load, &basis).await;
        let rows = match counted {
            Ok(rows) => rows,
            Err(problem) if matches!(problem.of.kind, Kind::Internal | Kind::Unavailable) => return Err(problem),
            Err(problem) => return refuse(records, &actor, &file, problem).await,
        };
        let now = records.clock.now();
        records
            .db
            .write(async |tx| {
                if !store::start_file(tx, file.id, rows, now).await? {
                    tx.mark_recorded();
                    return Ok(());
                }
                let change = Change::new("batch.start", "batch", file.batch_id).with(json!({ "round": file.round, "rows": rows }));
                record(tx, &actor, change, now).await
            })
            .await?;
    }

    let checker = Checker::new(basis, load.header.clone())?;
    let (send, mut receive) = mpsc::channel(CHUNKS_AHEAD);
    let (rows_done, chunk_rows) = (file.rows_done, records.ingest.chunk_rows);
    let plan = load;
    let decoder = tokio::task::spawn_blocking(move || {
        let result = decode_chunks(&plan, checker, rows_done, chunk_rows, &mut |chunk| send.blocking_send(chunk).is_ok());
        (result, plan)
    });
    let mut connection = records.db.bulk().await?;
    while let Some(chunk) = receive.recv().await {
        if !lease.may_go_on() {
            drop(receive);
            let _ = decoder.await;
            return Ok(Outcome::Interrupted);
        }
        let mut attempt = 0;
        loop {
            let mut tx = connection.begin().await?;
            if !bulk::claim(&tx, file.id, chunk.first_row).await? {
                // Another worker took over; what it commits is not ours to do again.
                return Ok(Outcome::Interrupted);
            }
            match write_chunk(records, &mut tx, &file, &chunk, item_version, &actor, today).await {
                Ok(verdicts) => {
                    tx.commit().await?;
                    for (row, verdict, issues) in verdicts {
                        report(row, verdict, issues);
                    }
                    break;
                }
                Err(problem) if bulk::is_conflict(&problem) && attempt < CONFLICTS_MAX => attempt += 1,
                Err(problem) => return Err(problem),
            }
        }
    }
    let (decoded, _) = decoder.await.map_err(Problem::internal)?;
    if let Err(problem) = decoded {
        return match problem.of.kind {
            Kind::Internal | Kind::Unavailable => Err(problem),
            _ => refuse(records, &actor, &file, problem).await,
        };
    }
    let now = records.clock.now();
    records
        .db
        .write(async |tx| {
            if !store::complete_file(tx, file.id, now).await? {
                tx.mark_recorded();
                return Ok(());
            }
            record(tx, &actor, Change::new("batch.complete", "batch", file.batch_id).with(json!({ "round": file.round })), now).await
        })
        .await?;
    if records.ingest.spool_keep_days == 0 {
        // What is loaded is in the database, sealed where it has to be; the file in the clear is not needed any more.
        let _ = tokio::fs::remove_file(records.spool.join(&file.spool_name)).await;
    }
    Ok(Outcome::Done)
}

async fn refuse(records: &Records, actor: &Actor, file: &FileToLoad, problem: Problem) -> Result<Outcome> {
    let now = records.clock.now();
    let body = problem_json(&problem);
    records
        .db
        .write(async |tx| {
            store::refuse_file(tx, file.id, body, now).await?;
            let detail = json!({ "round": file.round, "code": problem.code() });
            record(tx, actor, Change::new("batch.refuse", "batch", file.batch_id).with(detail), now).await
        })
        .await?;
    Ok(Outcome::Done)
}

/// A problem as a job's result shows it.
fn problem_json(problem: &Problem) -> Value {
    let mut body = json!({ "code": problem.code(), "messages": { "zh": problem.of.zh, "en": problem.of.en } });
    if let Some(map) = body.as_object_mut() {
        map.extend(problem.details.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    body
}

async fn count_rows(load: &Load, basis: &crate::check::Basis) -> Result<i64> {
    let (path, shape, header, ignore) = (load.path.clone(), load.shape.clone(), load.header.clone(), load.ignore.clone());
    let (item, feed, limits, round) = (std::sync::Arc::clone(&basis.item), basis.feed.clone(), basis.settings.clone(), load.file.round);
    tokio::task::spawn_blocking(move || {
        let feed = item.item.feed(&feed).ok_or_else(|| Problem::internal("feed vanished"))?;
        let headers = Headers::of(&item.item, feed, &ignore);
        let mut returned = Returned::default();
        let mut hold = |row: decode::Row<'_>| if round > 1 { returned.row(&row).map(drop) } else { Ok(()) };
        decode::decode(&path, &shape, &header, &headers, &limits, &mut hold).and_then(|n| i64::try_from(n).map_err(Problem::internal))
    })
    .await
    .map_err(Problem::internal)?
}

/// Decodes and checks from `rows_done` on. `send` returns false when nobody wants more.
fn decode_chunks(load: &Load, mut checker: Checker, rows_done: i64, chunk_rows: usize, send: &mut dyn FnMut(Chunk) -> bool) -> Result<()> {
    let item = std::sync::Arc::clone(&checker.basis().item);
    let limits = checker.basis().settings.clone();
    let feed = item.item.feed(&checker.basis().feed).ok_or_else(|| Problem::internal("feed vanished"))?;
    let headers = Headers::of(&item.item, feed, &load.ignore);
    let mut chunk = Chunk { first_row: rows_done, rows: Vec::with_capacity(chunk_rows) };
    let mut wanted = true;
    let decoded = decode::decode(&load.path, &load.shape, &load.header, &headers, &limits, &mut |row| {
        let position = i64::try_from(row.number).unwrap_or(i64::MAX) - 1;
        if position < rows_done {
            return Ok(());
        }
        if checker.header() != row.header {
            checker.set_header(row.header.clone());
        }
        let at = |target: &Target| row.header.targets.iter().position(|t| t == target).and_then(|at| row.cells.get(at));
        let returned = at(&Target::Row).and_then(|cell| cell.text().parse::<i64>().ok());
        let row_no = returned.unwrap_or(position + 1);
        let mut checked = checker.check(u64::try_from(row_no).unwrap_or(0), row.cells, row.unknown);
        let of_other_batch = at(&Target::Batch).is_some_and(|cell| Uuid::parse_str(&cell.text()).ok() != Some(load.returned_to));
        if of_other_batch || (load.file.round > 1 && returned.is_none()) {
            checked = Checked::Refused(vec![whole_issue(&MIXED_BATCHES, Severity::Error)]);
        }
        let refused = matches!(checked, Checked::Refused(_));
        let raw = || {
            row.header
                .names
                .iter()
                .zip(row.cells)
                .filter(|(name, _)| !is_returned_column(name))
                .map(|(n, c)| (n.clone(), c.raw()))
                .collect()
        };
        chunk.rows.push(Ready { row_no, raw: refused.then(raw), checked });
        if chunk.rows.len() >= chunk_rows {
            let next = Chunk { first_row: position + 1, rows: Vec::with_capacity(chunk_rows) };
            wanted = send(std::mem::replace(&mut chunk, next));
        }
        if wanted { Ok(()) } else { Err(Problem::internal("stopped")) }
    });
    if !wanted {
        return Ok(());
    }
    decoded?;
    if !chunk.rows.is_empty() {
        send(chunk);
    }
    Ok(())
}

fn is_returned_column(name: &str) -> bool {
    [crate::header::BATCH_COLUMN, crate::header::ROW_COLUMN, crate::header::REASON_COLUMN].contains(&name)
}

fn whole_issue(problem: &'static credence_core::ProblemType, severity: Severity) -> Issue {
    Issue {
        field: String::new(),
        field_name: String::new(),
        rule: problem.code.to_owned(),
        severity,
        value: String::new(),
        message_zh: problem.zh.to_owned(),
        message_en: problem.en.to_owned(),
    }
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

type Verdicts = Vec<(i64, Verdict, Vec<Issue>)>;

/// What the rows of a chunk become.
#[derive(Default)]
struct Effects {
    new: Vec<NewVersion>,
    /// (subject, version) of present versions that are replaced.
    closed: Vec<(Uuid, Uuid)>,
    quarantined: Vec<Quarantined>,
    unmatched: Vec<Unmatched>,
    registrations: Vec<Registration>,
    /// Position in `new` of the version a key has got within this chunk.
    in_chunk: HashMap<(Uuid, Uuid), usize>,
}

async fn write_chunk(
    records: &Records,
    tx: &mut BulkTx<'_>,
    file: &FileToLoad,
    chunk: &Chunk,
    item_version: i32,
    actor: &Actor,
    today: NaiveDate,
) -> Result<Verdicts> {
    let now = records.clock.now();
    let refs: Vec<SubjectRef> =
        chunk.rows.iter().filter_map(|r| if let Checked::Sound(row) = &r.checked { Some(row.subject.clone()) } else { None }).collect();
    let mut resolutions = resolve(tx, &refs, records.configuration.get().auto_min_rule(today), &file.item, now).await?.into_iter();

    // Pair each sound row with its subject, then look at all their present versions at once.
    let paired: Vec<(&Ready, Option<(&SoundRow, Resolution)>)> = chunk
        .rows
        .iter()
        .map(|ready| match &ready.checked {
            Checked::Sound(row) => (ready, resolutions.next().map(|resolution| (row.as_ref(), resolution))),
            Checked::Refused(_) => (ready, None),
        })
        .collect();
    let keys: Vec<(Uuid, Uuid)> = paired
        .iter()
        .filter_map(|(_, sound)| sound.as_ref())
        .filter_map(|(row, resolution)| {
            if let Resolution::Found { subject_id, .. } = resolution { Some((*subject_id, row.statement.business_key)) } else { None }
        })
        .collect();
    let present = bulk::present(tx, &keys).await?;

    let mut effects = Effects::default();
    let mut verdicts: Verdicts = Vec::with_capacity(chunk.rows.len());
    let mut counts = Counts::default();
    let writer = Writer { records, keys: &records.keys, present: &present, batch: file.batch_id, now };
    for (ready, sound) in paired {
        let (verdict, issues) = match (sound, &ready.checked) {
            (Some((row, resolution)), _) => writer.row(&mut effects, &mut counts, row, resolution)?,
            (None, Checked::Refused(issues)) => (Verdict::Refused, issues.clone()),
            (None, Checked::Sound(_)) => return Err(Problem::internal("a sound row without a resolution")),
        };
        if verdict == Verdict::Refused {
            let raw = match (&ready.raw, &ready.checked) {
                (Some(raw), _) => raw.clone(),
                (None, Checked::Sound(row)) => rebuild_raw(row),
                (None, Checked::Refused(_)) => Vec::new(),
            };
            let text = serde_json::to_vec(&raw).map_err(Problem::internal)?;
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
    if !effects.registrations.is_empty() {
        register(tx, &effects.registrations, &file.item, today, now).await?;
    }
    bulk::close(tx, &effects.closed, now).await?;
    bulk::insert(tx, &shared, &effects.new).await?;
    let rows: Vec<i64> = chunk.rows.iter().map(|r| r.row_no).collect();
    bulk::resolve_quarantine(tx, file.batch_id, file.round, &rows, now).await?;
    bulk::quarantine(tx, file.batch_id, file.round, &effects.quarantined, now).await?;
    bulk::unmatched(tx, &shared, &effects.unmatched).await?;
    let letters: Vec<u8> = verdicts.iter().map(|(_, verdict, _)| verdict.letter()).collect();
    bulk::progress(tx, file.id, chunk.first_row, &letters, &counts, now).await?;
    let detail = json!({ "round": file.round, "first_row": chunk.first_row, "rows": letters.len(), "counts": counts });
    record_bulk(tx, actor, Change::new("records.loaded", "batch", file.batch_id).with(detail), now).await?;
    Ok(verdicts)
}

/// The cells of a sound row again, by field code, for the rare row that only what the database knows refuses: keeping the text of every
/// row for it would double the memory of a load.
fn rebuild_raw(row: &SoundRow) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    for text in [Some(&row.statement.data), row.statement.sealed.as_ref()].into_iter().flatten() {
        let Ok(Value::Object(map)) = serde_json::from_str(text) else { continue };
        for (code, value) in map {
            let text = match value {
                Value::String(text) => text,
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";"),
                other => other.to_string(),
            };
            cells.retain(|(c, _)| *c != code);
            cells.push((code, text));
        }
    }
    cells
}

struct Writer<'w> {
    records: &'w Records,
    keys: &'w KeyRing,
    present: &'w HashMap<(Uuid, Uuid), Present>,
    batch: Uuid,
    now: DateTime<Utc>,
}

impl Writer<'_> {
    /// Decides what becomes of a sound row and notes its effects.
    fn row(&self, effects: &mut Effects, counts: &mut Counts, row: &SoundRow, resolution: Resolution) -> Result<(Verdict, Vec<Issue>)> {
        let mut issues = row.statement.warnings.clone();
        let Resolution::Found { subject_id, provisional, names, created } = resolution else {
            return self.unmatched(effects, counts, row, issues);
        };
        let name_fit = fit(&names, &row.subject.name_normal, row.subject.on);
        if row.registration.is_none() && !created && name_fit == NameFit::Unseen {
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
        let mut record_id = None;
        if let Some(at) = earlier {
            let before = effects.new.get_mut(at).ok_or_else(|| Problem::internal("chunk index"))?;
            if same(before.content_hash) {
                return Ok((Verdict::Unchanged, issues));
            }
            before.known_to = Some(self.now);
            record_id = Some(before.record_id);
        } else if let Some(present) = self.present.get(&key) {
            if same(present.content_hash) {
                return Ok((Verdict::Unchanged, issues));
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
        }
        if let Some(facts) = &row.registration {
            let current = names.iter().find(|n| n.confirmed && n.valid_to.is_none());
            let renamed_from = current.filter(|n| n.normal != row.subject.name_normal).map(|n| n.name.clone());
            if let Some(old) = &renamed_from {
                issues.push(issue(
                    "subject_renamed",
                    Severity::Warning,
                    &row.subject.name,
                    format!("登记名称由「{old}」变更，已记入名称历史"),
                    format!("the registered name changed from `{old}`; both are kept in the history of names"),
                ));
            }
            effects.registrations.push(Registration {
                subject_id,
                name: row.subject.name.clone(),
                name_normal: row.subject.name_normal.clone(),
                since: facts.since,
                kind: facts.kind,
                standing: facts.standing.clone(),
                area: facts.area.clone(),
                numbers: row.subject.others.iter().filter(|(scheme, _)| *scheme == "registration_no").cloned().collect(),
                write_name: current.is_none_or(|n| n.normal != row.subject.name_normal) || provisional,
                renamed_from,
            });
        }
        let verdict = match (record_id, issues.is_empty()) {
            (Some(_), _) => Verdict::NewVersion,
            (None, true) => Verdict::Accepted,
            (None, false) => Verdict::AcceptedWithWarnings,
        };
        counts.late += i64::from(row.statement.late);
        let version = self.version(subject_id, record_id, row, &issues)?;
        effects.in_chunk.insert(key, effects.new.len());
        effects.new.push(version);
        Ok((verdict, issues))
    }

    fn version(&self, subject_id: Uuid, record_id: Option<Uuid>, row: &SoundRow, issues: &[Issue]) -> Result<NewVersion> {
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
            state: s.state.code(),
            decided_on: s.decided_on,
            valid_from: s.valid_from,
            valid_to: s.valid_to,
            public_until: s.public_until,
            late: s.late,
            late_rule: s.late_rule.clone(),
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
            row_no: i64::try_from(row.statement.row_no).unwrap_or(0),
            subject_name: row.subject.name.clone(),
            hints,
            sealed_row: self.keys.seal(&row_place(self.batch), &text).map_err(Problem::internal)?,
        });
        counts.unmatched += 1;
        counts.late += i64::from(row.statement.late);
        Ok((Verdict::AcceptedWithWarnings, issues))
    }
}

/// The verdicts a file would get, with nothing stored: the same code in one transaction that is never committed.
pub(crate) async fn dry_run(records: &Records, load: Load, basis: crate::check::Basis, report: RowReport<'_>) -> Result<Counts> {
    let checker = Checker::new(basis, load.header.clone())?;
    let (send, mut receive) = mpsc::channel::<Chunk>(CHUNKS_AHEAD);
    let (file, item_version, today) = (load.file.clone(), load.item_version, load.today);
    let chunk_rows = records.ingest.chunk_rows;
    let decoder =
        tokio::task::spawn_blocking(move || decode_chunks(&load, checker, 0, chunk_rows, &mut |chunk| send.blocking_send(chunk).is_ok()));
    let mut connection = records.db.bulk().await?;
    let mut tx = connection.begin().await?;
    // The file and its batch exist only inside this transaction.
    store::bulk::pretend(&tx, &file, item_version, records.clock.now()).await?;
    let actor = Actor::system("dry run");
    let mut counts = Counts::default();
    while let Some(chunk) = receive.recv().await {
        for (row, verdict, issues) in write_chunk(records, &mut tx, &file, &chunk, item_version, &actor, today).await? {
            counts.add(verdict);
            report(row, verdict, issues);
        }
    }
    decoder.await.map_err(Problem::internal)??;
    Ok(counts)
}
