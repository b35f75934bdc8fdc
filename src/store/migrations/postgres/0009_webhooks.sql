-- How far each of upstream's addresses has taken the event feed.
CREATE TABLE webhooks (
    name             TEXT    PRIMARY KEY,
    cursor           BIGINT  NOT NULL,
    failures         BIGINT  NOT NULL,
    next_attempt_at  BIGINT,
    disabled         TEXT,
    last_error       TEXT,
    last_success_at  BIGINT
);
