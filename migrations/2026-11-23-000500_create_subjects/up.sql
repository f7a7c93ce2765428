CREATE TABLE subjects (
    id uuid PRIMARY KEY,
    kind text NOT NULL CONSTRAINT subjects_kind_known CHECK (kind IN ('legal_entity', 'other_organisation', 'natural_person')),
    state text NOT NULL CONSTRAINT subjects_state_known CHECK (state IN ('provisional', 'confirmed')),
    standing text,
    area_code text,
    merged_into uuid REFERENCES subjects (id),
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    CONSTRAINT subjects_not_merged_into_itself CHECK (merged_into <> id),
    CONSTRAINT subjects_confirmed_has_time CHECK ((state = 'confirmed') = (confirmed_at IS NOT NULL))
);
CREATE INDEX subjects_merged_into ON subjects (merged_into) WHERE merged_into IS NOT NULL;
COMMENT ON TABLE subjects IS 'Credit subjects 信用主体: legal persons, other organisations, natural persons';
COMMENT ON COLUMN subjects.id IS 'Stable id, UUID version 7';
COMMENT ON COLUMN subjects.kind IS 'Which of the three databases it belongs to';
COMMENT ON COLUMN subjects.state IS 'provisional until registration data confirms it';
COMMENT ON COLUMN subjects.standing IS '登记状态 as the registration authority states it; 吊销 is not 注销';
COMMENT ON COLUMN subjects.area_code IS 'Division it is registered in now, as registration data states it';
COMMENT ON COLUMN subjects.merged_into IS 'The subject it is read through after a merge; its records stay its own';
COMMENT ON COLUMN subjects.created_at IS 'When it first appeared';
COMMENT ON COLUMN subjects.confirmed_at IS 'When registration data confirmed it';

CREATE TABLE subject_identifiers (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects (id),
    scheme text NOT NULL,
    value text,
    value_index bytea,
    value_sealed bytea,
    status text NOT NULL CONSTRAINT subject_identifiers_status_known CHECK (status IN ('current', 'former', 'erroneous')),
    valid_from date,
    valid_to date,
    source text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CONSTRAINT subject_identifiers_clear_or_sealed CHECK ((value IS NULL) = (value_index IS NOT NULL) AND (value_index IS NULL) = (value_sealed IS NULL)),
    CONSTRAINT subject_identifiers_persons_sealed CHECK (value IS NULL OR scheme IN ('uscc', 'org_code', 'registration_no', 'tax_no', 'other_no'))
);
CREATE UNIQUE INDEX subject_identifiers_uscc ON subject_identifiers (value) WHERE scheme = 'uscc' AND known_to IS NULL;
CREATE UNIQUE INDEX subject_identifiers_sealed ON subject_identifiers (scheme, value_index) WHERE value_index IS NOT NULL AND known_to IS NULL;
CREATE INDEX subject_identifiers_org_code ON subject_identifiers (substr(value, 9, 9)) WHERE scheme = 'uscc' AND known_to IS NULL;
CREATE INDEX subject_identifiers_other ON subject_identifiers (value, scheme) WHERE scheme <> 'uscc' AND value IS NOT NULL;
CREATE INDEX subject_identifiers_subject ON subject_identifiers (subject_id);
COMMENT ON TABLE subject_identifiers IS 'Numbers a subject has or had; those of natural persons only sealed and by keyed index';
COMMENT ON COLUMN subject_identifiers.id IS 'UUID version 7';
COMMENT ON COLUMN subject_identifiers.subject_id IS 'Whose';
COMMENT ON COLUMN subject_identifiers.scheme IS 'uscc, org_code, registration_no, tax_no, other_no, or a kind of personal document';
COMMENT ON COLUMN subject_identifiers.value IS 'The number in the clear, organisations only';
COMMENT ON COLUMN subject_identifiers.value_index IS 'HMAC of a person''s number, by which it is found';
COMMENT ON COLUMN subject_identifiers.value_sealed IS 'A person''s number, encrypted';
COMMENT ON COLUMN subject_identifiers.status IS 'current, former (code changed) or erroneous (wrongly issued)';
COMMENT ON COLUMN subject_identifiers.valid_from IS 'First day it was the subject''s, where known';
COMMENT ON COLUMN subject_identifiers.valid_to IS 'Last day it was the subject''s';
COMMENT ON COLUMN subject_identifiers.source IS 'Item or event that brought it';
COMMENT ON COLUMN subject_identifiers.known_from IS 'When the platform learnt it';
COMMENT ON COLUMN subject_identifiers.known_to IS 'When the platform stopped holding it true';

CREATE TABLE subject_names (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects (id),
    name text NOT NULL,
    name_normal text NOT NULL,
    confirmed boolean NOT NULL,
    valid_from date,
    valid_to date,
    source text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz
);
CREATE INDEX subject_names_subject ON subject_names (subject_id);
COMMENT ON TABLE subject_names IS 'Names a subject has or had';
COMMENT ON COLUMN subject_names.id IS 'UUID version 7';
COMMENT ON COLUMN subject_names.subject_id IS 'Whose';
COMMENT ON COLUMN subject_names.name IS 'The name as written';
COMMENT ON COLUMN subject_names.name_normal IS 'Its normal form, for comparison';
COMMENT ON COLUMN subject_names.confirmed IS 'Whether registration data states it; a provisional subject has the name its first record gave';
COMMENT ON COLUMN subject_names.valid_from IS 'First day it was the name, where known';
COMMENT ON COLUMN subject_names.valid_to IS 'Last day it was the name; empty for the present one';
COMMENT ON COLUMN subject_names.source IS 'Item or event that brought it';
COMMENT ON COLUMN subject_names.known_from IS 'When the platform learnt it';
COMMENT ON COLUMN subject_names.known_to IS 'When the platform stopped holding it true';

CREATE TABLE subject_events (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects (id),
    kind text NOT NULL CONSTRAINT subject_events_kind_known CHECK (kind IN ('rename', 'relocation', 'type_change', 'absorption', 'consolidation',
        'division', 'cancellation', 'revocation', 'registration_annulled', 'code_change', 'individual_to_enterprise')),
    happened_on date NOT NULL,
    other_subject_id uuid REFERENCES subjects (id),
    from_value text,
    to_value text,
    basis text NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by text NOT NULL
);
CREATE INDEX subject_events_subject ON subject_events (subject_id);
CREATE INDEX subject_events_other ON subject_events (other_subject_id) WHERE other_subject_id IS NOT NULL;
CREATE TRIGGER subject_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON subject_events EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE subject_events IS 'What happened to a subject: 更名, 迁移, 合并, 分立, 注销, 吊销, 换码 and so on';
COMMENT ON COLUMN subject_events.id IS 'UUID version 7';
COMMENT ON COLUMN subject_events.subject_id IS 'To whom';
COMMENT ON COLUMN subject_events.kind IS 'What';
COMMENT ON COLUMN subject_events.happened_on IS 'On which day';
COMMENT ON COLUMN subject_events.other_subject_id IS 'Successor, predecessor or part, where there is one';
COMMENT ON COLUMN subject_events.from_value IS 'Name, code or area before; never a person''s number';
COMMENT ON COLUMN subject_events.to_value IS 'Name, code or area after; never a person''s number';
COMMENT ON COLUMN subject_events.basis IS 'Registration record or document it rests on';
COMMENT ON COLUMN subject_events.recorded_at IS 'When the platform learnt it';
COMMENT ON COLUMN subject_events.recorded_by IS 'Label of whoever recorded it';

CREATE TABLE subject_merges (
    id uuid PRIMARY KEY,
    from_subject_id uuid NOT NULL REFERENCES subjects (id),
    into_subject_id uuid NOT NULL REFERENCES subjects (id),
    reason text NOT NULL,
    merged_at timestamptz NOT NULL,
    merged_by text NOT NULL,
    unmerged_at timestamptz,
    unmerged_by text,
    unmerge_reason text,
    CONSTRAINT subject_merges_unmerge_is_whole CHECK ((unmerged_at IS NULL) = (unmerged_by IS NULL) AND (unmerged_at IS NULL) = (unmerge_reason IS NULL))
);
CREATE UNIQUE INDEX subject_merges_one_open ON subject_merges (from_subject_id) WHERE unmerged_at IS NULL;
CREATE INDEX subject_merges_into ON subject_merges (into_subject_id);
COMMENT ON TABLE subject_merges IS 'Two files found to be of one subject; the act can be taken back';
COMMENT ON COLUMN subject_merges.id IS 'UUID version 7';
COMMENT ON COLUMN subject_merges.from_subject_id IS 'The subject read through the other';
COMMENT ON COLUMN subject_merges.into_subject_id IS 'The subject that stays';
COMMENT ON COLUMN subject_merges.reason IS 'Why they are one';
COMMENT ON COLUMN subject_merges.merged_at IS 'When';
COMMENT ON COLUMN subject_merges.merged_by IS 'Label of whoever decided';
COMMENT ON COLUMN subject_merges.unmerged_at IS 'When it was taken back';
COMMENT ON COLUMN subject_merges.unmerged_by IS 'Label of whoever took it back';
COMMENT ON COLUMN subject_merges.unmerge_reason IS 'Why it was taken back';
