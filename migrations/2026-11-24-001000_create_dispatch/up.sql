CREATE INDEX attachments_day ON attachments (agency_id, uploaded_at) INCLUDE (size_bytes) WHERE agency_id IS NOT NULL;

CREATE TABLE joint_actions (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    entry_id uuid NOT NULL,
    list text NOT NULL,
    memorandum text NOT NULL,
    memorandum_version integer NOT NULL,
    region text NOT NULL,
    state text NOT NULL CONSTRAINT joint_actions_state_known CHECK (state IN ('proposed', 'started', 'held', 'refused', 'ended')),
    automatic boolean NOT NULL,
    proposed_at timestamptz NOT NULL,
    started_at timestamptz,
    started_by text,
    refused_reason text,
    ended_at timestamptz,
    end_cause text,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT joint_actions_once_an_entry UNIQUE (subject_id, entry_id, memorandum),
    CONSTRAINT joint_actions_started_whole CHECK ((started_at IS NULL) = (started_by IS NULL) AND (state <> 'started' OR started_at IS NOT NULL)),
    CONSTRAINT joint_actions_refused_has_reason CHECK ((state = 'refused') = (refused_reason IS NOT NULL)),
    CONSTRAINT joint_actions_ended_whole CHECK ((state = 'ended') = (ended_at IS NOT NULL) AND (ended_at IS NULL) = (end_cause IS NULL))
);
CREATE INDEX joint_actions_id ON joint_actions (id);
CREATE INDEX joint_actions_waiting ON joint_actions (id) WHERE state = 'proposed';
CREATE FUNCTION joint_actions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state IN ('refused', 'ended') OR OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('proposed', 'started'), ('proposed', 'refused'), ('proposed', 'held'), ('proposed', 'ended'),
        ('started', 'held'), ('started', 'ended'),
        ('held', 'proposed'), ('held', 'started'), ('held', 'ended')) THEN
        RAISE EXCEPTION 'joint_actions_step_known: % of a joint action in state % is not allowed', TG_OP, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'joint_actions_step_known';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER joint_actions_keep BEFORE TRUNCATE ON joint_actions EXECUTE FUNCTION refuse_change();
CREATE TRIGGER joint_actions_steps BEFORE UPDATE OR DELETE ON joint_actions FOR EACH ROW EXECUTE FUNCTION joint_actions_guard();
COMMENT ON TABLE joint_actions IS 'Joint action 联合奖惩发起: one list entry under one memorandum';
COMMENT ON COLUMN joint_actions.subject_id IS 'Whom it is about';
COMMENT ON COLUMN joint_actions.id IS 'UUID version 7';
COMMENT ON COLUMN joint_actions.entry_id IS 'The list entry it rests on';
COMMENT ON COLUMN joint_actions.list IS 'Code of the list';
COMMENT ON COLUMN joint_actions.memorandum IS 'Code of the memorandum 备忘录';
COMMENT ON COLUMN joint_actions.memorandum_version IS 'Version of it that was applied';
COMMENT ON COLUMN joint_actions.region IS 'Division of the entry';
COMMENT ON COLUMN joint_actions.state IS 'proposed (waits for the credit office), started, held while its ground is questioned, refused by the credit office, ended with its entry';
COMMENT ON COLUMN joint_actions.automatic IS 'The memorandum starts it by itself 自动启动';
COMMENT ON COLUMN joint_actions.proposed_at IS 'When the entry was listed';
COMMENT ON COLUMN joint_actions.started_at IS 'When it was started 发起';
COMMENT ON COLUMN joint_actions.started_by IS 'Label of who confirmed it, or of the memorandum that starts by itself';
COMMENT ON COLUMN joint_actions.refused_reason IS 'Why the credit office refused it';
COMMENT ON COLUMN joint_actions.ended_at IS 'When it ended';
COMMENT ON COLUMN joint_actions.end_cause IS 'Cause of the entry''s exit';

-- UUID version 7 (RFC 9562) for rows that are made by the thousand inside one statement: they grow with time, as the program's own do.
CREATE FUNCTION uuid_v7(milliseconds bigint) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(milliseconds) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
CREATE SEQUENCE directive_order AS bigint;
CREATE TABLE directives (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    action_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT directives_kind_known CHECK (kind IN ('execute', 'release')),
    releases uuid,
    memorandum text NOT NULL,
    measure text NOT NULL,
    measure_version integer NOT NULL,
    agency_id uuid NOT NULL,
    continuing boolean NOT NULL,
    state text NOT NULL CONSTRAINT directives_state_known CHECK (state IN
        ('proposed', 'issued', 'delivered', 'accepted', 'declined', 'reported', 'held', 'cancelled', 'released', 'completed')),
    due_on date,
    respond_by date,
    feedback_by date,
    first_feedback_by date,
    rules text NOT NULL,
    issued_at timestamptz,
    issued_xid xid8,
    issued_order bigint,
    delivered_at timestamptz,
    responded_at timestamptz,
    response_reason text,
    first_feedback_at timestamptz,
    last_feedback_at timestamptz,
    ended_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT directives_release_names_what CHECK ((kind = 'release') = (releases IS NOT NULL)),
    CONSTRAINT directives_states_of_a_release CHECK (kind = 'execute' OR state IN ('issued', 'delivered', 'completed')),
    CONSTRAINT directives_states_of_an_execution CHECK (kind = 'release' OR state <> 'completed'),
    CONSTRAINT directives_issued_whole CHECK (
        (issued_at IS NULL) = (issued_xid IS NULL) AND (issued_at IS NULL) = (issued_order IS NULL)
        AND (state IN ('proposed', 'held', 'cancelled') OR issued_at IS NOT NULL)),
    CONSTRAINT directives_delivered_has_time CHECK (state NOT IN ('delivered', 'accepted', 'declined', 'reported', 'released', 'completed') OR delivered_at IS NOT NULL),
    CONSTRAINT directives_responded_has_time CHECK (state NOT IN ('accepted', 'declined', 'reported') OR responded_at IS NOT NULL),
    CONSTRAINT directives_declined_has_reason CHECK (state <> 'declined' OR response_reason IS NOT NULL),
    CONSTRAINT directives_reported_has_feedback CHECK (state NOT IN ('reported') OR first_feedback_at IS NOT NULL),
    CONSTRAINT directives_ended_has_time CHECK ((state IN ('cancelled', 'released', 'completed')) = (ended_at IS NOT NULL))
);
CREATE INDEX directives_inbox ON directives (agency_id, issued_xid, issued_order) WHERE issued_xid IS NOT NULL;
CREATE INDEX directives_entry ON directives (subject_id, entry_id);
CREATE INDEX directives_id ON directives (id);
CREATE INDEX directives_agency ON directives (agency_id, id);
CREATE INDEX directives_issued ON directives (issued_at) WHERE kind = 'execute';
CREATE INDEX directives_due ON directives (due_on, agency_id) WHERE due_on IS NOT NULL;
CREATE UNIQUE INDEX directives_released_once ON directives (subject_id, releases) WHERE kind = 'release';
CREATE FUNCTION directives_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state IN ('cancelled', 'released', 'completed')
        OR (OLD.subject_id, OLD.id, OLD.action_id, OLD.entry_id, OLD.kind, OLD.memorandum, OLD.measure, OLD.measure_version, OLD.agency_id)
            IS DISTINCT FROM (NEW.subject_id, NEW.id, NEW.action_id, NEW.entry_id, NEW.kind, NEW.memorandum, NEW.measure, NEW.measure_version, NEW.agency_id)
        OR OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
            ('proposed', 'issued'), ('proposed', 'held'), ('proposed', 'cancelled'),
            ('issued', 'delivered'), ('issued', 'held'), ('issued', 'cancelled'),
            ('held', 'proposed'), ('held', 'issued'), ('held', 'cancelled'),
            ('delivered', 'accepted'), ('delivered', 'declined'), ('delivered', 'released'), ('delivered', 'completed'),
            ('accepted', 'reported'), ('accepted', 'released'), ('declined', 'released'), ('reported', 'released')) THEN
        RAISE EXCEPTION 'directives_step_known: % of a directive in state % is not allowed', TG_OP, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'directives_step_known';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER directives_kept BEFORE TRUNCATE ON directives EXECUTE FUNCTION refuse_change();
CREATE TRIGGER directives_steps BEFORE UPDATE OR DELETE ON directives FOR EACH ROW EXECUTE FUNCTION directives_guard();
COMMENT ON TABLE directives IS 'Directives 联合奖惩任务: one subject, one measure, one agency; and the releases 解除 that lift them';
COMMENT ON COLUMN directives.subject_id IS 'Whom it is about';
COMMENT ON COLUMN directives.id IS 'UUID version 7; also the id of its message, by which a receiver knows a repetition';
COMMENT ON COLUMN directives.action_id IS 'The joint action it belongs to';
COMMENT ON COLUMN directives.entry_id IS 'The list entry it rests on';
COMMENT ON COLUMN directives.kind IS 'execute, or release of one that was delivered';
COMMENT ON COLUMN directives.releases IS 'The directive that a release lifts';
COMMENT ON COLUMN directives.memorandum IS 'Code of the memorandum';
COMMENT ON COLUMN directives.measure IS 'Code of the measure';
COMMENT ON COLUMN directives.measure_version IS 'Version of the measure that was applied';
COMMENT ON COLUMN directives.agency_id IS 'Who carries it out 实施单位';
COMMENT ON COLUMN directives.continuing IS 'Feedback is given again in every cycle while it lasts';
COMMENT ON COLUMN directives.state IS 'proposed, issued 已推送, delivered 已送达, accepted 已签收, declined 不适用, reported 已反馈, held 暂缓, cancelled before delivery, released 已解除; a release is issued, delivered, completed';
COMMENT ON COLUMN directives.due_on IS 'Last day for what is asked of the agency now; empty when nothing is';
COMMENT ON COLUMN directives.respond_by IS 'Last day to accept or decline';
COMMENT ON COLUMN directives.feedback_by IS 'Last day for the (next) feedback; of a release, for lifting the measure';
COMMENT ON COLUMN directives.first_feedback_by IS 'Last day for the first feedback, kept when that is given; empty for a release';
COMMENT ON COLUMN directives.rules IS 'Rules and versions that set its deadlines';
COMMENT ON COLUMN directives.issued_at IS 'When it was put out for delivery';
COMMENT ON COLUMN directives.issued_xid IS 'Transaction that put it out: the inbox is read in this order';
COMMENT ON COLUMN directives.issued_order IS 'Number within the transaction';
COMMENT ON COLUMN directives.delivered_at IS 'When it was first handed out, or sending it was begun: from then on the agency may have it';
COMMENT ON COLUMN directives.responded_at IS 'When it was accepted or declined';
COMMENT ON COLUMN directives.response_reason IS 'Why it was declined';
COMMENT ON COLUMN directives.first_feedback_at IS 'First feedback';
COMMENT ON COLUMN directives.last_feedback_at IS 'Latest feedback';
COMMENT ON COLUMN directives.ended_at IS 'When it was cancelled, released or completed';
COMMENT ON COLUMN directives.created_at IS 'When it was reckoned';

CREATE TABLE directive_feedback (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    directive_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    check_id uuid,
    content_hash bytea NOT NULL,
    started_on date,
    ended_on date,
    measure_text text NOT NULL,
    content text NOT NULL,
    field_area text NOT NULL,
    kind_code text NOT NULL,
    effect text NOT NULL,
    status text NOT NULL,
    attachments uuid[] NOT NULL DEFAULT '{}',
    given_by text NOT NULL,
    given_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT directive_feedback_said_once UNIQUE (subject_id, directive_id, content_hash),
    CONSTRAINT directive_feedback_in_order CHECK (ended_on >= started_on)
);
CREATE INDEX directive_feedback_id ON directive_feedback (id);
CREATE TRIGGER directive_feedback_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON directive_feedback EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE directive_feedback IS 'What agencies did 执行反馈; kept as given';
COMMENT ON COLUMN directive_feedback.subject_id IS 'Whom it is about';
COMMENT ON COLUMN directive_feedback.id IS 'UUID version 7';
COMMENT ON COLUMN directive_feedback.directive_id IS 'The directive';
COMMENT ON COLUMN directive_feedback.agency_id IS 'Who gave it';
COMMENT ON COLUMN directive_feedback.check_id IS 'The check at which the measure was applied, where there was one';
COMMENT ON COLUMN directive_feedback.content_hash IS 'SHA-256 of what was said: the same feedback is taken once';
COMMENT ON COLUMN directive_feedback.started_on IS 'Begin of the measure 开始时间';
COMMENT ON COLUMN directive_feedback.ended_on IS 'End of the measure 结束时间';
COMMENT ON COLUMN directive_feedback.measure_text IS 'Measure carried out 执行措施';
COMMENT ON COLUMN directive_feedback.content IS 'What was done 执行内容';
COMMENT ON COLUMN directive_feedback.field_area IS 'Field 所在领域';
COMMENT ON COLUMN directive_feedback.kind_code IS 'Kind 奖惩类型代码: incentive or sanction';
COMMENT ON COLUMN directive_feedback.effect IS 'Effect 成效';
COMMENT ON COLUMN directive_feedback.status IS 'Status 状态 as the agency words it';
COMMENT ON COLUMN directive_feedback.attachments IS 'Attachments';
COMMENT ON COLUMN directive_feedback.given_by IS 'Label of the account or key';
COMMENT ON COLUMN directive_feedback.given_at IS 'When';

CREATE TABLE directive_reminders (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    directive_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT directive_reminders_kind_known CHECK (kind IN ('due_soon', 'overdue', 'escalated', 'updated')),
    due_on date NOT NULL,
    issued_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    issued_order bigint NOT NULL DEFAULT nextval('directive_order'),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, id)
);
CREATE UNIQUE INDEX directive_reminders_once ON directive_reminders (subject_id, directive_id, kind, due_on) WHERE kind <> 'updated';
CREATE INDEX directive_reminders_inbox ON directive_reminders (agency_id, issued_xid, issued_order);
CREATE TRIGGER directive_reminders_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON directive_reminders EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE directive_reminders IS 'Reminders 催办 to agencies and escalations to the credit office; and that what a directive says was restated';
COMMENT ON COLUMN directive_reminders.subject_id IS 'Whom the directive is about';
COMMENT ON COLUMN directive_reminders.id IS 'UUID version 7; also the id of its message';
COMMENT ON COLUMN directive_reminders.directive_id IS 'The directive';
COMMENT ON COLUMN directive_reminders.agency_id IS 'Who is reminded';
COMMENT ON COLUMN directive_reminders.kind IS 'due_soon, overdue, escalated to the credit office, or updated: its entry was restated or its ground confirmed';
COMMENT ON COLUMN directive_reminders.due_on IS 'The deadline it is about; of updated, the day on which that happened';
COMMENT ON COLUMN directive_reminders.issued_xid IS 'Transaction that made it: the inbox is read in this order';
COMMENT ON COLUMN directive_reminders.issued_order IS 'Number within the transaction';
COMMENT ON COLUMN directive_reminders.created_at IS 'When';

CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    agency_id uuid NOT NULL,
    url text NOT NULL,
    state text NOT NULL CONSTRAINT webhook_endpoints_state_known CHECK (state IN ('active', 'paused', 'closed')),
    description text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT webhook_endpoints_closed_has_time CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX webhook_endpoints_one_open ON webhook_endpoints (agency_id) WHERE state <> 'closed';
COMMENT ON TABLE webhook_endpoints IS 'Where agencies have directives pushed to; at most one open endpoint an agency';
COMMENT ON COLUMN webhook_endpoints.id IS 'UUID version 7';
COMMENT ON COLUMN webhook_endpoints.agency_id IS 'Whose';
COMMENT ON COLUMN webhook_endpoints.url IS 'Address; no user name, no personal data';
COMMENT ON COLUMN webhook_endpoints.state IS 'active, paused (messages wait) or closed';
COMMENT ON COLUMN webhook_endpoints.description IS 'What receives there';
COMMENT ON COLUMN webhook_endpoints.created_by IS 'Label of whoever made it';
COMMENT ON COLUMN webhook_endpoints.created_at IS 'When';
COMMENT ON COLUMN webhook_endpoints.closed_at IS 'When it was closed';

CREATE TABLE webhook_secrets (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id),
    scheme text NOT NULL CONSTRAINT webhook_secrets_scheme_known CHECK (scheme IN ('hmac_sha256', 'ed25519')),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retires_at timestamptz
);
CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id);
COMMENT ON TABLE webhook_secrets IS 'Keys that sign messages to an endpoint; during a rotation old and new both sign';
COMMENT ON COLUMN webhook_secrets.id IS 'UUID version 7';
COMMENT ON COLUMN webhook_secrets.endpoint_id IS 'The endpoint';
COMMENT ON COLUMN webhook_secrets.scheme IS 'hmac_sha256 (v1) or ed25519 (v1a)';
COMMENT ON COLUMN webhook_secrets.sealed IS 'Encrypted: the shared secret or the private key';
COMMENT ON COLUMN webhook_secrets.created_at IS 'When';
COMMENT ON COLUMN webhook_secrets.retires_at IS 'When it stops signing; empty for the newest';

CREATE TABLE push_messages (
    subject_id uuid NOT NULL,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id),
    id uuid NOT NULL,
    topic text NOT NULL CONSTRAINT push_messages_topic_known CHECK (
        topic IN ('directive.execute', 'directive.release', 'directive.reminder', 'directive.update') OR directive_id IS NULL AND topic NOT LIKE 'directive.%'),
    directive_id uuid,
    lifts uuid,
    issued_order bigint NOT NULL,
    state text NOT NULL CONSTRAINT push_messages_state_known CHECK (state IN ('waiting', 'delivered', 'dead', 'cancelled')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    lease uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (subject_id, endpoint_id, id),
    CONSTRAINT push_messages_directive_by_topic CHECK ((directive_id IS NULL) = (topic NOT LIKE 'directive.%')),
    CONSTRAINT push_messages_release_names_what CHECK ((topic = 'directive.release') = (lifts IS NOT NULL)),
    CONSTRAINT push_messages_settled_has_time CHECK ((state = 'waiting') = (settled_at IS NULL))
);
CREATE INDEX push_messages_endpoint ON push_messages (endpoint_id, state, next_at);
CREATE INDEX push_messages_open ON push_messages (subject_id, endpoint_id, issued_order) WHERE state IN ('waiting', 'dead') OR lease_until IS NOT NULL;
COMMENT ON TABLE push_messages IS 'Messages on their way to endpoints, with leases and a schedule of attempts; at least once, in order for each subject (a release waits only for what it lifts and for what is being sent, a message of no directive only for what is being sent)';
COMMENT ON COLUMN push_messages.subject_id IS 'Whom it is about; messages about one subject keep their order';
COMMENT ON COLUMN push_messages.endpoint_id IS 'Where it goes';
COMMENT ON COLUMN push_messages.id IS 'Id of the directive, reminder or agency message; sent as webhook-id, the same at every attempt';
COMMENT ON COLUMN push_messages.topic IS 'directive.execute, directive.release, directive.reminder or directive.update; the topic of an agency message';
COMMENT ON COLUMN push_messages.directive_id IS 'The directive concerned; empty of an agency message';
COMMENT ON COLUMN push_messages.lifts IS 'Of a release: the directive that it lifts';
COMMENT ON COLUMN push_messages.issued_order IS 'Order among the messages about the subject';
COMMENT ON COLUMN push_messages.state IS 'waiting, delivered, dead (set aside after the last attempt) or cancelled with what it tells of';
COMMENT ON COLUMN push_messages.attempts IS 'Attempts so far';
COMMENT ON COLUMN push_messages.next_at IS 'Not before; of what is held back by a message that was set aside, the last day of the year 9999';
COMMENT ON COLUMN push_messages.lease IS 'Worker that is sending it; what is cancelled meanwhile keeps it until the request has come to its end';
COMMENT ON COLUMN push_messages.lease_until IS 'Until when that worker may';
COMMENT ON COLUMN push_messages.created_at IS 'When it was put here';
COMMENT ON COLUMN push_messages.settled_at IS 'When it was delivered, set aside or cancelled';

CREATE TABLE push_attempts (
    subject_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    message_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    status integer,
    error text,
    took_ms integer NOT NULL,
    PRIMARY KEY (subject_id, endpoint_id, message_id, id)
);
CREATE TRIGGER push_attempts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON push_attempts EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE push_attempts IS 'Every attempt to push a message';
COMMENT ON COLUMN push_attempts.subject_id IS 'Whom the message is about';
COMMENT ON COLUMN push_attempts.endpoint_id IS 'Where it went';
COMMENT ON COLUMN push_attempts.message_id IS 'The message';
COMMENT ON COLUMN push_attempts.id IS 'UUID version 7';
COMMENT ON COLUMN push_attempts.at IS 'When';
COMMENT ON COLUMN push_attempts.status IS 'HTTP status of the answer; empty when there was none';
COMMENT ON COLUMN push_attempts.error IS 'Why there was none';
COMMENT ON COLUMN push_attempts.took_ms IS 'Milliseconds until the answer or the failure';

CREATE TABLE checks (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    agency_id uuid NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    actor_label text NOT NULL,
    subject_id uuid,
    matter text NOT NULL,
    case_no text NOT NULL,
    purpose text NOT NULL,
    hit boolean NOT NULL,
    result jsonb NOT NULL,
    signed text NOT NULL,
    batch_id uuid,
    row_no integer,
    feedback_by date,
    feedback_state text NOT NULL CONSTRAINT checks_feedback_known CHECK (feedback_state IN ('none', 'owed', 'pending', 'given')),
    CONSTRAINT checks_hit_owes CHECK (hit = (feedback_by IS NOT NULL) AND hit = (feedback_state <> 'none'))
);
CREATE INDEX checks_owed ON checks (agency_id, feedback_by) WHERE feedback_state IN ('owed', 'pending');
CREATE INDEX checks_agency ON checks (agency_id, id);
CREATE INDEX checks_batch ON checks (batch_id, row_no) WHERE batch_id IS NOT NULL;
CREATE INDEX checks_subject ON checks (subject_id) WHERE subject_id IS NOT NULL;
CREATE FUNCTION checks_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(NEW) - 'feedback_state') IS DISTINCT FROM (to_jsonb(OLD) - 'feedback_state') THEN
        RAISE EXCEPTION '% on checks is not allowed: what was answered stays; only its feedback follows', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER checks_kept BEFORE TRUNCATE ON checks EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checks_keep BEFORE UPDATE OR DELETE ON checks FOR EACH ROW EXECUTE FUNCTION checks_guard();
COMMENT ON TABLE checks IS 'Checks 红黑名单核查: what was asked and answered, as it was answered';
COMMENT ON COLUMN checks.id IS 'UUID version 7: the check id';
COMMENT ON COLUMN checks.at IS 'When';
COMMENT ON COLUMN checks.agency_id IS 'Who asked';
COMMENT ON COLUMN checks.actor_kind IS 'account, api_key or system';
COMMENT ON COLUMN checks.actor_id IS 'Id of the account or key';
COMMENT ON COLUMN checks.actor_label IS 'Name of the account or key';
COMMENT ON COLUMN checks.subject_id IS 'Subject found; empty when the platform knows none';
COMMENT ON COLUMN checks.matter IS 'Administrative matter 办件事项';
COMMENT ON COLUMN checks.case_no IS 'Case number 办件编号';
COMMENT ON COLUMN checks.purpose IS 'Purpose stated';
COMMENT ON COLUMN checks.hit IS 'Whether a measure applies to this matter at this agency';
COMMENT ON COLUMN checks.result IS 'The answer; no document numbers of persons';
COMMENT ON COLUMN checks.signed IS 'The answer as a JWS that anybody can verify';
COMMENT ON COLUMN checks.batch_id IS 'Batch check it was part of';
COMMENT ON COLUMN checks.row_no IS 'Row of that batch, from 1';
COMMENT ON COLUMN checks.feedback_by IS 'Last day for the feedback a hit obliges to';
COMMENT ON COLUMN checks.feedback_state IS 'none, owed, pending (the case is not decided yet) or given';

CREATE TABLE check_feedback (
    id uuid PRIMARY KEY,
    check_id uuid NOT NULL REFERENCES checks (id),
    outcome text NOT NULL CONSTRAINT check_feedback_outcome_known CHECK (outcome IN ('applied', 'not_applicable', 'pending')),
    measures text[] NOT NULL,
    reason text,
    result text,
    given_by text NOT NULL,
    given_at timestamptz NOT NULL,
    CONSTRAINT check_feedback_not_applied_has_reason CHECK (outcome = 'applied' OR reason IS NOT NULL),
    CONSTRAINT check_feedback_applied_names_measures CHECK (outcome <> 'applied' OR cardinality(measures) > 0)
);
CREATE INDEX check_feedback_check ON check_feedback (check_id);
CREATE UNIQUE INDEX check_feedback_settled_once ON check_feedback (check_id) WHERE outcome <> 'pending';
CREATE TRIGGER check_feedback_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON check_feedback EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE check_feedback IS 'What came of a check with a hit';
COMMENT ON COLUMN check_feedback.id IS 'UUID version 7';
COMMENT ON COLUMN check_feedback.check_id IS 'The check';
COMMENT ON COLUMN check_feedback.outcome IS 'applied, not_applicable, or pending';
COMMENT ON COLUMN check_feedback.measures IS 'Measures applied';
COMMENT ON COLUMN check_feedback.reason IS 'Why not, or why not yet';
COMMENT ON COLUMN check_feedback.result IS 'What was done in the case';
COMMENT ON COLUMN check_feedback.given_by IS 'Label of the account or key';
COMMENT ON COLUMN check_feedback.given_at IS 'When';

CREATE TABLE check_batches (
    id uuid PRIMARY KEY,
    agency_id uuid NOT NULL,
    name text NOT NULL,
    matter text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL CONSTRAINT check_batches_state_known CHECK (state IN ('queued', 'running', 'completed')),
    rows_total integer NOT NULL,
    rows_done integer NOT NULL DEFAULT 0,
    submitted_by text NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT check_batches_completed_is_whole CHECK ((state = 'completed') = (finished_at IS NOT NULL) AND (state <> 'completed' OR rows_done = rows_total))
);
CREATE INDEX check_batches_agency ON check_batches (agency_id, id);
COMMENT ON TABLE check_batches IS 'Batch checks 信用审查';
COMMENT ON COLUMN check_batches.id IS 'UUID version 7';
COMMENT ON COLUMN check_batches.agency_id IS 'Who asked';
COMMENT ON COLUMN check_batches.name IS 'Name of the review 审查名称';
COMMENT ON COLUMN check_batches.matter IS 'Administrative matter';
COMMENT ON COLUMN check_batches.purpose IS 'Purpose stated';
COMMENT ON COLUMN check_batches.state IS 'queued, running or completed';
COMMENT ON COLUMN check_batches.rows_total IS 'Subjects asked about';
COMMENT ON COLUMN check_batches.rows_done IS 'Subjects with an answer; the job goes on after them';
COMMENT ON COLUMN check_batches.submitted_by IS 'Label of the account or key';
COMMENT ON COLUMN check_batches.actor_kind IS 'account or api_key';
COMMENT ON COLUMN check_batches.actor_id IS 'Id of the account or key';
COMMENT ON COLUMN check_batches.created_at IS 'When';
COMMENT ON COLUMN check_batches.finished_at IS 'When the last subject had its answer';

CREATE TABLE check_batch_rows (
    batch_id uuid NOT NULL REFERENCES check_batches (id),
    row_no integer NOT NULL,
    sealed bytea NOT NULL,
    check_id uuid,
    problem text,
    PRIMARY KEY (batch_id, row_no),
    CONSTRAINT check_batch_rows_one_outcome CHECK (check_id IS NULL OR problem IS NULL)
);
COMMENT ON TABLE check_batch_rows IS 'Subjects of a batch check: as they were sent until they are answered, then what the result gives back';
COMMENT ON COLUMN check_batch_rows.batch_id IS 'The batch';
COMMENT ON COLUMN check_batch_rows.row_no IS 'Position, from 1';
COMMENT ON COLUMN check_batch_rows.sealed IS 'Encrypted: the subject asked about; once it is answered, without the number of a document and without the name of a person';
COMMENT ON COLUMN check_batch_rows.check_id IS 'Its check';
COMMENT ON COLUMN check_batch_rows.problem IS 'Code of the problem that prevented one';

CREATE TABLE typical_cases (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL,
    feedback_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT typical_cases_kind_known CHECK (kind IN ('incentive', 'sanction')),
    title text NOT NULL,
    body text NOT NULL,
    state text NOT NULL CONSTRAINT typical_cases_state_known CHECK (state IN ('proposed', 'published', 'refused', 'withdrawn')),
    proposed_by text NOT NULL,
    proposed_by_id uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    reviewed_by text,
    reviewed_by_id uuid,
    reviewed_at timestamptz,
    review_reason text,
    published_at timestamptz,
    withdrawn_at timestamptz,
    CONSTRAINT typical_cases_review_whole CHECK ((state = 'proposed') = (reviewed_at IS NULL) AND (reviewed_at IS NULL) = (reviewed_by IS NULL)),
    CONSTRAINT typical_cases_two_people CHECK (reviewed_by_id <> proposed_by_id),
    CONSTRAINT typical_cases_published_has_time CHECK (state NOT IN ('published', 'withdrawn') OR published_at IS NOT NULL)
);
CREATE INDEX typical_cases_public ON typical_cases (published_at DESC, id DESC) WHERE state = 'published';
CREATE INDEX typical_cases_subject ON typical_cases (subject_id);
COMMENT ON TABLE typical_cases IS 'Typical cases 典型案例: feedback worth telling, published after review and with what identifies anybody covered';
COMMENT ON COLUMN typical_cases.id IS 'UUID version 7';
COMMENT ON COLUMN typical_cases.subject_id IS 'Whom the feedback is about; never published';
COMMENT ON COLUMN typical_cases.feedback_id IS 'The feedback';
COMMENT ON COLUMN typical_cases.agency_id IS 'Agency whose feedback it is';
COMMENT ON COLUMN typical_cases.kind IS 'incentive or sanction';
COMMENT ON COLUMN typical_cases.title IS 'Title, covered';
COMMENT ON COLUMN typical_cases.body IS 'Text, covered';
COMMENT ON COLUMN typical_cases.state IS 'proposed, published, refused, or withdrawn after publication';
COMMENT ON COLUMN typical_cases.proposed_by IS 'Label of who proposed it';
COMMENT ON COLUMN typical_cases.proposed_by_id IS 'Account or key of who proposed it';
COMMENT ON COLUMN typical_cases.proposed_at IS 'When';
COMMENT ON COLUMN typical_cases.reviewed_by IS 'Label of who reviewed it';
COMMENT ON COLUMN typical_cases.reviewed_by_id IS 'Account of who reviewed it; never the one who proposed';
COMMENT ON COLUMN typical_cases.reviewed_at IS 'When';
COMMENT ON COLUMN typical_cases.review_reason IS 'What the reviewer said';
COMMENT ON COLUMN typical_cases.published_at IS 'When it was published';
COMMENT ON COLUMN typical_cases.withdrawn_at IS 'When it was taken off again';
