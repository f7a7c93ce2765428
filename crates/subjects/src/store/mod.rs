//! Every SQL statement about subjects: [`bulk`] for whole chunks of rows, the rest for one subject at a time.

pub mod bulk;

use crate::model::{Event, Identifier, Name, Subject};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{subject_events, subject_identifiers, subject_merges, subject_names, subjects};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

type Row = (Uuid, String, String, Option<String>, Option<String>, Option<Uuid>);

fn subject(row: Row) -> Subject {
    let (id, kind, state, standing, area_code, merged_into) = row;
    Subject { id, kind, state, standing, area_code, merged_into }
}

const COLUMNS: (subjects::id, subjects::kind, subjects::state, subjects::standing, subjects::area_code, subjects::merged_into) =
    (subjects::id, subjects::kind, subjects::state, subjects::standing, subjects::area_code, subjects::merged_into);

/// The subject with an id.
pub async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Subject>> {
    Ok(subjects::table.find(id).select(COLUMNS).first::<Row>(conn).await.optional().db()?.map(subject))
}

/// The organisation that has, or had, a code.
pub async fn by_uscc(conn: &mut AsyncPgConnection, uscc: &str) -> Result<Option<Subject>> {
    let row = subjects::table
        .inner_join(subject_identifiers::table.on(subject_identifiers::subject_id.eq(subjects::id)))
        .filter(subject_identifiers::scheme.eq("uscc"))
        .filter(subject_identifiers::value.eq(uscc))
        .filter(subject_identifiers::known_to.is_null())
        .select(COLUMNS)
        .first::<Row>(conn)
        .await
        .optional()
        .db()?;
    Ok(row.map(subject))
}

/// The person whose document has this keyed index.
pub async fn by_person_index(conn: &mut AsyncPgConnection, scheme: &str, index: &[u8]) -> Result<Option<Subject>> {
    let row = subjects::table
        .inner_join(subject_identifiers::table.on(subject_identifiers::subject_id.eq(subjects::id)))
        .filter(subject_identifiers::scheme.eq(scheme))
        .filter(subject_identifiers::value_index.eq(index))
        .filter(subject_identifiers::known_to.is_null())
        .select(COLUMNS)
        .first::<Row>(conn)
        .await
        .optional()
        .db()?;
    Ok(row.map(subject))
}

/// The subject everything is read through, and all that were merged into it, itself first.
pub async fn family(conn: &mut AsyncPgConnection, start: &Subject) -> Result<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Member {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    // The depth bound only guards against a circle that the service does not let arise.
    let rows: Vec<Member> = diesel::sql_query(
        "WITH RECURSIVE up AS (
             SELECT id, merged_into, 0 AS depth FROM subjects WHERE id = $1
             UNION ALL SELECT s.id, s.merged_into, depth + 1 FROM subjects s JOIN up ON s.id = up.merged_into WHERE depth < 32),
         root AS (SELECT id FROM up WHERE merged_into IS NULL LIMIT 1),
         down AS (
             SELECT id, 0 AS depth FROM root
             UNION ALL SELECT s.id, depth + 1 FROM subjects s JOIN down ON s.merged_into = down.id WHERE depth < 32)
         SELECT id FROM down ORDER BY depth, id",
    )
    .bind::<diesel::sql_types::Uuid, _>(start.id)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|m| m.id).collect())
}

/// Whether anything was merged into the subject.
pub async fn has_merged(conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool> {
    diesel::select(diesel::dsl::exists(subjects::table.filter(subjects::merged_into.eq(id)))).get_result(conn).await.db()
}

/// Names known at an instant, newest first.
pub async fn names(conn: &mut AsyncPgConnection, family: &[Uuid], known_at: DateTime<Utc>) -> Result<Vec<Name>> {
    type NameView = (String, bool, Option<NaiveDate>, Option<NaiveDate>, DateTime<Utc>);
    let rows: Vec<NameView> = subject_names::table
        .filter(subject_names::subject_id.eq_any(family.to_vec()))
        .filter(subject_names::known_from.le(known_at))
        .filter(subject_names::known_to.is_null().or(subject_names::known_to.gt(known_at)))
        .order((subject_names::valid_to.desc().nulls_first(), subject_names::valid_from.desc().nulls_last(), subject_names::id.desc()))
        .select((
            subject_names::name,
            subject_names::confirmed,
            subject_names::valid_from,
            subject_names::valid_to,
            subject_names::known_from,
        ))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .map(|(name, confirmed, valid_from, valid_to, known_from)| Name { name, confirmed, valid_from, valid_to, known_from })
        .collect())
}

/// Numbers of organisations known at an instant; numbers of persons never leave here.
pub async fn identifiers(conn: &mut AsyncPgConnection, family: &[Uuid], known_at: DateTime<Utc>) -> Result<Vec<Identifier>> {
    type NumberView = (String, Option<String>, String, Option<NaiveDate>, Option<NaiveDate>);
    let rows: Vec<NumberView> = subject_identifiers::table
        .filter(subject_identifiers::subject_id.eq_any(family.to_vec()))
        .filter(subject_identifiers::value.is_not_null())
        .filter(subject_identifiers::known_from.le(known_at))
        .filter(subject_identifiers::known_to.is_null().or(subject_identifiers::known_to.gt(known_at)))
        .order((subject_identifiers::scheme.desc(), subject_identifiers::status, subject_identifiers::value))
        .select((
            subject_identifiers::scheme,
            subject_identifiers::value,
            subject_identifiers::status,
            subject_identifiers::valid_from,
            subject_identifiers::valid_to,
        ))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .filter_map(|(scheme, value, status, valid_from, valid_to)| {
            Some(Identifier { scheme, value: value?, status, valid_from, valid_to })
        })
        .collect())
}

/// Events of a subject, newest first.
pub async fn events(conn: &mut AsyncPgConnection, family: &[Uuid], known_at: DateTime<Utc>) -> Result<Vec<Event>> {
    type EventRow = (Uuid, String, NaiveDate, Option<Uuid>, Option<String>, Option<String>, String);
    let rows: Vec<EventRow> = subject_events::table
        .filter(subject_events::subject_id.eq_any(family.to_vec()))
        .filter(subject_events::recorded_at.le(known_at))
        .order((subject_events::happened_on.desc(), subject_events::id.desc()))
        .select((
            subject_events::id,
            subject_events::kind,
            subject_events::happened_on,
            subject_events::other_subject_id,
            subject_events::from_value,
            subject_events::to_value,
            subject_events::basis,
        ))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .map(|(id, kind, happened_on, other_subject_id, from_value, to_value, basis)| Event {
            id,
            kind,
            happened_on,
            other_subject_id,
            from_value,
            to_value,
            basis,
        })
        .collect())
}

/// Organisations whose present or former name has this normal form, with area: the proposals for an unmatched row (rule 4).
pub async fn by_exact_name(conn: &mut AsyncPgConnection, normal: &str, limit: i64) -> Result<Vec<Subject>> {
    let rows: Vec<Row> = subjects::table
        .filter(subjects::kind.ne("natural_person"))
        .filter(diesel::dsl::exists(
            subject_names::table
                .filter(subject_names::subject_id.eq(subjects::id))
                .filter(subject_names::name_normal.eq(normal))
                .filter(subject_names::known_to.is_null()),
        ))
        .order(subjects::id)
        .limit(limit)
        .select(COLUMNS)
        .load(conn)
        .await
        .db()?;
    Ok(rows.into_iter().map(subject).collect())
}

/// Locks a subject's row until the transaction ends and returns it.
pub(crate) async fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Subject>> {
    Ok(subjects::table.find(id).for_update().select(COLUMNS).first::<Row>(tx.conn()).await.optional().db()?.map(subject))
}

pub(crate) async fn insert_event(tx: &mut Tx<'_>, subject_id: Uuid, event: &Event, now: DateTime<Utc>, by: &str) -> Result<()> {
    diesel::insert_into(subject_events::table)
        .values((
            subject_events::id.eq(event.id),
            subject_events::subject_id.eq(subject_id),
            subject_events::kind.eq(&event.kind),
            subject_events::happened_on.eq(event.happened_on),
            subject_events::other_subject_id.eq(event.other_subject_id),
            subject_events::from_value.eq(&event.from_value),
            subject_events::to_value.eq(&event.to_value),
            subject_events::basis.eq(&event.basis),
            subject_events::recorded_at.eq(now),
            subject_events::recorded_by.eq(by),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

pub(crate) async fn set_standing(tx: &mut Tx<'_>, id: Uuid, standing: &str) -> Result<()> {
    diesel::update(subjects::table.find(id)).set(subjects::standing.eq(standing)).execute(tx.conn()).await.db()?;
    Ok(())
}

pub(crate) async fn set_area(tx: &mut Tx<'_>, id: Uuid, area: &str) -> Result<()> {
    diesel::update(subjects::table.find(id)).set(subjects::area_code.eq(area)).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Ends the present name on the day before `from` and begins the new one. The row that ends is closed in known time and written again
/// with its last day, so that what was known before stays answerable.
pub(crate) async fn rename(
    tx: &mut Tx<'_>,
    id: Uuid,
    name: &str,
    normal: &str,
    from: NaiveDate,
    source: &str,
    now: DateTime<Utc>,
) -> Result<Option<String>> {
    type NameRow = (Uuid, String, String, bool, Option<NaiveDate>, String);
    let present: Vec<NameRow> = subject_names::table
        .filter(subject_names::subject_id.eq(id))
        .filter(subject_names::known_to.is_null())
        .filter(subject_names::valid_to.is_null())
        .select((
            subject_names::id,
            subject_names::name,
            subject_names::name_normal,
            subject_names::confirmed,
            subject_names::valid_from,
            subject_names::source,
        ))
        .load(tx.conn())
        .await
        .db()?;
    for (name_id, old, old_normal, confirmed, valid_from, old_source) in &present {
        diesel::update(subject_names::table.find(name_id)).set(subject_names::known_to.eq(now)).execute(tx.conn()).await.db()?;
        let last = from.pred_opt();
        if last.zip(*valid_from).is_some_and(|(last, first)| last < first) {
            continue;
        }
        insert_name(tx, id, (old, old_normal), *confirmed, (*valid_from, last), old_source, now).await?;
    }
    insert_name(tx, id, (name, normal), true, (Some(from), None), source, now).await?;
    Ok(present.into_iter().next().map(|(_, old, ..)| old))
}

async fn insert_name(
    tx: &mut Tx<'_>,
    subject_id: Uuid,
    (name, normal): (&str, &str),
    confirmed: bool,
    (valid_from, valid_to): (Option<NaiveDate>, Option<NaiveDate>),
    source: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(subject_names::table)
        .values((
            subject_names::id.eq(Uuid::now_v7()),
            subject_names::subject_id.eq(subject_id),
            subject_names::name.eq(name),
            subject_names::name_normal.eq(normal),
            subject_names::confirmed.eq(confirmed),
            subject_names::valid_from.eq(valid_from),
            subject_names::valid_to.eq(valid_to),
            subject_names::source.eq(source),
            subject_names::known_from.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Replaces the current code: the old one stays findable as former or erroneous.
pub(crate) async fn change_code(
    tx: &mut Tx<'_>,
    id: Uuid,
    code: &str,
    from: NaiveDate,
    former_status: &str,
    now: DateTime<Utc>,
    taken: impl FnOnce() -> Problem,
) -> Result<Option<String>> {
    type IdRow = (Uuid, Option<String>, Option<NaiveDate>, String);
    let old: Option<IdRow> = subject_identifiers::table
        .filter(subject_identifiers::subject_id.eq(id))
        .filter(subject_identifiers::scheme.eq("uscc"))
        .filter(subject_identifiers::status.eq("current"))
        .filter(subject_identifiers::known_to.is_null())
        .select((subject_identifiers::id, subject_identifiers::value, subject_identifiers::valid_from, subject_identifiers::source))
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    if let Some((row, value, valid_from, source)) = &old {
        diesel::update(subject_identifiers::table.find(row)).set(subject_identifiers::known_to.eq(now)).execute(tx.conn()).await.db()?;
        insert_code(tx, id, value.as_deref(), former_status, (*valid_from, from.pred_opt()), source, now).await.db()?;
    }
    insert_code(tx, id, Some(code), "current", (Some(from), None), "code_change", now)
        .await
        .on_constraint("subject_identifiers_uscc", taken)?;
    Ok(old.and_then(|(_, value, ..)| value))
}

async fn insert_code(
    tx: &mut Tx<'_>,
    id: Uuid,
    value: Option<&str>,
    status: &str,
    (valid_from, valid_to): (Option<NaiveDate>, Option<NaiveDate>),
    source: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::insert_into(subject_identifiers::table)
        .values((
            subject_identifiers::id.eq(Uuid::now_v7()),
            subject_identifiers::subject_id.eq(id),
            subject_identifiers::scheme.eq("uscc"),
            subject_identifiers::value.eq(value),
            subject_identifiers::status.eq(status),
            subject_identifiers::valid_from.eq(valid_from),
            subject_identifiers::valid_to.eq(valid_to),
            subject_identifiers::source.eq(source),
            subject_identifiers::known_from.eq(now),
        ))
        .execute(tx.conn())
        .await
}

pub(crate) async fn insert_merge(
    tx: &mut Tx<'_>,
    id: Uuid,
    from: Uuid,
    into: Uuid,
    reason: &str,
    now: DateTime<Utc>,
    by: &str,
) -> Result<()> {
    diesel::insert_into(subject_merges::table)
        .values((
            subject_merges::id.eq(id),
            subject_merges::from_subject_id.eq(from),
            subject_merges::into_subject_id.eq(into),
            subject_merges::reason.eq(reason),
            subject_merges::merged_at.eq(now),
            subject_merges::merged_by.eq(by),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    diesel::update(subjects::table.find(from)).set(subjects::merged_into.eq(into)).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Takes a merge back; `None` when there is no such merge, `Some(false)` when it was taken back before.
pub(crate) async fn end_merge(tx: &mut Tx<'_>, id: Uuid, reason: &str, now: DateTime<Utc>, by: &str) -> Result<Option<(Uuid, bool)>> {
    let from: Option<Uuid> =
        subject_merges::table.find(id).select(subject_merges::from_subject_id).first(tx.conn()).await.optional().db()?;
    let Some(from) = from else { return Ok(None) };
    let ended = diesel::update(subject_merges::table.find(id).filter(subject_merges::unmerged_at.is_null()))
        .set((subject_merges::unmerged_at.eq(now), subject_merges::unmerged_by.eq(by), subject_merges::unmerge_reason.eq(reason)))
        .execute(tx.conn())
        .await
        .db()?;
    if ended == 1 {
        diesel::update(subjects::table.find(from)).set(subjects::merged_into.eq(None::<Uuid>)).execute(tx.conn()).await.db()?;
    }
    Ok(Some((from, ended == 1)))
}
