//! Trainings 修复培训 and interviews 约谈, the share of listed subjects that took part, and the commitments that are public.

use super::lines::official;
use super::{Ready, Redress};
use crate::model::problems::kept_text;
use crate::model::trainings::{BAD_TRAINING, CommitmentPage, Indicator, NewTraining, TRAINING_EXISTS, TrainingView, hours_text};
use crate::store::trainings::{self as store, By};
use chrono::NaiveDate;
use credence_audit::{Change, record};
use credence_catalog::disclosure::{About, Door, Viewer};
use credence_core::Actor;
use credence_core::paging;
use credence_core::problem::{Problem, Result};
use credence_subjects::model::SUBJECT_NOT_FOUND;
use credence_subjects::store as subjects;
use serde_json::json;
use uuid::Uuid;

/// Share of listed subjects that have to have taken part, in percent.
const TARGET: &str = "kpi.repair_training_share";

impl Redress {
    /// An official records a training or interview that a subject took part in.
    ///
    /// # Errors
    /// When a program asks, the subject is not known, a day or text is unusable, or it was recorded before.
    pub async fn record_training(&self, actor: &Actor, mut new: NewTraining) -> Result<TrainingView> {
        let account = official(actor)?;
        let agency = actor.agency()?.0;
        let ready = self.ready().await?;
        new.organiser = kept_text("organiser", &new.organiser, self.settings.text_chars_max)?;
        if let Some(number) = new.certificate_no.take() {
            new.certificate_no = Some(kept_text("certificate_no", &number, self.settings.text_chars_max)?);
        }
        if new.held_on > ready.today {
            return Err(Problem::new(&BAD_TRAINING).with("field", "held_on").with("latest", ready.today.to_string()));
        }
        let hours = match new.hours {
            None => None,
            Some(hours) => Some(hours_text(hours).ok_or_else(|| Problem::new(&BAD_TRAINING).with("field", "hours"))?),
        };
        let subject = self.trained_subject(&ready, &new).await?;
        let id = Uuid::now_v7();
        self.db
            .write(async |tx| {
                let by = By { agency, account };
                store::insert(tx, (subject, id), &new, hours.as_deref(), by, || Problem::new(&TRAINING_EXISTS), ready.now).await?;
                let detail = json!({ "kind": new.kind, "held_on": new.held_on, "hours": hours });
                record(tx, actor, Change::new("repair_training.record", "repair_training", id).about(subject).with(detail), ready.now).await
            })
            .await?;
        Ok(TrainingView {
            id,
            subject_id: subject,
            kind: new.kind,
            held_on: new.held_on,
            organiser: new.organiser,
            hours: new.hours,
            certificate_no: new.certificate_no,
            recorded_at: ready.now,
        })
    }

    async fn trained_subject(&self, ready: &Ready, new: &NewTraining) -> Result<Uuid> {
        let mut conn = self.db.read().await?;
        let found = match (&new.uscc, new.subject_id) {
            (Some(uscc), None) => {
                let code = credence_subjects::service::parse_uscc(uscc, &ready.configuration.uscc_rules(ready.today))?;
                subjects::by_uscc(&mut conn, code.as_str()).await?
            }
            (None, Some(id)) => subjects::find(&mut conn, id).await?,
            _ => return Err(Problem::malformed("uscc 与 subject_id 须且只能填写一项", "give exactly one of `uscc` and `subject_id`")),
        };
        found.map(|subject| subject.id).ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))
    }

    /// The share of subjects on lists of serious dishonesty that took part in a training or interview, on a day (today).
    ///
    /// # Errors
    /// When there is no rule for the share, or the database cannot be read.
    pub async fn training_indicator(&self, on: Option<NaiveDate>) -> Result<Indicator> {
        let ready = self.ready().await?;
        let on = on.unwrap_or(ready.today);
        let found = ready.configuration.rulebook.rule_or_first(TARGET, on);
        let target = found.and_then(|rule| Some((rule.value.as_i64()?, format!("{}@{}", rule.id, rule.version))));
        let (target, rule) = target.ok_or_else(|| Problem::internal(format!("no rule {TARGET}")))?;
        let counted = store::indicator(&mut *self.db.read().await?, on).await?;
        Ok(Indicator::reckon(on, counted, target, rule))
    }

    /// Commitments that are public today, newest first, as everybody may see them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn commitments(&self, before: Option<Uuid>, limit: i64) -> Result<CommitmentPage> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let today = self.clock.today();
        let viewer = Viewer::public();
        let shows_code = Door::open(&configuration.disclosure, &viewer, today).identifier(About::Organisation, "uscc");
        // One more than the page holds tells whether there is a next one.
        let mut commitments = store::commitments(&mut *self.db.read().await?, today, before, limit + 1).await?;
        let page_len = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = commitments.len() > page_len;
        commitments.truncate(page_len);
        let next = commitments.last().filter(|_| more).map(|last| paging::encode(&last.id));
        for commitment in &mut commitments {
            if !shows_code {
                commitment.uscc = None;
            }
        }
        Ok(CommitmentPage { commitments, next })
    }
}
