-- Acts on many transfers: which, by whom and why, how far they are, and what happened to each.
CREATE TABLE bulk_acts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    act         TEXT    NOT NULL,
    filter      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    author      TEXT    NOT NULL,
    origin      TEXT    NOT NULL,
    rate        INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    after       TEXT,
    done        INTEGER NOT NULL,
    refused     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
CREATE INDEX bulk_acts_running ON bulk_acts (id) WHERE state = 'running';
CREATE TABLE bulk_results (
    bulk_id     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    request_id  TEXT    NOT NULL,
    done        INTEGER NOT NULL,
    told        TEXT    NOT NULL,
    told_en     TEXT    NOT NULL,
    PRIMARY KEY (bulk_id, number)
) STRICT, WITHOUT ROWID;
