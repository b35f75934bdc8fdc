//! The tests' databases, as somebody else than the gateway sees them: upstream, an operator, a vandal.

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    ConnectOptions as _, Connection as _, Decode, PgConnection, Postgres, Sqlite, SqliteConnection, Type,
};
use std::path::Path;
use std::str::FromStr as _;

/// Where a database is. Cheap to clone; the file or the server stays with whoever made it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Database {
    /// A SQLite file.
    pub(crate) fn sqlite(path: &Path) -> Self {
        Self { url: format!("sqlite://{}", path.display()), kind: Kind::Sqlite }
    }

    /// An empty schema of the caller's own on the tests' server. It goes with the server.
    pub(crate) async fn postgres() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the tests' own variable, which the gateway does not read")]
        let server = std::env::var("LEAGUE_TEST_POSTGRES").expect(
            "LEAGUE_TEST_POSTGRES names no PostgreSQL server: run scripts/test, or: eval \"$(scripts/postgres start)\"",
        );
        let name = format!("test_{:016x}", getrandom::u64().expect("random"));
        let whole = Self { url: server, kind: Kind::Postgres };
        whole.execute(&format!("CREATE SCHEMA {name}")).await;
        Self {
            url: format!("{}?options=-c%20search_path%3D{name}&application_name={name}", whole.url),
            ..whole
        }
    }

    /// On PostgreSQL: a whole database of the caller's own, which no other test's announcements reach.
    pub(crate) async fn apart(&self) -> Self {
        let name = self.name();
        self.execute(&format!("CREATE DATABASE {name}")).await;
        let (server, _) = self.url.split_once('?').expect("a schema's URL");
        let (host, _) = server.rsplit_once('/').expect("a server's URL");
        Self { url: format!("{host}/{name}?application_name={name}"), kind: self.kind }
    }

    /// What the server calls the connections to this schema, and the schema.
    pub(crate) fn name(&self) -> &str {
        self.url.rsplit('=').next().unwrap_or_default()
    }

    /// A statement, or some.
    pub(crate) async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.expect("the statement is sound");
    }

    /// One that the database may refuse.
    pub(crate) async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        let done = match self.kind {
            Kind::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("it opens");
                sql.execute(&mut connection).await.map(|done| done.rows_affected())
            }
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.expect("it opens");
                sql.execute(&mut connection).await.map(|done| done.rows_affected())
            }
        };
        done.map(drop)
    }

    /// The schema as a program had it that knew so many migrations.
    pub(crate) async fn migrate_to(&self, version: i64) {
        let folder = match self.kind {
            Kind::Sqlite => "sqlite",
            Kind::Postgres => "postgres",
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(folder);
        let mut migrations = Migrator::new(folder).await.expect("the migrations are readable");
        migrations.migrations.to_mut().retain(|one| one.version <= version);
        let done = match self.kind {
            Kind::Sqlite => {
                let options =
                    SqliteConnectOptions::from_str(&self.url).expect("a URL").create_if_missing(true);
                migrations.run(&mut options.connect().await.expect("it opens")).await
            }
            Kind::Postgres => {
                migrations.run(&mut PgConnection::connect(&self.url).await.expect("it opens")).await
            }
        };
        done.expect("the schema is made");
    }

    /// A number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.column(sql).await.remove(0)
    }

    /// The first column of what a query finds.
    pub(crate) async fn column<T>(&self, sql: &str) -> Vec<T>
    where
        T: Send + Unpin + Type<Sqlite> + Type<Postgres>,
        T: for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, Postgres>,
    {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let found = match self.kind {
            Kind::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("it opens");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.expect("it opens");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
        };
        found.expect("the query is sound")
    }

    /// The counts that are kept beside the transfers, where a full count finds others: both of them.
    pub(crate) async fn miscounted(&self) -> Vec<String> {
        let (kept, counted) = (
            "SELECT system, what, number FROM counts WHERE kind = 'standing' AND number <> 0",
            "SELECT system, state, COUNT(*) FROM transfers GROUP BY system, state",
        );
        let mut wrong = Vec::new();
        for (one, other, word) in [(kept, counted, "kept"), (counted, kept, "counted")] {
            let sql = format!(
                "WITH wrong (system, what, number) AS ({one} EXCEPT {other}) \
                 SELECT system || ' ' || what || ' ' || number FROM wrong"
            );
            let found: Vec<String> = self.column(&sql).await;
            wrong.extend(found.into_iter().map(|text| format!("{word}: {text}")));
        }
        wrong
    }
}
