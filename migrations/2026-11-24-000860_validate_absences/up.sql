-- Looks at every version without keeping anybody from writing.
ALTER TABLE record_versions VALIDATE CONSTRAINT record_versions_change_known;
