-- What administrators look at, at ten million transfers: kept beside them, so that no look counts or searches them all.

-- How many: written with each commit that changes a state. Of kind
--   standing  transfers of a system in a state now (since = 0, what = the state)
--   flow      what was taken in or ended in the ten minutes from `since` on (what = 'taken' or a final state)
--   verdict   completed and rejected ones on the day that begins with `since`, by how long it took (what = at least so many
--             milliseconds, in steps of an eighth)
CREATE TABLE counts (
    kind    TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    system  TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (kind, since, system, what)
) STRICT, WITHOUT ROWID;
INSERT INTO counts (kind, since, system, what, number)
    SELECT 'standing', 0, system, state, COUNT(*) FROM transfers GROUP BY system, state;

-- Which keys an hour's transfers have, whatever the clocks said: an age becomes a range of keys.
CREATE TABLE arrivals (
    hour      INTEGER PRIMARY KEY,
    first_id  INTEGER NOT NULL,
    last_id   INTEGER NOT NULL
) STRICT;
INSERT INTO arrivals (hour, first_id, last_id)
    SELECT created_at / 3600000 * 3600000 AS hour, MIN(id), MAX(id) FROM transfers GROUP BY created_at / 3600000 * 3600000;

-- Whose transfers, by blind index: all of a person's. Not an index of `transfers`, since PostgreSQL would write it with every change.
CREATE TABLE people (
    person       BLOB    NOT NULL,
    transfer_id  INTEGER NOT NULL,
    PRIMARY KEY (person, transfer_id)
) STRICT, WITHOUT ROWID;
INSERT INTO people (person, transfer_id) SELECT person, id FROM transfers ORDER BY person, id;

-- Few are held: the others cost nothing here.
CREATE INDEX transfers_held ON transfers (id) WHERE held IS NOT NULL;
