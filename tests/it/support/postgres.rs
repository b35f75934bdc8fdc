//! The tests' PostgreSQL server: `scripts/test` starts it.

use sqlx::{Connection as _, PgConnection};

/// Where the server is.
pub(crate) fn server() -> String {
    std::env::var("LEAGUE_TEST_POSTGRES").expect(
        "LEAGUE_TEST_POSTGRES names no PostgreSQL server: run scripts/test, or: eval \"$(scripts/postgres start)\"",
    )
}

/// The URL of an empty schema that is the caller's own. The server goes after the tests, and its schemas with it.
pub(crate) async fn own_schema() -> String {
    let server = server();
    let name = format!("test_{:016x}", getrandom::u64().expect("random"));
    let mut connection = PgConnection::connect(&server).await.expect("LEAGUE_TEST_POSTGRES is there");
    let create = format!("CREATE SCHEMA {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect("a schema is made");
    connection.close().await.expect("it closes");
    format!("{server}?options=-c%20search_path%3D{name}")
}
