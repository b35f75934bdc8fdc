-- Who did what, when, from where and why. Each row's hash covers the one before: a row that is changed, taken out or put
-- elsewhere shows.
CREATE TABLE audit (
    id       BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    author   TEXT   NOT NULL,
    origin   TEXT   NOT NULL,
    act      TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    outcome  TEXT   NOT NULL,
    hash     BYTEA  NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, id);
-- The end of the chain, so that a missing end shows too. One row.
CREATE TABLE audit_end (
    id    BIGINT PRIMARY KEY,
    rows  BIGINT NOT NULL,
    mark  BYTEA  NOT NULL
);
-- The program only adds. This keeps slips of a hand from more; whoever wants to can drop it, and then the hashes show it.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
