-- Standing and area get the two clocks that names and numbers have, and events can be taken back without being lost.
CREATE TABLE subject_profiles (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects (id),
    standing text,
    area_code text,
    valid_from date,
    valid_to date,
    stated_on date,
    source text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CONSTRAINT subject_profiles_valid_in_order CHECK (valid_to >= valid_from),
    CONSTRAINT subject_profiles_known_in_order CHECK (known_to >= known_from)
);
CREATE INDEX subject_profiles_subject ON subject_profiles (subject_id);
CREATE UNIQUE INDEX subject_profiles_one_present ON subject_profiles (subject_id) WHERE valid_to IS NULL AND known_to IS NULL;
COMMENT ON TABLE subject_profiles IS 'How a subject stood and where it was registered, from which day to which';
COMMENT ON COLUMN subject_profiles.id IS 'UUID version 7';
COMMENT ON COLUMN subject_profiles.subject_id IS 'Whose';
COMMENT ON COLUMN subject_profiles.standing IS '登记状态 as the registration authority states it; 吊销 is not 注销';
COMMENT ON COLUMN subject_profiles.area_code IS 'Division it was registered in';
COMMENT ON COLUMN subject_profiles.valid_from IS 'First day; empty when it reaches back as far as anybody knows';
COMMENT ON COLUMN subject_profiles.valid_to IS 'Last day; empty for the present';
COMMENT ON COLUMN subject_profiles.stated_on IS 'First day on which a source states it; empty when the source gave none';
COMMENT ON COLUMN subject_profiles.source IS 'Item or event that brought it';
COMMENT ON COLUMN subject_profiles.known_from IS 'When the platform learnt it';
COMMENT ON COLUMN subject_profiles.known_to IS 'When the platform stopped holding it true';

INSERT INTO subject_profiles (id, subject_id, standing, area_code, source, known_from)
SELECT gen_random_uuid(), id, standing, area_code, 'registration', coalesce(confirmed_at, created_at)
  FROM subjects WHERE standing IS NOT NULL OR area_code IS NOT NULL;
ALTER TABLE subjects DROP COLUMN standing, DROP COLUMN area_code;

ALTER TABLE subject_names ADD COLUMN stated_on date;
COMMENT ON COLUMN subject_names.stated_on IS 'First day on which a source states the name; empty when the source gave none';

ALTER TABLE subject_events ADD COLUMN taken_back_at timestamptz;
COMMENT ON COLUMN subject_events.taken_back_at IS 'When what it rested on was undone, corrected or withdrawn; empty while it stands';
DROP TRIGGER subject_events_append_only ON subject_events;
CREATE FUNCTION subject_events_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.taken_back_at IS NOT NULL OR NEW.taken_back_at IS NULL
        OR (to_jsonb(NEW) - 'taken_back_at') IS DISTINCT FROM (to_jsonb(OLD) - 'taken_back_at') THEN
        RAISE EXCEPTION '% on subject_events is not allowed: an event is taken back once and otherwise kept', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER subject_events_taken_back_once BEFORE UPDATE OR DELETE ON subject_events FOR EACH ROW EXECUTE FUNCTION subject_events_guard();
CREATE TRIGGER subject_events_keep BEFORE TRUNCATE ON subject_events EXECUTE FUNCTION refuse_change();
