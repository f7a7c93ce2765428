//! The access log: an entry is committed before the work begins and completed before the answer goes out, so that a query that failed
//! half-way has left its trace too. What a job answers is logged in the transaction that keeps the answer. It covers every query of what is
//! not public and every query about a natural person.

use crate::change::actor_columns;
use chrono::{DateTime, Utc};
use credence_core::actor::Actor;
use credence_core::problem::{Kind, Problem, Result};
use credence_db::schema::access_log;
use credence_db::{Db, DbResult, Tx};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

/// What the caller said about its query.
#[derive(Debug, Clone, Default)]
pub struct Statement<'a> {
    /// What is asked, e.g. `subject.file`.
    pub action: &'a str,
    /// The subject, when it is known beforehand.
    pub subject_id: Option<Uuid>,
    /// Purpose.
    pub purpose: Option<&'a str>,
    /// Reference of the subject's written authorisation.
    pub authorisation: Option<&'a str>,
}

impl Statement<'_> {
    fn refuse_control_characters(&self) -> Result<()> {
        let stated = [self.purpose, self.authorisation];
        if stated.into_iter().flatten().any(|text| text.chars().any(char::is_control)) {
            return Err(Problem::malformed("用途与授权编号不能含控制字符", "purpose and authorisation hold no control characters"));
        }
        Ok(())
    }
}

/// Runs `work` between the two halves of an access entry. `work` returns the subject it found beside its result.
pub async fn logged<T>(
    db: &Db,
    actor: &Actor,
    statement: Statement<'_>,
    now: DateTime<Utc>,
    work: impl AsyncFnOnce() -> Result<(Option<Uuid>, T)>,
) -> Result<T> {
    statement.refuse_control_characters()?;
    let id = Uuid::now_v7();
    let (actor_kind, actor_id) = actor_columns(actor);
    {
        let mut conn = db.read().await?;
        diesel::insert_into(access_log::table)
            .values((
                access_log::id.eq(id),
                access_log::at.eq(now),
                access_log::actor_kind.eq(actor_kind),
                access_log::actor_id.eq(actor_id),
                access_log::actor_label.eq(&actor.label),
                access_log::agency_id.eq(actor.agency.map(|a| a.0)),
                access_log::action.eq(statement.action),
                access_log::subject_id.eq(statement.subject_id),
                access_log::purpose.eq(statement.purpose),
                access_log::authorisation.eq(statement.authorisation),
                access_log::outcome.eq("started"),
            ))
            .execute(&mut conn)
            .await
            .db()?;
    }
    let result = work().await;
    let (outcome, found) = match &result {
        Ok((found, _)) => ("granted", *found),
        Err(problem) => (outcome_of(problem), None),
    };
    let mut conn = db.read().await?;
    diesel::update(access_log::table.find(id).filter(access_log::outcome.eq("started")))
        .set((access_log::outcome.eq(outcome), access_log::completed_at.eq(now), access_log::subject_id.eq(found.or(statement.subject_id))))
        .execute(&mut conn)
        .await
        .db()?;
    result.map(|(_, value)| value)
}

/// Writes the entry of a query that found `subject`, completed, in the transaction that keeps its answer: for answers that a job works out and
/// somebody reads later. Answer and entry are there together or not at all.
pub async fn logged_in(tx: &mut Tx<'_>, actor: &Actor, statement: Statement<'_>, now: DateTime<Utc>, subject: Uuid) -> Result<()> {
    statement.refuse_control_characters()?;
    let (actor_kind, actor_id) = actor_columns(actor);
    diesel::insert_into(access_log::table)
        .values((
            access_log::id.eq(Uuid::now_v7()),
            access_log::at.eq(now),
            access_log::actor_kind.eq(actor_kind),
            access_log::actor_id.eq(actor_id),
            access_log::actor_label.eq(&actor.label),
            access_log::agency_id.eq(actor.agency.map(|a| a.0)),
            access_log::action.eq(statement.action),
            access_log::subject_id.eq(subject),
            access_log::purpose.eq(statement.purpose),
            access_log::authorisation.eq(statement.authorisation),
            access_log::outcome.eq("granted"),
            access_log::completed_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

fn outcome_of(problem: &Problem) -> &'static str {
    match problem.of.kind {
        Kind::NotFound => "not_found",
        Kind::Internal | Kind::Unavailable => "failed",
        _ => "refused",
    }
}

/// One line of the access log.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = access_log)]
pub struct AccessEntry {
    /// Id of the entry.
    pub id: Uuid,
    /// When the query came.
    pub at: DateTime<Utc>,
    /// Name of the account or key.
    pub actor_label: String,
    /// Agency the actor acted for.
    pub agency_id: Option<Uuid>,
    /// What was asked.
    pub action: String,
    /// Subject that was found.
    pub subject_id: Option<Uuid>,
    /// Purpose stated.
    pub purpose: Option<String>,
    /// Reference of the authorisation.
    pub authorisation: Option<String>,
    /// How it ended.
    pub outcome: String,
}

/// Entries newest first, before `before` (an entry's id), at most `limit`; of one subject's family or of everybody.
pub async fn list(db: &Db, subjects: Option<&[Uuid]>, before: Option<Uuid>, limit: i64) -> Result<Vec<AccessEntry>> {
    let mut conn = db.read().await?;
    let mut query = access_log::table.select(AccessEntry::as_select()).order(access_log::id.desc()).limit(limit).into_boxed();
    if let Some(subjects) = subjects {
        query = query.filter(access_log::subject_id.eq_any(subjects.to_vec()));
    }
    if let Some(before) = before {
        query = query.filter(access_log::id.lt(before));
    }
    query.load(&mut conn).await.db()
}
