CREATE TABLE list_entries (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    list text NOT NULL,
    list_version integer NOT NULL,
    kind text NOT NULL CONSTRAINT list_entries_kind_known CHECK (kind IN
        ('commendation', 'serious_dishonesty', 'judgment_default', 'abnormal_operation', 'watch')),
    keeping text NOT NULL CONSTRAINT list_entries_keeping_known CHECK (keeping IN ('native', 'mirror')),
    state text NOT NULL CONSTRAINT list_entries_state_known CHECK (state IN
        ('draft', 'noticed', 'objection_review', 'decided', 'listed', 'exited', 'dropped')),
    agency_id uuid NOT NULL,
    region text NOT NULL,
    facts text NOT NULL,
    legal_basis text NOT NULL,
    measures text[] NOT NULL DEFAULT '{}',
    exit_conditions text NOT NULL DEFAULT '',
    responsible jsonb NOT NULL DEFAULT '[]',
    responsible_sealed bytea,
    ground_record_id uuid,
    ground_version_id uuid,
    ground_document text,
    ground_state text NOT NULL DEFAULT 'sound' CONSTRAINT list_entries_ground_known CHECK (ground_state IN ('sound', 'questioned')),
    ground_review_by date,
    proposed_by uuid,
    proposed_at timestamptz NOT NULL,
    notice_no text,
    notice_served_on date,
    notice_method text CONSTRAINT list_entries_notice_method_known CHECK (notice_method IN
        ('direct', 'left', 'entrusted', 'post', 'electronic', 'public', 'announcement')),
    notice_proof text,
    notice_rule text,
    objection_until date,
    objection_received_on date,
    objection text,
    objection_by_subject boolean,
    objection_answer text,
    objection_upheld boolean,
    objection_answered_by uuid,
    objection_answered_at timestamptz,
    decision_no text,
    decided_on date,
    decided_by uuid,
    decided_at timestamptz,
    listed_on date,
    listed_at timestamptz,
    expires_on date,
    period_rule text,
    exit_cause text CONSTRAINT list_entries_exit_cause_known CHECK (exit_cause IN
        ('expiry', 'repair', 'revocation', 'correction', 'negative_record', 'source')),
    exit_reason text,
    exited_on date,
    exited_at timestamptz,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT list_entries_mirror_is_listed_or_gone CHECK (keeping = 'native' OR state IN ('listed', 'exited')),
    CONSTRAINT list_entries_mirror_has_record CHECK (keeping = 'native' OR (ground_record_id IS NOT NULL AND ground_version_id IS NOT NULL)),
    CONSTRAINT list_entries_proposed_by_a_person CHECK (keeping = 'mirror' OR proposed_by IS NOT NULL),
    CONSTRAINT list_entries_black_has_ground CHECK (keeping = 'mirror' OR kind <> 'serious_dishonesty' OR
        (ground_record_id IS NOT NULL AND ground_version_id IS NOT NULL AND ground_document IS NOT NULL)),
    CONSTRAINT list_entries_black_names_measures CHECK (keeping = 'mirror' OR kind <> 'serious_dishonesty' OR cardinality(measures) > 0),
    CONSTRAINT list_entries_basis_stated CHECK (legal_basis <> ''),
    CONSTRAINT list_entries_notice_whole CHECK (
        (notice_served_on IS NULL) = (notice_method IS NULL) AND (notice_served_on IS NULL) = (notice_proof IS NULL)
        AND (notice_served_on IS NULL) = (objection_until IS NULL) AND (notice_served_on IS NULL) = (notice_rule IS NULL)
        AND objection_until > notice_served_on AND notice_proof <> ''),
    CONSTRAINT list_entries_served_after_proposed CHECK (notice_served_on >= (proposed_at AT TIME ZONE INTERVAL '8 hours')::date),
    CONSTRAINT list_entries_commendation_is_announced CHECK (kind <> 'commendation' OR notice_method IS NULL OR notice_method = 'announcement'),
    CONSTRAINT list_entries_no_decision_without_notice CHECK (
        keeping = 'mirror' OR state IN ('draft', 'dropped') OR notice_served_on IS NOT NULL),
    CONSTRAINT list_entries_objection_whole CHECK (
        (objection_received_on IS NULL) = (objection IS NULL) AND (objection_received_on IS NULL) = (objection_by_subject IS NULL)
        AND (objection_answered_at IS NULL) = (objection_answer IS NULL) AND (objection_answered_at IS NULL) = (objection_upheld IS NULL)
        AND (objection_answered_at IS NULL) = (objection_answered_by IS NULL)
        AND (objection_answered_at IS NULL OR objection_received_on IS NOT NULL)),
    CONSTRAINT list_entries_objection_is_answered_first CHECK (
        state NOT IN ('decided', 'listed') OR objection_received_on IS NULL OR (objection_answered_at IS NOT NULL AND NOT objection_upheld)),
    CONSTRAINT list_entries_decision_whole CHECK (
        (decided_at IS NULL) = (decided_by IS NULL) AND (decided_at IS NULL) = (decided_on IS NULL) AND (decided_at IS NULL) = (decision_no IS NULL)),
    CONSTRAINT list_entries_no_listing_without_decision CHECK (
        keeping = 'mirror' OR state IN ('draft', 'noticed', 'objection_review', 'dropped') OR decided_at IS NOT NULL),
    CONSTRAINT list_entries_two_officials CHECK (decided_by <> proposed_by),
    CONSTRAINT list_entries_decided_after_the_window CHECK (
        decided_on IS NULL OR decided_on > objection_until OR (objection_answered_at IS NOT NULL AND objection_by_subject)),
    CONSTRAINT list_entries_decided_after_the_answer CHECK (
        decided_on IS NULL OR objection_answered_at IS NULL OR decided_on >= (objection_answered_at AT TIME ZONE INTERVAL '8 hours')::date),
    CONSTRAINT list_entries_not_decided_in_advance CHECK (decided_on <= (decided_at AT TIME ZONE INTERVAL '8 hours')::date),
    CONSTRAINT list_entries_listing_whole CHECK (
        (listed_at IS NULL) = (listed_on IS NULL) AND (state NOT IN ('listed', 'exited') OR listed_at IS NOT NULL)),
    CONSTRAINT list_entries_listed_after_decided CHECK (keeping = 'mirror' OR listed_on >= decided_on),
    CONSTRAINT list_entries_exit_whole CHECK (
        (state = 'exited') = (exited_at IS NOT NULL) AND (exited_at IS NULL) = (exit_cause IS NULL) AND (exited_at IS NULL) = (exit_reason IS NULL)
        AND (exited_at IS NULL) = (exited_on IS NULL)),
    CONSTRAINT list_entries_review_whole CHECK ((ground_state = 'questioned') = (ground_review_by IS NOT NULL))
);
CREATE INDEX list_entries_id ON list_entries (id);
CREATE INDEX list_entries_current ON list_entries (list, listed_on DESC, id DESC) WHERE state = 'listed';
CREATE INDEX list_entries_expiring ON list_entries (expires_on) WHERE state = 'listed' AND expires_on IS NOT NULL;
CREATE INDEX list_entries_in_procedure ON list_entries (agency_id, id) WHERE state IN ('draft', 'noticed', 'objection_review', 'decided') OR ground_state = 'questioned';
CREATE UNIQUE INDEX list_entries_one_open ON list_entries (subject_id, list) WHERE keeping = 'native' AND state NOT IN ('exited', 'dropped');
CREATE UNIQUE INDEX list_entries_one_mirrored ON list_entries (subject_id, list, ground_record_id) WHERE keeping = 'mirror' AND state = 'listed';

-- What CHECK constraints cannot see: where an entry comes from, what is settled, and the document it rests on.
CREATE FUNCTION list_entries_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    definition jsonb;
    own_words CONSTANT text[] := ARRAY['objection', 'objection_by_subject', 'objection_received_on',
        'objection_answer', 'objection_upheld', 'objection_answered_by', 'objection_answered_at'];
    stated text;
    stated_again boolean;
    settled text[] := ARRAY['subject_id', 'id', 'list', 'list_version', 'kind', 'keeping', 'agency_id', 'ground_record_id', 'ground_document', 'proposed_by', 'proposed_at'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'list_entries_kept: an entry is never deleted' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'list_entries_kept';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NOT (NEW.state = 'draft' AND NEW.keeping = 'native' OR NEW.state = 'listed' AND NEW.keeping = 'mirror') THEN
            RAISE EXCEPTION 'list_entries_begin_as_drafts: a native entry begins as a draft' USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_begin_as_drafts';
        END IF;
        SELECT body INTO definition FROM config_documents WHERE kind = 'list' AND code = NEW.list ORDER BY version DESC LIMIT 1;
        IF definition IS NULL OR definition ->> 'kind' <> NEW.kind OR definition ->> 'keeping' <> NEW.keeping THEN
            RAISE EXCEPTION 'list_entries_list_known: there is no such list of this kind' USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_list_known';
        END IF;
        IF NEW.keeping = 'native' AND NEW.ground_version_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM record_versions v WHERE v.subject_id = NEW.subject_id AND v.id = NEW.ground_version_id AND v.record_id = NEW.ground_record_id
               AND definition -> 'native' -> 'ground_items' ? v.item) THEN
            RAISE EXCEPTION 'list_entries_ground_of_the_list: the document under the entry is none of the list''s'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_ground_of_the_list';
        END IF;
    ELSE
        IF OLD.state IN ('exited', 'dropped') THEN
            RAISE EXCEPTION 'list_entries_ended: an ended entry stays as it is' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'list_entries_ended';
        END IF;
        IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
            ('draft', 'noticed'), ('draft', 'dropped'),
            ('noticed', 'objection_review'), ('noticed', 'decided'), ('noticed', 'dropped'),
            ('objection_review', 'decided'), ('objection_review', 'dropped'),
            ('decided', 'listed'), ('decided', 'dropped'),
            ('listed', 'exited')) THEN
            RAISE EXCEPTION 'list_entries_step_known: an entry does not go from % to %', OLD.state, NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_step_known';
        END IF;
        -- Facts, basis, measures and persons are what the subject was told; from the notice on they stand.
        IF OLD.state <> 'draft' THEN
            settled := settled || ARRAY['facts', 'legal_basis', 'measures', 'exit_conditions', 'responsible', 'responsible_sealed',
                'notice_no', 'notice_served_on', 'notice_method', 'notice_proof', 'notice_rule', 'objection_until'];
        END IF;
        -- Once, within its window and before the decision, a subject adds its own words to what the authority entered for it: what was stated and
        -- answered before stands in front of them, they have to be answered, and nothing else changes.
        stated := OLD.objection || coalesce(E'\n\n（此前答复：' || OLD.objection_answer || '）', '') || E'\n\n';
        stated_again := coalesce(
            OLD.state = 'objection_review' AND NOT OLD.objection_by_subject AND NEW.objection_by_subject AND OLD.decided_at IS NULL
            AND starts_with(NEW.objection, stated) AND length(NEW.objection) > length(stated)
            AND NEW.objection_received_on BETWEEN OLD.objection_received_on AND OLD.objection_until AND NEW.objection_answered_at IS NULL
            AND to_jsonb(NEW) - own_words = to_jsonb(OLD) - own_words, false);
        IF OLD.objection_received_on IS NOT NULL AND NOT stated_again THEN
            settled := settled || ARRAY['objection_received_on', 'objection', 'objection_by_subject'];
        END IF;
        IF OLD.objection_answered_at IS NOT NULL AND NOT stated_again THEN
            settled := settled || ARRAY['objection_answer', 'objection_upheld', 'objection_answered_by', 'objection_answered_at'];
        END IF;
        IF OLD.decided_at IS NOT NULL THEN settled := settled || ARRAY['decision_no', 'decided_on', 'decided_by', 'decided_at']; END IF;
        IF OLD.listed_at IS NOT NULL THEN settled := settled || ARRAY['listed_on', 'listed_at', 'period_rule']; END IF;
        IF OLD.listed_at IS NOT NULL AND NEW.keeping = 'native' THEN settled := settled || ARRAY['expires_on']; END IF;
        IF NEW.keeping = 'mirror' THEN
            settled := ARRAY['subject_id', 'id', 'list', 'kind', 'keeping', 'ground_record_id', 'proposed_at', 'listed_at'];
        END IF;
        IF EXISTS (SELECT 1 FROM unnest(settled) AS s (name) WHERE to_jsonb(OLD) -> s.name IS DISTINCT FROM to_jsonb(NEW) -> s.name) THEN
            RAISE EXCEPTION 'list_entries_settled: what was served, answered, decided or listed stays as it is'
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'list_entries_settled';
        END IF;
    END IF;
    -- A mirror shows what its source says now, and nothing else.
    IF NEW.keeping = 'mirror' AND NEW.state = 'listed' AND (TG_OP = 'INSERT' OR OLD.ground_version_id <> NEW.ground_version_id) AND NOT EXISTS (
        SELECT 1 FROM record_versions v
         WHERE v.subject_id = NEW.subject_id AND v.id = NEW.ground_version_id AND v.record_id = NEW.ground_record_id
           AND v.known_to IS NULL AND v.state IN ('active', 'disputed')) THEN
        RAISE EXCEPTION 'list_entries_mirror_of_a_record: the source does not say so' USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_mirror_of_a_record';
    END IF;
    -- Whoever decides is an approver of the competent authority, and a commendation was announced.
    IF NEW.keeping = 'native' AND NEW.state = 'decided' AND OLD.state <> 'decided' THEN
        IF NOT EXISTS (SELECT 1 FROM accounts a JOIN account_roles r ON r.account_id = a.id AND r.role = 'approver'
                        WHERE a.id = NEW.decided_by AND a.agency_id = NEW.agency_id AND a.state = 'active') THEN
            RAISE EXCEPTION 'list_entries_decided_by_an_approver: the decision is none of an approver of the authority'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_decided_by_an_approver';
        END IF;
        IF NEW.kind = 'commendation' AND NOT EXISTS (
            SELECT 1 FROM list_notices n WHERE n.subject_id = NEW.subject_id AND n.entry_id = NEW.id AND n.kind = 'announcement') THEN
            RAISE EXCEPTION 'list_entries_announced_first: a commendation is announced before it is decided'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_announced_first';
        END IF;
    END IF;
    -- A native entry on the list of the seriously dishonest rests on a document that is in effect on the day it is noticed, decided and listed.
    IF NEW.keeping = 'native' AND NEW.kind = 'serious_dishonesty' AND NEW.state IN ('noticed', 'decided', 'listed')
        AND (TG_OP = 'INSERT' OR OLD.state <> NEW.state) THEN
        IF NEW.ground_state <> 'sound' OR NOT EXISTS (
            SELECT 1 FROM record_versions v
             WHERE v.subject_id = NEW.subject_id AND v.id = NEW.ground_version_id AND v.record_id = NEW.ground_record_id
               AND v.known_to IS NULL AND v.state = 'active') THEN
            RAISE EXCEPTION 'list_entries_ground_in_effect: the document under the entry is not in effect'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_ground_in_effect';
        END IF;
    END IF;
    -- Whoever stands on a list of dishonesty does not come onto a red one.
    IF NEW.keeping = 'native' AND NEW.kind = 'commendation' AND NEW.state = 'listed' AND (TG_OP = 'INSERT' OR OLD.state <> 'listed') AND EXISTS (
        SELECT 1 FROM list_entries b
         WHERE b.subject_id = NEW.subject_id AND b.state = 'listed' AND b.kind IN ('serious_dishonesty', 'judgment_default', 'abnormal_operation')
           AND (b.expires_on IS NULL OR b.expires_on >= NEW.listed_on)) THEN
        RAISE EXCEPTION 'list_entries_red_without_black: a subject on a list of dishonesty is not commended'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'list_entries_red_without_black';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER list_entries_procedure BEFORE INSERT OR UPDATE OR DELETE ON list_entries FOR EACH ROW EXECUTE FUNCTION list_entries_guard();
CREATE TRIGGER list_entries_keep BEFORE TRUNCATE ON list_entries EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE list_entries IS 'Entries of lists 名单条目: native ones with every step of their procedure, mirrored ones as their source states them';
COMMENT ON COLUMN list_entries.subject_id IS 'Whom it is about';
COMMENT ON COLUMN list_entries.id IS 'UUID version 7';
COMMENT ON COLUMN list_entries.list IS 'Code of the list';
COMMENT ON COLUMN list_entries.list_version IS 'Version of the list''s definition under which it was made';
COMMENT ON COLUMN list_entries.kind IS 'commendation 红名单, serious_dishonesty 黑名单, judgment_default, abnormal_operation or watch';
COMMENT ON COLUMN list_entries.keeping IS 'native: the procedure is run here; mirror: it follows a feed';
COMMENT ON COLUMN list_entries.state IS 'draft, noticed, objection_review, decided, listed, exited, or dropped before it was listed';
COMMENT ON COLUMN list_entries.agency_id IS 'Competent authority 认定单位; for a mirror the provider of the record';
COMMENT ON COLUMN list_entries.region IS 'Division whose agencies act on it';
COMMENT ON COLUMN list_entries.facts IS 'Facts and reasons, as the subject is told';
COMMENT ON COLUMN list_entries.legal_basis IS 'Law and article';
COMMENT ON COLUMN list_entries.measures IS 'Codes of the measures it will bring, as the subject is told; empty for a mirror, whose list tells';
COMMENT ON COLUMN list_entries.exit_conditions IS 'How it can be left, as the subject is told';
COMMENT ON COLUMN list_entries.responsible IS 'Persons responsible 责任人: name and capacity; never a document number';
COMMENT ON COLUMN list_entries.responsible_sealed IS 'Encrypted: their document numbers, by position';
COMMENT ON COLUMN list_entries.ground_record_id IS 'The record that is the legal document under it 认定依据';
COMMENT ON COLUMN list_entries.ground_version_id IS 'The version of that record it rests on';
COMMENT ON COLUMN list_entries.ground_document IS 'Number of that document';
COMMENT ON COLUMN list_entries.ground_state IS 'sound, or questioned since the record under it changed';
COMMENT ON COLUMN list_entries.ground_review_by IS 'Last day for the authority to decide about a questioned ground';
COMMENT ON COLUMN list_entries.proposed_by IS 'Account of the official who proposed it; empty for a mirror';
COMMENT ON COLUMN list_entries.proposed_at IS 'When it was proposed, or first seen in the feed';
COMMENT ON COLUMN list_entries.notice_no IS 'Number of the notice 告知书';
COMMENT ON COLUMN list_entries.notice_served_on IS 'Day the notice was served, or a commendation announced';
COMMENT ON COLUMN list_entries.notice_method IS 'direct 直接送达, left 留置, entrusted 委托, post 邮寄, electronic 电子, public 公告; announcement 公示 for a commendation';
COMMENT ON COLUMN list_entries.notice_proof IS 'Reference of the proof of service 送达回证, or where it was announced';
COMMENT ON COLUMN list_entries.notice_rule IS 'Rule and version that set the objection window';
COMMENT ON COLUMN list_entries.objection_until IS 'Last day of the objection window';
COMMENT ON COLUMN list_entries.objection_received_on IS 'Day the objection came';
COMMENT ON COLUMN list_entries.objection IS 'What the subject stated 陈述申辩; where it added its own to what the authority had entered for it, both, with the answer in between';
COMMENT ON COLUMN list_entries.objection_by_subject IS 'Whether the subject entered it itself; only then does an answer shorten the window';
COMMENT ON COLUMN list_entries.objection_answer IS 'What the authority answered';
COMMENT ON COLUMN list_entries.objection_upheld IS 'Whether the objection was found right';
COMMENT ON COLUMN list_entries.objection_answered_by IS 'Account of the official who answered';
COMMENT ON COLUMN list_entries.objection_answered_at IS 'When it was answered';
COMMENT ON COLUMN list_entries.decision_no IS 'Number of the listing decision 列入决定书';
COMMENT ON COLUMN list_entries.decided_on IS 'Day of the decision';
COMMENT ON COLUMN list_entries.decided_by IS 'Account of the official who decided; never the one who proposed';
COMMENT ON COLUMN list_entries.decided_at IS 'When the decision was entered';
COMMENT ON COLUMN list_entries.listed_on IS 'First day on the list';
COMMENT ON COLUMN list_entries.listed_at IS 'When it was put on the list here';
COMMENT ON COLUMN list_entries.expires_on IS 'Last day on the list; empty when it has no fixed end';
COMMENT ON COLUMN list_entries.period_rule IS 'Rule and version that set the last day';
COMMENT ON COLUMN list_entries.exit_cause IS 'expiry 期满, repair 修复, revocation 撤销, correction 更正, negative_record (a commendation only), source (left the mirrored feed)';
COMMENT ON COLUMN list_entries.exit_reason IS 'Why it left';
COMMENT ON COLUMN list_entries.exited_on IS 'Day it left';
COMMENT ON COLUMN list_entries.exited_at IS 'When that was entered';

CREATE TABLE list_entry_steps (
    subject_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    id uuid NOT NULL,
    step text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    at timestamptz NOT NULL,
    actor_id uuid,
    actor_label text NOT NULL,
    agency_id uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (subject_id, entry_id, id)
);
CREATE TRIGGER list_entry_steps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON list_entry_steps EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE list_entry_steps IS 'Every step of every entry, as it was taken: any past state can be told from it';
COMMENT ON COLUMN list_entry_steps.subject_id IS 'Whom the entry is about';
COMMENT ON COLUMN list_entry_steps.entry_id IS 'The entry';
COMMENT ON COLUMN list_entry_steps.id IS 'UUID version 7: steps in order';
COMMENT ON COLUMN list_entry_steps.step IS 'propose, notice, object, answer, decide, list, mirror, question, confirm_ground, move_on, exit, drop';
COMMENT ON COLUMN list_entry_steps.from_state IS 'State before; empty for the first step';
COMMENT ON COLUMN list_entry_steps.to_state IS 'State after';
COMMENT ON COLUMN list_entry_steps.at IS 'When';
COMMENT ON COLUMN list_entry_steps.actor_id IS 'Account of who took it; empty for the program, which follows feeds and calendars';
COMMENT ON COLUMN list_entry_steps.actor_label IS 'Name of the account or job';
COMMENT ON COLUMN list_entry_steps.agency_id IS 'Agency it was taken for';
COMMENT ON COLUMN list_entry_steps.detail IS 'Particulars without personal identifiers';

CREATE TABLE list_notices (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    entry_id uuid NOT NULL,
    list text NOT NULL,
    kind text NOT NULL CONSTRAINT list_notices_kind_known CHECK (kind IN ('announcement', 'listing', 'exit', 'correction')),
    subject_name text NOT NULL,
    body text NOT NULL,
    published_at timestamptz NOT NULL,
    published_until date,
    PRIMARY KEY (subject_id, id)
);
CREATE INDEX list_notices_channel ON list_notices (list, published_at DESC, id DESC);
CREATE INDEX list_notices_entry ON list_notices (subject_id, entry_id);
CREATE TRIGGER list_notices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON list_notices EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE list_notices IS 'What was made public about entries: announcements 公示, listings 列入公告, exits 移出公告, corrections 更正公告, each list on its own channel';
COMMENT ON COLUMN list_notices.subject_id IS 'Whom it is about';
COMMENT ON COLUMN list_notices.id IS 'UUID version 7';
COMMENT ON COLUMN list_notices.entry_id IS 'The entry';
COMMENT ON COLUMN list_notices.list IS 'The list, which is the channel';
COMMENT ON COLUMN list_notices.kind IS 'announcement, listing, exit or correction';
COMMENT ON COLUMN list_notices.subject_name IS 'Name as published; of a natural person masked as the door of disclosure says';
COMMENT ON COLUMN list_notices.body IS 'What was published, in Chinese';
COMMENT ON COLUMN list_notices.published_at IS 'When';
COMMENT ON COLUMN list_notices.published_until IS 'Last day it is shown to the public; empty while its entry is listed';
