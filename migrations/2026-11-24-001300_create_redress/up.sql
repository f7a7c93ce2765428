CREATE TABLE redress_cases (
    id uuid PRIMARY KEY,
    case_no text NOT NULL CONSTRAINT redress_cases_number_once UNIQUE,
    kind text NOT NULL CONSTRAINT redress_cases_kind_known CHECK (kind IN ('dispute', 'repair')),
    subject_id uuid NOT NULL,
    channel text NOT NULL CONSTRAINT redress_cases_channel_known CHECK (channel IN ('online', 'counter')),
    applicant text NOT NULL CONSTRAINT redress_cases_applicant_known CHECK (applicant IN ('subject', 'agent')),
    account_id uuid,
    taken_by uuid,
    applicant_sealed bytea NOT NULL,
    authorisation text,
    secret_hash bytea NOT NULL CONSTRAINT redress_cases_secret_hashed CHECK (octet_length(secret_hash) = 32),
    secret_failures integer NOT NULL DEFAULT 0,
    secret_locked_until timestamptz,
    state text NOT NULL CONSTRAINT redress_cases_state_known CHECK (state IN ('incomplete', 'open', 'closed', 'withdrawn')),
    statement text NOT NULL,
    missing text[] NOT NULL DEFAULT '{}',
    complete_by date,
    rules text NOT NULL,
    filed_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT redress_cases_from_somebody CHECK ((channel = 'online') = (account_id IS NOT NULL) AND (channel = 'counter') = (taken_by IS NOT NULL)),
    CONSTRAINT redress_cases_agent_is_authorised CHECK (applicant = 'subject' OR authorisation IS NOT NULL),
    CONSTRAINT redress_cases_closed_has_time CHECK ((state IN ('closed', 'withdrawn')) = (closed_at IS NOT NULL)),
    CONSTRAINT redress_cases_incomplete_lacks CHECK ((state = 'incomplete') <= (cardinality(missing) > 0 AND complete_by IS NOT NULL))
);
CREATE INDEX redress_cases_subject ON redress_cases (subject_id, id);
COMMENT ON TABLE redress_cases IS 'Cases of redress 权益保障: disputes 异议 and applications for repair 信用修复, one row a case, whatever records it is about';
COMMENT ON COLUMN redress_cases.id IS 'UUID version 7';
COMMENT ON COLUMN redress_cases.case_no IS 'Number 办件编号, as it stands on the receipt';
COMMENT ON COLUMN redress_cases.kind IS 'dispute 异议 or repair 信用修复';
COMMENT ON COLUMN redress_cases.subject_id IS 'Whose records it is about';
COMMENT ON COLUMN redress_cases.channel IS 'online, or taken in at the counter 窗口';
COMMENT ON COLUMN redress_cases.applicant IS 'The subject itself, or an agent 代理人';
COMMENT ON COLUMN redress_cases.account_id IS 'Account that filed it online';
COMMENT ON COLUMN redress_cases.taken_by IS 'Account of the clerk who took it in';
COMMENT ON COLUMN redress_cases.applicant_sealed IS 'Encrypted: name, document, telephone and e-mail of the person who applies 经办人';
COMMENT ON COLUMN redress_cases.authorisation IS 'Reference of an agent''s written authorisation';
COMMENT ON COLUMN redress_cases.secret_hash IS 'SHA-256 of the code that, with the number, opens the case without a login';
COMMENT ON COLUMN redress_cases.secret_failures IS 'Wrong codes in a row';
COMMENT ON COLUMN redress_cases.secret_locked_until IS 'Until when no code is tried';
COMMENT ON COLUMN redress_cases.state IS 'incomplete (waits for papers), open, closed or withdrawn';
COMMENT ON COLUMN redress_cases.statement IS 'What is stated and asked for';
COMMENT ON COLUMN redress_cases.missing IS 'Papers that were missing when it was filed, told once 一次性告知';
COMMENT ON COLUMN redress_cases.complete_by IS 'Last day to bring them';
COMMENT ON COLUMN redress_cases.rules IS 'Rules and versions it was taken in under';
COMMENT ON COLUMN redress_cases.filed_at IS 'When it was filed';
COMMENT ON COLUMN redress_cases.closed_at IS 'When its last line was closed, or it was withdrawn';

CREATE TABLE redress_lines (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    case_id uuid NOT NULL REFERENCES redress_cases (id),
    kind text NOT NULL CONSTRAINT redress_lines_kind_known CHECK (kind IN ('dispute', 'repair')),
    target text NOT NULL CONSTRAINT redress_lines_target_known CHECK (target IN ('record', 'entry')),
    target_id uuid NOT NULL,
    source text NOT NULL,
    version_id uuid,
    agency_id uuid NOT NULL,
    ground text CONSTRAINT redress_lines_ground_known CHECK (ground IN ('error', 'omission', 'privacy', 'overdue', 'wrong_listing')),
    wanted_sealed bytea,
    state text NOT NULL CONSTRAINT redress_lines_state_known CHECK (state IN
        ('incomplete', 'filed', 'forwarded', 'accepted', 'review', 'closed', 'withdrawn')),
    due_on date,
    due_rule text,
    total_due_on date,
    total_rule text,
    checked_by uuid,
    checked_at timestamptz,
    accepted_by uuid,
    accepted_at timestamptz,
    outcome text CONSTRAINT redress_lines_outcome_known CHECK (outcome IN
        ('corrected', 'deleted', 'supplemented', 'stopped', 'delisted', 'rejected', 'noted', 'granted', 'refused', 'not_accepted', 'shielded')),
    decision_no text,
    decision_reason text,
    decision_sealed bytea,
    decision_rule text,
    decided_agency uuid,
    decided_by uuid,
    decided_at timestamptz,
    execute_by date,
    review_reason text,
    review_asked_at timestamptz,
    review_outcome text CONSTRAINT redress_lines_review_known CHECK (review_outcome IN ('upheld', 'changed')),
    review_text text,
    reviewed_by uuid,
    reviewed_at timestamptz,
    closed_at timestamptz,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT redress_lines_ground_of_a_dispute CHECK ((kind = 'dispute') = (ground IS NOT NULL)),
    CONSTRAINT redress_lines_due_has_rule CHECK ((due_on IS NULL) = (due_rule IS NULL) AND (total_due_on IS NULL) = (total_rule IS NULL)),
    CONSTRAINT redress_lines_checked_whole CHECK ((checked_by IS NULL) = (checked_at IS NULL)),
    CONSTRAINT redress_lines_accepted_whole CHECK ((accepted_by IS NULL) = (accepted_at IS NULL)),
    CONSTRAINT redress_lines_decided_whole CHECK (
        (outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL) AND (outcome IS NULL) = (decision_reason IS NULL)
        AND (outcome IS NULL) = (decision_rule IS NULL) AND (outcome IS NULL) = (decided_agency IS NULL)),
    CONSTRAINT redress_lines_closed_is_decided CHECK (state NOT IN ('review', 'closed') OR outcome IS NOT NULL),
    CONSTRAINT redress_lines_open_is_not_decided CHECK (state NOT IN ('incomplete', 'filed', 'forwarded', 'accepted') OR outcome IS NULL),
    CONSTRAINT redress_lines_two_officials CHECK (decided_by <> accepted_by),
    CONSTRAINT redress_lines_review_by_another CHECK (reviewed_by <> decided_by),
    CONSTRAINT redress_lines_review_not_by_acceptor CHECK (reviewed_by <> accepted_by),
    CONSTRAINT redress_lines_review_whole CHECK (
        (review_asked_at IS NULL) = (review_reason IS NULL) AND (reviewed_at IS NULL) = (reviewed_by IS NULL)
        AND (reviewed_at IS NULL) = (review_outcome IS NULL) AND (reviewed_at IS NULL) = (review_text IS NULL)
        AND (reviewed_at IS NULL OR review_asked_at IS NOT NULL) AND ((state = 'review') = (review_asked_at IS NOT NULL AND reviewed_at IS NULL))),
    CONSTRAINT redress_lines_closed_has_time CHECK ((state IN ('closed', 'withdrawn')) = (closed_at IS NOT NULL))
);
CREATE INDEX redress_lines_id ON redress_lines (id);
CREATE INDEX redress_lines_case ON redress_lines (case_id);
CREATE INDEX redress_lines_agency ON redress_lines (agency_id, state, due_on);
CREATE INDEX redress_lines_due ON redress_lines (due_on) WHERE state NOT IN ('closed', 'withdrawn');
CREATE UNIQUE INDEX redress_lines_one_open ON redress_lines (subject_id, target_id) WHERE state NOT IN ('closed', 'withdrawn');
CREATE FUNCTION redress_lines_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    settled text[] := ARRAY['subject_id', 'id', 'case_id', 'kind', 'target', 'target_id', 'source', 'version_id', 'agency_id', 'ground', 'wanted_sealed'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'withdrawn' OR OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
            ('incomplete', 'filed'), ('incomplete', 'withdrawn'),
            ('filed', 'forwarded'), ('filed', 'accepted'), ('filed', 'closed'), ('filed', 'withdrawn'),
            ('forwarded', 'accepted'), ('forwarded', 'withdrawn'),
            ('accepted', 'closed'), ('accepted', 'withdrawn'),
            ('closed', 'review'), ('review', 'closed'))
        OR OLD.state = 'closed' AND NEW.state = 'closed'
        OR OLD.state = 'closed' AND OLD.reviewed_at IS NOT NULL THEN
        RAISE EXCEPTION 'redress_lines_step_known: % of a line in state % is not allowed', TG_OP, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'redress_lines_step_known';
    END IF;
    IF OLD.checked_at IS NOT NULL THEN settled := settled || ARRAY['checked_by', 'checked_at']; END IF;
    IF OLD.accepted_at IS NOT NULL THEN settled := settled || ARRAY['accepted_by', 'accepted_at']; END IF;
    -- What a review changes replaces the outcome, once; the first decision stands in the steps.
    IF OLD.decided_at IS NOT NULL THEN settled := settled || ARRAY['decided_by', 'decided_at', 'decided_agency']; END IF;
    IF OLD.decided_at IS NOT NULL AND OLD.state <> 'review' THEN
        settled := settled || ARRAY['outcome', 'decision_reason', 'decision_sealed', 'decision_no', 'decision_rule'];
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(settled) AS s (name) WHERE to_jsonb(OLD) -> s.name IS DISTINCT FROM to_jsonb(NEW) -> s.name) THEN
        RAISE EXCEPTION 'redress_lines_settled: what was filed, accepted or decided stays as it is'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'redress_lines_settled';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER redress_lines_steps BEFORE UPDATE OR DELETE ON redress_lines FOR EACH ROW EXECUTE FUNCTION redress_lines_guard();
CREATE TRIGGER redress_lines_keep BEFORE TRUNCATE ON redress_lines EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE redress_lines IS 'Lines of cases: one record or list entry each, decided by the agency that answers for it';
COMMENT ON COLUMN redress_lines.subject_id IS 'Whose record it is';
COMMENT ON COLUMN redress_lines.id IS 'UUID version 7';
COMMENT ON COLUMN redress_lines.case_id IS 'Its case';
COMMENT ON COLUMN redress_lines.kind IS 'dispute or repair, as its case';
COMMENT ON COLUMN redress_lines.target IS 'record, or entry of a native list; of an omission the subject''s record that is missing has no id and the line names the item';
COMMENT ON COLUMN redress_lines.target_id IS 'The record or entry; of an omission the id of the line itself';
COMMENT ON COLUMN redress_lines.source IS 'Catalogue item of the record, or list of the entry';
COMMENT ON COLUMN redress_lines.version_id IS 'Version of the record when it was filed';
COMMENT ON COLUMN redress_lines.agency_id IS 'Who decides: the provider of the record 信息提供单位, the authority of the entry 认定单位';
COMMENT ON COLUMN redress_lines.ground IS 'Of a dispute: error 有误, omission 遗漏, privacy 侵犯秘密或隐私, overdue 超期, wrong_listing 错误列入或未移出';
COMMENT ON COLUMN redress_lines.wanted_sealed IS 'Encrypted: fields and values that are asked for';
COMMENT ON COLUMN redress_lines.state IS 'incomplete, filed, forwarded to the provider, accepted, review 复核, closed or withdrawn';
COMMENT ON COLUMN redress_lines.due_on IS 'Last day of the step that is owed now; empty while a clock stop runs and when nothing is owed';
COMMENT ON COLUMN redress_lines.due_rule IS 'Rule and version that set it';
COMMENT ON COLUMN redress_lines.total_due_on IS 'Last day for the whole of it';
COMMENT ON COLUMN redress_lines.total_rule IS 'Rule and version that set it';
COMMENT ON COLUMN redress_lines.checked_by IS 'Account that made the platform''s self-check';
COMMENT ON COLUMN redress_lines.checked_at IS 'When';
COMMENT ON COLUMN redress_lines.accepted_by IS 'Account that accepted it 受理';
COMMENT ON COLUMN redress_lines.accepted_at IS 'When';
COMMENT ON COLUMN redress_lines.outcome IS 'Dispute: corrected, deleted, supplemented, stopped, delisted, rejected, noted; repair: granted, refused, not_accepted, shielded';
COMMENT ON COLUMN redress_lines.decision_no IS 'Number of the written decision, where there is one';
COMMENT ON COLUMN redress_lines.decision_reason IS 'Reasons, and of a refusal the way of appeal';
COMMENT ON COLUMN redress_lines.decision_sealed IS 'Encrypted: fields with their old and new values';
COMMENT ON COLUMN redress_lines.decision_rule IS 'Rules and versions it was decided under';
COMMENT ON COLUMN redress_lines.decided_agency IS 'Agency that decided; the platform''s own where it was its own error';
COMMENT ON COLUMN redress_lines.decided_by IS 'Account that decided; never the one that accepted';
COMMENT ON COLUMN redress_lines.decided_at IS 'When';
COMMENT ON COLUMN redress_lines.execute_by IS 'Last day for everything that follows';
COMMENT ON COLUMN redress_lines.review_reason IS 'Why a review was asked for, once';
COMMENT ON COLUMN redress_lines.review_asked_at IS 'When';
COMMENT ON COLUMN redress_lines.review_outcome IS 'upheld, or changed';
COMMENT ON COLUMN redress_lines.review_text IS 'Reasons of the review';
COMMENT ON COLUMN redress_lines.reviewed_by IS 'Account that reviewed; never the one that accepted or decided';
COMMENT ON COLUMN redress_lines.reviewed_at IS 'When';
COMMENT ON COLUMN redress_lines.closed_at IS 'When it was closed or withdrawn';

CREATE TABLE redress_steps (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    line_id uuid,
    step text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    at timestamptz NOT NULL,
    actor_id uuid,
    actor_label text NOT NULL,
    agency_id uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (subject_id, id)
);
CREATE INDEX redress_steps_case ON redress_steps (case_id, id);
CREATE TRIGGER redress_steps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON redress_steps EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE redress_steps IS 'Every step of every case and line, as it was taken';
COMMENT ON COLUMN redress_steps.subject_id IS 'Whose case it is';
COMMENT ON COLUMN redress_steps.id IS 'UUID version 7: steps in order';
COMMENT ON COLUMN redress_steps.case_id IS 'The case';
COMMENT ON COLUMN redress_steps.line_id IS 'The line; empty for a step of the whole case';
COMMENT ON COLUMN redress_steps.step IS 'file, complete, check, forward, accept, decide, stop, resume, extend, ask_review, review, withdraw, lapse, carried_out';
COMMENT ON COLUMN redress_steps.from_state IS 'State before; empty for the first step';
COMMENT ON COLUMN redress_steps.to_state IS 'State after';
COMMENT ON COLUMN redress_steps.at IS 'When';
COMMENT ON COLUMN redress_steps.actor_id IS 'Account of who took it; empty for the program';
COMMENT ON COLUMN redress_steps.actor_label IS 'Name of the account or job';
COMMENT ON COLUMN redress_steps.agency_id IS 'Agency it was taken for';
COMMENT ON COLUMN redress_steps.detail IS 'Particulars without personal identifiers';

CREATE TABLE redress_papers (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    kind text NOT NULL,
    attachment_id uuid NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT redress_papers_once UNIQUE (subject_id, case_id, kind, attachment_id)
);
CREATE INDEX redress_papers_case ON redress_papers (case_id);
CREATE INDEX redress_papers_attachment ON redress_papers (attachment_id);
CREATE TRIGGER redress_papers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON redress_papers EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE redress_papers IS 'Papers of cases 申请材料';
COMMENT ON COLUMN redress_papers.subject_id IS 'Whose case it is';
COMMENT ON COLUMN redress_papers.id IS 'UUID version 7';
COMMENT ON COLUMN redress_papers.case_id IS 'The case';
COMMENT ON COLUMN redress_papers.kind IS 'Kind of paper, as rule repair.papers names them';
COMMENT ON COLUMN redress_papers.attachment_id IS 'The attachment';
COMMENT ON COLUMN redress_papers.added_by IS 'Label of who added it';
COMMENT ON COLUMN redress_papers.added_at IS 'When';

CREATE TABLE redress_stops (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    line_id uuid NOT NULL,
    reason text NOT NULL,
    note text NOT NULL,
    began_on date NOT NULL,
    began_by text NOT NULL,
    days_left integer NOT NULL,
    total_days_left integer NOT NULL,
    ended_on date,
    ended_by text,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT redress_stops_in_order CHECK (ended_on >= began_on),
    CONSTRAINT redress_stops_ended_whole CHECK ((ended_on IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX redress_stops_one_open ON redress_stops (subject_id, line_id) WHERE ended_on IS NULL;
COMMENT ON TABLE redress_stops IS 'Times that do not count 期限中止: inspection, appraisal, expert review';
COMMENT ON COLUMN redress_stops.subject_id IS 'Whose case it is';
COMMENT ON COLUMN redress_stops.id IS 'UUID version 7';
COMMENT ON COLUMN redress_stops.line_id IS 'The line whose clock stands';
COMMENT ON COLUMN redress_stops.reason IS 'One of rule dispute.clock_stop';
COMMENT ON COLUMN redress_stops.note IS 'What exactly';
COMMENT ON COLUMN redress_stops.began_on IS 'First day that does not count';
COMMENT ON COLUMN redress_stops.began_by IS 'Label of who stopped it';
COMMENT ON COLUMN redress_stops.days_left IS 'Working days of the step that were left at its beginning';
COMMENT ON COLUMN redress_stops.total_days_left IS 'Working days of the whole that were left';
COMMENT ON COLUMN redress_stops.ended_on IS 'Day on which it ended; counting goes on with the next';
COMMENT ON COLUMN redress_stops.ended_by IS 'Label of who let it go on';

CREATE TABLE redress_extensions (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    line_id uuid NOT NULL,
    reason text NOT NULL,
    from_due date NOT NULL,
    to_due date NOT NULL,
    rule text NOT NULL,
    approved_by uuid NOT NULL,
    approved_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT redress_extensions_once UNIQUE (subject_id, line_id),
    CONSTRAINT redress_extensions_longer CHECK (to_due > from_due)
);
CREATE TRIGGER redress_extensions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON redress_extensions EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE redress_extensions IS 'Approved extensions 延长期限, at most one a line';
COMMENT ON COLUMN redress_extensions.subject_id IS 'Whose case it is';
COMMENT ON COLUMN redress_extensions.id IS 'UUID version 7';
COMMENT ON COLUMN redress_extensions.line_id IS 'The line';
COMMENT ON COLUMN redress_extensions.reason IS 'Why';
COMMENT ON COLUMN redress_extensions.from_due IS 'Last day before';
COMMENT ON COLUMN redress_extensions.to_due IS 'Last day after';
COMMENT ON COLUMN redress_extensions.rule IS 'Rule and version that allow it';
COMMENT ON COLUMN redress_extensions.approved_by IS 'Account that approved it';
COMMENT ON COLUMN redress_extensions.approved_at IS 'When';

CREATE TABLE redress_commitments (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    case_id uuid NOT NULL CONSTRAINT redress_commitments_one_a_case UNIQUE,
    text text NOT NULL,
    given_on date NOT NULL,
    published_at timestamptz NOT NULL,
    published_until date NOT NULL,
    PRIMARY KEY (subject_id, id)
);
CREATE TRIGGER redress_commitments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON redress_commitments EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE redress_commitments IS 'Public commitments 信用承诺 that come with applications for repair';
COMMENT ON COLUMN redress_commitments.subject_id IS 'Who commits itself';
COMMENT ON COLUMN redress_commitments.id IS 'UUID version 7';
COMMENT ON COLUMN redress_commitments.case_id IS 'The case it came with';
COMMENT ON COLUMN redress_commitments.text IS 'The commitment as published';
COMMENT ON COLUMN redress_commitments.given_on IS 'Day it was given';
COMMENT ON COLUMN redress_commitments.published_at IS 'When it was published';
COMMENT ON COLUMN redress_commitments.published_until IS 'Last day it is shown';

CREATE TABLE repair_bars (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    case_id uuid NOT NULL,
    line_id uuid NOT NULL,
    reason text NOT NULL,
    from_on date NOT NULL,
    until_on date NOT NULL,
    rule text NOT NULL,
    decided_by uuid NOT NULL,
    decided_at timestamptz NOT NULL,
    agency_id uuid NOT NULL,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT repair_bars_in_order CHECK (until_on >= from_on)
);
CREATE TRIGGER repair_bars_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON repair_bars EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE repair_bars IS 'Subjects that may not apply for repair for a time, after false papers or a broken promise';
COMMENT ON COLUMN repair_bars.subject_id IS 'Who';
COMMENT ON COLUMN repair_bars.id IS 'UUID version 7';
COMMENT ON COLUMN repair_bars.case_id IS 'The case in which it was found';
COMMENT ON COLUMN repair_bars.line_id IS 'The line that was refused for it; it bars nobody any more once a review has changed that decision';
COMMENT ON COLUMN repair_bars.reason IS 'What was found';
COMMENT ON COLUMN repair_bars.from_on IS 'First day';
COMMENT ON COLUMN repair_bars.until_on IS 'Last day';
COMMENT ON COLUMN repair_bars.rule IS 'Rule and version that set its length';
COMMENT ON COLUMN repair_bars.decided_by IS 'Account that found it';
COMMENT ON COLUMN repair_bars.decided_at IS 'When';
COMMENT ON COLUMN repair_bars.agency_id IS 'Agency that found it';

CREATE TABLE repair_trainings (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT repair_trainings_kind_known CHECK (kind IN ('training', 'interview')),
    held_on date NOT NULL,
    organiser text NOT NULL,
    hours numeric(5, 1),
    certificate_no text,
    agency_id uuid NOT NULL,
    recorded_by uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT repair_trainings_hours_positive CHECK (hours > 0),
    CONSTRAINT repair_trainings_once UNIQUE (subject_id, kind, held_on, organiser)
);
CREATE TRIGGER repair_trainings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON repair_trainings EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE repair_trainings IS 'Trainings 信用修复培训 and interviews 约谈 of subjects';
COMMENT ON COLUMN repair_trainings.subject_id IS 'Who took part';
COMMENT ON COLUMN repair_trainings.id IS 'UUID version 7';
COMMENT ON COLUMN repair_trainings.kind IS 'training 培训 or interview 约谈';
COMMENT ON COLUMN repair_trainings.held_on IS 'Day';
COMMENT ON COLUMN repair_trainings.organiser IS 'Who held it';
COMMENT ON COLUMN repair_trainings.hours IS 'Hours';
COMMENT ON COLUMN repair_trainings.certificate_no IS 'Number of the certificate';
COMMENT ON COLUMN repair_trainings.agency_id IS 'Agency that recorded it';
COMMENT ON COLUMN repair_trainings.recorded_by IS 'Account that recorded it';
COMMENT ON COLUMN repair_trainings.recorded_at IS 'When';

CREATE TABLE effects (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    feed_xid bigint NOT NULL,
    feed_id bigint NOT NULL,
    kind text NOT NULL CONSTRAINT effects_kind_known CHECK (kind IN
        ('repaired', 'shielded', 'unshielded', 'corrected', 'withdrawn', 'stopped', 'delisted')),
    target text NOT NULL CONSTRAINT effects_target_known CHECK (target IN ('record', 'entry')),
    target_id uuid NOT NULL,
    source text NOT NULL,
    agency_id uuid NOT NULL,
    case_id uuid,
    line_id uuid,
    happened_at timestamptz NOT NULL,
    due_on date NOT NULL,
    rule text NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT effects_once UNIQUE (subject_id, feed_xid, feed_id)
);
CREATE INDEX effects_id ON effects (id);
CREATE INDEX effects_case ON effects (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX effects_open ON effects (due_on) WHERE settled_at IS NULL;
COMMENT ON TABLE effects IS 'Changes of records and entries that have to take effect everywhere 修复与异议结果的落实: one row for each, with its follow-ups';
COMMENT ON COLUMN effects.subject_id IS 'Whom it is about';
COMMENT ON COLUMN effects.id IS 'UUID version 7';
COMMENT ON COLUMN effects.feed_xid IS 'Entry of the change feed it came from: transaction';
COMMENT ON COLUMN effects.feed_id IS 'Entry of the change feed it came from: number';
COMMENT ON COLUMN effects.kind IS 'repaired, shielded, unshielded, corrected, withdrawn, stopped, or an entry delisted';
COMMENT ON COLUMN effects.target IS 'record or entry';
COMMENT ON COLUMN effects.target_id IS 'The record or entry';
COMMENT ON COLUMN effects.source IS 'Catalogue item or list';
COMMENT ON COLUMN effects.agency_id IS 'Agency that answers for it';
COMMENT ON COLUMN effects.case_id IS 'The case that led to it; empty when the provider changed it by itself';
COMMENT ON COLUMN effects.line_id IS 'The line of that case';
COMMENT ON COLUMN effects.happened_at IS 'When it was decided';
COMMENT ON COLUMN effects.due_on IS 'Last day for every follow-up';
COMMENT ON COLUMN effects.rule IS 'Rule and version that set it';
COMMENT ON COLUMN effects.settled_at IS 'When the last follow-up was done';

CREATE TABLE effect_followups (
    subject_id uuid NOT NULL,
    effect_id uuid NOT NULL,
    recipient_kind text NOT NULL CONSTRAINT effect_followups_recipient_known CHECK (recipient_kind IN ('projection', 'agency', 'account')),
    recipient text NOT NULL,
    message_id uuid,
    state text NOT NULL CONSTRAINT effect_followups_state_known CHECK (state IN ('open', 'done')),
    due_on date NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    receipt jsonb NOT NULL DEFAULT '{}',
    done_at timestamptz,
    PRIMARY KEY (subject_id, effect_id, recipient_kind, recipient),
    CONSTRAINT effect_followups_done_has_time CHECK ((state = 'done') = (done_at IS NOT NULL)),
    CONSTRAINT effect_followups_agency_has_message CHECK ((recipient_kind = 'agency') = (message_id IS NOT NULL))
);
CREATE INDEX effect_followups_open ON effect_followups (next_at) WHERE state = 'open';
CREATE INDEX effect_followups_effect ON effect_followups (effect_id);
CREATE INDEX effect_followups_message ON effect_followups (message_id) WHERE message_id IS NOT NULL;
CREATE FUNCTION effect_followups_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'done' THEN
        RAISE EXCEPTION 'effect_followups_done_once: a receipt is given once and kept' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'effect_followups_done_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER effect_followups_kept BEFORE UPDATE OR DELETE ON effect_followups FOR EACH ROW EXECUTE FUNCTION effect_followups_guard();
COMMENT ON TABLE effect_followups IS 'What an effect asks of each projection and of everybody who received the record, with the receipt';
COMMENT ON COLUMN effect_followups.subject_id IS 'Whom it is about';
COMMENT ON COLUMN effect_followups.effect_id IS 'The effect';
COMMENT ON COLUMN effect_followups.recipient_kind IS 'projection of this platform, agency, or account';
COMMENT ON COLUMN effect_followups.recipient IS 'Code of the projection, or id of the agency or account';
COMMENT ON COLUMN effect_followups.message_id IS 'Of an agency: the message it was sent';
COMMENT ON COLUMN effect_followups.state IS 'open or done';
COMMENT ON COLUMN effect_followups.due_on IS 'Last day';
COMMENT ON COLUMN effect_followups.attempts IS 'Looks so far';
COMMENT ON COLUMN effect_followups.next_at IS 'When it is looked at again';
COMMENT ON COLUMN effect_followups.receipt IS 'What was found or confirmed';
COMMENT ON COLUMN effect_followups.done_at IS 'When it was done';

CREATE TABLE case_notices (
    id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    template text NOT NULL,
    channel text NOT NULL CONSTRAINT case_notices_channel_known CHECK (channel IN ('portal', 'email')),
    sealed bytea NOT NULL,
    state text NOT NULL CONSTRAINT case_notices_state_known CHECK (state IN ('waiting', 'sent', 'dead', 'shown')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    lease uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    error text,
    CONSTRAINT case_notices_portal_is_shown CHECK ((channel = 'portal') = (state = 'shown')),
    CONSTRAINT case_notices_settled_has_time CHECK ((state = 'waiting') = (settled_at IS NULL))
);
CREATE INDEX case_notices_case ON case_notices (case_id, id);
CREATE INDEX case_notices_waiting ON case_notices (next_at) WHERE state = 'waiting';
COMMENT ON TABLE case_notices IS 'Notices to applicants 通知: shown with the case, and on their way by mail';
COMMENT ON COLUMN case_notices.id IS 'UUID version 7; of a mail also its Message-ID, the same at every attempt';
COMMENT ON COLUMN case_notices.case_id IS 'The case';
COMMENT ON COLUMN case_notices.subject_id IS 'Whose case it is';
COMMENT ON COLUMN case_notices.template IS 'What it says, by name';
COMMENT ON COLUMN case_notices.channel IS 'portal (shown with the case) or email';
COMMENT ON COLUMN case_notices.sealed IS 'Encrypted: address, title and text';
COMMENT ON COLUMN case_notices.state IS 'shown; or waiting, sent, dead (given up after the last attempt)';
COMMENT ON COLUMN case_notices.attempts IS 'Attempts so far';
COMMENT ON COLUMN case_notices.next_at IS 'Not before';
COMMENT ON COLUMN case_notices.lease IS 'Worker that is sending it';
COMMENT ON COLUMN case_notices.lease_until IS 'Until when that worker may';
COMMENT ON COLUMN case_notices.created_at IS 'When it was put here';
COMMENT ON COLUMN case_notices.settled_at IS 'When it was sent, given up, or shown';
COMMENT ON COLUMN case_notices.error IS 'Why the latest attempt failed';

CREATE INDEX attachments_subject_day ON attachments (subject_id, uploaded_at) INCLUDE (size_bytes) WHERE subject_id IS NOT NULL;
