DROP TABLE access_log, change_feed, audit_entries;
DROP FUNCTION access_log_guard();
DROP FUNCTION refuse_change();
