DROP TABLE agency_messages;
DROP FUNCTION agency_messages_guard();
