DROP TABLE subject_merges, subject_events, subject_names, subject_identifiers, subjects;
