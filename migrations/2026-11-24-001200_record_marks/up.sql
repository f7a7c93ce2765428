-- A record that was repaired, or is shielded while a reorganisation plan is carried out, is a version like any other: whoever shows records by their
-- states shows neither, without knowing of redress.
ALTER TABLE record_versions DROP CONSTRAINT record_versions_state_known;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_state_known
    CHECK (state IN ('active', 'ended', 'disputed', 'withdrawn', 'unclear', 'repaired', 'shielded')) NOT VALID;
ALTER TABLE record_versions VALIDATE CONSTRAINT record_versions_state_known;
ALTER TABLE record_versions DROP CONSTRAINT record_versions_change_known;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_change_known
    CHECK (change IN ('loaded', 'corrected', 'withdrawn', 'undone', 'linked', 'absent', 'repaired', 'shielded', 'unshielded', 'stopped')) NOT VALID;
ALTER TABLE record_versions VALIDATE CONSTRAINT record_versions_change_known;
COMMENT ON COLUMN record_versions.state IS 'active, ended, disputed, withdrawn, unclear, repaired (修复: shown to nobody but audit and its provider), shielded (屏蔽 while a reorganisation plan is carried out)';
COMMENT ON COLUMN record_versions.change IS 'What made this version: loaded, corrected, withdrawn, undone, linked, absent, repaired, shielded, unshielded, stopped (its publicity was ended)';

-- What is hidden is asked for as a whole when it is proved that nobody shows it.
CREATE INDEX record_versions_hidden ON record_versions (subject_id, id) WHERE known_to IS NULL AND state IN ('repaired', 'shielded');

CREATE TABLE record_marks (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    target text NOT NULL CONSTRAINT record_marks_target_known CHECK (target IN ('record', 'entry')),
    target_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT record_marks_kind_known CHECK (kind IN ('disputed', 'noted')),
    case_id uuid NOT NULL,
    note text,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT record_marks_noted_has_note CHECK ((kind = 'noted') = (note IS NOT NULL)),
    CONSTRAINT record_marks_known_in_order CHECK (known_to >= known_from)
);
CREATE UNIQUE INDEX record_marks_one_open ON record_marks (subject_id, target_id, kind) WHERE known_to IS NULL;
CREATE FUNCTION record_marks_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.known_to IS NOT NULL OR NEW.known_to IS NULL
        OR (to_jsonb(NEW) - 'known_to') IS DISTINCT FROM (to_jsonb(OLD) - 'known_to') THEN
        RAISE EXCEPTION '% on record_marks is not allowed: a mark is closed once and otherwise kept', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER record_marks_closed_once BEFORE UPDATE OR DELETE ON record_marks FOR EACH ROW EXECUTE FUNCTION record_marks_guard();
CREATE TRIGGER record_marks_keep BEFORE TRUNCATE ON record_marks EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE record_marks IS 'Marks beside records and list entries: 异议标注 while a dispute runs, and what a subject stated where it could not be ascertained. They change nothing of the record and survive its versions';
COMMENT ON COLUMN record_marks.subject_id IS 'Whom the record is about';
COMMENT ON COLUMN record_marks.id IS 'UUID version 7';
COMMENT ON COLUMN record_marks.target IS 'record or entry of a list';
COMMENT ON COLUMN record_marks.target_id IS 'The record, or the entry';
COMMENT ON COLUMN record_marks.kind IS 'disputed 异议处理中, or noted 异议记载';
COMMENT ON COLUMN record_marks.case_id IS 'The case it comes from';
COMMENT ON COLUMN record_marks.note IS 'Of a noted one: what is shown beside the record';
COMMENT ON COLUMN record_marks.known_from IS 'Since when it stands';
COMMENT ON COLUMN record_marks.known_to IS 'When it was taken away';
