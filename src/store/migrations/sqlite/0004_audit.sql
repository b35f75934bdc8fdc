-- Who did what, when, from where and why. Each row's hash covers the one before: a row that is changed, taken out or put
-- elsewhere shows.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    author   TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    act      TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    outcome  TEXT    NOT NULL,
    hash     BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, id);
-- The end of the chain, so that a missing end shows too. One row.
CREATE TABLE audit_end (
    id    INTEGER PRIMARY KEY,
    rows  INTEGER NOT NULL,
    mark  BLOB    NOT NULL
) STRICT;
-- The program only adds. This keeps slips of a hand from more; whoever wants to can drop it, and then the hashes show it.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
