//! Every SQL statement about subjects: [`bulk`] for whole chunks of rows, the rest for one subject at a time.

pub mod bulk;
pub mod head;

use crate::history::{self, Named, Names, Profile, Profiles};
use crate::matching::KnownName;
use crate::model::{Event, Subject};
use crate::timeline::Stretch;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{subject_events, subject_identifiers, subject_merges, subject_names, subject_profiles, subjects};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

type Row = (Uuid, String, String, Option<Uuid>);

fn subject(row: Row) -> Subject {
    let (id, kind, state, merged_into) = row;
    Subject { id, kind, state, merged_into }
}

const COLUMNS: (subjects::id, subjects::kind, subjects::state, subjects::merged_into) =
    (subjects::id, subjects::kind, subjects::state, subjects::merged_into);

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

/// The subject everything is read through, and all that are merged into it, itself first: as the merges stood at an instant.
pub async fn family(conn: &mut AsyncPgConnection, start: Uuid, known_at: DateTime<Utc>) -> Result<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Member {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    // The depth bound only guards against a circle that the service does not let arise.
    let rows: Vec<Member> = diesel::sql_query(
        "WITH RECURSIVE standing AS (
             SELECT from_subject_id, into_subject_id FROM subject_merges WHERE merged_at <= $2 AND (unmerged_at IS NULL OR unmerged_at > $2)),
         up AS (
             SELECT $1 AS id, 0 AS depth
             UNION ALL SELECT m.into_subject_id, depth + 1 FROM standing m JOIN up ON m.from_subject_id = up.id WHERE depth < 32),
         root AS (SELECT id FROM up ORDER BY depth DESC LIMIT 1),
         down AS (
             SELECT id, 0 AS depth FROM root
             UNION ALL SELECT m.from_subject_id, depth + 1 FROM standing m JOIN down ON m.into_subject_id = down.id WHERE depth < 32)
         SELECT id FROM down ORDER BY depth, id",
    )
    .bind::<diesel::sql_types::Uuid, _>(start)
    .bind::<diesel::sql_types::Timestamptz, _>(known_at)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|m| m.id).collect())
}

/// Whether the subject was ever merged into another or another into it.
pub async fn ever_merged(conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool> {
    let merges = subject_merges::table.filter(subject_merges::into_subject_id.eq(id).or(subject_merges::from_subject_id.eq(id)));
    diesel::select(diesel::dsl::exists(merges)).get_result(conn).await.db()
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
            subject_events::basis.eq(event.basis.as_deref().unwrap_or_default()),
            subject_events::recorded_at.eq(now),
            subject_events::recorded_by.eq(by),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Every name the platform holds now, confirmed or not.
pub(crate) async fn known_names(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Vec<KnownName>> {
    use subject_names as n;
    type NameRow = (Uuid, String, String, bool, Option<NaiveDate>, Option<NaiveDate>, Option<NaiveDate>, String);
    let rows: Vec<NameRow> = n::table
        .filter(n::subject_id.eq(id))
        .filter(n::known_to.is_null())
        .select((n::id, n::name_normal, n::name, n::confirmed, n::valid_from, n::valid_to, n::stated_on, n::source))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .map(|(id, normal, name, confirmed, valid_from, valid_to, stated_on, source)| KnownName {
            id,
            normal,
            name,
            confirmed,
            valid_from,
            valid_to,
            stated_on,
            source,
        })
        .collect())
}

/// Standing and area by time, as the platform holds them now.
pub(crate) async fn profiles(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Profiles> {
    use subject_profiles as p;
    type ProfileRow = (Uuid, Option<String>, Option<String>, String, Option<NaiveDate>, Option<NaiveDate>, Option<NaiveDate>);
    let rows: Vec<ProfileRow> = p::table
        .filter(p::subject_id.eq(id))
        .filter(p::known_to.is_null())
        .order(p::valid_from.asc().nulls_first())
        .select((p::id, p::standing, p::area_code, p::source, p::valid_from, p::valid_to, p::stated_on))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .map(|(row, standing, area, source, valid_from, valid_to, stated_on)| Stretch {
            value: Profile { standing, area, source },
            valid_from,
            valid_to,
            stated_on,
            row: Some(row),
        })
        .collect())
}

/// Closes rows in known time: now, but never before they were known, whatever the clocks of two machines say.
async fn close_known(tx: &mut Tx<'_>, statement: &str, ids: Vec<Uuid>, now: DateTime<Utc>) -> Result<()> {
    use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
    diesel::sql_query(statement).bind::<Array<SqlUuid>, _>(ids).bind::<Timestamptz, _>(now).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Stores names as they are now: rows that no stretch stands for are closed in known time, new stretches written.
pub(crate) async fn write_names(tx: &mut Tx<'_>, id: Uuid, stored: &[KnownName], names: &Names, now: DateTime<Utc>) -> Result<()> {
    use subject_names as n;
    let gone = history::gone(stored.iter().map(|k| k.id), names);
    close_known(tx, "UPDATE subject_names SET known_to = greatest(known_from, $2) WHERE id = ANY ($1)", gone, now).await?;
    for s in history::fresh(names) {
        diesel::insert_into(n::table)
            .values((
                n::id.eq(Uuid::now_v7()),
                n::subject_id.eq(id),
                n::name.eq(&s.value.name),
                n::name_normal.eq(&s.value.normal),
                n::confirmed.eq(s.value.confirmed),
                n::valid_from.eq(s.valid_from),
                n::valid_to.eq(s.valid_to),
                n::stated_on.eq(s.stated_on),
                n::source.eq(&s.value.source),
                n::known_from.eq(now),
            ))
            .execute(tx.conn())
            .await
            .db()?;
    }
    Ok(())
}

/// Stores a name that no registration data confirms.
pub(crate) async fn write_provisional_name(tx: &mut Tx<'_>, id: Uuid, name: &Named, now: DateTime<Utc>) -> Result<()> {
    use subject_names as n;
    diesel::insert_into(n::table)
        .values((
            n::id.eq(Uuid::now_v7()),
            n::subject_id.eq(id),
            n::name.eq(&name.name),
            n::name_normal.eq(&name.normal),
            n::confirmed.eq(false),
            n::source.eq(&name.source),
            n::known_from.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Stores profiles as they are now, as [`write_names`] does.
pub(crate) async fn write_profiles(tx: &mut Tx<'_>, id: Uuid, stored: &[Uuid], profiles: &Profiles, now: DateTime<Utc>) -> Result<()> {
    use subject_profiles as p;
    let gone = history::gone(stored.iter().copied(), profiles);
    close_known(tx, "UPDATE subject_profiles SET known_to = greatest(known_from, $2) WHERE id = ANY ($1)", gone, now).await?;
    for s in history::fresh(profiles) {
        diesel::insert_into(p::table)
            .values((
                p::id.eq(Uuid::now_v7()),
                p::subject_id.eq(id),
                p::standing.eq(&s.value.standing),
                p::area_code.eq(&s.value.area),
                p::valid_from.eq(s.valid_from),
                p::valid_to.eq(s.valid_to),
                p::stated_on.eq(s.stated_on),
                p::source.eq(&s.value.source),
                p::known_from.eq(now),
            ))
            .execute(tx.conn())
            .await
            .db()?;
    }
    Ok(())
}

/// Divisions that subjects are registered in now.
pub async fn areas(conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    use subject_profiles as p;
    let rows: Vec<(Uuid, Option<String>)> = p::table
        .filter(p::subject_id.eq_any(ids.to_vec()))
        .filter(p::known_to.is_null())
        .filter(p::valid_to.is_null())
        .select((p::subject_id, p::area_code))
        .load(conn)
        .await
        .db()?;
    Ok(rows.into_iter().filter_map(|(id, area)| Some((id, area?))).collect())
}

/// An event that stands: id, kind, day, before, after, who recorded it and when.
pub(crate) type StandingEvent = (Uuid, String, NaiveDate, Option<String>, Option<String>, String, DateTime<Utc>);

/// Events of a subject that stand, in the order in which they were recorded.
pub(crate) async fn standing_events(tx: &mut Tx<'_>, id: Uuid) -> Result<Vec<StandingEvent>> {
    use subject_events as e;
    e::table
        .filter(e::subject_id.eq(id))
        .filter(e::taken_back_at.is_null())
        .order((e::recorded_at, e::id))
        .select((e::id, e::kind, e::happened_on, e::from_value, e::to_value, e::recorded_by, e::recorded_at))
        .load(tx.conn())
        .await
        .db()
}

/// Takes events back: what they rested on does not stand.
pub(crate) async fn take_back_events(tx: &mut Tx<'_>, ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    use subject_events as e;
    diesel::update(e::table.filter(e::id.eq_any(ids.to_vec()))).set(e::taken_back_at.eq(now)).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Sets whether registration data confirms the subject.
pub(crate) async fn set_confirmed(tx: &mut Tx<'_>, id: Uuid, confirmed: bool, kind: Option<&str>, now: DateTime<Utc>) -> Result<()> {
    let state = if confirmed { "confirmed" } else { "provisional" };
    diesel::update(subjects::table.find(id).filter(subjects::state.ne(state)))
        .set((subjects::state.eq(state), subjects::confirmed_at.eq(confirmed.then_some(now))))
        .execute(tx.conn())
        .await
        .db()?;
    if let Some(kind) = kind {
        diesel::update(subjects::table.find(id)).set(subjects::kind.eq(kind)).execute(tx.conn()).await.db()?;
    }
    Ok(())
}

/// Numbers other than the code that a source gave, which the platform holds now: row, scheme, value.
pub(crate) async fn numbers_from(tx: &mut Tx<'_>, id: Uuid, source: &str) -> Result<Vec<(Uuid, String, Option<String>)>> {
    use subject_identifiers as i;
    i::table
        .filter(i::subject_id.eq(id))
        .filter(i::source.eq(source))
        .filter(i::scheme.ne("uscc"))
        .filter(i::value.is_not_null())
        .filter(i::known_to.is_null())
        .select((i::id, i::scheme, i::value))
        .load(tx.conn())
        .await
        .db()
}

/// Closes numbers in known time.
pub(crate) async fn close_numbers(tx: &mut Tx<'_>, ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    use subject_identifiers as i;
    diesel::update(i::table.filter(i::id.eq_any(ids.to_vec()))).set(i::known_to.eq(now)).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Gives a subject a further number that it does not have yet.
pub async fn add_number(tx: &mut Tx<'_>, id: Uuid, scheme: &str, value: &str, source: &str, now: DateTime<Utc>) -> Result<()> {
    use subject_identifiers as i;
    let same = i::table.filter(i::subject_id.eq(id)).filter(i::scheme.eq(scheme)).filter(i::value.eq(value)).filter(i::known_to.is_null());
    if diesel::select(diesel::dsl::exists(same)).get_result(tx.conn()).await.db()? {
        return Ok(());
    }
    diesel::insert_into(i::table)
        .values((
            i::id.eq(Uuid::now_v7()),
            i::subject_id.eq(id),
            i::scheme.eq(scheme),
            i::value.eq(value),
            i::status.eq("current"),
            i::source.eq(source),
            i::known_from.eq(now),
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
