DROP TABLE signing_keys, api_keys, refresh_tokens, account_subjects, account_roles, accounts, agencies, regions;
