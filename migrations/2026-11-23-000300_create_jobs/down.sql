DROP TABLE idempotency_keys, jobs;
