DROP TABLE list_notices;
DROP TABLE list_entry_steps;
DROP TABLE list_entries;
DROP FUNCTION list_entries_guard();
