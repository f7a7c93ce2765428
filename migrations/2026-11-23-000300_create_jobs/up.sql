CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    dedup_key text,
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT jobs_state_known CHECK (state IN ('waiting', 'done', 'failed')),
    run_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    lease_id uuid,
    leased_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT jobs_finished_has_time CHECK ((state = 'waiting') = (finished_at IS NULL)),
    CONSTRAINT jobs_lease_is_whole CHECK ((lease_id IS NULL) = (leased_until IS NULL))
);
CREATE UNIQUE INDEX jobs_one_waiting ON jobs (kind, dedup_key) WHERE state = 'waiting' AND dedup_key IS NOT NULL;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'waiting';
COMMENT ON TABLE jobs IS 'Work that follows a write; taken by lease, so a dead worker''s job passes to another';
COMMENT ON COLUMN jobs.id IS 'UUID version 7';
COMMENT ON COLUMN jobs.kind IS 'Which handler runs it';
COMMENT ON COLUMN jobs.payload IS 'Ids it works on, never contents';
COMMENT ON COLUMN jobs.dedup_key IS 'At most one waiting job of a kind with the same key';
COMMENT ON COLUMN jobs.state IS 'waiting (leased or not), done or failed';
COMMENT ON COLUMN jobs.run_at IS 'Not before';
COMMENT ON COLUMN jobs.attempts IS 'Times it was taken';
COMMENT ON COLUMN jobs.lease_id IS 'Who has it; a fresh id for every taking';
COMMENT ON COLUMN jobs.leased_until IS 'Until when, unless renewed';
COMMENT ON COLUMN jobs.last_error IS 'Why the last attempt failed';
COMMENT ON COLUMN jobs.created_at IS 'When it was enqueued';
COMMENT ON COLUMN jobs.finished_at IS 'When it ended';

CREATE TABLE idempotency_keys (
    actor text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS 'Answers to requests that carried an Idempotency-Key, written with the effect';
COMMENT ON COLUMN idempotency_keys.actor IS 'Whose key: account or API key id';
COMMENT ON COLUMN idempotency_keys.key IS 'The header''s value';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of method, path and body; another request under the same key is refused';
COMMENT ON COLUMN idempotency_keys.response IS 'The answer to give again';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When';
