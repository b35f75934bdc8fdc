-- How far each of upstream's addresses has taken the event feed.
CREATE TABLE webhooks (
    name             TEXT    PRIMARY KEY,
    cursor           INTEGER NOT NULL,
    failures         INTEGER NOT NULL,
    next_attempt_at  INTEGER,
    disabled         TEXT,
    last_error       TEXT,
    last_success_at  INTEGER
) STRICT, WITHOUT ROWID;
