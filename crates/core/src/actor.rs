//! Who is asking, and what their roles let them do. The table of permissions is the whole of the access rules that do not depend on
//! the thing asked for; what a viewer sees *of* a thing is decided by the one door of disclosure.

use crate::ids::{AccountId, AgencyId, SubjectId};
use crate::problem::{FORBIDDEN, Problem, Result, UNAUTHENTICATED};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Roles; an account may hold several, but the three administrators exclude each other (三权分立, GB/T 22239-2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 系统管理员: runs the platform, sees no data.
    PlatformAdmin,
    /// 安全管理员: accounts, keys, roles.
    SecurityAdmin,
    /// 审计员: reads both logs, changes nothing.
    Auditor,
    /// 信用办: keeps catalogue and rules, decides on matching.
    CreditOffice,
    /// 信息提供单位: pushes, corrects, withdraws.
    Provider,
    /// 审批人: decides for its organ about what a colleague proposed.
    Approver,
    /// 信息使用单位: queries for its duty.
    Consumer,
    /// 大厅经办人: serves walk-ins.
    Clerk,
    /// 信用主体: reads its own file.
    Subject,
}

impl Role {
    /// Every role, in the order they are listed to people.
    pub const ALL: [Self; 9] = [
        Self::PlatformAdmin,
        Self::SecurityAdmin,
        Self::Auditor,
        Self::CreditOffice,
        Self::Provider,
        Self::Approver,
        Self::Consumer,
        Self::Clerk,
        Self::Subject,
    ];

    /// Stable code, as in the database and the tokens.
    pub fn code(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::SecurityAdmin => "security_admin",
            Self::Auditor => "auditor",
            Self::CreditOffice => "credit_office",
            Self::Provider => "provider",
            Self::Approver => "approver",
            Self::Consumer => "consumer",
            Self::Clerk => "clerk",
            Self::Subject => "subject",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// One thing a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Push batches, see their verdicts, undo them, correct and withdraw records of the own agency.
    SubmitRecords,
    /// Read any agency's batches and rejects without their contents.
    SuperviseSubmissions,
    /// Read a subject's file beyond what is public.
    QuerySubjects,
    /// Look a natural person up by document number.
    QueryPersons,
    /// Settle unmatched rows, merge and unmerge subjects, record events.
    ManageSubjects,
    /// Open, lock, unlock accounts; give roles and keys.
    ManageAccounts,
    /// Open the account of a subject against identity papers.
    OpenSubjectAccounts,
    /// Load catalogue and rules.
    ManageConfig,
    /// Read the change log and the access log.
    ReadAudit,
    /// Read the own file and who looked at it.
    ReadOwnFile,
    /// Propose a list entry for the own agency, serve its notice, answer objections, enter it and take it off.
    ProposeListing,
    /// Decide on an entry that a colleague proposed.
    DecideListing,
    /// Read entries of every agency in every state, and which of them wait for somebody.
    SuperviseListing,
    /// Confirm or refuse that a listed entry starts joint action.
    StartJointAction,
    /// Receive the own agency's directives, answer them, give feedback.
    ActOnDirectives,
    /// Ask whether a subject stands on a list and which measures apply to the matter at hand.
    CheckSubjects,
    /// Make, pause and close the endpoints that directives are pushed to; change their keys.
    ManageEndpoints,
    /// Read directives, deadlines and evaluations of every agency.
    SuperviseJointAction,
    /// Review typical cases before they are published.
    ReviewCases,
    /// Dispute the own records, apply for their repair, follow the own cases.
    FileCases,
    /// Take cases in at the counter.
    TakeCases,
    /// Look first whether a dispute is about an error of the platform itself, and mend that; nothing else is decided with it.
    CheckCases,
    /// Accept the lines of cases that the own agency answers for, stop and start their clocks.
    HandleCases,
    /// Decide lines of cases that a colleague accepted, and reviews of what a colleague decided.
    DecideCases,
    /// Read the cases, deadlines and effects of every agency; decide none.
    SuperviseCases,
    /// Record trainings and interviews of subjects.
    RecordTrainings,
}

impl Permission {
    /// The roles that hold it.
    pub fn holders(self) -> &'static [Role] {
        match self {
            Self::SubmitRecords => &[Role::Provider],
            Self::SuperviseSubmissions => &[Role::CreditOffice, Role::Auditor],
            Self::QuerySubjects => &[Role::Provider, Role::Approver, Role::Consumer, Role::Clerk, Role::CreditOffice, Role::Auditor],
            Self::QueryPersons => &[Role::Consumer, Role::Clerk],
            Self::ManageSubjects => &[Role::CreditOffice],
            Self::ManageAccounts => &[Role::SecurityAdmin],
            Self::OpenSubjectAccounts => &[Role::Clerk],
            Self::ManageConfig => &[Role::CreditOffice],
            Self::ReadAudit => &[Role::Auditor],
            Self::ReadOwnFile => &[Role::Subject],
            Self::ProposeListing | Self::HandleCases | Self::RecordTrainings => &[Role::Provider, Role::Approver],
            Self::DecideListing | Self::DecideCases => &[Role::Approver],
            Self::SuperviseListing | Self::SuperviseJointAction | Self::SuperviseCases => &[Role::CreditOffice, Role::Auditor],
            Self::StartJointAction | Self::ReviewCases | Self::CheckCases => &[Role::CreditOffice],
            Self::FileCases => &[Role::Subject],
            Self::TakeCases => &[Role::Clerk],
            Self::ActOnDirectives | Self::CheckSubjects => &[Role::Consumer],
            Self::ManageEndpoints => &[Role::SecurityAdmin],
        }
    }
}

/// How the actor proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Credential {
    /// A person's login.
    Account(AccountId),
    /// A department's API key.
    ApiKey(Uuid),
    /// The program itself, for jobs and commands at the console.
    System,
}

/// Whoever is behind a request or a job.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The proof of identity.
    pub credential: Credential,
    /// Its name for the logs: a login or a key's label, never personal data beyond that.
    pub label: String,
    /// The agency it acts for; subjects have none.
    pub agency: Option<AgencyId>,
    /// That agency's region code, empty without an agency.
    pub region: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Catalogue items an API key is limited to; `None` is every item of the agency.
    pub items: Option<Vec<String>>,
    /// Region codes an API key is limited to; `None` is no limit.
    pub regions: Option<Vec<String>>,
    /// Subjects bound to the account.
    pub subjects: Vec<SubjectId>,
}

impl Actor {
    /// The program itself.
    pub fn system(label: &str) -> Self {
        Self {
            credential: Credential::System,
            label: label.to_owned(),
            agency: None,
            region: String::new(),
            roles: Vec::new(),
            items: None,
            regions: None,
            subjects: Vec::new(),
        }
    }

    /// Whether one of its roles holds `permission`; the program itself holds every one.
    pub fn may(&self, permission: Permission) -> bool {
        self.credential == Credential::System || permission.holders().iter().any(|role| self.roles.contains(role))
    }

    /// The one call by which a handler checks a permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) { Ok(()) } else { Err(Problem::new(&FORBIDDEN)) }
    }

    /// Whether it has the role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The agency it acts for, or a refusal.
    pub fn agency(&self) -> Result<AgencyId> {
        self.agency.ok_or_else(|| Problem::new(&FORBIDDEN))
    }

    /// The account id, or a refusal for keys and the program.
    pub fn account(&self) -> Result<AccountId> {
        match self.credential {
            Credential::Account(id) => Ok(id),
            _ => Err(Problem::new(&UNAUTHENTICATED)),
        }
    }

    /// Whether a key's scope covers the item; accounts have no such limit.
    pub fn covers_item(&self, item: &str) -> bool {
        self.items.as_ref().is_none_or(|items| items.iter().any(|i| i == item))
    }
}
