CREATE TABLE feed_readers (
    reader text PRIMARY KEY,
    xid bigint NOT NULL,
    entry_id bigint NOT NULL,
    moved_at timestamptz NOT NULL
);
COMMENT ON TABLE feed_readers IS 'How far each follower of the change feed has come; moved after what it did about the entries, which it may do again; beside them, the definition that each mirror was filled by';
COMMENT ON COLUMN feed_readers.reader IS 'Name of the follower, e.g. lists';
COMMENT ON COLUMN feed_readers.xid IS 'Transaction of the last entry dealt with';
COMMENT ON COLUMN feed_readers.entry_id IS 'Number of the last entry dealt with';
COMMENT ON COLUMN feed_readers.moved_at IS 'When it moved last';

ALTER TABLE account_roles DROP CONSTRAINT account_roles_role_known;
ALTER TABLE account_roles ADD CONSTRAINT account_roles_role_known CHECK (role IN
    ('platform_admin', 'security_admin', 'auditor', 'credit_office', 'provider', 'approver', 'consumer', 'clerk', 'subject'));
