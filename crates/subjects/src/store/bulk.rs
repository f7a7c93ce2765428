//! Whose the rows of a chunk are, set-wise over the raw driver: one statement per rule, not one per row.

use crate::matching::{Identified, KnownName, Resolution, SubjectRef};
use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::SubjectKind;
use credence_core::problem::Result;
use credence_db::{BulkTx, from_postgres};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// A key under which a subject is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Lookup {
    Clear(&'static str, String),
    Sealed(&'static str, [u8; 32]),
}

/// Finds the subject of every row and makes provisional ones for valid identifiers never seen before. The order of the answer is that of
/// `refs`.
pub async fn resolve(
    tx: &BulkTx<'_>,
    refs: &[SubjectRef],
    auto_min_rule: u32,
    source: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Resolution>> {
    let mut found: HashMap<Lookup, Uuid> = HashMap::new();
    let codes: Vec<&str> =
        distinct(refs.iter().filter_map(|r| if let Identified::Uscc(code) = &r.identifier { Some(code.as_str()) } else { None }));
    find_codes(tx, &codes, &mut found).await?;
    find_persons(tx, refs, &mut found).await?;
    if auto_min_rule >= 2 && refs.iter().any(|r| r.identifier == Identified::Weak) {
        find_weak(tx, refs, auto_min_rule, &mut found).await?;
    }

    // New subjects, in the order of their identifiers so that two loads that meet cannot lock each other out.
    let mut new: BTreeMap<Lookup, (Uuid, &SubjectRef)> = BTreeMap::new();
    for r in refs {
        let key = match &r.identifier {
            Identified::Uscc(code) => Lookup::Clear("uscc", code.clone()),
            Identified::Person { scheme, index, .. } => Lookup::Sealed(scheme, *index),
            Identified::Weak => continue,
        };
        if !found.contains_key(&key) {
            new.entry(key).or_insert_with(|| (Uuid::now_v7(), r));
        }
    }
    let created: HashMap<Lookup, Uuid> = if new.is_empty() { HashMap::new() } else { create(tx, &new, source, now).await? };
    let names = names(tx, found.values().copied(), created.values().copied()).await?;

    Ok(refs
        .iter()
        .map(|r| {
            let keys: Vec<Lookup> = match &r.identifier {
                Identified::Uscc(code) => vec![Lookup::Clear("uscc", code.clone())],
                Identified::Person { scheme, index, .. } => vec![Lookup::Sealed(scheme, *index)],
                Identified::Weak => r.others.iter().map(|(scheme, value)| Lookup::Clear(scheme, value.clone())).collect(),
            };
            let hit = keys.iter().find_map(|key| found.get(key).map(|id| (*id, false)).or_else(|| created.get(key).map(|id| (*id, true))));
            match hit {
                None => Resolution::Unmatched,
                Some((subject_id, created)) => {
                    let known = names.get(&subject_id);
                    Resolution::Found {
                        subject_id,
                        provisional: known.is_some_and(|(provisional, _)| *provisional),
                        names: known.map(|(_, names)| Arc::clone(names)).unwrap_or_default(),
                        created,
                    }
                }
            }
        })
        .collect())
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all: Vec<&str> = texts.collect();
    all.sort_unstable();
    all.dedup();
    all
}

async fn query(tx: &BulkTx<'_>, sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Result<Vec<Row>> {
    let statement = tx.raw().prepare(sql).await.map_err(from_postgres)?;
    tx.raw().query(&statement, params).await.map_err(from_postgres)
}

async fn find_codes(tx: &BulkTx<'_>, codes: &[&str], found: &mut HashMap<Lookup, Uuid>) -> Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    // LATERAL with OFFSET 0 is one look at the index for each code, whatever the planner believes; so are the others below.
    let sql = "SELECT i.value, i.subject_id FROM unnest($1::text[]) AS c (code) CROSS JOIN LATERAL (
                    SELECT value, subject_id FROM subject_identifiers WHERE scheme = 'uscc' AND known_to IS NULL AND value = c.code OFFSET 0) AS i";
    for row in query(tx, sql, &[&codes]).await? {
        found.insert(Lookup::Clear("uscc", row.get(0)), row.get(1));
    }
    Ok(())
}

async fn find_persons(tx: &BulkTx<'_>, refs: &[SubjectRef], found: &mut HashMap<Lookup, Uuid>) -> Result<()> {
    let mut by_scheme: BTreeMap<&'static str, Vec<&[u8]>> = BTreeMap::new();
    for r in refs {
        if let Identified::Person { scheme, index, .. } = &r.identifier {
            by_scheme.entry(scheme).or_default().push(index);
        }
    }
    for (scheme, indexes) in by_scheme {
        let sql = "SELECT i.value_index, i.subject_id FROM unnest($2::bytea[]) AS c (value_index) CROSS JOIN LATERAL (
                        SELECT value_index, subject_id FROM subject_identifiers
                         WHERE scheme = $1 AND known_to IS NULL AND value_index = c.value_index OFFSET 0) AS i";
        for row in query(tx, sql, &[&scheme, &indexes]).await? {
            let index: Vec<u8> = row.get(0);
            if let Ok(index) = index.try_into() {
                found.insert(Lookup::Sealed(scheme, index), row.get(1));
            }
        }
    }
    Ok(())
}

/// Rules 2 and 3. A number that points to two subjects settles nothing.
async fn find_weak(tx: &BulkTx<'_>, refs: &[SubjectRef], auto_min_rule: u32, found: &mut HashMap<Lookup, Uuid>) -> Result<()> {
    let of = |scheme: &str| -> Vec<&str> {
        distinct(
            refs.iter()
                .filter(|r| r.identifier == Identified::Weak)
                .flat_map(|r| &r.others)
                .filter(|(s, _)| *s == scheme)
                .map(|(_, v)| v.as_str()),
        )
    };
    let org_codes = of("org_code");
    if !org_codes.is_empty() {
        let sql = "SELECT substr(value, 9, 9), min(subject_id::text)::uuid FROM subject_identifiers
                    WHERE scheme = 'uscc' AND known_to IS NULL AND substr(value, 9, 9) = ANY ($1)
                    GROUP BY 1 HAVING count(DISTINCT subject_id) = 1";
        for row in query(tx, sql, &[&org_codes]).await? {
            found.insert(Lookup::Clear("org_code", row.get(0)), row.get(1));
        }
    }
    let numbers = of("registration_no");
    if auto_min_rule >= 3 && !numbers.is_empty() {
        let sql = "SELECT value, min(subject_id::text)::uuid FROM subject_identifiers
                    WHERE scheme = 'registration_no' AND known_to IS NULL AND value = ANY ($1)
                    GROUP BY 1 HAVING count(DISTINCT subject_id) = 1";
        for row in query(tx, sql, &[&numbers]).await? {
            found.insert(Lookup::Clear("registration_no", row.get(0)), row.get(1));
        }
    }
    Ok(())
}

/// Inserts provisional subjects. Another load may have been faster with some; then its subject is the one.
async fn create(
    tx: &BulkTx<'_>,
    new: &BTreeMap<Lookup, (Uuid, &SubjectRef)>,
    source: &str,
    now: DateTime<Utc>,
) -> Result<HashMap<Lookup, Uuid>> {
    let ids: Vec<Uuid> = new.values().map(|(id, _)| *id).collect();
    let kinds: Vec<&str> = new.values().map(|(_, r)| r.kind.code()).collect();
    let schemes: Vec<&str> = new
        .keys()
        .map(|key| match key {
            Lookup::Clear(scheme, _) | Lookup::Sealed(scheme, _) => *scheme,
        })
        .collect();
    let values: Vec<Option<&str>> =
        new.keys().map(|key| if let Lookup::Clear(_, value) = key { Some(value.as_str()) } else { None }).collect();
    let indexes: Vec<Option<&[u8]>> =
        new.keys().map(|key| if let Lookup::Sealed(_, index) = key { Some(index.as_slice()) } else { None }).collect();
    let sealed: Vec<Option<&[u8]>> = new
        .values()
        .map(|(_, r)| if let Identified::Person { sealed, .. } = &r.identifier { Some(sealed.as_slice()) } else { None })
        .collect();
    let names: Vec<&str> = new.values().map(|(_, r)| r.name.as_str()).collect();
    let normals: Vec<&str> = new.values().map(|(_, r)| r.name_normal.as_str()).collect();
    let fresh = |n: usize| -> Vec<Uuid> { (0..n).map(|_| Uuid::now_v7()).collect() };
    query(
        tx,
        "INSERT INTO subjects (id, kind, state, created_at) SELECT id, kind, 'provisional', $3 FROM unnest($1::uuid[], $2::text[]) AS n (id, kind)",
        &[&ids, &kinds, &now],
    )
    .await?;
    let inserted = query(
        tx,
        "INSERT INTO subject_identifiers (id, subject_id, scheme, value, value_index, value_sealed, status, source, known_from)
         SELECT id, subject_id, scheme, value, value_index, value_sealed, 'current', $7, $8
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
                AS n (id, subject_id, scheme, value, value_index, value_sealed)
         ON CONFLICT DO NOTHING RETURNING subject_id",
        &[&fresh(ids.len()), &ids, &schemes, &values, &indexes, &sealed, &source, &now],
    )
    .await?;
    let inserted: Vec<Uuid> = inserted.iter().map(|row| row.get(0)).collect();
    query(
        tx,
        "INSERT INTO subject_names (id, subject_id, name, name_normal, confirmed, source, known_from)
         SELECT id, subject_id, name, normal, false, $5, $6
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS n (id, subject_id, name, normal)
          WHERE subject_id = ANY ($7)",
        &[&fresh(ids.len()), &ids, &names, &normals, &source, &now, &inserted],
    )
    .await?;
    let mut created: HashMap<Lookup, Uuid> = new.iter().map(|(key, (id, _))| (key.clone(), *id)).collect();
    if inserted.len() < ids.len() {
        // Those that lost the race: drop the empty subject, take the winner's.
        query(tx, "DELETE FROM subjects WHERE id = ANY ($1) AND NOT (id = ANY ($2))", &[&ids, &inserted]).await?;
        let mut winners = HashMap::new();
        let lost: Vec<&SubjectRef> = new.values().filter(|(id, _)| !inserted.contains(id)).map(|(_, r)| *r).collect();
        let codes: Vec<&str> =
            distinct(lost.iter().filter_map(|r| if let Identified::Uscc(code) = &r.identifier { Some(code.as_str()) } else { None }));
        find_codes(tx, &codes, &mut winners).await?;
        let lost: Vec<SubjectRef> = lost.into_iter().cloned().collect();
        find_persons(tx, &lost, &mut winners).await?;
        created.extend(winners);
    }
    Ok(created)
}

type NamesOf = HashMap<Uuid, (bool, Arc<Vec<KnownName>>)>;

async fn names(tx: &BulkTx<'_>, found: impl Iterator<Item = Uuid>, created: impl Iterator<Item = Uuid>) -> Result<NamesOf> {
    let mut ids: Vec<Uuid> = found.chain(created).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT i.id, s.provisional, n.name_normal, n.name, n.confirmed, n.valid_from, n.valid_to
                 FROM unnest($1::uuid[]) AS i (id)
                CROSS JOIN LATERAL (SELECT state = 'provisional' AS provisional FROM subjects WHERE id = i.id OFFSET 0) AS s
                CROSS JOIN LATERAL (SELECT * FROM subject_names WHERE subject_id = i.id AND known_to IS NULL OFFSET 0) AS n";
    let mut names: HashMap<Uuid, (bool, Vec<KnownName>)> = HashMap::with_capacity(ids.len());
    for row in query(tx, sql, &[&ids]).await? {
        let entry = names.entry(row.get(0)).or_insert_with(|| (row.get(1), Vec::new()));
        entry.1.push(KnownName {
            normal: row.get(2),
            name: row.get(3),
            confirmed: row.get(4),
            valid_from: row.get(5),
            valid_to: row.get(6),
        });
    }
    Ok(names.into_iter().map(|(id, (provisional, names))| (id, (provisional, Arc::new(names)))).collect())
}

/// What a row of registration data says about its subject.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Whose.
    pub subject_id: Uuid,
    /// Registered name.
    pub name: String,
    /// Its normal form.
    pub name_normal: String,
    /// First day of the name, where the row says.
    pub since: Option<NaiveDate>,
    /// Kind, where the registered type tells.
    pub kind: Option<SubjectKind>,
    /// 登记状态.
    pub standing: Option<String>,
    /// Division.
    pub area: Option<String>,
    /// Further numbers: scheme and value.
    pub numbers: Vec<(&'static str, String)>,
    /// The confirmed name it replaces, when it is another.
    pub renamed_from: Option<String>,
    /// Whether the name has to be written: new, or confirming a provisional one.
    pub write_name: bool,
}

/// Confirms subjects and their names. Of several rows about one subject in a chunk the last one counts, as if they had come one by one.
pub async fn register(tx: &BulkTx<'_>, rows: &[Registration], source: &str, today: NaiveDate, now: DateTime<Utc>) -> Result<()> {
    let mut last: BTreeMap<Uuid, &Registration> = BTreeMap::new();
    for row in rows {
        last.insert(row.subject_id, row);
    }
    let ids: Vec<Uuid> = last.keys().copied().collect();
    let kinds: Vec<Option<&str>> = last.values().map(|r| r.kind.map(SubjectKind::code)).collect();
    let standings: Vec<Option<&str>> = last.values().map(|r| r.standing.as_deref()).collect();
    let areas: Vec<Option<&str>> = last.values().map(|r| r.area.as_deref()).collect();
    query(
        tx,
        "UPDATE subjects s SET state = 'confirmed', confirmed_at = coalesce(s.confirmed_at, $5), kind = coalesce(n.kind, s.kind),
                standing = coalesce(n.standing, s.standing), area_code = coalesce(n.area, s.area_code)
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS n (id, kind, standing, area) WHERE s.id = n.id",
        &[&ids, &kinds, &standings, &areas, &now],
    )
    .await?;
    let named: Vec<&&Registration> = last.values().filter(|r| r.write_name).collect();
    if !named.is_empty() {
        write_names(tx, &named, source, today, now).await?;
    }
    let numbers: Vec<(Uuid, &str, &str)> =
        last.values().flat_map(|r| r.numbers.iter().map(|(s, v)| (r.subject_id, *s, v.as_str()))).collect();
    if !numbers.is_empty() {
        let owners: Vec<Uuid> = numbers.iter().map(|(id, ..)| *id).collect();
        let schemes: Vec<&str> = numbers.iter().map(|(_, scheme, _)| *scheme).collect();
        let values: Vec<&str> = numbers.iter().map(|(.., value)| *value).collect();
        let fresh: Vec<Uuid> = owners.iter().map(|_| Uuid::now_v7()).collect();
        query(
            tx,
            "INSERT INTO subject_identifiers (id, subject_id, scheme, value, status, source, known_from)
             SELECT n.id, n.subject_id, n.scheme, n.value, 'current', $5, $6
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS n (id, subject_id, scheme, value)
              WHERE NOT EXISTS (SELECT 1 FROM subject_identifiers i WHERE i.value = n.value AND i.scheme = n.scheme
                                   AND i.subject_id = n.subject_id AND i.known_to IS NULL)",
            &[&fresh, &owners, &schemes, &values, &source, &now],
        )
        .await?;
    }
    Ok(())
}

async fn write_names(tx: &BulkTx<'_>, named: &[&&Registration], source: &str, today: NaiveDate, now: DateTime<Utc>) -> Result<()> {
    let ids: Vec<Uuid> = named.iter().map(|r| r.subject_id).collect();
    let names: Vec<&str> = named.iter().map(|r| r.name.as_str()).collect();
    let normals: Vec<&str> = named.iter().map(|r| r.name_normal.as_str()).collect();
    // A first name holds as far back as anybody knows unless the row dates it; a new name holds from the day it was approved, else from
    // today.
    let since: Vec<Option<NaiveDate>> =
        named.iter().map(|r| if r.renamed_from.is_some() { Some(r.since.unwrap_or(today)) } else { None }).collect();
    let renamed: Vec<Option<&str>> = named.iter().map(|r| r.renamed_from.as_deref()).collect();
    let fresh = || -> Vec<Uuid> { ids.iter().map(|_| Uuid::now_v7()).collect() };
    // Confirmed names that end are closed in known time and written again with their last day; provisional ones are just closed.
    query(
        tx,
        "WITH n AS (SELECT * FROM unnest($1::uuid[], $2::date[]) AS n (subject_id, since)),
              closed AS (UPDATE subject_names o SET known_to = $4 FROM n
                          WHERE o.subject_id = n.subject_id AND o.known_to IS NULL AND o.valid_to IS NULL
                      RETURNING o.subject_id, o.name, o.name_normal, o.confirmed, o.valid_from, o.source, n.since)
         INSERT INTO subject_names (id, subject_id, name, name_normal, confirmed, valid_from, valid_to, source, known_from)
         SELECT f.id, c.subject_id, c.name, c.name_normal, true, c.valid_from, c.since - 1, c.source, $4
           FROM closed c JOIN unnest($1::uuid[], $3::uuid[]) AS f (subject_id, id) USING (subject_id)
          WHERE c.confirmed AND c.since IS NOT NULL AND (c.valid_from IS NULL OR c.valid_from < c.since)",
        &[&ids, &since, &fresh(), &now],
    )
    .await?;
    query(
        tx,
        "INSERT INTO subject_names (id, subject_id, name, name_normal, confirmed, valid_from, source, known_from)
         SELECT id, subject_id, name, normal, true, since, $6, $7
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[]) AS n (id, subject_id, name, normal, since)",
        &[&fresh(), &ids, &names, &normals, &since, &source, &now],
    )
    .await?;
    query(
        tx,
        "INSERT INTO subject_events (id, subject_id, kind, happened_on, from_value, to_value, basis, recorded_at, recorded_by)
         SELECT id, subject_id, 'rename', coalesce(since, $8), old, new, $6, $7, $6
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[]) AS n (id, subject_id, old, new, since)
          WHERE old IS NOT NULL",
        &[&fresh(), &ids, &renamed, &names, &since, &source, &now, &today],
    )
    .await?;
    Ok(())
}
