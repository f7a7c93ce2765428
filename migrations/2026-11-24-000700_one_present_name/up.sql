-- A load believes the names it looked up a moment ago; should a rename come between, this stops it, and it looks again.
CREATE UNIQUE INDEX subject_names_one_present ON subject_names (subject_id) WHERE confirmed AND valid_to IS NULL AND known_to IS NULL;
