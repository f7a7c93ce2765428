//! Directives as their agencies receive them ([`inbox`]), answer and report on them ([`answer`]), and as they are read. What of them is shown is decided
//! in [`mod@message`], through the one door.

pub mod answer;
pub mod inbox;
pub mod message;

pub use message::{message, message_body, payload};

use self::message::Seen;
use super::Dispatch;
use crate::model::directives::{
    DIRECTIVE_NOT_DELIVERED, DIRECTIVE_NOT_FOUND, DirectiveKind, DirectiveState, DirectiveView, Overdue, Progress, release_text,
    working_days_late,
};
use crate::store::directives::{self, DirectiveRow, DirectivesAsked, ProgressRow};
use chrono::{Datelike, NaiveDate};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::Viewer;
use credence_core::clock::china_date;
use credence_core::paging;
use credence_core::problem::{FORBIDDEN, Problem, Result};
use credence_core::{Actor, Permission};
use credence_identity::directory::Snapshot;
use diesel_async::AsyncPgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why a directive is looked at, as the access log states it.
pub const PURPOSE: &str = "directive";

/// Which directives somebody asks for; what is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub struct DirectiveFilter {
    /// Code of an agency.
    pub agency: Option<String>,
    /// In a state.
    pub state: Option<String>,
    /// `execute` or `release`.
    pub kind: Option<String>,
    /// Code of a measure.
    pub measure: Option<String>,
    /// About a list entry.
    pub entry: Option<Uuid>,
    /// Overdue, or not.
    pub overdue: Option<bool>,
    /// Due before a day.
    pub due_before: Option<NaiveDate>,
    /// Gone to the credit office, or not.
    pub escalated: Option<bool>,
    /// Older than this one.
    pub before: Option<Uuid>,
}

impl DirectiveFilter {
    fn check(&self) -> Result<()> {
        let known_state = self.state.as_deref().is_none_or(|s| DirectiveState::from_code(s).is_some());
        let known_kind = self.kind.as_deref().is_none_or(|k| DirectiveKind::from_code(k).is_some());
        if !known_state || !known_kind {
            let states: Vec<&str> = DirectiveState::ALL.iter().map(|s| s.code()).collect();
            return Err(Problem::malformed(
                "state 或 kind 不在允许的范围内；见 states，kind 为 execute 或 release",
                "`state` or `kind` is not known; see `states`, and `kind` is execute or release",
            )
            .with("states", states));
        }
        if self.measure.as_deref().is_some_and(|m| m.chars().any(char::is_control)) {
            return Err(Problem::malformed(
                "measure 含有控制字符；请填写措施代码",
                "`measure` holds a control character; give the code of a measure",
            ));
        }
        if self.due_before.is_some_and(|day| !(1900..=9999).contains(&day.year())) {
            return Err(Problem::malformed("due_before 的年份不合理；请核对", "the year of `due_before` makes no sense; check it"));
        }
        Ok(())
    }
}

/// Whether the actor receives the directives of this agency.
fn receives(actor: &Actor, agency: Uuid) -> bool {
    actor.may(Permission::ActOnDirectives) && actor.agency.is_some_and(|own| own.0 == agency)
}

/// Through whose eyes an actor sees a directive: those of the agency that carries it out, or its own.
fn viewer(actor: &Actor, directory: &Snapshot, agency: Uuid) -> Viewer {
    if receives(actor, agency) {
        return message::acting(directory, agency);
    }
    let lineage = if actor.region.is_empty() { Vec::new() } else { directory.lineage(&actor.region) };
    Viewer::of(actor, lineage, false, Some(PURPOSE), None)
}

impl Dispatch {
    /// Directives, newest first: the own agency's that it has received and all of its releases, or every agency's for those who supervise; with the
    /// cursor of the next page.
    ///
    /// # Errors
    /// When a filter is not known, or names another agency and the actor does not supervise.
    pub async fn directives(&self, actor: &Actor, filter: &DirectiveFilter, limit: i64) -> Result<(Vec<DirectiveView>, Option<String>)> {
        filter.check()?;
        let now = self.clock.now();
        let today = china_date(now);
        let directory = self.directory.get(&self.db, now).await?;
        let configuration = self.configuration.fresh(&self.db).await?;
        let supervises = actor.may(Permission::SuperviseJointAction);
        let named = filter.agency.as_deref().map(|code| directory.by_code(code).map(|a| a.id));
        let agency = match (supervises, named) {
            (true, None) => None,
            (true, Some(Some(id))) => Some(id),
            (true, Some(None)) => {
                return Err(Problem::malformed("没有该代码的单位；请核对 agency", "there is no agency with this code; check `agency`"));
            }
            (false, named) => {
                let own = actor.agency()?.0;
                if named.is_some_and(|id| id != Some(own)) {
                    return Err(Problem::new(&FORBIDDEN));
                }
                Some(own)
            }
        };
        let asked = DirectivesAsked {
            agency,
            received: !supervises,
            state: filter.state.as_deref(),
            kind: filter.kind.as_deref(),
            measure: filter.measure.as_deref(),
            entry: filter.entry,
            overdue: filter.overdue,
            due_before: filter.due_before,
            escalated: filter.escalated,
            before: filter.before,
        };
        // One more than the page holds tells whether there is a next one.
        let mut rows = directives::list(&mut *self.db.read().await?, &asked, today, limit + 1).await?;
        let page_len = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > page_len;
        rows.truncate(page_len);
        let next = rows.last().filter(|_| more).map(|row| paging::encode(&row.id));
        let view = |row: &DirectiveRow| {
            let viewer = viewer(actor, &directory, row.agency_id);
            Seen::by(&viewer, &configuration, row, today).view(&self.keys, &directory)
        };
        Ok((rows.iter().map(view).collect::<Result<Vec<_>>>()?, next))
    }

    /// A directive with what was reported about it, and its subject for the access log.
    ///
    /// # Errors
    /// When there is none, when it is another agency's and the actor does not supervise, or when its agency has not received it yet.
    pub async fn directive(&self, actor: &Actor, id: Uuid) -> Result<(Uuid, DirectiveView)> {
        let now = self.clock.now();
        let today = china_date(now);
        let directory = self.directory.get(&self.db, now).await?;
        let configuration = self.configuration.fresh(&self.db).await?;
        let supervises = actor.may(Permission::SuperviseJointAction);
        let mut conn = self.db.read().await?;
        let row = directives::find(&mut conn, id, today).await?.filter(|row| supervises || receives(actor, row.agency_id));
        let row = row.ok_or_else(|| Problem::new(&DIRECTIVE_NOT_FOUND))?;
        if !supervises && row.delivered_at.is_none() && row.kind != DirectiveKind::Release.code() {
            // Reading it here would hand it out; that is what the inbox is for. That something is lifted may be known at any time.
            let of = if row.state == DirectiveState::Issued.code() { &DIRECTIVE_NOT_DELIVERED } else { &DIRECTIVE_NOT_FOUND };
            return Err(Problem::new(of));
        }
        let said = directives::feedback(&mut conn, row.subject_id, row.id).await?;
        drop(conn);
        let viewer = viewer(actor, &directory, row.agency_id);
        let seen = Seen::by(&viewer, &configuration, &row, today);
        let mut view = seen.view(&self.keys, &directory)?;
        view.feedback = Some(said.into_iter().map(|f| seen.feedback(f)).collect());
        Ok((row.subject_id, view))
    }
}

/// How far the joint action about an entry has come.
///
/// # Errors
/// When the database cannot be read.
pub async fn progress(
    configuration: &Configuration,
    conn: &mut AsyncPgConnection,
    subject: Uuid,
    entry: Uuid,
    today: NaiveDate,
) -> Result<Progress> {
    let rows = directives::progress(conn, subject, entry).await?;
    Ok(told(configuration, &rows, today))
}

fn told(configuration: &Configuration, rows: &[ProgressRow], today: NaiveDate) -> Progress {
    let calendar = &configuration.rulebook.calendar;
    let late = |row: &ProgressRow| row.due_on.filter(|due| *due < today).map(|due| working_days_late(calendar, due, today));
    let mut progress = Progress { longest_overdue_working_days: rows.iter().filter_map(late).max().unwrap_or(0), ..Progress::default() };
    let is = |row: &ProgressRow, state: DirectiveState| row.state == state.code();
    // By agency: whether it has lifted everything, and the longest that one of its releases is late.
    let mut agencies: BTreeMap<Uuid, (bool, Option<u32>)> = BTreeMap::new();
    for row in rows {
        if row.kind == DirectiveKind::Release.code() {
            let completed = is(row, DirectiveState::Completed);
            progress.releases += 1;
            progress.released += usize::from(completed);
            progress.release_overdue += usize::from(late(row).is_some());
            let (all, longest) = agencies.entry(row.agency_id).or_insert((true, None));
            *all &= completed;
            *longest = (*longest).max(late(row));
        } else if !is(row, DirectiveState::Proposed) && !is(row, DirectiveState::Cancelled) {
            // From its times, not its state: what was released since had been accepted or reported on all the same.
            progress.directives += 1;
            progress.delivered += usize::from(row.delivered_at.is_some());
            progress.accepted += usize::from(row.responded_at.is_some() && row.response_reason.is_none());
            progress.declined += usize::from(row.response_reason.is_some());
            progress.reported += usize::from(row.first_feedback_at.is_some());
            progress.overdue += usize::from(late(row).is_some());
        }
    }
    let released = agencies.values().filter(|(all, _)| *all).count();
    let overdue = Overdue {
        count: agencies.values().filter(|(_, longest)| longest.is_some()).count(),
        longest: agencies.values().filter_map(|(_, longest)| *longest).max().unwrap_or(0),
    };
    (progress.text_zh, progress.text_en) = release_text(agencies.len(), released, overdue);
    progress
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn row(kind: DirectiveKind, state: DirectiveState, agency: u128, due: Option<&str>) -> ProgressRow {
        let at = |is: bool| is.then(DateTime::<Utc>::default);
        let answered = matches!(state, DirectiveState::Accepted | DirectiveState::Declined | DirectiveState::Reported);
        ProgressRow {
            kind: kind.code().into(),
            state: state.code().into(),
            agency_id: Uuid::from_u128(agency),
            due_on: due.map(|d| d.parse().unwrap()),
            delivered_at: at(!matches!(state, DirectiveState::Proposed | DirectiveState::Issued | DirectiveState::Cancelled)),
            responded_at: at(answered),
            response_reason: (state == DirectiveState::Declined).then(|| "不适用".into()),
            first_feedback_at: at(state == DirectiveState::Reported),
        }
    }

    #[test]
    fn what_waits_or_was_cancelled_does_not_count() {
        use DirectiveKind::Execute;
        let rows = [
            row(Execute, DirectiveState::Proposed, 1, None),
            row(Execute, DirectiveState::Cancelled, 2, None),
            row(Execute, DirectiveState::Issued, 3, Some("2026-03-02")),
            row(Execute, DirectiveState::Accepted, 4, Some("2026-03-20")),
            row(Execute, DirectiveState::Declined, 5, None),
            row(Execute, DirectiveState::Reported, 6, None),
        ];
        let told = told(&Configuration::default(), &rows, "2026-03-05".parse().unwrap());
        assert_eq!((told.directives, told.delivered, told.accepted, told.declined, told.reported), (4, 3, 2, 1, 1));
        assert_eq!((told.overdue, told.longest_overdue_working_days, told.releases), (1, 3, 0));
        assert_eq!(told.text_en, "nothing to release yet");
    }

    #[test]
    fn an_agency_has_released_when_everything_it_had_is_lifted() {
        use DirectiveKind::Release;
        let rows = [
            row(Release, DirectiveState::Completed, 1, None),
            row(Release, DirectiveState::Completed, 2, None),
            row(Release, DirectiveState::Delivered, 2, Some("2026-03-03")),
            row(Release, DirectiveState::Issued, 3, Some("2026-03-09")),
        ];
        let told = told(&Configuration::default(), &rows, "2026-03-05".parse().unwrap());
        assert_eq!((told.releases, told.released, told.release_overdue, told.longest_overdue_working_days), (4, 2, 1, 2));
        assert_eq!(told.text_zh, "3 家中 1 家已解除，1 家逾期 2 个工作日");
        assert_eq!(told.text_en, "1 of 3 released, one overdue by 2 working days");
    }
}
