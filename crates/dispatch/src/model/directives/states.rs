//! The states of a directive and what leads from one to another. The trigger `directives_guard` says the same in SQL.
//!
//! | state | acts that are taken, and where they lead |
//! |---|---|
//! | `proposed` waits for the credit office | issue → `issued`; hold → `held`; cancel → `cancelled` |
//! | `issued` 已推送, nobody has it yet | hand → `delivered`; hold → `held`; cancel → `cancelled` |
//! | `held` 暂缓, its ground is questioned | resume → `issued`; put back → `proposed`; cancel → `cancelled` |
//! | `delivered` 已送达 | accept → `accepted`; decline → `declined`; lift → `released`; complete → `completed` (a release) |
//! | `accepted` 已签收 | feed → `reported`; lift → `released` |
//! | `declined` 不适用 | lift → `released` |
//! | `reported` 已反馈 | feed → `reported`; lift → `released` |
//! | `cancelled`, `released` 已解除, `completed` | none: it has ended |
//!
//! A release is put out as it is made (`issued`), handed out and completed; every other act is about an `execute` directive only.

use super::{DIRECTIVE_HELD, DIRECTIVE_NOT_DELIVERED, DIRECTIVE_RELEASED, DIRECTIVE_WRONG_STATE};
use credence_core::problem::ProblemType;

/// What a directive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectiveKind {
    /// Carry the measure out.
    Execute,
    /// Lift it.
    Release,
}

impl DirectiveKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Execute, Self::Release];

    /// Stable code, as in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Release => "release",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether the act is about directives of this kind at all.
    pub fn takes(self, act: Act) -> bool {
        match self {
            Self::Execute => act != Act::Complete,
            Self::Release => matches!(act, Act::Hand | Act::Complete),
        }
    }
}

/// Where a directive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectiveState {
    /// Waits for the credit office.
    Proposed,
    /// Put out for delivery 已推送.
    Issued,
    /// The agency has it, or may have it 已送达.
    Delivered,
    /// Accepted 已签收.
    Accepted,
    /// Declined with a reason 不适用.
    Declined,
    /// Reported on 已反馈.
    Reported,
    /// Held while its ground is questioned 暂缓.
    Held,
    /// Ended before anybody had it.
    Cancelled,
    /// Lifted 已解除.
    Released,
    /// A release that was carried out.
    Completed,
}

impl DirectiveState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Proposed,
        Self::Issued,
        Self::Delivered,
        Self::Accepted,
        Self::Declined,
        Self::Reported,
        Self::Held,
        Self::Cancelled,
        Self::Released,
        Self::Completed,
    ];

    /// Stable code, as in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Issued => "issued",
            Self::Delivered => "delivered",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Reported => "reported",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Completed => "completed",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether something is asked of the agency now: of such a directive it is reminded.
    pub fn asks(self) -> bool {
        matches!(self, Self::Issued | Self::Delivered | Self::Accepted | Self::Reported)
    }
}

/// What is done with a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// The credit office confirms the joint action: it is put out.
    Issue,
    /// It is handed to the agency.
    Hand,
    /// The agency accepts it.
    Accept,
    /// The agency says that it does not apply.
    Decline,
    /// The agency says what it did.
    Feed,
    /// The agency says that it lifted the measure.
    Complete,
    /// The ground is questioned.
    Hold,
    /// The ground stands: it is put out again.
    Resume,
    /// The ground stands, and the credit office has not confirmed yet.
    PutBack,
    /// It ends before anybody had it.
    Cancel,
    /// The entry ended: the measure is lifted.
    Lift,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 11] = [
        Self::Issue,
        Self::Hand,
        Self::Accept,
        Self::Decline,
        Self::Feed,
        Self::Complete,
        Self::Hold,
        Self::Resume,
        Self::PutBack,
        Self::Cancel,
        Self::Lift,
    ];
}

/// The state after an act, as the table above says; whether the act fits the kind is asked of [`DirectiveKind::takes`].
///
/// # Errors
/// What the caller is told when the state does not allow it.
pub fn after(state: DirectiveState, act: Act) -> Result<DirectiveState, &'static ProblemType> {
    use DirectiveState as S;
    match (state, act) {
        (S::Proposed, Act::Issue) | (S::Held, Act::Resume) => Ok(S::Issued),
        (S::Held, Act::PutBack) => Ok(S::Proposed),
        (S::Issued, Act::Hand) => Ok(S::Delivered),
        (S::Delivered, Act::Accept) => Ok(S::Accepted),
        (S::Delivered, Act::Decline) => Ok(S::Declined),
        (S::Accepted | S::Reported, Act::Feed) => Ok(S::Reported),
        (S::Delivered, Act::Complete) => Ok(S::Completed),
        (S::Proposed | S::Issued, Act::Hold) => Ok(S::Held),
        (S::Proposed | S::Issued | S::Held, Act::Cancel) => Ok(S::Cancelled),
        (S::Delivered | S::Accepted | S::Declined | S::Reported, Act::Lift) => Ok(S::Released),
        (S::Released, _) => Err(&DIRECTIVE_RELEASED),
        (S::Held, Act::Hand | Act::Accept | Act::Decline | Act::Feed | Act::Complete) => Err(&DIRECTIVE_HELD),
        (S::Proposed | S::Issued, Act::Accept | Act::Decline | Act::Feed | Act::Complete) => Err(&DIRECTIVE_NOT_DELIVERED),
        _ => Err(&DIRECTIVE_WRONG_STATE),
    }
}

/// What becomes of a directive when its agency reads its inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The agency has had it: it is shown again.
    Show,
    /// It is handed out now.
    Hand,
    /// There is nothing to show and there never will be at this place.
    Pass,
    /// It may not be handed out at this moment. What follows the change of its ground will move it; until then nothing after it is handed out
    /// either, or a reader whose place has moved on would never get it.
    Wait,
}

impl Turn {
    /// What becomes of a directive of a kind in a state, whose ground stands or not. A release is handed out whatever became of the ground.
    pub fn of(kind: DirectiveKind, state: DirectiveState, stands: bool) -> Self {
        match state {
            DirectiveState::Proposed | DirectiveState::Held | DirectiveState::Cancelled => Self::Pass,
            DirectiveState::Issued if stands || kind == DirectiveKind::Release => Self::Hand,
            DirectiveState::Issued => Self::Wait,
            _ => Self::Show,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LEGAL: &[(&str, &str, &str)] = &[
        ("proposed", "Issue", "issued"),
        ("proposed", "Hold", "held"),
        ("proposed", "Cancel", "cancelled"),
        ("issued", "Hand", "delivered"),
        ("issued", "Hold", "held"),
        ("issued", "Cancel", "cancelled"),
        ("held", "Resume", "issued"),
        ("held", "PutBack", "proposed"),
        ("held", "Cancel", "cancelled"),
        ("delivered", "Accept", "accepted"),
        ("delivered", "Decline", "declined"),
        ("delivered", "Complete", "completed"),
        ("delivered", "Lift", "released"),
        ("accepted", "Feed", "reported"),
        ("accepted", "Lift", "released"),
        ("declined", "Lift", "released"),
        ("reported", "Feed", "reported"),
        ("reported", "Lift", "released"),
    ];

    #[test]
    fn every_pair_of_state_and_act_is_as_the_table_says() {
        for state in DirectiveState::ALL {
            for act in Act::ALL {
                let legal = LEGAL.iter().find(|(from, by, _)| *from == state.code() && *by == format!("{act:?}")).map(|(.., to)| *to);
                assert_eq!(after(state, act).ok().map(DirectiveState::code), legal, "{} {act:?}", state.code());
            }
        }
        let acts: BTreeSet<String> = Act::ALL.iter().map(|a| format!("{a:?}")).collect();
        assert!(LEGAL.iter().all(|(_, act, _)| acts.contains(*act)));
    }

    #[test]
    fn the_trigger_knows_the_same_steps() {
        let sql = include_str!("../../../../../migrations/2026-11-24-001000_create_dispatch/up.sql");
        let guard = sql.split("CREATE FUNCTION directives_guard()").nth(1).unwrap();
        let pairs = guard.split("NOT IN (").nth(1).unwrap().split("THEN").next().unwrap();
        let words: Vec<&str> = pairs.split('\'').skip(1).step_by(2).collect();
        let in_sql: BTreeSet<(&str, &str)> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let here: BTreeSet<(&str, &str)> = LEGAL.iter().map(|(from, _, to)| (*from, *to)).filter(|(from, to)| from != to).collect();
        assert_eq!(in_sql, here);
        let ended = guard.split("OLD.state IN (").nth(1).unwrap().split(')').next().unwrap();
        for state in DirectiveState::ALL {
            let stuck = Act::ALL.iter().all(|act| after(state, *act).is_err());
            assert_eq!(stuck, ended.contains(&format!("'{}'", state.code())), "{}", state.code());
        }
    }

    #[test]
    fn a_caller_is_told_why_not() {
        let code = |state, act| after(state, act).unwrap_err().code;
        assert_eq!(code(DirectiveState::Issued, Act::Accept), "directive_not_delivered");
        assert_eq!(code(DirectiveState::Held, Act::Feed), "directive_held");
        assert_eq!(code(DirectiveState::Released, Act::Feed), "directive_released");
        assert_eq!(code(DirectiveState::Delivered, Act::Feed), "directive_wrong_state");
        assert_eq!(code(DirectiveState::Declined, Act::Accept), "directive_wrong_state");
    }

    #[test]
    fn a_release_is_only_handed_out_and_completed() {
        let taken: Vec<Act> = Act::ALL.into_iter().filter(|act| DirectiveKind::Release.takes(*act)).collect();
        assert_eq!(taken, [Act::Hand, Act::Complete]);
        assert!(Act::ALL.into_iter().all(|act| DirectiveKind::Execute.takes(act) == (act != Act::Complete)));
        for kind in DirectiveKind::ALL {
            assert_eq!(DirectiveKind::from_code(kind.code()), Some(kind));
        }
        for state in DirectiveState::ALL {
            assert_eq!(DirectiveState::from_code(state.code()), Some(state));
        }
    }

    #[test]
    fn nothing_is_handed_out_whose_ground_does_not_stand() {
        use DirectiveKind::{Execute, Release};
        assert_eq!(Turn::of(Execute, DirectiveState::Issued, true), Turn::Hand);
        assert_eq!(Turn::of(Execute, DirectiveState::Issued, false), Turn::Wait);
        assert_eq!(Turn::of(Release, DirectiveState::Issued, false), Turn::Hand);
        assert_eq!(Turn::of(Execute, DirectiveState::Held, true), Turn::Pass);
        assert_eq!(Turn::of(Execute, DirectiveState::Cancelled, true), Turn::Pass);
        assert_eq!(Turn::of(Execute, DirectiveState::Released, false), Turn::Show);
        assert_eq!(Turn::of(Execute, DirectiveState::Accepted, false), Turn::Show);
    }
}
