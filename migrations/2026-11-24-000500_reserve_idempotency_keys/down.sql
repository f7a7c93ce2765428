ALTER TABLE idempotency_keys DROP COLUMN pending_until;
