//! What the model test asks the database about a subject.

pub const LATEST_ENTRY: &str = "SELECT id FROM list_entries WHERE subject_id = $1 ORDER BY proposed_at DESC LIMIT 1";
pub const LATEST_ACTION: &str = "SELECT id FROM joint_actions WHERE subject_id = $1 ORDER BY proposed_at DESC LIMIT 1";
pub const LATEST_DIRECTIVE: &str = "SELECT d.id FROM directives d JOIN agencies g ON g.id = d.agency_id
     WHERE d.subject_id = $1 AND g.code = $2 AND d.kind = $3 ORDER BY d.created_at DESC LIMIT 1";
pub const RECORD: &str = "SELECT v.subject_id, v.record_id FROM record_versions v JOIN subject_identifiers i ON i.subject_id = v.subject_id
     WHERE i.scheme = 'uscc' AND i.value = $1 AND i.known_to IS NULL AND v.known_to IS NULL";
/// Directives that an inbox does not show yet, because a transaction that began before them still runs somewhere.
pub const UNSEEN: &str = "SELECT count(*) FROM directives WHERE subject_id = $1 AND issued_xid >= pg_snapshot_xmin(pg_current_snapshot())";
/// The transaction before any that is to come.
pub const HERE: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1";

pub const LOGS: &str = "SELECT (SELECT count(*) FROM audit_entries WHERE subject_id = $1 AND action NOT LIKE 'effect.%'),
            (SELECT count(*) FROM change_feed WHERE subject_id = $1 AND topic NOT LIKE 'effect.%'),
            (SELECT count(*) FROM list_entry_steps WHERE subject_id = $1)";

pub const STATE: &str = r#"WITH e AS (SELECT *, row_number() OVER (ORDER BY proposed_at, id) AS nth FROM list_entries WHERE subject_id = $1)
SELECT line FROM (
    SELECT format('%s entry %s %s until %s last %s cause %s', nth, state, ground_state, objection_until, expires_on, exit_cause) AS line FROM e
    UNION ALL
    SELECT format('%s action %s', e.nth, a.state) FROM e JOIN joint_actions a ON a.subject_id = $1 AND a.entry_id = e.id
    UNION ALL
    SELECT format('%s %s %s %s due %s report %s', e.nth, d.kind, g.code, d.state, d.due_on, d.feedback_by)
      FROM e JOIN directives d ON d.subject_id = $1 AND d.entry_id = e.id JOIN agencies g ON g.id = d.agency_id) l
 ORDER BY line COLLATE "C""#;

/// What must never be so about a subject (`$1`); `$2` says that everything that follows by itself has just been done.
pub const VIOLATIONS: &str = r"
-- Invariant 2: the competent organ decides.
SELECT 'on the list around the procedure' AS what FROM list_entries e
 WHERE e.subject_id = $1 AND e.listed_at IS NOT NULL AND (
       e.ground_record_id IS NOT NULL AND cardinality(e.measures) > 0 AND e.notice_proof <> '' AND e.decided_by <> e.proposed_by
       AND e.notice_served_on <= e.decided_on AND e.decided_on <= e.listed_on
       AND (e.decided_on > e.objection_until OR e.objection_by_subject)
       AND (e.objection_received_on IS NULL OR NOT e.objection_upheld AND e.objection_answered_at <= e.decided_at
            AND (e.objection_answered_at AT TIME ZONE INTERVAL '8 hours')::date <= e.decided_on)
       AND (SELECT count(DISTINCT s.step) FROM list_entry_steps s
             WHERE s.subject_id = e.subject_id AND s.entry_id = e.id AND s.agency_id = e.agency_id
               AND (s.step IN ('notice', 'list') OR s.step = 'propose' AND s.actor_id = e.proposed_by OR s.step = 'decide' AND s.actor_id = e.decided_by)) = 4
       ) IS NOT TRUE
UNION ALL
SELECT 'a step of somebody else: ' || s.step FROM list_entry_steps s JOIN list_entries e ON e.subject_id = s.subject_id AND e.id = s.entry_id
 WHERE s.subject_id = $1 AND s.actor_id IS NOT NULL AND s.step <> 'object' AND s.agency_id IS DISTINCT FROM e.agency_id
UNION ALL
SELECT 'a step that is not the program''s: ' || s.step FROM list_entry_steps s
 WHERE s.subject_id = $1 AND s.actor_id IS NULL AND s.step <> 'question' AND (s.step <> 'exit' OR s.detail ->> 'cause' <> 'expiry')
UNION ALL
SELECT 'the subject''s own words are not all there' FROM list_entries e
 WHERE e.subject_id = $1 AND (SELECT count(*) FROM list_entry_steps s WHERE s.subject_id = $1 AND s.entry_id = e.id AND s.step = 'object')
       <> (e.objection IS NOT NULL)::int + (coalesce(e.objection, '') LIKE E'不服%\n\n不服')::int
UNION ALL
SELECT 'ended and under review' FROM list_entries e WHERE e.subject_id = $1 AND e.state IN ('exited', 'dropped') AND e.ground_state <> 'sound'
UNION ALL
-- Invariant 4: one write, one transaction, both logs.
SELECT 'a state that the last step does not tell: ' || e.state FROM list_entries e
 WHERE e.subject_id = $1 AND e.state IS DISTINCT FROM (
       SELECT s.to_state FROM list_entry_steps s WHERE s.subject_id = $1 AND s.entry_id = e.id
        ORDER BY s.at DESC, (s.from_state IS DISTINCT FROM s.to_state) DESC LIMIT 1)
UNION ALL
SELECT 'a step that does not begin where the one before ended: ' || c.step FROM (
       SELECT s.step, s.from_state, lag(s.to_state) OVER (PARTITION BY s.entry_id ORDER BY s.at, (s.from_state IS DISTINCT FROM s.to_state)) AS ended
         FROM list_entry_steps s WHERE s.subject_id = $1) c
 WHERE c.from_state IS DISTINCT FROM c.ended
UNION ALL
SELECT 'a step without its change entry: ' || s.step FROM list_entry_steps s
 WHERE s.subject_id = $1 AND NOT EXISTS (
       SELECT 1 FROM audit_entries a WHERE a.subject_id = $1 AND a.object_kind = 'list_entry' AND a.object_id = s.entry_id::text
          AND a.action = 'list_entry.' || s.step AND a.at = s.at AND a.xid = s.xmin::text::xid8)
UNION ALL
SELECT 'a change entry without its step: ' || a.action FROM audit_entries a
 WHERE a.subject_id = $1 AND a.object_kind = 'list_entry' AND NOT EXISTS (
       SELECT 1 FROM list_entry_steps s WHERE s.subject_id = $1 AND s.entry_id::text = a.object_id AND a.action = 'list_entry.' || s.step
          AND s.xmin::text::xid8 = a.xid)
UNION ALL
SELECT 'a change entry that is not in the feed: ' || a.action FROM audit_entries a
 WHERE a.subject_id = $1 AND NOT EXISTS (
       SELECT 1 FROM change_feed f WHERE f.xid = a.xid AND f.topic = a.action AND f.object_id::text = a.object_id AND f.subject_id = $1)
UNION ALL
SELECT 'written without a trace: ' || w.what FROM (
       SELECT 'list_entries' AS what, xmin::text::xid8 AS wrote FROM list_entries WHERE subject_id = $1
       UNION ALL SELECT 'list_notices', xmin::text::xid8 FROM list_notices WHERE subject_id = $1
       UNION ALL SELECT 'joint_actions', xmin::text::xid8 FROM joint_actions WHERE subject_id = $1
       UNION ALL SELECT 'directives', xmin::text::xid8 FROM directives WHERE subject_id = $1
       UNION ALL SELECT 'directive_feedback', xmin::text::xid8 FROM directive_feedback WHERE subject_id = $1) w
 WHERE NOT EXISTS (SELECT 1 FROM change_feed f WHERE f.xid = w.wrote)
UNION ALL
SELECT 'handed out without a change entry that names it' FROM directives d
 WHERE d.subject_id = $1 AND d.delivered_at IS NOT NULL AND 1 <> (
       SELECT count(*) FROM audit_entries a WHERE a.object_kind = 'agency' AND a.object_id = d.agency_id::text AND a.action = 'directives.deliver'
          AND a.at = d.delivered_at AND a.detail -> 'directives' ? d.id::text)
UNION ALL
-- Invariant 8: effects follow causes.
SELECT 'open although its entry is ' || e.state || ': ' || d.state FROM directives d JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
 WHERE d.subject_id = $1 AND d.kind = 'execute' AND e.state <> 'listed' AND d.state NOT IN ('cancelled', 'released')
UNION ALL
SELECT 'not as many releases as deliveries: ' || d.state FROM directives d JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
 WHERE d.subject_id = $1 AND d.kind = 'execute' AND CASE WHEN e.state = 'exited' AND d.delivered_at IS NOT NULL THEN 1 ELSE 0 END <> (
       SELECT count(*) FROM directives r WHERE r.subject_id = d.subject_id AND r.releases = d.id)
UNION ALL
SELECT 'a release to another agency' FROM directives r JOIN directives d ON d.subject_id = r.subject_id AND d.id = r.releases
 WHERE r.subject_id = $1 AND (r.agency_id, r.measure, r.entry_id) IS DISTINCT FROM (d.agency_id, d.measure, d.entry_id)
UNION ALL
SELECT 'on its way although the ground is questioned: ' || d.state FROM directives d JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
 WHERE d.subject_id = $1 AND d.kind = 'execute' AND d.state IN ('proposed', 'issued') AND (e.ground_state = 'questioned' OR $2 AND NOT EXISTS (
       SELECT 1 FROM record_versions v WHERE v.subject_id = e.subject_id AND v.id = e.ground_version_id AND v.known_to IS NULL))
UNION ALL
SELECT 'handed out while the ground did not stand' FROM directives d JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
  LEFT JOIN LATERAL (
       SELECT s.step, s.at FROM list_entry_steps s
        WHERE s.subject_id = d.subject_id AND s.entry_id = d.entry_id AND s.at <= d.delivered_at AND s.step IN ('list', 'question', 'confirm_ground', 'exit')
        ORDER BY s.at DESC LIMIT 1) s ON true
 WHERE d.subject_id = $1 AND d.kind = 'execute' AND d.delivered_at IS NOT NULL AND (
       s.step IN ('list', 'confirm_ground') AND (d.delivered_at AT TIME ZONE INTERVAL '8 hours')::date <= e.expires_on AND NOT EXISTS (
       SELECT 1 FROM record_versions v WHERE v.subject_id = e.subject_id AND v.record_id = e.ground_record_id
          AND v.known_from > s.at AND v.known_from <= d.delivered_at)) IS NOT TRUE
UNION ALL
SELECT 'a joint action ' || a.state || ' of an entry ' || e.state || ' and ' || e.ground_state
  FROM joint_actions a JOIN list_entries e ON e.subject_id = a.subject_id AND e.id = a.entry_id
 WHERE a.subject_id = $1 AND NOT CASE WHEN e.state <> 'listed' THEN a.state IN ('ended', 'refused')
                                      WHEN e.ground_state = 'sound' THEN a.state IN ('proposed', 'started', 'refused')
                                      ELSE a.state IN ('held', 'refused') END
UNION ALL
SELECT 'a directive ' || d.state || ' of a joint action ' || a.state
  FROM directives d JOIN joint_actions a ON a.subject_id = d.subject_id AND a.id = d.action_id
 WHERE d.subject_id = $1 AND d.kind = 'execute' AND (a.state, d.state) NOT IN (
       ('proposed', 'proposed'), ('refused', 'cancelled'), ('ended', 'cancelled'), ('ended', 'released'),
       ('started', 'issued'), ('started', 'delivered'), ('started', 'accepted'), ('started', 'declined'), ('started', 'reported'),
       ('held', 'held'), ('held', 'delivered'), ('held', 'accepted'), ('held', 'declined'), ('held', 'reported'))
UNION ALL
SELECT 'due although nothing is asked: ' || d.state FROM directives d
 WHERE d.subject_id = $1 AND d.due_on IS NOT NULL AND d.state NOT IN ('issued', 'delivered', 'accepted', 'reported')
UNION ALL
SELECT 'not told once on its channel: ' || e.state || ' by ' || coalesce(e.exit_cause, 'nothing') FROM list_entries e
 WHERE e.subject_id = $1 AND (
       (SELECT count(*) FROM list_notices n WHERE n.subject_id = $1 AND n.entry_id = e.id AND n.kind = 'listing') <> (e.listed_at IS NOT NULL)::int
    OR (SELECT count(*) FROM list_notices n WHERE n.subject_id = $1 AND n.entry_id = e.id AND n.kind = 'correction') <> coalesce(e.exit_cause = 'correction', false)::int
    OR (SELECT count(*) FROM list_notices n WHERE n.subject_id = $1 AND n.entry_id = e.id AND n.kind = 'exit') <> coalesce(e.exit_cause <> 'correction', false)::int)";
