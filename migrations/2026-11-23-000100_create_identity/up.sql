CREATE TABLE regions (
    code text PRIMARY KEY,
    name text NOT NULL,
    level text NOT NULL CONSTRAINT regions_level_known CHECK (level IN ('city', 'county', 'township', 'village')),
    parent_code text REFERENCES regions (code)
);
CREATE INDEX regions_parent ON regions (parent_code);
COMMENT ON TABLE regions IS 'Administrative divisions the platform serves, as applied from config/regions.toml';
COMMENT ON COLUMN regions.code IS 'GB/T 2260 code, 6 digits for city and county, 9 for townships, 12 for villages';
COMMENT ON COLUMN regions.name IS 'Official Chinese name';
COMMENT ON COLUMN regions.level IS 'city, county, township or village';
COMMENT ON COLUMN regions.parent_code IS 'The division it belongs to; empty for the city';

CREATE TABLE agencies (
    id uuid PRIMARY KEY,
    code text NOT NULL CONSTRAINT agencies_code_unique UNIQUE,
    name text NOT NULL,
    uscc text NOT NULL CONSTRAINT agencies_uscc_length CHECK (length(uscc) = 18),
    region_code text NOT NULL REFERENCES regions (code),
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'active' CONSTRAINT agencies_state_known CHECK (state IN ('active', 'closed')),
    created_at timestamptz NOT NULL
);
CREATE INDEX agencies_region ON agencies (region_code);
COMMENT ON TABLE agencies IS 'Units that provide or use information 信息提供单位、信息使用单位';
COMMENT ON COLUMN agencies.id IS 'Stable id, UUID version 7';
COMMENT ON COLUMN agencies.code IS 'Short code people use';
COMMENT ON COLUMN agencies.name IS 'Official Chinese name';
COMMENT ON COLUMN agencies.uscc IS 'Its unified social credit code';
COMMENT ON COLUMN agencies.region_code IS 'The division it serves';
COMMENT ON COLUMN agencies.kind IS 'Kind of organ, matched with provider_kinds of catalogue items';
COMMENT ON COLUMN agencies.state IS 'active, or closed after a reorganisation';
COMMENT ON COLUMN agencies.created_at IS 'When it was entered';

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    username text NOT NULL CONSTRAINT accounts_username_unique UNIQUE,
    display_name text NOT NULL,
    password_hash text NOT NULL,
    agency_id uuid REFERENCES agencies (id),
    state text NOT NULL DEFAULT 'active' CONSTRAINT accounts_state_known CHECK (state IN ('active', 'closed')),
    failed_logins integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    identity_papers bytea,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL
);
CREATE INDEX accounts_agency ON accounts (agency_id);
COMMENT ON TABLE accounts IS 'Logins of people';
COMMENT ON COLUMN accounts.id IS 'Stable id, UUID version 7';
COMMENT ON COLUMN accounts.username IS 'Login name, unique on the platform';
COMMENT ON COLUMN accounts.display_name IS 'What colleagues see';
COMMENT ON COLUMN accounts.password_hash IS 'Argon2id in PHC form';
COMMENT ON COLUMN accounts.agency_id IS 'The agency the person works for; empty for subjects';
COMMENT ON COLUMN accounts.state IS 'active or closed';
COMMENT ON COLUMN accounts.failed_logins IS 'Wrong passwords in a row';
COMMENT ON COLUMN accounts.locked_until IS 'No login before this instant';
COMMENT ON COLUMN accounts.identity_papers IS 'Sealed: the papers a clerk saw when opening a subject''s account';
COMMENT ON COLUMN accounts.created_at IS 'When it was opened';
COMMENT ON COLUMN accounts.created_by IS 'Label of whoever opened it';

CREATE TABLE account_roles (
    account_id uuid NOT NULL REFERENCES accounts (id),
    role text NOT NULL CONSTRAINT account_roles_role_known CHECK (role IN
        ('platform_admin', 'security_admin', 'auditor', 'credit_office', 'provider', 'consumer', 'clerk', 'subject')),
    PRIMARY KEY (account_id, role)
);
COMMENT ON TABLE account_roles IS 'Roles of an account';
COMMENT ON COLUMN account_roles.account_id IS 'The account';
COMMENT ON COLUMN account_roles.role IS 'One role';

CREATE TABLE account_subjects (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts (id),
    subject_id uuid NOT NULL,
    capacity text NOT NULL CONSTRAINT account_subjects_capacity_known CHECK (capacity IN ('self', 'legal_representative', 'agent')),
    evidence text NOT NULL,
    bound_by text NOT NULL,
    bound_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE UNIQUE INDEX account_subjects_one_open ON account_subjects (account_id, subject_id) WHERE ended_at IS NULL;
COMMENT ON TABLE account_subjects IS 'Which subjects an account may act for, and on what papers';
COMMENT ON COLUMN account_subjects.id IS 'Stable id, UUID version 7';
COMMENT ON COLUMN account_subjects.account_id IS 'The account';
COMMENT ON COLUMN account_subjects.subject_id IS 'The subject';
COMMENT ON COLUMN account_subjects.capacity IS 'self, legal_representative or agent';
COMMENT ON COLUMN account_subjects.evidence IS 'What was shown: kind of paper, no numbers';
COMMENT ON COLUMN account_subjects.bound_by IS 'Label of the clerk';
COMMENT ON COLUMN account_subjects.bound_at IS 'When';
COMMENT ON COLUMN account_subjects.ended_at IS 'When the binding ended; empty while it holds';

CREATE TABLE refresh_tokens (
    id uuid PRIMARY KEY,
    family_id uuid NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts (id),
    token_hash bytea NOT NULL CONSTRAINT refresh_tokens_hash_unique UNIQUE,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_account ON refresh_tokens (account_id);
COMMENT ON TABLE refresh_tokens IS 'Rotating refresh tokens; the second use of one revokes its whole family';
COMMENT ON COLUMN refresh_tokens.id IS 'Stable id, UUID version 7';
COMMENT ON COLUMN refresh_tokens.family_id IS 'One login; every rotation stays in it';
COMMENT ON COLUMN refresh_tokens.account_id IS 'Whose';
COMMENT ON COLUMN refresh_tokens.token_hash IS 'SHA-256 of the token; the token itself is not kept';
COMMENT ON COLUMN refresh_tokens.issued_at IS 'When it was given out';
COMMENT ON COLUMN refresh_tokens.expires_at IS 'Last instant it works';
COMMENT ON COLUMN refresh_tokens.used_at IS 'When it was exchanged for the next';
COMMENT ON COLUMN refresh_tokens.revoked_at IS 'When it was revoked';

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    agency_id uuid NOT NULL REFERENCES agencies (id),
    label text NOT NULL,
    secret_hash bytea NOT NULL,
    role text NOT NULL CONSTRAINT api_keys_role_known CHECK (role IN ('provider', 'consumer')),
    items text[],
    regions text[],
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_agency ON api_keys (agency_id);
COMMENT ON TABLE api_keys IS 'Keys by which a department''s programs log in; the secret is shown once';
COMMENT ON COLUMN api_keys.id IS 'Stable id, UUID version 7, part of the key';
COMMENT ON COLUMN api_keys.agency_id IS 'The agency it acts for';
COMMENT ON COLUMN api_keys.label IS 'What it is for';
COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the secret (256 random bits need no slow hash)';
COMMENT ON COLUMN api_keys.role IS 'provider or consumer';
COMMENT ON COLUMN api_keys.items IS 'Catalogue items it is limited to; empty is every item of the agency';
COMMENT ON COLUMN api_keys.regions IS 'Region codes it is limited to; empty is no limit';
COMMENT ON COLUMN api_keys.created_by IS 'Label of whoever made it';
COMMENT ON COLUMN api_keys.created_at IS 'When';
COMMENT ON COLUMN api_keys.expires_at IS 'Last instant it works';
COMMENT ON COLUMN api_keys.revoked_at IS 'When it was revoked';

CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    public_key bytea NOT NULL,
    sealed_private bytea NOT NULL,
    active_from timestamptz NOT NULL,
    retired_at timestamptz
);
COMMENT ON TABLE signing_keys IS 'Ed25519 keys that sign access tokens; the newest signs, all not retired verify';
COMMENT ON COLUMN signing_keys.kid IS 'Key id in the token''s header';
COMMENT ON COLUMN signing_keys.public_key IS 'Raw public key, 32 bytes';
COMMENT ON COLUMN signing_keys.sealed_private IS 'PKCS 8 private key, sealed';
COMMENT ON COLUMN signing_keys.active_from IS 'When it began to sign';
COMMENT ON COLUMN signing_keys.retired_at IS 'When it stopped verifying';
