CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    agency_id uuid,
    account_id uuid,
    subject_id uuid,
    file_name text NOT NULL CONSTRAINT attachments_name_within_200_characters CHECK (char_length(file_name) BETWEEN 1 AND 200),
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CONSTRAINT attachments_not_empty CHECK (size_bytes > 0),
    sha256 bytea NOT NULL CONSTRAINT attachments_hash_whole CHECK (octet_length(sha256) = 32),
    uploaded_by text NOT NULL,
    uploaded_at timestamptz NOT NULL,
    CONSTRAINT attachments_belong_to_somebody CHECK (agency_id IS NOT NULL OR subject_id IS NOT NULL)
);
CREATE INDEX attachments_agency ON attachments (agency_id, id) WHERE agency_id IS NOT NULL;
CREATE TRIGGER attachments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attachments EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE attachments IS 'Attachments 附件: what was uploaded by whom; the contents lie encrypted in the object store under the id';
COMMENT ON COLUMN attachments.id IS 'UUID version 7; also the name of the object, and the place its contents are sealed for';
COMMENT ON COLUMN attachments.agency_id IS 'Agency it was uploaded for; empty when a subject uploaded it for itself';
COMMENT ON COLUMN attachments.account_id IS 'Account that uploaded it; empty for an API key';
COMMENT ON COLUMN attachments.subject_id IS 'Subject that uploaded it for itself; empty for an agency''s';
COMMENT ON COLUMN attachments.file_name IS 'Name the sender gave it, without folders and control characters';
COMMENT ON COLUMN attachments.media_type IS 'Kind of content, as found in the content itself';
COMMENT ON COLUMN attachments.size_bytes IS 'Size of the plain contents';
COMMENT ON COLUMN attachments.sha256 IS 'Hash of the plain contents, held against them at every reading';
COMMENT ON COLUMN attachments.uploaded_by IS 'Label of the account or key';
COMMENT ON COLUMN attachments.uploaded_at IS 'When its contents were safely stored';
