-- Until now accounts were closed and bindings ended by hand, without saying who and why; such rows stay as they are.
ALTER TABLE accounts
    ADD COLUMN session_epoch integer NOT NULL DEFAULT 0,
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text,
    ADD COLUMN close_reason text,
    ADD CONSTRAINT accounts_closing_is_whole CHECK (
        (closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (close_reason IS NULL) AND (closed_at IS NULL OR state = 'closed'));
COMMENT ON COLUMN accounts.session_epoch IS 'Raised when all logins of the account are ended together; access tokens of an earlier number do not hold';
COMMENT ON COLUMN accounts.closed_at IS 'When it was closed; empty while it is active';
COMMENT ON COLUMN accounts.closed_by IS 'Label of whoever closed it';
COMMENT ON COLUMN accounts.close_reason IS 'Why it was closed; no personal numbers';

ALTER TABLE account_subjects
    ADD COLUMN ended_by text,
    ADD COLUMN end_reason text,
    ADD CONSTRAINT account_subjects_ending_is_whole CHECK (
        (ended_by IS NULL) = (end_reason IS NULL) AND (ended_by IS NULL OR ended_at IS NOT NULL));
COMMENT ON COLUMN account_subjects.ended_by IS 'Label of the clerk who ended it; empty while it holds';
COMMENT ON COLUMN account_subjects.end_reason IS 'Why it ended; no personal numbers';
