-- A file may state that it is the whole list: records that it lacks are ended.
ALTER TABLE submission_batches
    ADD COLUMN whole boolean NOT NULL DEFAULT false,
    ADD COLUMN absences_at timestamptz,
    ADD COLUMN absent_ended bigint NOT NULL DEFAULT 0,
    ADD COLUMN notes_dropped_at timestamptz;
ALTER TABLE submission_batches ADD CONSTRAINT submission_batches_only_whole_lists_end CHECK (whole OR (absences_at IS NULL AND absent_ended = 0));
CREATE INDEX submission_batches_whole ON submission_batches (agency_id, item, created_at) WHERE whole;
CREATE INDEX submission_batches_item ON submission_batches (item, id);
COMMENT ON COLUMN submission_batches.notes_dropped_at IS 'When what the list holds was forgotten; from then on it ends nothing, whatever is noted after';
COMMENT ON COLUMN submission_batches.whole IS 'The sender stated that the first file is the whole list (全量报送) of the item';
COMMENT ON COLUMN submission_batches.absences_at IS 'When every record the list lacks had been ended; empty while it waits, and for lists that a newer one overtook';
COMMENT ON COLUMN submission_batches.absent_ended IS 'Records ended because the list lacks them';

-- Without a foreign key to the batch: every row of a whole list is noted here, and a look at the batch for each would only slow the load.
CREATE TABLE snapshot_records (
    batch_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    record_id uuid NOT NULL,
    PRIMARY KEY (batch_id, subject_id, record_id)
);
COMMENT ON TABLE snapshot_records IS 'Records that a whole list holds, or that its provider pushed again after it: what is not here is absent. Kept until a newer list is settled';
COMMENT ON COLUMN snapshot_records.batch_id IS 'Batch of the whole list';
COMMENT ON COLUMN snapshot_records.subject_id IS 'Whom the record is about';
COMMENT ON COLUMN snapshot_records.record_id IS 'The record';

-- Every row keeps the narrower rule already, so that the wider one needs no look at them here.
ALTER TABLE record_versions DROP CONSTRAINT record_versions_change_known;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_change_known
    CHECK (change IN ('loaded', 'corrected', 'withdrawn', 'undone', 'linked', 'absent')) NOT VALID;
COMMENT ON COLUMN record_versions.reason IS 'Why it was corrected, withdrawn, undone or ended as absent';
COMMENT ON COLUMN record_versions.row_no IS 'Number of its data row in the batch, from 1; 0 when the batch''s whole list lacked it';
