-- An upload is kept under the id of its file.
ALTER TABLE batch_files DROP COLUMN spool_name;
