CREATE TABLE agency_messages (
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    agency_id uuid NOT NULL,
    topic text NOT NULL CONSTRAINT agency_messages_topic_of_no_directive CHECK (topic ~ '^[a-z_]+\.[a-z_]+$' AND topic NOT LIKE 'directive.%'),
    about_kind text NOT NULL,
    about_id uuid NOT NULL,
    message_key text NOT NULL,
    body jsonb NOT NULL,
    due_on date,
    receipt boolean NOT NULL,
    issued_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    issued_order bigint NOT NULL DEFAULT nextval('directive_order'),
    created_at timestamptz NOT NULL,
    delivered_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledgement text,
    withdrawn_at timestamptz,
    PRIMARY KEY (subject_id, id),
    CONSTRAINT agency_messages_acknowledged_whole CHECK (
        (acknowledged_at IS NULL) = (acknowledged_by IS NULL) AND (acknowledged_at IS NULL) = (acknowledgement IS NULL)),
    CONSTRAINT agency_messages_acknowledged_as_asked CHECK (receipt OR acknowledged_at IS NULL),
    CONSTRAINT agency_messages_withdrawn_unseen CHECK (withdrawn_at IS NULL OR delivered_at IS NULL AND acknowledged_at IS NULL)
);
-- What was withdrawn before anybody had it may be said anew.
CREATE UNIQUE INDEX agency_messages_once ON agency_messages (subject_id, agency_id, topic, message_key) WHERE withdrawn_at IS NULL;
CREATE INDEX agency_messages_inbox ON agency_messages (agency_id, issued_xid, issued_order);
CREATE INDEX agency_messages_agency ON agency_messages (agency_id, id);
CREATE INDEX agency_messages_about ON agency_messages (about_id);
CREATE INDEX agency_messages_id ON agency_messages (id);
CREATE FUNCTION agency_messages_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told CONSTANT text[] := ARRAY['delivered_at', 'acknowledged_at', 'acknowledged_by', 'acknowledgement', 'withdrawn_at'];
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(NEW) - told) IS DISTINCT FROM (to_jsonb(OLD) - told)
        OR OLD.delivered_at IS NOT NULL AND NEW.delivered_at IS DISTINCT FROM OLD.delivered_at
        OR OLD.acknowledged_at IS NOT NULL AND (NEW.acknowledged_at, NEW.acknowledged_by, NEW.acknowledgement)
            IS DISTINCT FROM (OLD.acknowledged_at, OLD.acknowledged_by, OLD.acknowledgement)
        OR OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at THEN
        RAISE EXCEPTION '% on agency_messages is not allowed: a message is kept as sent; it is delivered, acknowledged or withdrawn once', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agency_messages_kept BEFORE TRUNCATE ON agency_messages EXECUTE FUNCTION refuse_change();
CREATE TRIGGER agency_messages_keep BEFORE UPDATE OR DELETE ON agency_messages FOR EACH ROW EXECUTE FUNCTION agency_messages_guard();
COMMENT ON TABLE agency_messages IS 'Agency messages 工作消息: what an agency is told beside directives, in its inbox and pushed';
COMMENT ON COLUMN agency_messages.subject_id IS 'Whom it is about';
COMMENT ON COLUMN agency_messages.id IS 'UUID version 7; also the id of its message';
COMMENT ON COLUMN agency_messages.agency_id IS 'Who is told';
COMMENT ON COLUMN agency_messages.topic IS 'Domain and occasion, as list.ground_questioned; never that of a directive';
COMMENT ON COLUMN agency_messages.about_kind IS 'Kind of the thing it is about, as list_entry';
COMMENT ON COLUMN agency_messages.about_id IS 'Id of that thing';
COMMENT ON COLUMN agency_messages.message_key IS 'What makes it one message: under the same topic and key an agency is told once about a subject';
COMMENT ON COLUMN agency_messages.body IS 'Particulars, as the topic has them; no name, number or other identifier of a person';
COMMENT ON COLUMN agency_messages.due_on IS 'Last day for what is asked; empty when nothing is, or without a day';
COMMENT ON COLUMN agency_messages.receipt IS 'Whether the agency has to acknowledge it 回执, saying what it did';
COMMENT ON COLUMN agency_messages.issued_xid IS 'Transaction that sent it: the inbox is read in this order';
COMMENT ON COLUMN agency_messages.issued_order IS 'Number within the transaction, of the same sequence as that of directives';
COMMENT ON COLUMN agency_messages.created_at IS 'When it was sent';
COMMENT ON COLUMN agency_messages.delivered_at IS 'When it was first shown, or pushing it was begun: from then on the agency may have it';
COMMENT ON COLUMN agency_messages.acknowledged_at IS 'When the agency acknowledged it';
COMMENT ON COLUMN agency_messages.acknowledged_by IS 'Label of the account or key';
COMMENT ON COLUMN agency_messages.acknowledgement IS 'What the agency did, in its words; no number of a person';
COMMENT ON COLUMN agency_messages.withdrawn_at IS 'When it was withdrawn before anybody had it; it is not shown any more';
