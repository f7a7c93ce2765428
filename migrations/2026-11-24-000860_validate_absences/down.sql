-- A constraint cannot be made unvalidated again, and need not be.
SELECT 1;
