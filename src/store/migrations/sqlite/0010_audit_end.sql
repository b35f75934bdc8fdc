-- Rows begin at 1: one before the beginning would stand in lists though it follows no other. Whatever log has not begun yet gets its
-- mark from the program, which has the key.
CREATE TRIGGER audit_begins_at_one BEFORE INSERT ON audit WHEN NEW.id < 1
BEGIN SELECT RAISE(ABORT, 'the audit log begins at 1'); END;
