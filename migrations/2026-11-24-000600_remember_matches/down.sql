DROP INDEX unmatched_rows_decided;
ALTER TABLE unmatched_rows DROP COLUMN match_key;
