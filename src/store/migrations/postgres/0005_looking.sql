-- What administrators look at, at ten million transfers: kept beside them, so that no look counts or searches them all.

-- How many: written with each commit that changes a state. Of kind
--   standing  transfers of a system in a state now (since = 0, what = the state)
--   flow      what was taken in or ended in the ten minutes from `since` on (what = 'taken' or a final state)
--   verdict   completed and rejected ones on the day that begins with `since`, by how long it took (what = at least so many
--             milliseconds, in steps of an eighth)
CREATE TABLE counts (
    kind    TEXT   NOT NULL,
    since   BIGINT NOT NULL,
    system  TEXT   NOT NULL,
    what    TEXT   NOT NULL,
    number  BIGINT NOT NULL,
    PRIMARY KEY (kind, since, system, what)
);
INSERT INTO counts (kind, since, system, what, number)
    SELECT 'standing', 0, system, state, COUNT(*) FROM transfers GROUP BY system, state;

-- Which keys an hour's transfers have, whatever the clocks said: an age becomes a range of keys.
CREATE TABLE arrivals (
    hour      BIGINT PRIMARY KEY,
    first_id  BIGINT NOT NULL,
    last_id   BIGINT NOT NULL
);
INSERT INTO arrivals (hour, first_id, last_id)
    SELECT created_at / 3600000 * 3600000 AS hour, MIN(id), MAX(id) FROM transfers GROUP BY created_at / 3600000 * 3600000;

-- Whose transfers, by blind index: all of a person's. Not an index of `transfers`, since PostgreSQL would write it with every change.
CREATE TABLE people (
    person       BYTEA  NOT NULL,
    transfer_id  BIGINT NOT NULL,
    PRIMARY KEY (person, transfer_id)
);
INSERT INTO people (person, transfer_id) SELECT person, id FROM transfers ORDER BY person, id;

-- Few are held: the others cost nothing here.
CREATE INDEX transfers_held ON transfers (id) WHERE held IS NOT NULL;

-- The beginning of a request id is a range of its index, whatever the database's own order of letters. (Nothing is written anew but the index.)
ALTER TABLE transfers ALTER COLUMN request_id TYPE TEXT COLLATE "C";
