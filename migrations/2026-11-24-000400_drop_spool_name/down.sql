ALTER TABLE batch_files ADD COLUMN spool_name text NOT NULL DEFAULT '';
ALTER TABLE batch_files ALTER COLUMN spool_name DROP DEFAULT;
COMMENT ON COLUMN batch_files.spool_name IS 'Name in the spool folder';
