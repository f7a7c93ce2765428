//! Who may read a paper of a case.

use credence_core::problem::Result;
use credence_db::DbResult;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A paper, and whom its case concerns.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Paper {
    #[diesel(sql_type = SqlUuid)]
    pub attachment_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    /// Agency of the clerk who took the case in.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub taken_agency: Option<Uuid>,
    /// Agencies that decide a line of it.
    #[diesel(sql_type = Array<SqlUuid>)]
    pub agencies: Vec<Uuid>,
    /// Whether the platform has to look at a line of it.
    #[diesel(sql_type = Bool)]
    pub self_check: bool,
}

pub(crate) async fn find(conn: &mut AsyncPgConnection, case: Uuid, paper: Uuid) -> Result<Option<Paper>> {
    diesel::sql_query(
        "SELECT p.attachment_id, c.subject_id, (SELECT a.agency_id FROM accounts a WHERE a.id = c.taken_by) AS taken_agency,
                ARRAY(SELECT DISTINCT l.agency_id FROM redress_lines l WHERE l.case_id = c.id) AS agencies,
                EXISTS (SELECT 1 FROM redress_lines l WHERE l.case_id = c.id AND l.kind = 'dispute' AND l.state = 'filed') AS self_check
           FROM redress_papers p JOIN redress_cases c ON c.id = p.case_id
          WHERE p.case_id = $1 AND p.id = $2",
    )
    .bind::<SqlUuid, _>(case)
    .bind::<SqlUuid, _>(paper)
    .get_result(conn)
    .await
    .optional()
    .db()
}
