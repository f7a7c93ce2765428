CREATE TABLE submission_batches (
    id uuid PRIMARY KEY,
    agency_id uuid NOT NULL,
    item text NOT NULL,
    item_version integer NOT NULL,
    feed text NOT NULL,
    state text NOT NULL CONSTRAINT submission_batches_state_known CHECK (state IN ('open', 'undoing', 'undone')),
    submitted_by text NOT NULL,
    created_at timestamptz NOT NULL,
    undo_reason text,
    undo_next_row bigint NOT NULL DEFAULT 0,
    undone_at timestamptz,
    CONSTRAINT submission_batches_undo_has_reason CHECK (state = 'open' OR undo_reason IS NOT NULL),
    CONSTRAINT submission_batches_undone_has_time CHECK ((state = 'undone') = (undone_at IS NOT NULL))
);
CREATE INDEX submission_batches_agency ON submission_batches (agency_id, id);
COMMENT ON TABLE submission_batches IS 'Submission batches 归集批次: a file of rows and the corrected files that followed it';
COMMENT ON COLUMN submission_batches.id IS 'UUID version 7';
COMMENT ON COLUMN submission_batches.agency_id IS 'Who provided it';
COMMENT ON COLUMN submission_batches.item IS 'Catalogue item of its rows';
COMMENT ON COLUMN submission_batches.item_version IS 'Version of the item its rows were checked against';
COMMENT ON COLUMN submission_batches.feed IS 'Feed version the file declared';
COMMENT ON COLUMN submission_batches.state IS 'open, undoing or undone';
COMMENT ON COLUMN submission_batches.submitted_by IS 'Label of the account or key';
COMMENT ON COLUMN submission_batches.created_at IS 'When it was received';
COMMENT ON COLUMN submission_batches.undo_reason IS 'Why it is being undone';
COMMENT ON COLUMN submission_batches.undo_next_row IS 'How far undoing has come, as a row number';
COMMENT ON COLUMN submission_batches.undone_at IS 'When undoing was complete';

CREATE TABLE batch_files (
    id uuid PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES submission_batches (id),
    round integer NOT NULL CONSTRAINT batch_files_round_positive CHECK (round > 0),
    state text NOT NULL CONSTRAINT batch_files_state_known CHECK (state IN ('queued', 'loading', 'completed', 'refused')),
    file_name text NOT NULL,
    format text NOT NULL,
    encoding text,
    body_sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    spool_name text NOT NULL,
    header jsonb NOT NULL,
    rows_total bigint,
    rows_done bigint NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0,
    warned bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    versioned bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    unmatched bigint NOT NULL DEFAULT 0,
    late bigint NOT NULL DEFAULT 0,
    problem jsonb,
    received_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT batch_files_one_round UNIQUE (batch_id, round),
    CONSTRAINT batch_files_every_row_has_a_verdict CHECK (rows_done = accepted + warned + unchanged + versioned + refused),
    CONSTRAINT batch_files_completed_is_whole CHECK (state <> 'completed' OR (rows_done = rows_total AND finished_at IS NOT NULL)),
    CONSTRAINT batch_files_refused_has_problem CHECK (state <> 'refused' OR problem IS NOT NULL)
);
CREATE INDEX batch_files_same_body ON batch_files (body_sha256);
CREATE INDEX batch_files_open ON batch_files (state) WHERE state IN ('queued', 'loading');
COMMENT ON TABLE batch_files IS 'Files pushed into a batch: round 1 is the first, later rounds bring refused rows back corrected';
COMMENT ON COLUMN batch_files.id IS 'UUID version 7';
COMMENT ON COLUMN batch_files.batch_id IS 'Its batch';
COMMENT ON COLUMN batch_files.round IS '1 for the first file, then counting up';
COMMENT ON COLUMN batch_files.state IS 'queued, loading, completed, or refused as a whole';
COMMENT ON COLUMN batch_files.file_name IS 'Name the sender gave it';
COMMENT ON COLUMN batch_files.format IS 'csv, xlsx, xls, json or ndjson, with +gzip when compressed';
COMMENT ON COLUMN batch_files.encoding IS 'utf-8 or gb18030, text formats only';
COMMENT ON COLUMN batch_files.body_sha256 IS 'Hash of the file as sent, by which the same file is recognised';
COMMENT ON COLUMN batch_files.size_bytes IS 'Size as sent';
COMMENT ON COLUMN batch_files.spool_name IS 'Name in the spool folder';
COMMENT ON COLUMN batch_files.header IS 'How its columns were recognised';
COMMENT ON COLUMN batch_files.rows_total IS 'Data rows in it, known once it was read through';
COMMENT ON COLUMN batch_files.rows_done IS 'Data rows with a committed verdict; loading resumes after them';
COMMENT ON COLUMN batch_files.accepted IS 'Rows accepted without a remark';
COMMENT ON COLUMN batch_files.warned IS 'Rows accepted with warnings, unmatched ones among them';
COMMENT ON COLUMN batch_files.unchanged IS 'Rows whose content was already held';
COMMENT ON COLUMN batch_files.versioned IS 'Rows that became a new version';
COMMENT ON COLUMN batch_files.refused IS 'Rows in quarantine';
COMMENT ON COLUMN batch_files.unmatched IS 'Rows waiting for a person to say whose they are';
COMMENT ON COLUMN batch_files.late IS 'Rows received after their deadline (迟报)';
COMMENT ON COLUMN batch_files.problem IS 'Why the whole file was refused';
COMMENT ON COLUMN batch_files.received_at IS 'When it was safely stored';
COMMENT ON COLUMN batch_files.started_at IS 'When loading began';
COMMENT ON COLUMN batch_files.finished_at IS 'When its last row had a verdict';

CREATE TABLE batch_chunks (
    file_id uuid NOT NULL REFERENCES batch_files (id),
    first_row bigint NOT NULL,
    verdicts bytea NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (file_id, first_row)
);
COMMENT ON TABLE batch_chunks IS 'One entry for every commit of a load';
COMMENT ON COLUMN batch_chunks.file_id IS 'The file';
COMMENT ON COLUMN batch_chunks.first_row IS 'Position of its first row in the file, from 0';
COMMENT ON COLUMN batch_chunks.verdicts IS 'One letter a row: a accepted, w warned, u unchanged, v new version, r refused';
COMMENT ON COLUMN batch_chunks.committed_at IS 'When';

CREATE TABLE quarantined_rows (
    batch_id uuid NOT NULL REFERENCES submission_batches (id),
    row_no bigint NOT NULL,
    round integer NOT NULL,
    issues jsonb NOT NULL,
    sealed_row bytea NOT NULL,
    created_at timestamptz NOT NULL,
    resolved_round integer,
    resolved_at timestamptz,
    PRIMARY KEY (batch_id, row_no, round),
    CONSTRAINT quarantined_rows_resolved_is_whole CHECK ((resolved_round IS NULL) = (resolved_at IS NULL))
);
COMMENT ON TABLE quarantined_rows IS 'Refused rows 退回数据, kept until a corrected row takes their place';
COMMENT ON COLUMN quarantined_rows.batch_id IS 'Its batch';
COMMENT ON COLUMN quarantined_rows.row_no IS 'Number of the data row in the first file, from 1';
COMMENT ON COLUMN quarantined_rows.round IS 'Which file of the batch it came with';
COMMENT ON COLUMN quarantined_rows.issues IS 'What is wrong: field, rule code, masked value, messages with the fix';
COMMENT ON COLUMN quarantined_rows.sealed_row IS 'The row as received, encrypted: it may hold personal numbers';
COMMENT ON COLUMN quarantined_rows.created_at IS 'When';
COMMENT ON COLUMN quarantined_rows.resolved_round IS 'The file whose row replaced it';
COMMENT ON COLUMN quarantined_rows.resolved_at IS 'When it was replaced';

CREATE TABLE unmatched_rows (
    id uuid PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES submission_batches (id),
    row_no bigint NOT NULL,
    agency_id uuid NOT NULL,
    item text NOT NULL,
    subject_name text NOT NULL,
    hints jsonb NOT NULL,
    sealed_row bytea NOT NULL,
    state text NOT NULL CONSTRAINT unmatched_rows_state_known CHECK (state IN ('waiting', 'linked', 'rejected', 'undone')),
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text,
    reason text,
    subject_id uuid,
    CONSTRAINT unmatched_rows_one_per_row UNIQUE (batch_id, row_no),
    CONSTRAINT unmatched_rows_decided_is_whole CHECK ((state = 'waiting') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
    CONSTRAINT unmatched_rows_linked_has_subject CHECK ((state = 'linked') = (subject_id IS NOT NULL))
);
CREATE INDEX unmatched_rows_waiting ON unmatched_rows (id) WHERE state = 'waiting';
COMMENT ON TABLE unmatched_rows IS 'Sound rows of which it is not certain whose they are; a person decides, no answer shows them before';
COMMENT ON COLUMN unmatched_rows.id IS 'UUID version 7';
COMMENT ON COLUMN unmatched_rows.batch_id IS 'Its batch';
COMMENT ON COLUMN unmatched_rows.row_no IS 'Number of the data row in the first file, from 1';
COMMENT ON COLUMN unmatched_rows.agency_id IS 'Who provided it';
COMMENT ON COLUMN unmatched_rows.item IS 'Catalogue item';
COMMENT ON COLUMN unmatched_rows.subject_name IS 'Name the row gives';
COMMENT ON COLUMN unmatched_rows.hints IS 'Organisation numbers the row gives; never a person''s';
COMMENT ON COLUMN unmatched_rows.sealed_row IS 'The checked row, encrypted';
COMMENT ON COLUMN unmatched_rows.state IS 'waiting, linked, rejected, or undone with its batch';
COMMENT ON COLUMN unmatched_rows.created_at IS 'When';
COMMENT ON COLUMN unmatched_rows.decided_at IS 'When a person decided';
COMMENT ON COLUMN unmatched_rows.decided_by IS 'Label of that person';
COMMENT ON COLUMN unmatched_rows.reason IS 'Why';
COMMENT ON COLUMN unmatched_rows.subject_id IS 'Whose it is';

CREATE TABLE record_versions (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    record_id uuid NOT NULL,
    item text NOT NULL,
    item_version integer NOT NULL,
    business_key uuid NOT NULL,
    content_hash uuid NOT NULL,
    data jsonb NOT NULL,
    sealed bytea,
    state text NOT NULL CONSTRAINT record_versions_state_known CHECK (state IN ('active', 'ended', 'disputed', 'withdrawn', 'unclear')),
    change text NOT NULL CONSTRAINT record_versions_change_known CHECK (change IN ('loaded', 'corrected', 'withdrawn', 'undone', 'linked')),
    reason text,
    decided_on date,
    valid_from date,
    valid_to date,
    public_until date,
    late boolean NOT NULL,
    late_rule text,
    warnings jsonb,
    agency_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    row_no bigint NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT record_versions_change_has_reason CHECK (change IN ('loaded', 'linked') OR reason IS NOT NULL),
    CONSTRAINT record_versions_known_in_order CHECK (known_to >= known_from)
);
CREATE UNIQUE INDEX record_versions_one_current ON record_versions (subject_id, business_key) WHERE known_to IS NULL;
CREATE INDEX record_versions_batch ON record_versions USING brin (batch_id) WITH (pages_per_range = 16);

CREATE FUNCTION record_versions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.known_to IS NOT NULL OR NEW.known_to IS NULL
        OR (to_jsonb(NEW) - 'known_to') IS DISTINCT FROM (to_jsonb(OLD) - 'known_to') THEN
        RAISE EXCEPTION '% on record_versions is not allowed: a version is closed once and otherwise kept', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER record_versions_closed_once BEFORE UPDATE OR DELETE ON record_versions FOR EACH ROW EXECUTE FUNCTION record_versions_guard();
CREATE TRIGGER record_versions_keep BEFORE TRUNCATE ON record_versions EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE record_versions IS 'Every statement about a subject in every version: valid time says when it holds, known time when the platform knew it';
COMMENT ON COLUMN record_versions.subject_id IS 'Whom it is about, as matched when it arrived';
COMMENT ON COLUMN record_versions.id IS 'Id of the version, UUID version 7';
COMMENT ON COLUMN record_versions.record_id IS 'Id of the statement, shared by its versions';
COMMENT ON COLUMN record_versions.item IS 'Catalogue item';
COMMENT ON COLUMN record_versions.item_version IS 'Version of the item it was checked against';
COMMENT ON COLUMN record_versions.business_key IS 'Hash of item and key fields, 128 bits: the same statement has the same key';
COMMENT ON COLUMN record_versions.content_hash IS 'Hash of the content, 128 bits: the same content has the same hash';
COMMENT ON COLUMN record_versions.data IS 'Field codes and normalised values, without sealed fields';
COMMENT ON COLUMN record_versions.sealed IS 'Encrypted: sealed fields, and free text in which a personal number was found';
COMMENT ON COLUMN record_versions.state IS 'active, ended, disputed, withdrawn or unclear';
COMMENT ON COLUMN record_versions.change IS 'What made this version';
COMMENT ON COLUMN record_versions.reason IS 'Why it was corrected, withdrawn or undone';
COMMENT ON COLUMN record_versions.decided_on IS 'Day of the decision';
COMMENT ON COLUMN record_versions.valid_from IS 'First day it holds';
COMMENT ON COLUMN record_versions.valid_to IS 'Last day it holds; empty when open-ended';
COMMENT ON COLUMN record_versions.public_until IS 'Last day it is public, as the provider sent it';
COMMENT ON COLUMN record_versions.late IS 'Received after the deadline (迟报)';
COMMENT ON COLUMN record_versions.late_rule IS 'Rule and version that set the deadline, e.g. feed.sgs.deadline_wd@1';
COMMENT ON COLUMN record_versions.warnings IS 'What was odd about the row';
COMMENT ON COLUMN record_versions.agency_id IS 'Who provided it';
COMMENT ON COLUMN record_versions.batch_id IS 'Batch it came with';
COMMENT ON COLUMN record_versions.row_no IS 'Number of its data row in the batch, from 1';
COMMENT ON COLUMN record_versions.known_from IS 'When the platform began to hold this version';
COMMENT ON COLUMN record_versions.known_to IS 'When a later version took its place';
