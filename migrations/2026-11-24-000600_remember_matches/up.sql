-- A feed brings the same row every day: what a person decided about it once holds for it again.
ALTER TABLE unmatched_rows ADD COLUMN match_key uuid;
CREATE INDEX unmatched_rows_decided ON unmatched_rows (match_key, agency_id) WHERE state IN ('linked', 'rejected');
COMMENT ON COLUMN unmatched_rows.match_key IS 'Hash of item, business key, name and numbers: the same row has the same key';
