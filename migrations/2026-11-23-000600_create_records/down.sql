DROP TABLE record_versions, unmatched_rows, quarantined_rows, batch_chunks, batch_files, submission_batches;
DROP FUNCTION record_versions_guard();
