-- Columns are TEXT, INTEGER (times are milliseconds since the epoch) and BLOB alone, so that both databases store
-- alike. What names a person is sealed (…_sealed), masked (masked_…) or a keyed digest (person, …_digest).

CREATE TABLE transfers (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id        TEXT    NOT NULL UNIQUE,
    system            TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    province_code     TEXT    NOT NULL,
    destination_name  TEXT    NOT NULL,
    sent_name         TEXT,
    organization_id   TEXT,
    receipt_no        TEXT,
    attempts          INTEGER NOT NULL,
    tries             INTEGER NOT NULL,
    due_at            INTEGER,
    lease_token       INTEGER,
    lease_until       INTEGER,
    leased_by         TEXT,
    held              TEXT,
    withdrawal        TEXT,
    last_error        TEXT,
    milestones        TEXT    NOT NULL,
    warnings          TEXT    NOT NULL,
    source_id         TEXT    NOT NULL,
    source_name       TEXT    NOT NULL,
    reason            TEXT    NOT NULL,
    initiator         TEXT    NOT NULL,
    masked_name       TEXT    NOT NULL,
    masked_id_number  TEXT    NOT NULL,
    masked_phone      TEXT    NOT NULL,
    person            BLOB    NOT NULL,
    created_digest    BLOB    NOT NULL,
    document_digest   BLOB    NOT NULL,
    document_sealed   BLOB    NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT;

-- One open transfer per person, over all systems.
CREATE UNIQUE INDEX transfers_open_person ON transfers (person)
    WHERE state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn');
-- What a claim looks for.
CREATE INDEX transfers_due ON transfers (system, due_at, id)
    WHERE due_at IS NOT NULL AND lease_token IS NULL AND held IS NULL;
CREATE INDEX transfers_leased ON transfers (system, lease_until) WHERE lease_token IS NOT NULL;
CREATE INDEX transfers_state ON transfers (system, state, id);

-- The timeline of every transfer; its state changes and milestones are the event feed.
CREATE TABLE events (
    cursor       INTEGER PRIMARY KEY AUTOINCREMENT,
    transfer_id  INTEGER NOT NULL REFERENCES transfers (id),
    request_id   TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    from_state   TEXT,
    to_state     TEXT,
    milestone    TEXT,
    cause        TEXT    NOT NULL,
    detail       TEXT,
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX events_transfer ON events (transfer_id, cursor);

-- One exchange with a system. A row without finished_at is an exchange that may be under way.
CREATE TABLE attempts (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    transfer_id      INTEGER NOT NULL REFERENCES transfers (id),
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
CREATE INDEX attempts_transfer ON attempts (transfer_id, id);
CREATE INDEX attempts_open ON attempts (transfer_id) WHERE finished_at IS NULL;

-- Status events as partners reported them, by push or by feed.
CREATE TABLE callbacks (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    system         TEXT    NOT NULL,
    event_id       TEXT    NOT NULL,
    request_id     TEXT    NOT NULL,
    event          TEXT    NOT NULL,
    verdict        TEXT    NOT NULL,
    received_at    INTEGER NOT NULL,
    repeats        INTEGER NOT NULL,
    event_sealed   BLOB    NOT NULL,
    raw_sealed     BLOB    NOT NULL,
    UNIQUE (system, event_id)
) STRICT;
CREATE INDEX callbacks_request ON callbacks (request_id);

-- Nonces that were accepted lately.
CREATE TABLE nonces (
    system   TEXT    NOT NULL,
    nonce    TEXT    NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (system, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_seen ON nonces (seen_at);

-- What the gateway remembers of each system.
CREATE TABLE systems (
    system            TEXT PRIMARY KEY,
    feed_cursor       INTEGER NOT NULL,
    suspended         TEXT,
    paused            TEXT,
    credentials       BLOB
) STRICT, WITHOUT ROWID;

-- Upstream's door in its own transaction: INSERT INTO intake (request_id, payload) VALUES (…, '<the JSON>').
CREATE TABLE intake (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id  TEXT NOT NULL,
    payload     TEXT NOT NULL
) STRICT;
CREATE TABLE intake_refused (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id      TEXT    NOT NULL,
    problems        TEXT    NOT NULL,
    payload_sealed  BLOB    NOT NULL,
    refused_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL UNIQUE,
    hash        BLOB    NOT NULL UNIQUE,
    roles       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;
