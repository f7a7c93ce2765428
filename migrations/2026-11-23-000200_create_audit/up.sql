CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is not allowed: its rows are kept as written', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TABLE audit_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CONSTRAINT audit_entries_actor_known CHECK (actor_kind IN ('account', 'api_key', 'system')),
    actor_id uuid,
    actor_label text NOT NULL,
    agency_id uuid,
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    subject_id uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT audit_entries_actor_has_id CHECK ((actor_kind = 'system') = (actor_id IS NULL))
);
CREATE INDEX audit_entries_object ON audit_entries (object_kind, object_id);
CREATE INDEX audit_entries_subject ON audit_entries (subject_id) WHERE subject_id IS NOT NULL;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE audit_entries IS 'The change log: one entry for every write, in the same transaction as the write';
COMMENT ON COLUMN audit_entries.id IS 'Running number; order of assignment, not of commit';
COMMENT ON COLUMN audit_entries.xid IS 'Transaction that wrote it';
COMMENT ON COLUMN audit_entries.at IS 'When';
COMMENT ON COLUMN audit_entries.actor_kind IS 'account, api_key or system';
COMMENT ON COLUMN audit_entries.actor_id IS 'Id of the account or key';
COMMENT ON COLUMN audit_entries.actor_label IS 'Name of the account, key or job';
COMMENT ON COLUMN audit_entries.agency_id IS 'Agency the actor acted for';
COMMENT ON COLUMN audit_entries.action IS 'What was done, e.g. batch.undo';
COMMENT ON COLUMN audit_entries.object_kind IS 'Kind of thing it was done to';
COMMENT ON COLUMN audit_entries.object_id IS 'Id of that thing';
COMMENT ON COLUMN audit_entries.subject_id IS 'Subject concerned, where there is one';
COMMENT ON COLUMN audit_entries.detail IS 'Particulars without personal identifiers: reason, counts, rule id and version';

CREATE TABLE change_feed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL,
    topic text NOT NULL,
    subject_id uuid,
    object_id uuid NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX change_feed_order ON change_feed (xid, id);
CREATE TRIGGER change_feed_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON change_feed EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE change_feed IS 'What projections follow. Read in order of (xid, id) and only below pg_snapshot_xmin(pg_current_snapshot()): a number taken early can commit late';
COMMENT ON COLUMN change_feed.id IS 'Running number within a transaction';
COMMENT ON COLUMN change_feed.xid IS 'Transaction that wrote it';
COMMENT ON COLUMN change_feed.at IS 'When';
COMMENT ON COLUMN change_feed.topic IS 'Kind of change, e.g. records.loaded';
COMMENT ON COLUMN change_feed.subject_id IS 'Subject concerned; empty for bulk entries, which name a batch and a range of rows';
COMMENT ON COLUMN change_feed.object_id IS 'Id of the thing that changed';
COMMENT ON COLUMN change_feed.payload IS 'Particulars without personal identifiers';

CREATE FUNCTION access_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.outcome <> 'started'
        OR (to_jsonb(NEW) - '{outcome,completed_at,subject_id}'::text[]) IS DISTINCT FROM (to_jsonb(OLD) - '{outcome,completed_at,subject_id}'::text[])
        OR (OLD.subject_id IS NOT NULL AND NEW.subject_id IS DISTINCT FROM OLD.subject_id) THEN
        RAISE EXCEPTION '% on access_log is not allowed: an entry is completed once and then kept', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TABLE access_log (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CONSTRAINT access_log_actor_known CHECK (actor_kind IN ('account', 'api_key', 'system')),
    actor_id uuid,
    actor_label text NOT NULL,
    agency_id uuid,
    action text NOT NULL,
    subject_id uuid,
    purpose text,
    authorisation text,
    outcome text NOT NULL CONSTRAINT access_log_outcome_known CHECK (outcome IN ('started', 'granted', 'not_found', 'refused', 'failed')),
    completed_at timestamptz,
    CONSTRAINT access_log_completed_has_time CHECK ((outcome = 'started') = (completed_at IS NULL))
);
CREATE INDEX access_log_subject ON access_log (subject_id, at) WHERE subject_id IS NOT NULL;
CREATE INDEX access_log_at ON access_log (at);
CREATE TRIGGER access_log_completed_once BEFORE UPDATE OR DELETE ON access_log FOR EACH ROW EXECUTE FUNCTION access_log_guard();
CREATE TRIGGER access_log_keeps BEFORE TRUNCATE ON access_log EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE access_log IS 'Who looked at what that is not public: committed before the work, completed before the answer';
COMMENT ON COLUMN access_log.id IS 'UUID version 7, given back with the answer';
COMMENT ON COLUMN access_log.at IS 'When the query came';
COMMENT ON COLUMN access_log.actor_kind IS 'account, api_key or system';
COMMENT ON COLUMN access_log.actor_id IS 'Id of the account or key';
COMMENT ON COLUMN access_log.actor_label IS 'Name of the account or key';
COMMENT ON COLUMN access_log.agency_id IS 'Agency the actor acted for';
COMMENT ON COLUMN access_log.action IS 'What was asked, e.g. subject.file';
COMMENT ON COLUMN access_log.subject_id IS 'Subject that was found';
COMMENT ON COLUMN access_log.purpose IS 'Purpose the caller stated';
COMMENT ON COLUMN access_log.authorisation IS 'Reference of the subject''s written authorisation';
COMMENT ON COLUMN access_log.outcome IS 'started, granted, not_found, refused or failed';
COMMENT ON COLUMN access_log.completed_at IS 'When the outcome was known';
