DELETE FROM account_roles WHERE role = 'approver';
ALTER TABLE account_roles DROP CONSTRAINT account_roles_role_known;
ALTER TABLE account_roles ADD CONSTRAINT account_roles_role_known CHECK (role IN
    ('platform_admin', 'security_admin', 'auditor', 'credit_office', 'provider', 'consumer', 'clerk', 'subject'));
DROP TABLE feed_readers;
