//! SQLite's schema and PostgreSQL's are one schema: tables, columns, keys and indexes.

use super::backend::{Backend as _, Bench, Postgres, Sqlite};
use std::collections::BTreeSet;

/// Table, place, name, kind, whether it may be missing, place in the primary key.
const COLUMNS_SQLITE: &str = "
    SELECT t.name || '.' || c.name || ' ' || c.cid || ' ' || c.type
        || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN ' NOT NULL' ELSE '' END
    FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name != '_sqlx_migrations'";
const COLUMNS_POSTGRES: &str = "
    SELECT table_name || '.' || column_name || ' ' || (ROW_NUMBER() OVER (PARTITION BY table_name ORDER BY ordinal_position) - 1) || ' '
        || CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' ELSE upper(data_type) END
        || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
    FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name != '_sqlx_migrations'";

/// Which columns are unique together, and why.
const KEYS_SQLITE: &str = "
    SELECT t.name || CASE i.origin WHEN 'pk' THEN ' PRIMARY KEY ' ELSE ' UNIQUE ' END
        || (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
    FROM sqlite_schema t, pragma_index_list(t.name) i
    WHERE t.type = 'table' AND i.origin != 'c' AND t.name != '_sqlx_migrations'
    UNION ALL
    SELECT t.name || ' PRIMARY KEY ' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND c.pk = 1 AND t.name NOT LIKE 'sqlite_%' AND t.name != '_sqlx_migrations'
    AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) WHERE origin = 'pk')";
const KEYS_POSTGRES: &str = "
    SELECT c.relname || CASE k.contype WHEN 'p' THEN ' PRIMARY KEY ' ELSE ' UNIQUE ' END
        || (SELECT string_agg(a.attname, ',' ORDER BY place) FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = current_schema()::regnamespace AND k.contype IN ('p', 'u') AND c.relname != '_sqlx_migrations'";

/// Which keys are given out by the database, each once.
const COUNTED_SQLITE: &str = "
    SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.sql LIKE '%AUTOINCREMENT%' AND c.pk = 1";
const COUNTED_POSTGRES: &str = "
    SELECT table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND identity_generation = 'BY DEFAULT'";

async fn assert_same(one: (&Bench, &str), other: (&Bench, &str)) {
    let texts = async |(bench, sql): (&Bench, &str)| {
        let texts: Vec<String> = bench.database.column(sql).await;
        assert!(!texts.is_empty(), "{sql}");
        BTreeSet::from_iter(texts)
    };
    let (one, other) = (texts(one).await, texts(other).await);
    let alone: Vec<&String> = one.symmetric_difference(&other).collect();
    assert!(alone.is_empty(), "only on one of them: {alone:#?}");
}

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let (sqlite, postgres) = (Sqlite::migrated().await, Postgres::migrated().await);
    for (on_sqlite, on_postgres) in
        [(COLUMNS_SQLITE, COLUMNS_POSTGRES), (KEYS_SQLITE, KEYS_POSTGRES), (COUNTED_SQLITE, COUNTED_POSTGRES)]
    {
        assert_same((&sqlite, on_sqlite), (&postgres, on_postgres)).await;
    }
}

/// SQLite's own statements, run on PostgreSQL beside a bare copy of the tables, make the indexes that are there.
#[tokio::test]
async fn both_databases_have_the_same_indexes() {
    let (sqlite, postgres) = (Sqlite::migrated().await, Postgres::migrated().await);
    let bare = Postgres::empty().await;
    let texts = async |bench: &Bench, sql: &str| bench.database.column::<String>(sql).await;
    let schema = texts(&postgres, "SELECT current_schema()::text").await.remove(0);
    let of_sqlite = "FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    for table in texts(&sqlite, &format!("SELECT DISTINCT tbl_name {of_sqlite}")).await {
        bare.execute(&format!("CREATE TABLE {table} (LIKE {schema}.{table})")).await;
    }
    for statement in texts(&sqlite, &format!("SELECT sql {of_sqlite}")).await {
        bare.execute(&statement).await;
    }
    let indexes = "SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes
        WHERE schemaname = current_schema() AND tablename != '_sqlx_migrations'
        AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE connamespace = current_schema()::regnamespace)";
    assert_same((&bare, indexes), (&postgres, indexes)).await;
}
