-- Rows begin at 1: one before the beginning would stand in lists though it follows no other. What is there already is the verification's
-- to find. Whatever log has not begun yet gets its mark from the program, which has the key.
ALTER TABLE audit ADD CONSTRAINT audit_begins_at_one CHECK (id > 0) NOT VALID;
