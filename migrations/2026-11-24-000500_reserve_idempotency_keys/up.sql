-- A key is taken with the effect, also when the answer comes later.
ALTER TABLE idempotency_keys ADD COLUMN pending_until timestamptz;
COMMENT ON COLUMN idempotency_keys.pending_until IS 'While the request is worked on: until when that is believed; empty once it is answered';
