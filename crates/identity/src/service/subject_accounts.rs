//! Accounts of subjects: opened at the hall against identity papers, and bound to whom they may act for.

use super::{Identity, check_stated, check_text, check_username};
use crate::model::{
    ALREADY_BOUND, AccountView, Binding, BindingView, CAPACITY_MISMATCH, NewBinding, NewSubjectAccount, PAPERS_DO_NOT_MATCH, Relation,
    USERNAME_TAKEN,
};
use crate::password;
use crate::store::{self, AccountInsert, BindingInsert};
use credence_audit::{Change, record};
use credence_core::actor::{Actor, Role};
use credence_core::identifiers::PersonDocument;
use credence_core::problem::{NOT_FOUND, Problem, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// The papers an account was opened with, as they are sealed: the document as it was read, whatever it was called.
#[derive(Serialize, Deserialize)]
struct Papers {
    name: String,
    kind: String,
    number: String,
}

impl Papers {
    /// Whether it is the document shown now.
    fn are(&self, document: &PersonDocument) -> bool {
        self.kind == document.kind().code() && self.number == document.reveal()
    }
}

impl Identity {
    /// Opens a subject's account at the hall. That papers, capacity and subject fit was checked by the caller, who knows subjects
    /// ([`Binding::check`]).
    pub async fn open_subject_account(&self, actor: &Actor, new: NewSubjectAccount, shown: &PersonDocument) -> Result<AccountView> {
        let now = self.clock.now();
        self.check_password(&new.username, &new.password)?;
        check_username(&new.username)?;
        if new.evidence.trim().is_empty() || new.person_name.trim().is_empty() {
            return Err(Problem::malformed("须登记证件与依据", "papers and evidence have to be recorded"));
        }
        check_text("person_name", &new.person_name)?;
        check_text("evidence", &new.evidence)?;
        let password_hash = password::hash(&self.settings, new.password).await?;
        let id = Uuid::now_v7();
        let papers = Papers { name: new.person_name, kind: shown.kind().code().to_owned(), number: shown.reveal().to_owned() };
        let papers = serde_json::to_vec(&papers).map_err(Problem::internal)?;
        let sealed = self.ring.seal(id.as_bytes(), &papers).map_err(Problem::internal)?;
        self.db
            .write(async |tx| {
                let insert = AccountInsert {
                    id,
                    username: &new.username,
                    display_name: &new.username,
                    password_hash: &password_hash,
                    agency: None,
                    identity_papers: Some(sealed),
                    roles: vec![Role::Subject.code()],
                };
                store::insert_account(tx, insert, &actor.label, now, || Problem::new(&USERNAME_TAKEN)).await?;
                let capacity = new.capacity.code();
                let binding = BindingInsert { account: id, subject: new.subject_id, capacity, evidence: new.evidence.trim() };
                store::bind_subject(tx, binding, &actor.label, now, || Problem::new(&ALREADY_BOUND)).await?;
                let change = Change::new("account.open_for_subject", "account", id).about(new.subject_id);
                record(tx, actor, change.with(json!({ "capacity": capacity, "document_kind": new.document_kind })), now).await
            })
            .await?;
        Ok(AccountView {
            id,
            username: new.username.clone(),
            display_name: new.username,
            agency: None,
            roles: vec![Role::Subject.code().to_owned()],
            locked: false,
        })
    }

    /// Binds a further organisation to a subject's account. `shown` are the papers now on the counter, which have to be those the account
    /// was opened with; `relation` is what the caller, who knows subjects, found the subject to be.
    pub async fn bind(
        &self,
        actor: &Actor,
        account: Uuid,
        new: NewBinding,
        shown: &PersonDocument,
        relation: Relation,
    ) -> Result<BindingView> {
        let now = self.clock.now();
        check_stated("evidence", &new.evidence)?;
        if new.capacity == Binding::Own {
            return Err(Problem::new(&CAPACITY_MISMATCH));
        }
        new.capacity.check(relation)?;
        self.db
            .write(async |tx| {
                let sealed = store::identity_papers(tx, account).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
                let opened = self.ring.open(account.as_bytes(), &sealed).map_err(Problem::internal)?;
                let papers: Papers = serde_json::from_slice(&opened).map_err(Problem::internal)?;
                if !papers.are(shown) {
                    return Err(Problem::new(&PAPERS_DO_NOT_MATCH));
                }
                let capacity = new.capacity.code();
                let binding = BindingInsert { account, subject: new.subject_id, capacity, evidence: new.evidence.trim() };
                store::bind_subject(tx, binding, &actor.label, now, || Problem::new(&ALREADY_BOUND)).await?;
                let change = Change::new("account.bind_subject", "account", account).about(new.subject_id);
                record(tx, actor, change.with(json!({ "capacity": capacity, "document_kind": shown.kind().code() })), now).await
            })
            .await?;
        Ok(BindingView { account_id: account, subject_id: new.subject_id, capacity: new.capacity, bound_at: now })
    }

    /// Ends a binding. Bindings are looked up at each request, so it holds from the next one on.
    pub async fn end_binding(&self, actor: &Actor, account: Uuid, subject: Uuid, reason: &str) -> Result<()> {
        let now = self.clock.now();
        check_stated("reason", reason)?;
        let reason = reason.trim();
        self.db
            .write(async |tx| {
                if !store::end_binding(tx, account, subject, reason, &actor.label, now).await? {
                    return Err(Problem::new(&NOT_FOUND));
                }
                let change = Change::new("account.end_binding", "account", account).about(subject);
                record(tx, actor, change.with(json!({ "reason": reason })), now).await
            })
            .await
    }
}
