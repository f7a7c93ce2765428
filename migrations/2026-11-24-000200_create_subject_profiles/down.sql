DROP TRIGGER subject_events_keep ON subject_events;
DROP TRIGGER subject_events_taken_back_once ON subject_events;
DROP FUNCTION subject_events_guard();
ALTER TABLE subject_events DROP COLUMN taken_back_at;
CREATE TRIGGER subject_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON subject_events EXECUTE FUNCTION refuse_change();
ALTER TABLE subject_names DROP COLUMN stated_on;
ALTER TABLE subjects ADD COLUMN standing text, ADD COLUMN area_code text;
COMMENT ON COLUMN subjects.standing IS '登记状态 as the registration authority states it; 吊销 is not 注销';
COMMENT ON COLUMN subjects.area_code IS 'Division it is registered in now, as registration data states it';
UPDATE subjects s SET standing = p.standing, area_code = p.area_code
  FROM subject_profiles p WHERE p.subject_id = s.id AND p.valid_to IS NULL AND p.known_to IS NULL;
DROP TABLE subject_profiles;
