//! SQL of joint action.

pub mod actions;
pub mod cases;
pub mod check_batches;
pub mod checks;
pub mod directives;
pub mod endpoints;
pub mod evaluation;
pub mod messages;
pub mod push;
pub mod reminders;

/// Whether the ground under a directive stands, as a condition on an entry `e`; `$today` has to be replaced by the placeholder of the day. Whoever
/// hands out a directive asks it in the very statement that does so: between the change of a record and the moment at which what rests on it has
/// followed, nothing leaves. `OFFSET 0` keeps the question one look-up by key for each entry; joined, it would read all versions.
pub const GROUND_STANDS: &str = "e.state = 'listed' AND e.ground_state = 'sound' AND (e.expires_on IS NULL OR e.expires_on >= $today)
    AND (e.ground_version_id IS NULL OR EXISTS (
        SELECT 1 FROM record_versions g WHERE g.subject_id = e.subject_id AND g.id = e.ground_version_id AND g.known_to IS NULL OFFSET 0))";
