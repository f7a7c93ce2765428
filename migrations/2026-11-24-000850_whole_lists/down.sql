COMMENT ON COLUMN record_versions.row_no IS 'Number of its data row in the batch, from 1';
COMMENT ON COLUMN record_versions.reason IS 'Why it was corrected, withdrawn or undone';
-- Versions are kept, so there is no way back once a record was ended as absent: then this fails, and nothing is changed.
ALTER TABLE record_versions DROP CONSTRAINT record_versions_change_known;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_change_known CHECK (change IN ('loaded', 'corrected', 'withdrawn', 'undone', 'linked'));
DROP TABLE snapshot_records;
DROP INDEX submission_batches_item;
ALTER TABLE submission_batches DROP COLUMN notes_dropped_at, DROP COLUMN absent_ended, DROP COLUMN absences_at, DROP COLUMN whole;
