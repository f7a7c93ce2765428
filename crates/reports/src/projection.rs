//! Receipts for effects: whether what was repaired, withdrawn, shielded, stopped or corrected is still shown as it was. Each of the three ways in which
//! records are shown asks what a viewer of that sort would be answered, through the same door and by the same query; nothing is looked up beside them.

use crate::model::{PURPOSE_NEEDED, Question};
use crate::service::Reports;
use chrono::{DateTime, Duration, Utc};
use credence_audit::effects::{Effect, Projection, Standing};
use credence_catalog::disclosure::Viewer;
use credence_core::actor::{Actor, Role};
use credence_core::ids::AgencyId;
use credence_core::paging;
use credence_core::problem::Result;
use credence_records::service::redress::target;
use credence_subjects::model::SUBJECT_NOT_FOUND;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// What a projection gives back.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A way in which records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// 公示: to everybody.
    Publicity,
    /// 授权查询: at the hall, with the subject's written authorisation.
    AuthorisedQuery,
    /// 政务共享: to an agency on duty.
    GovernmentSharing,
}

/// Statements that a viewer is shown: record to the versions of it.
type Shown = HashMap<Uuid, Vec<Uuid>>;

/// What a subject showed at instants before, so that each is asked for once.
type Before = HashMap<(Uuid, DateTime<Utc>), Shown>;

#[derive(Clone)]
struct Files {
    reports: Reports,
    way: Way,
}

/// One projection for each way in which records are shown.
pub fn projections(reports: &Reports) -> Vec<Arc<dyn Projection>> {
    [Way::Publicity, Way::AuthorisedQuery, Way::GovernmentSharing]
        .into_iter()
        .map(|way| Arc::new(Files { reports: reports.clone(), way }) as Arc<dyn Projection>)
        .collect()
}

impl Files {
    /// Whoever sees most among those who look this way.
    async fn viewer(&self) -> Result<Viewer> {
        Ok(match self.way {
            Way::Publicity => Viewer::public(),
            Way::AuthorisedQuery => {
                let clerk = Actor { roles: vec![Role::Clerk], ..Actor::system("effects") };
                Viewer::of(&clerk, Vec::new(), false, Some("effects"), Some("effects"))
            }
            // Whoever decides for an agency in reach of every provider, with everything that can be stated.
            Way::GovernmentSharing => {
                let directory = self.reports.directory.get(&self.reports.db, self.reports.clock.now()).await?;
                let approver = Actor { roles: vec![Role::Approver], agency: Some(AgencyId(Uuid::nil())), ..Actor::system("effects") };
                let reach = directory.agencies().map(|agency| agency.id).collect();
                Viewer::of(&approver, reach, false, Some("effects"), Some("effects"))
            }
        })
    }

    /// Every statement about a subject that this way shows, section by section and page by page; as it was known at an instant, or now.
    async fn shown(&self, subject: Uuid, known_at: Option<DateTime<Utc>>) -> Result<Shown> {
        let viewer = self.viewer().await?;
        let mut shown = Shown::new();
        let mut waiting = vec![Question { known_at, limit: self.reports.query.page_max, ..Question::default() }];
        while let Some(question) = waiting.pop() {
            let head = match self.reports.subject(subject, &question).await {
                Ok(head) => head,
                // Nobody knew of it then.
                Err(problem) if problem.code() == SUBJECT_NOT_FOUND.code => continue,
                Err(problem) => return Err(problem),
            };
            let view = match self.reports.file(head, &viewer, &question).await {
                Ok(view) => view,
                // Of a person this way tells nothing at all.
                Err(problem) if problem.code() == PURPOSE_NEEDED.code => continue,
                Err(problem) => return Err(problem),
            };
            for section in view.sections {
                for statement in section.statements {
                    shown.entry(statement.record_id).or_default().push(statement.version_id);
                }
                if let Some(next) = section.next {
                    let after = Some(paging::decode(&next)?);
                    waiting.push(Question { section: Some(section.code), after, ..question.clone() });
                }
            }
        }
        Ok(shown)
    }

    /// Whether what is past its publicity is shown this way.
    fn shows_after_publicity(&self) -> bool {
        self.way == Way::GovernmentSharing
    }

    /// How many statements this way shows that the effect should have taken away or replaced, of what it shows now.
    async fn wrong(&self, effect: &Effect, now: &Shown, earlier: &mut Before) -> Result<i64> {
        if effect.target != "record" {
            return Ok(0);
        }
        let versions = now.get(&effect.target_id).map(Vec::as_slice).unwrap_or_default();
        let present = target(&mut *self.reports.db.read().await?, effect.subject_id, effect.target_id).await?;
        // A shield that was taken away since, or a withdrawal that was taken back, is an effect of its own.
        let lasts =
            effect.kind == "repaired" || present.as_ref().is_none_or(|p| ["withdrawn", "repaired", "shielded"].contains(&p.state.as_str()));
        let hides = effect.hides() && lasts;
        let mut wrong = if hides || effect.kind == "stopped" && !self.shows_after_publicity() {
            versions.len()
        } else {
            versions.iter().filter(|version| present.as_ref().is_none_or(|p| p.version_id != **version)).count()
        };
        // What was repaired or is shielded is not shown by asking for what was known before, either.
        if hides && effect.kind != "withdrawn" {
            let before = effect.happened_at - Duration::microseconds(1);
            let asked = (effect.subject_id, before);
            let shown = match earlier.remove(&asked) {
                Some(shown) => shown,
                None => self.shown(effect.subject_id, Some(before)).await?,
            };
            wrong += shown.get(&effect.target_id).map_or(0, Vec::len);
            earlier.insert(asked, shown);
        }
        Ok(i64::try_from(wrong).unwrap_or(i64::MAX))
    }

    async fn standing(&self, effect: &Effect) -> Result<Standing> {
        if effect.target != "record" {
            return Ok(Standing { shown: 0, waits_until: None, detail: json!({ "records": 0 }) });
        }
        let now = self.shown(effect.subject_id, None).await?;
        let shown = self.wrong(effect, &now, &mut Before::new()).await?;
        Ok(Standing { shown, waits_until: None, detail: json!({ "statements_looked_at": now.len() }) })
    }

    async fn remaining(&self, targets: &[Effect]) -> Result<Vec<Uuid>> {
        let mut by_subject: BTreeMap<Uuid, Vec<&Effect>> = BTreeMap::new();
        for effect in targets.iter().filter(|effect| effect.target == "record" && effect.hides()) {
            by_subject.entry(effect.subject_id).or_default().push(effect);
        }
        let mut still = Vec::new();
        for (subject, effects) in by_subject {
            let now = self.shown(subject, None).await?;
            let mut earlier = Before::new();
            for effect in effects {
                if self.wrong(effect, &now, &mut earlier).await? > 0 {
                    still.push(effect.target_id);
                }
            }
        }
        Ok(still)
    }
}

impl Projection for Files {
    fn code(&self) -> &'static str {
        match self.way {
            Way::Publicity => "publicity",
            Way::AuthorisedQuery => "authorised_query",
            Way::GovernmentSharing => "government_sharing",
        }
    }

    fn name(&self) -> &'static str {
        match self.way {
            Way::Publicity => "公示",
            Way::AuthorisedQuery => "授权查询",
            Way::GovernmentSharing => "政务共享",
        }
    }

    fn settle<'a>(&'a self, effect: &'a Effect) -> Answer<'a, Standing> {
        Box::pin(self.standing(effect))
    }

    fn still_shown<'a>(&'a self, targets: &'a [Effect]) -> Answer<'a, Vec<Uuid>> {
        Box::pin(self.remaining(targets))
    }
}
