//! Papers of cases 申请材料: their contents, for those whom the case concerns.

use super::Redress;
use super::lines::official;
use crate::model::problems::CASE_NOT_FOUND;
use crate::store::papers::{self as store, Paper};
use credence_attachments::model::AttachmentView;
use credence_audit::access::{Statement, logged};
use credence_core::problem::{Problem, Result};
use credence_core::{Actor, Permission};
use credence_subjects::store as subjects;
use uuid::Uuid;

/// Whether a paper is this actor's to read: the subject's whose case it is (or of its `family`, where subjects were merged), the agency's whose clerk took
/// it in, an agency's that decides a line of it, and the credit office's while the platform has to look whether the error is its own.
fn concerns(actor: &Actor, paper: &Paper, family: &[Uuid]) -> bool {
    let of_agency = |agency: Uuid| actor.agency.is_some_and(|own| own.0 == agency);
    (actor.may(Permission::FileCases) && actor.subjects.iter().any(|own| family.contains(&own.0)))
        || (actor.may(Permission::TakeCases) && paper.taken_agency.is_some_and(of_agency))
        || (actor.may(Permission::HandleCases) && paper.agencies.iter().copied().any(of_agency))
        || (actor.may(Permission::CheckCases) && paper.self_check)
}

impl Redress {
    /// A paper of a case, exactly as it was uploaded. Every reading is logged.
    ///
    /// # Errors
    /// When a program asks, there is none for this actor, or its contents are not what was uploaded.
    pub async fn paper(&self, actor: &Actor, case: Uuid, paper: Uuid) -> Result<(AttachmentView, Vec<u8>)> {
        official(actor)?;
        let now = self.clock.now();
        let statement = Statement { action: "case.paper", ..Statement::default() };
        logged(&self.db, actor, statement, now, async || {
            let unknown = || Problem::new(&CASE_NOT_FOUND);
            let found = {
                let mut conn = self.db.read().await?;
                let found = store::find(&mut conn, case, paper).await?.ok_or_else(unknown)?;
                let family = subjects::family(&mut conn, found.subject_id, now).await?;
                if concerns(actor, &found, &family) { found } else { return Err(unknown()) }
            };
            Ok((Some(found.subject_id), self.attachments.read(found.attachment_id).await?))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::Role;
    use credence_core::actor::Credential;
    use credence_core::ids::{AccountId, AgencyId, SubjectId};

    #[test]
    fn a_paper_is_for_those_whom_the_case_concerns() {
        let [subject, taker, decider, other] = std::array::from_fn(|_| Uuid::now_v7());
        let paper = Paper {
            attachment_id: Uuid::now_v7(),
            subject_id: subject,
            taken_agency: Some(taker),
            agencies: vec![decider],
            self_check: false,
        };
        let actor = |role: Role, agency: Option<Uuid>, subjects: &[Uuid]| Actor {
            credential: Credential::Account(AccountId(Uuid::now_v7())),
            agency: agency.map(AgencyId),
            roles: vec![role],
            subjects: subjects.iter().copied().map(SubjectId).collect(),
            ..Actor::system("x")
        };
        let reads = |actor: &Actor| concerns(actor, &paper, &[subject]);
        assert!(reads(&actor(Role::Subject, None, &[subject])) && !reads(&actor(Role::Subject, None, &[other])));
        assert!(reads(&actor(Role::Clerk, Some(taker), &[])) && !reads(&actor(Role::Clerk, Some(decider), &[])));
        for role in [Role::Provider, Role::Approver] {
            assert!(reads(&actor(role, Some(decider), &[])));
            assert!(!reads(&actor(role, Some(taker), &[])) && !reads(&actor(role, Some(other), &[])));
        }
        assert!(!reads(&actor(Role::Auditor, None, &[])) && !reads(&actor(Role::Consumer, Some(decider), &[])));
        let office = actor(Role::CreditOffice, Some(other), &[]);
        assert!(!reads(&office) && concerns(&office, &Paper { self_check: true, ..paper.clone() }, &[subject]));
        assert!(concerns(&actor(Role::Subject, None, &[other]), &paper, &[other, subject]), "read through the subject it was merged into");
    }
}
