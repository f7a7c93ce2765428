//! Whose the rows of a chunk are, set-wise over the raw driver: one statement per rule, not one per row.

use crate::history::{self, Names, Profile, Profiles, Renamed};
use crate::matching::{Identified, KnownName, Resolution, SubjectRef};
use crate::timeline::Stretch;
use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::SubjectKind;
use credence_core::problem::{Problem, Result};
use credence_db::{BulkTx, from_postgres};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

/// A key under which a subject is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Lookup {
    Clear(&'static str, String),
    Sealed(&'static str, [u8; 32]),
}

/// What a look at the database said about the subjects of some rows.
#[derive(Default)]
pub struct Seen {
    found: HashMap<Lookup, Uuid>,
    names: NamesOf,
}

impl Seen {
    /// The subject of a row, where one was found.
    pub fn subject(&self, of: &SubjectRef) -> Option<Uuid> {
        lookups(of).iter().find_map(|key| self.found.get(key)).copied()
    }

    /// Whether the subject was there when the database was looked at.
    pub fn knows(&self, subject: Uuid) -> bool {
        self.names.contains_key(&subject)
    }

    /// Forgets the names of a subject: they changed since.
    pub fn forget_names(&mut self, subject: Uuid) {
        self.names.remove(&subject);
    }
}

/// Under what a row's subject is looked for, strongest first.
fn lookups(of: &SubjectRef) -> Vec<Lookup> {
    match &of.identifier {
        Identified::Uscc(code) => vec![Lookup::Clear("uscc", code.clone())],
        Identified::Person { scheme, index, .. } => vec![Lookup::Sealed(scheme, *index)],
        Identified::Weak => of.others.iter().map(|(scheme, value)| Lookup::Clear(scheme, value.clone())).collect(),
    }
}

/// Looks for the subjects of rows and their names, before or inside the transaction that writes the rows.
pub async fn look(client: &(impl GenericClient + Sync), refs: &[&SubjectRef], auto_min_rule: u32) -> Result<Seen> {
    let mut seen = Seen::default();
    find(client, refs, auto_min_rule, &mut seen.found).await?;
    seen.names = names(client, seen.found.values().copied()).await?;
    Ok(seen)
}

async fn find(
    client: &(impl GenericClient + Sync),
    refs: &[&SubjectRef],
    auto_min_rule: u32,
    found: &mut HashMap<Lookup, Uuid>,
) -> Result<()> {
    let codes: Vec<&str> =
        distinct(refs.iter().filter_map(|r| if let Identified::Uscc(code) = &r.identifier { Some(code.as_str()) } else { None }));
    find_codes(client, &codes, found).await?;
    find_persons(client, refs, found).await?;
    if auto_min_rule >= 2 && refs.iter().any(|r| r.identifier == Identified::Weak) {
        find_weak(client, refs, auto_min_rule, found).await?;
    }
    Ok(())
}

/// Finds the subject of every row and makes provisional ones for valid identifiers never seen before. The order of the answer is that of
/// `refs`. What was seen before the transaction began is believed; what was not found then is looked for again.
pub async fn resolve(
    tx: &BulkTx<'_>,
    refs: &[&SubjectRef],
    seen: &Seen,
    auto_min_rule: u32,
    source: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Resolution>> {
    let missing: Vec<&SubjectRef> = refs.iter().filter(|r| seen.subject(r).is_none()).copied().collect();
    let mut later = Seen::default();
    find(tx.raw(), &missing, auto_min_rule, &mut later.found).await?;

    // New subjects, in the order of their identifiers so that two loads that meet cannot lock each other out.
    let mut new: BTreeMap<Lookup, (Uuid, &SubjectRef)> = BTreeMap::new();
    for r in refs {
        let key = match &r.identifier {
            Identified::Uscc(code) => Lookup::Clear("uscc", code.clone()),
            Identified::Person { scheme, index, .. } => Lookup::Sealed(scheme, *index),
            Identified::Weak => continue,
        };
        if !seen.found.contains_key(&key) && !later.found.contains_key(&key) {
            new.entry(key).or_insert_with(|| (Uuid::now_v7(), r));
        }
    }
    if !new.is_empty() {
        later.found.extend(create(tx, &new, source, now).await?);
    }
    let unnamed = seen.found.values().chain(later.found.values()).filter(|id| !seen.names.contains_key(id)).copied();
    later.names = names(tx.raw(), unnamed).await?;

    Ok(refs
        .iter()
        .map(|r| match seen.subject(r).or_else(|| later.subject(r)) {
            None => Resolution::Unmatched,
            Some(subject_id) => {
                let known = seen.names.get(&subject_id).or_else(|| later.names.get(&subject_id));
                Resolution::Found {
                    subject_id,
                    provisional: known.is_some_and(|(provisional, _)| *provisional),
                    names: known.map(|(_, names)| Arc::clone(names)).unwrap_or_default(),
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

async fn query(client: &(impl GenericClient + Sync), sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Result<Vec<Row>> {
    let statement = client.prepare(sql).await.map_err(from_postgres)?;
    client.query(&statement, params).await.map_err(from_postgres)
}

async fn find_codes(client: &(impl GenericClient + Sync), codes: &[&str], found: &mut HashMap<Lookup, Uuid>) -> Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    // LATERAL with OFFSET 0 is one look at the index for each code, whatever the planner believes; so are the others below.
    let sql = "SELECT i.value, i.subject_id FROM unnest($1::text[]) AS c (code) CROSS JOIN LATERAL (
                    SELECT value, subject_id FROM subject_identifiers WHERE scheme = 'uscc' AND known_to IS NULL AND value = c.code OFFSET 0) AS i";
    for row in query(client, sql, &[&codes]).await? {
        found.insert(Lookup::Clear("uscc", row.get(0)), row.get(1));
    }
    Ok(())
}

async fn find_persons(client: &(impl GenericClient + Sync), refs: &[&SubjectRef], found: &mut HashMap<Lookup, Uuid>) -> Result<()> {
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
        for row in query(client, sql, &[&scheme, &indexes]).await? {
            let index: Vec<u8> = row.get(0);
            if let Ok(index) = index.try_into() {
                found.insert(Lookup::Sealed(scheme, index), row.get(1));
            }
        }
    }
    Ok(())
}

/// Rules 2 and 3. A number that points to two subjects settles nothing.
async fn find_weak(
    client: &(impl GenericClient + Sync),
    refs: &[&SubjectRef],
    auto_min_rule: u32,
    found: &mut HashMap<Lookup, Uuid>,
) -> Result<()> {
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
        for row in query(client, sql, &[&org_codes]).await? {
            found.insert(Lookup::Clear("org_code", row.get(0)), row.get(1));
        }
    }
    let numbers = of("registration_no");
    if auto_min_rule >= 3 && !numbers.is_empty() {
        let sql = "SELECT value, min(subject_id::text)::uuid FROM subject_identifiers
                    WHERE scheme = 'registration_no' AND known_to IS NULL AND value = ANY ($1)
                    GROUP BY 1 HAVING count(DISTINCT subject_id) = 1";
        for row in query(client, sql, &[&numbers]).await? {
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
    query(
        tx.raw(),
        "INSERT INTO subjects (id, kind, state, created_at) SELECT id, kind, 'provisional', $3 FROM unnest($1::uuid[], $2::text[]) AS n (id, kind)",
        &[&ids, &kinds, &now],
    )
    .await?;
    let inserted = query(
        tx.raw(),
        "INSERT INTO subject_identifiers (id, subject_id, scheme, value, value_index, value_sealed, status, source, known_from)
         SELECT id, subject_id, scheme, value, value_index, value_sealed, 'current', $7, $8
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
                AS n (id, subject_id, scheme, value, value_index, value_sealed)
         ON CONFLICT DO NOTHING RETURNING subject_id",
        &[&fresh_ids(ids.len()), &ids, &schemes, &values, &indexes, &sealed, &source, &now],
    )
    .await?;
    let inserted: Vec<Uuid> = inserted.iter().map(|row| row.get(0)).collect();
    query(
        tx.raw(),
        "INSERT INTO subject_names (id, subject_id, name, name_normal, confirmed, source, known_from)
         SELECT id, subject_id, name, normal, false, $5, $6
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS n (id, subject_id, name, normal)
          WHERE subject_id = ANY ($7)",
        &[&fresh_ids(ids.len()), &ids, &names, &normals, &source, &now, &inserted],
    )
    .await?;
    let mut created: HashMap<Lookup, Uuid> = new.iter().map(|(key, (id, _))| (key.clone(), *id)).collect();
    if inserted.len() < ids.len() {
        // Those that lost the race: drop the empty subject, take the winner's.
        query(tx.raw(), "DELETE FROM subjects WHERE id = ANY ($1) AND NOT (id = ANY ($2))", &[&ids, &inserted]).await?;
        let mut winners = HashMap::new();
        let lost: Vec<&SubjectRef> = new.values().filter(|(id, _)| !inserted.contains(id)).map(|(_, r)| *r).collect();
        let codes: Vec<&str> =
            distinct(lost.iter().filter_map(|r| if let Identified::Uscc(code) = &r.identifier { Some(code.as_str()) } else { None }));
        find_codes(tx.raw(), &codes, &mut winners).await?;
        find_persons(tx.raw(), &lost, &mut winners).await?;
        created.extend(winners);
    }
    Ok(created)
}

type NamesOf = HashMap<Uuid, (bool, Arc<Vec<KnownName>>)>;

async fn names(client: &(impl GenericClient + Sync), subjects: impl Iterator<Item = Uuid>) -> Result<NamesOf> {
    let mut ids: Vec<Uuid> = subjects.collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT i.id, s.provisional, n.id, n.name_normal, n.name, n.confirmed, n.valid_from, n.valid_to, n.stated_on, n.source
                 FROM unnest($1::uuid[]) AS i (id)
                CROSS JOIN LATERAL (SELECT state = 'provisional' AS provisional FROM subjects WHERE id = i.id OFFSET 0) AS s
                CROSS JOIN LATERAL (SELECT * FROM subject_names WHERE subject_id = i.id AND known_to IS NULL OFFSET 0) AS n";
    let mut names: HashMap<Uuid, (bool, Vec<KnownName>)> = HashMap::with_capacity(ids.len());
    for row in query(client, sql, &[&ids]).await? {
        let entry = names.entry(row.get(0)).or_insert_with(|| (row.get(1), Vec::new()));
        entry.1.push(KnownName {
            id: row.get(2),
            normal: row.get(3),
            name: row.get(4),
            confirmed: row.get(5),
            valid_from: row.get(6),
            valid_to: row.get(7),
            stated_on: row.get(8),
            source: row.get(9),
        });
    }
    Ok(names.into_iter().map(|(id, (provisional, names))| (id, (provisional, Arc::new(names)))).collect())
}

/// What registration data of a chunk says about one subject, reckoned through its names already.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// Rows of names that were there.
    pub stored_names: Vec<Uuid>,
    /// Its names as they are now.
    pub names: Names,
    /// Renames that came to light.
    pub renames: Vec<Renamed>,
    /// What rows say of standing and area, in their order.
    pub profiles: Vec<(Option<NaiveDate>, Profile)>,
    /// Kind, where the registered type tells.
    pub kind: Option<SubjectKind>,
    /// Further numbers: scheme and value.
    pub numbers: Vec<(&'static str, String)>,
}

/// Confirms subjects, and writes what became of their names, profiles and numbers.
pub async fn register(
    tx: &BulkTx<'_>,
    registered: &BTreeMap<Uuid, Registered>,
    source: &str,
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<()> {
    let ids: Vec<Uuid> = registered.keys().copied().collect();
    // Events and restatements lock the subject too; ids come in order, so two loads cannot lock each other out.
    query(tx.raw(), "SELECT 1 FROM subjects WHERE id = ANY ($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
    let kinds: Vec<Option<&str>> = registered.values().map(|r| r.kind.map(SubjectKind::code)).collect();
    query(
        tx.raw(),
        "UPDATE subjects s SET state = 'confirmed', confirmed_at = coalesce(s.confirmed_at, $3), kind = coalesce(n.kind, s.kind)
           FROM unnest($1::uuid[], $2::text[]) AS n (id, kind) WHERE s.id = n.id
            AND (s.state <> 'confirmed' OR s.kind IS DISTINCT FROM coalesce(n.kind, s.kind))",
        &[&ids, &kinds, &now],
    )
    .await?;
    write_names(tx, registered, now).await?;
    write_profiles(tx, registered, &ids, today, now).await?;
    write_renames(tx, registered, source, now).await?;
    let numbers: Vec<(Uuid, &str, &str)> =
        registered.iter().flat_map(|(id, r)| r.numbers.iter().map(|(s, v)| (*id, *s, v.as_str()))).collect();
    if !numbers.is_empty() {
        let owners: Vec<Uuid> = numbers.iter().map(|(id, ..)| *id).collect();
        let schemes: Vec<&str> = numbers.iter().map(|(_, scheme, _)| *scheme).collect();
        let values: Vec<&str> = numbers.iter().map(|(.., value)| *value).collect();
        query(
            tx.raw(),
            "INSERT INTO subject_identifiers (id, subject_id, scheme, value, status, source, known_from)
             SELECT DISTINCT ON (n.subject_id, n.scheme, n.value) n.id, n.subject_id, n.scheme, n.value, 'current', $5, $6
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS n (id, subject_id, scheme, value)
              WHERE NOT EXISTS (SELECT 1 FROM subject_identifiers i WHERE i.value = n.value AND i.scheme = n.scheme
                                   AND i.subject_id = n.subject_id AND i.known_to IS NULL)",
            &[&fresh_ids(owners.len()), &owners, &schemes, &values, &source, &now],
        )
        .await?;
    }
    Ok(())
}

fn fresh_ids(n: usize) -> Vec<Uuid> {
    (0..n).map(|_| Uuid::now_v7()).collect()
}

async fn write_names(tx: &BulkTx<'_>, registered: &BTreeMap<Uuid, Registered>, now: DateTime<Utc>) -> Result<()> {
    let gone: Vec<Uuid> = registered.values().flat_map(|r| history::gone(r.stored_names.iter().copied(), &r.names)).collect();
    if !gone.is_empty() {
        let sql = "UPDATE subject_names SET known_to = greatest($2, known_from) WHERE id = ANY ($1) AND known_to IS NULL RETURNING 1";
        if query(tx.raw(), sql, &[&gone, &now]).await?.len() < gone.len() {
            // Somebody else changed a name since it was looked up: the chunk is taken again.
            return Err(Problem::internal("40001: names changed under way"));
        }
    }
    let fresh: Vec<(Uuid, _)> = registered.iter().flat_map(|(id, r)| history::fresh(&r.names).map(|s| (*id, s))).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    query(
        tx.raw(),
        "INSERT INTO subject_names (id, subject_id, name, name_normal, confirmed, valid_from, valid_to, stated_on, source, known_from)
         SELECT id, subject_id, name, normal, confirmed, valid_from, valid_to, stated_on, source, $10
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[], $6::date[], $7::date[], $8::text[], $9::boolean[])
                AS n (id, subject_id, name, normal, valid_from, valid_to, stated_on, source, confirmed)",
        &[
            &fresh_ids(fresh.len()),
            &fresh.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.name.as_str()).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.normal.as_str()).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.valid_from).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.valid_to).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.stated_on).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.source.as_str()).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.confirmed).collect::<Vec<_>>(),
            &now,
        ],
    )
    .await?;
    Ok(())
}

async fn write_profiles(
    tx: &BulkTx<'_>,
    registered: &BTreeMap<Uuid, Registered>,
    ids: &[Uuid],
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<()> {
    let sql = "SELECT p.subject_id, p.id, p.standing, p.area_code, p.source, p.valid_from, p.valid_to, p.stated_on FROM unnest($1::uuid[]) AS i (id)
               CROSS JOIN LATERAL (SELECT * FROM subject_profiles WHERE subject_id = i.id AND known_to IS NULL OFFSET 0) AS p
               ORDER BY p.subject_id, p.valid_from NULLS FIRST";
    let mut lines: BTreeMap<Uuid, Profiles> = BTreeMap::new();
    for row in query(tx.raw(), sql, &[&ids]).await? {
        lines.entry(row.get(0)).or_default().push(Stretch {
            row: Some(row.get(1)),
            value: Profile { standing: row.get(2), area: row.get(3), source: row.get(4) },
            valid_from: row.get(5),
            valid_to: row.get(6),
            stated_on: row.get(7),
        });
    }
    let (mut gone, mut fresh) = (Vec::new(), Vec::new());
    for (id, r) in registered {
        let mut line = lines.remove(id).unwrap_or_default();
        let stored: Vec<Uuid> = line.iter().filter_map(|s| s.row).collect();
        for (on, profile) in &r.profiles {
            history::state_profile(&mut line, profile.clone(), *on, today);
        }
        gone.extend(history::gone(stored, &line));
        fresh.extend(line.into_iter().filter(|s| s.row.is_none()).map(|s| (*id, s)));
    }
    if !gone.is_empty() {
        query(tx.raw(), "UPDATE subject_profiles SET known_to = greatest($2, known_from) WHERE id = ANY ($1)", &[&gone, &now]).await?;
    }
    if fresh.is_empty() {
        return Ok(());
    }
    query(
        tx.raw(),
        "INSERT INTO subject_profiles (id, subject_id, standing, area_code, valid_from, valid_to, stated_on, source, known_from)
         SELECT id, subject_id, standing, area_code, valid_from, valid_to, stated_on, source, $9
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[], $6::date[], $7::date[], $8::text[])
                AS n (id, subject_id, standing, area_code, valid_from, valid_to, stated_on, source)",
        &[
            &fresh_ids(fresh.len()),
            &fresh.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.standing.as_deref()).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.area.as_deref()).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.valid_from).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.valid_to).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.stated_on).collect::<Vec<_>>(),
            &fresh.iter().map(|(_, s)| s.value.source.as_str()).collect::<Vec<_>>(),
            &now,
        ],
    )
    .await?;
    Ok(())
}

async fn write_renames(tx: &BulkTx<'_>, registered: &BTreeMap<Uuid, Registered>, source: &str, now: DateTime<Utc>) -> Result<()> {
    let renames: Vec<(Uuid, &Renamed)> = registered.iter().flat_map(|(id, r)| r.renames.iter().map(|e| (*id, e))).collect();
    if renames.is_empty() {
        return Ok(());
    }
    query(
        tx.raw(),
        "INSERT INTO subject_events (id, subject_id, kind, happened_on, from_value, to_value, basis, recorded_at, recorded_by)
         SELECT id, subject_id, 'rename', happened_on, old, new, $6, $7, $6
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[]) AS n (id, subject_id, old, new, happened_on)",
        &[
            &fresh_ids(renames.len()),
            &renames.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            &renames.iter().map(|(_, e)| e.from.as_str()).collect::<Vec<_>>(),
            &renames.iter().map(|(_, e)| e.to.as_str()).collect::<Vec<_>>(),
            &renames.iter().map(|(_, e)| e.on).collect::<Vec<_>>(),
            &source,
            &now,
        ],
    )
    .await?;
    Ok(())
}
