DROP INDEX subject_names_one_present;
