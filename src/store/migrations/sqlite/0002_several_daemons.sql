-- Several daemons, clocks and alarms.

-- When a partner lets a transfer lapse, or the member must have checked in.
ALTER TABLE transfers ADD COLUMN deadline_at INTEGER;
CREATE INDEX transfers_deadline ON transfers (system, deadline_at)
    WHERE deadline_at IS NOT NULL AND state IN ('unconfirmed', 'submitted', 'awaiting_check_in');

-- What the gate remembers of a system (JSON): failures in a row, rest, the token bucket.
ALTER TABLE systems ADD COLUMN health TEXT;
-- A pause has an author, a reason and perhaps an end: {"by", "reason", "at", "until"}.
UPDATE systems SET paused = json_object('by', 'operator', 'reason', paused, 'at', '1970-01-01T00:00:00Z', 'until', NULL)
    WHERE paused IS NOT NULL;

-- Who is at work. A PostgreSQL session lock (session_key) falls with its process.
CREATE TABLE daemons (
    instance     TEXT PRIMARY KEY,
    worker       TEXT    NOT NULL,
    session_key  INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One open alarm of a kind per system; an empty system is the gateway itself.
CREATE TABLE alarms (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    system      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    detail_zh   TEXT    NOT NULL,
    detail_en   TEXT    NOT NULL,
    raised_at   INTEGER NOT NULL,
    cleared_at  INTEGER,
    cleared_by  TEXT
) STRICT;
CREATE UNIQUE INDEX alarms_open ON alarms (system, kind) WHERE cleared_at IS NULL;

-- The feed tells of alarms, too, which are about no single transfer.
CREATE TABLE events_2 (
    cursor       INTEGER PRIMARY KEY AUTOINCREMENT,
    transfer_id  INTEGER REFERENCES transfers (id),
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
INSERT INTO events_2 (cursor, transfer_id, request_id, kind, from_state, to_state, milestone, cause, detail, at)
    SELECT cursor, transfer_id, request_id, kind, from_state, to_state, milestone, cause, detail, at FROM events;
DROP TABLE events;
ALTER TABLE events_2 RENAME TO events;
CREATE INDEX events_transfer ON events (transfer_id, cursor);
