DROP INDEX record_versions_hidden;
DROP TABLE record_marks;
DROP FUNCTION record_marks_guard();
ALTER TABLE record_versions DROP CONSTRAINT record_versions_state_known;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_state_known CHECK (state IN ('active', 'ended', 'disputed', 'withdrawn', 'unclear'));
ALTER TABLE record_versions DROP CONSTRAINT record_versions_change_known;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_change_known CHECK (change IN ('loaded', 'corrected', 'withdrawn', 'undone', 'linked', 'absent'));
