-- What is written often becomes small, and touches few indexes.

-- How often a transfer was written: whoever works on it sees whether somebody else wrote meanwhile.
ALTER TABLE transfers ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- The document, which a change of state does not write again.
CREATE TABLE documents (
    transfer_id      INTEGER PRIMARY KEY,
    document_sealed  BLOB    NOT NULL
) STRICT;
INSERT INTO documents (transfer_id, document_sealed) SELECT id, document_sealed FROM transfers;
ALTER TABLE transfers DROP COLUMN document_sealed;

-- One open transfer per person, over all systems. Written when a transfer comes in and when it ends.
CREATE TABLE open_people (
    person       BLOB    PRIMARY KEY,
    transfer_id  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO open_people (person, transfer_id) SELECT person, id FROM transfers
    WHERE state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn');
DROP INDEX transfers_open_person;

-- Without references: lines and exchanges are written by whoever has the transfer's row in hand, and a database would
-- look for it again for each of them.
CREATE TABLE events_3 (
    cursor       INTEGER PRIMARY KEY AUTOINCREMENT,
    transfer_id  INTEGER,
    request_id   TEXT,
    kind         TEXT    NOT NULL,
    from_state   TEXT,
    to_state     TEXT,
    milestone    TEXT,
    cause        TEXT    NOT NULL,
    detail       TEXT,
    at           INTEGER NOT NULL,
    system       TEXT,
    alarm        TEXT
) STRICT;
-- A cursor that was given out once is not given out again.
INSERT INTO sqlite_sequence (name, seq) SELECT 'events_3', seq FROM sqlite_sequence WHERE name = 'events';
INSERT INTO events_3 SELECT cursor, transfer_id, request_id, kind, from_state, to_state, milestone, cause, detail, at,
    system, alarm FROM events;
DROP TABLE events;
ALTER TABLE events_3 RENAME TO events;
CREATE INDEX events_transfer ON events (transfer_id, cursor);
CREATE TABLE attempts_3 (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    transfer_id      INTEGER NOT NULL,
    system           TEXT    NOT NULL,
    operation        TEXT    NOT NULL,
    worker           TEXT    NOT NULL,
    started_at       INTEGER NOT NULL,
    finished_at      INTEGER,
    outcome          TEXT,
    code             TEXT,
    http_status      INTEGER,
    error            TEXT,
    request_sealed   BLOB,
    response_sealed  BLOB
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'attempts_3', seq FROM sqlite_sequence WHERE name = 'attempts';
INSERT INTO attempts_3 SELECT id, transfer_id, system, operation, worker, started_at, finished_at, outcome, code,
    http_status, error, request_sealed, response_sealed FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_3 RENAME TO attempts;
CREATE INDEX attempts_transfer ON attempts (transfer_id, id);
CREATE INDEX attempts_open ON attempts (transfer_id) WHERE finished_at IS NULL;

-- Events that came without their transfer.
CREATE INDEX callbacks_unmatched ON callbacks (received_at) WHERE verdict = 'unmatched';
