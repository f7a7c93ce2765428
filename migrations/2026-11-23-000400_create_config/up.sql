CREATE TABLE config_documents (
    kind text NOT NULL,
    code text NOT NULL,
    version integer NOT NULL CONSTRAINT config_documents_version_positive CHECK (version > 0),
    body jsonb NOT NULL,
    revision bigint NOT NULL,
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL,
    PRIMARY KEY (kind, code, version)
);
CREATE INDEX config_documents_revision ON config_documents (revision);
CREATE TRIGGER config_documents_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON config_documents EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE config_documents IS 'Catalogue items, code sets, rules, calendars and the disclosure table, every version ever applied';
COMMENT ON COLUMN config_documents.kind IS 'catalog_item, code_set, rule, calendar or disclosure';
COMMENT ON COLUMN config_documents.code IS 'Code of the document within its kind';
COMMENT ON COLUMN config_documents.version IS 'Grows by one with every changed content';
COMMENT ON COLUMN config_documents.body IS 'The document';
COMMENT ON COLUMN config_documents.revision IS 'The apply run that brought it; the highest is what is in force';
COMMENT ON COLUMN config_documents.applied_at IS 'When';
COMMENT ON COLUMN config_documents.applied_by IS 'Label of whoever applied it';
