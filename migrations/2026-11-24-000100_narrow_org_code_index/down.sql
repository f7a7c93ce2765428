DROP INDEX subject_identifiers_org_code;
CREATE INDEX subject_identifiers_org_code ON subject_identifiers (substr(value, 9, 9)) WHERE scheme = 'uscc' AND known_to IS NULL;
