-- With the same predicate as the unique index of codes, the planner took this index for looking up whole codes while it had no statistics, and
-- read all of it for each. The third condition follows from asking for an organisation code and not from asking for a whole code.
DROP INDEX subject_identifiers_org_code;
CREATE INDEX subject_identifiers_org_code ON subject_identifiers (substr(value, 9, 9))
    WHERE scheme = 'uscc' AND known_to IS NULL AND substr(value, 9, 9) IS NOT NULL;
