-- What is written often becomes small, and touches few indexes.

-- How often a transfer was written: whoever works on it sees whether somebody else wrote meanwhile.
ALTER TABLE transfers ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

-- The document, which a change of state does not write again.
CREATE TABLE documents (
    transfer_id      BIGINT PRIMARY KEY,
    document_sealed  BYTEA  NOT NULL
);
INSERT INTO documents (transfer_id, document_sealed) SELECT id, document_sealed FROM transfers;
ALTER TABLE transfers DROP COLUMN document_sealed;

-- One open transfer per person, over all systems. Written when a transfer comes in and when it ends.
CREATE TABLE open_people (
    person       BYTEA  PRIMARY KEY,
    transfer_id  BIGINT NOT NULL
);
INSERT INTO open_people (person, transfer_id) SELECT person, id FROM transfers
    WHERE state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn');
DROP INDEX transfers_open_person;

-- Without references: lines and exchanges are written by whoever has the transfer's row in hand, and a database would
-- look for it again for each of them.
ALTER TABLE events DROP CONSTRAINT events_transfer_id_fkey;
ALTER TABLE attempts DROP CONSTRAINT attempts_transfer_id_fkey;

-- An exchange's request and answer are sealed: PostgreSQL would try in vain to compress them, and move them about.
ALTER TABLE attempts SET (toast_tuple_target = 8160);
ALTER TABLE attempts ALTER COLUMN request_sealed SET STORAGE EXTERNAL, ALTER COLUMN response_sealed SET STORAGE EXTERNAL;

-- Events that came without their transfer.
CREATE INDEX callbacks_unmatched ON callbacks (received_at) WHERE verdict = 'unmatched';
