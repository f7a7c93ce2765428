//! Lists, and what rests on their entries, as projections (invariant 8): entries, directives, the open list and the evaluation each follow a record or entry
//! that was repaired, shielded, withdrawn, corrected or taken off, and tell whether they have.
//!
//! What follows by itself is made to follow here at once. What an authority has to decide (an entry whose document changed) or an agency has to do (lift a
//! measure) waits for it, until the day by which that is owed.

use super::{Lists, about, definition};
use crate::store::projection::{self as store, Open, Standing as Listed};
use chrono::NaiveDate;
use credence_audit::effects::{Effect, Projection, Standing};
use credence_catalog::disclosure::{Door, Viewer};
use credence_core::problem::Result;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The projections of this crate, for the program to register.
pub fn projections(lists: &Lists) -> Vec<Arc<dyn Projection>> {
    let all = [Of::Entries, Of::Directives, Of::OpenData, Of::Evaluation];
    all.into_iter().map(|of| Arc::new(Projected { lists: lists.clone(), of }) as Arc<dyn Projection>).collect()
}

/// What is projected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Entries,
    Directives,
    OpenData,
    Evaluation,
}

struct Projected {
    lists: Lists,
    of: Of,
}

/// Something that still stands on a target.
struct Still {
    target_id: Uuid,
    number: i64,
    waits_until: Option<NaiveDate>,
    releases: bool,
}

fn key(effect: &Effect) -> (Uuid, Uuid) {
    (effect.subject_id, effect.target_id)
}

/// Whether an entry that is listed tells what is no longer so. On what is hidden nothing may rest; of what is shown in another version a mirror has to show
/// that version, and whoever listed by hand has to decide whether the corrected document still bears the entry.
fn is_behind(kind: &str, hides: bool, entry: &Listed) -> bool {
    hides || entry.outdated && (entry.mirrored || kind == "corrected")
}

/// The latest of some days; none when there is nobody to wait for about one of them.
fn latest<'a>(still: impl IntoIterator<Item = &'a Still>) -> Option<NaiveDate> {
    let days: Option<Vec<NaiveDate>> = still.into_iter().map(|s| s.waits_until).collect();
    days?.into_iter().max()
}

impl Projected {
    /// Entries that are listed and behind some targets, of one kind of effect.
    async fn entries(&self, kind: &str, hides: bool, targets: &[(Uuid, Uuid)]) -> Result<Vec<Listed>> {
        Ok(self.standing(targets).await?.into_iter().filter(|entry| is_behind(kind, hides, entry)).collect())
    }

    /// Entries that are listed and rest on some targets, or are them.
    async fn standing(&self, targets: &[(Uuid, Uuid)]) -> Result<Vec<Listed>> {
        store::standing(&mut *self.lists.db.read().await?, targets, self.lists.clock.today()).await
    }

    /// Those entries that everybody may see, and does.
    async fn public(&self, subjects: &[Uuid], listed: Vec<Listed>) -> Result<Vec<Listed>> {
        if listed.is_empty() {
            return Ok(listed);
        }
        let ids: Vec<Uuid> = listed.iter().map(|entry| entry.entry_id).collect();
        let configuration = self.lists.configuration.fresh(&self.lists.db).await?;
        let entries = store::shown(&mut *self.lists.db.read().await?, subjects, &ids).await?;
        let viewer = Viewer::public();
        let today = self.lists.clock.today();
        let door = Door::open(&configuration.disclosure, &viewer, today);
        let seen: BTreeSet<Uuid> = entries
            .iter()
            .filter(|entry| !entry.source_gone() && !entry.source_past(today))
            .filter(|entry| {
                definition(&configuration, &entry.list).is_some_and(|list| door.entry(&list.body, about(entry), entry.agency_id).is_some())
            })
            .map(|entry| entry.id)
            .collect();
        Ok(listed.into_iter().filter(|entry| seen.contains(&entry.entry_id)).collect())
    }

    /// What still stands on these targets, which an effect of this kind changed.
    async fn still(&self, kind: &str, hides: bool, targets: &[(Uuid, Uuid)]) -> Result<Vec<Still>> {
        let of_entry = |entry: Listed| Still { target_id: entry.target_id, number: 1, waits_until: entry.review_by, releases: false };
        match self.of {
            Of::Entries => Ok(self.entries(kind, hides, targets).await?.into_iter().map(of_entry).collect()),
            Of::OpenData => {
                let subjects: Vec<Uuid> = targets.iter().map(|(subject, _)| *subject).collect();
                let mut listed = self.standing(targets).await?;
                // What a mirror shows of a record whose publicity was ended is public no longer, in whatever version.
                listed.retain(|entry| is_behind(kind, hides, entry) || kind == "stopped" && entry.mirrored);
                Ok(self.public(&subjects, listed).await?.into_iter().map(of_entry).collect())
            }
            // A directive shows its entry as it is now; only what is gone must not be carried out any more.
            Of::Directives | Of::Evaluation if !hides => Ok(Vec::new()),
            Of::Directives => Ok(self.open(targets).await?.into_iter().map(of_directives).collect()),
            // The evaluation counts what is in the directives when it is asked: a measure counts as owed until its directive has ended.
            Of::Evaluation => {
                let owed = self.open(targets).await?.into_iter().filter(|open| !open.release && open.counted > 0);
                Ok(owed.map(|open| Still { number: open.counted, ..of_directives(open) }).collect())
            }
        }
    }

    async fn open(&self, targets: &[(Uuid, Uuid)]) -> Result<Vec<Open>> {
        store::directives(&mut *self.lists.db.read().await?, targets).await
    }

    async fn follow(&self, effect: &Effect) -> Result<()> {
        if self.of == Of::Entries && effect.target == "record" {
            let configuration = self.lists.configuration.fresh(&self.lists.db).await?;
            self.lists.reconsider(&configuration, &[effect.subject_id]).await?;
        }
        Ok(())
    }

    fn detail(&self, still: &[Still]) -> Value {
        let total = |releases: bool| still.iter().filter(|s| s.releases == releases).map(|s| s.number).sum::<i64>();
        match self.of {
            Of::Entries => json!({ "listed": total(false) }),
            Of::Directives => json!({ "in_force": total(false), "releases_open": total(true) }),
            Of::OpenData => json!({ "published": total(false) }),
            Of::Evaluation => json!({ "counted": total(false), "how": "computed_at_read" }),
        }
    }
}

fn of_directives(open: Open) -> Still {
    Still { target_id: open.target_id, number: open.directives, waits_until: open.waits_until, releases: open.release }
}

impl Projection for Projected {
    fn code(&self) -> &'static str {
        match self.of {
            Of::Entries => "lists",
            Of::Directives => "directives",
            Of::OpenData => "open_data",
            Of::Evaluation => "evaluation",
        }
    }

    fn name(&self) -> &'static str {
        match self.of {
            Of::Entries => "名单",
            Of::Directives => "联合奖惩",
            Of::OpenData => "开放数据",
            Of::Evaluation => "评价",
        }
    }

    fn settle<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, Result<Standing>> {
        Box::pin(async move {
            self.follow(effect).await?;
            let still = self.still(&effect.kind, effect.hides(), &[key(effect)]).await?;
            let shown = still.iter().map(|s| s.number).sum();
            Ok(Standing { shown, waits_until: latest(&still), detail: self.detail(&still) })
        })
    }

    fn still_shown<'a>(&'a self, targets: &'a [Effect]) -> BoxFuture<'a, Result<Vec<Uuid>>> {
        Box::pin(async move {
            let keys: Vec<(Uuid, Uuid)> = targets.iter().map(key).collect();
            let still = self.still("", true, &keys).await?;
            let shown: BTreeSet<Uuid> = still.into_iter().map(|s| s.target_id).collect();
            Ok(shown.into_iter().collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_nobody_about_one_thing_waits_for_nobody() {
        let still = |day: Option<&str>| Still {
            target_id: Uuid::nil(),
            number: 1,
            waits_until: day.map(|day| day.parse().unwrap()),
            releases: false,
        };
        let (early, late, nobody) = (still(Some("2026-12-01")), still(Some("2026-12-04")), still(None));
        assert_eq!(latest([&late, &early]), late.waits_until);
        assert_eq!(latest([&late, &nobody]), None);
        assert_eq!(latest([]), None);
    }

    fn entry(mirrored: bool, outdated: bool) -> Listed {
        Listed { target_id: Uuid::nil(), entry_id: Uuid::nil(), mirrored, outdated, review_by: None }
    }

    #[test]
    fn what_is_hidden_bears_nothing_and_what_changed_is_shown_as_it_is() {
        for mirrored in [false, true] {
            for outdated in [false, true] {
                assert!(is_behind("repaired", true, &entry(mirrored, outdated)));
                assert_eq!(is_behind("corrected", false, &entry(mirrored, outdated)), outdated);
                // Ending the publicity of a document says nothing against an entry that rests on it.
                assert_eq!(is_behind("stopped", false, &entry(mirrored, outdated)), mirrored && outdated);
                assert_eq!(is_behind("unshielded", false, &entry(mirrored, outdated)), mirrored && outdated);
            }
        }
    }
}
