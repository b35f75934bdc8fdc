//! Bearer tokens, kept as hashes.

use super::StoreError;
use super::tx::{Tx, execute, on};
use jiff::Timestamp;

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenRow {
    /// Its name.
    pub name: String,
    /// Its roles, joined by spaces.
    pub roles: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

impl Tx {
    /// Keeps a token; `false` when the name is taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_token(
        &mut self,
        name: &str,
        hash: &[u8],
        roles: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(self, "keeping a token", sqlx::query(
            "INSERT INTO tokens (name, hash, roles, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(hash)
            .bind(roles)
            .bind(at.as_millisecond()))?;
        Ok(rows == 1)
    }

    /// The token of a hash, unless it was revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(&mut self, hash: &[u8]) -> Result<Option<TokenRow>, StoreError> {
        on!(self, "looking up a token", db => sqlx::query_as(
            "SELECT name, roles, created_at, revoked_at FROM tokens WHERE hash = $1 AND revoked_at IS NULL")
            .bind(hash)
            .fetch_optional(db))
    }

    /// All tokens, revoked ones included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(&mut self) -> Result<Vec<TokenRow>, StoreError> {
        on!(self, "listing tokens", db => sqlx::query_as(
            "SELECT name, roles, created_at, revoked_at FROM tokens ORDER BY id").fetch_all(db))
    }

    /// Revokes a token for good; `false` when there is none of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_token(&mut self, name: &str, at: Timestamp) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "revoking a token",
            sqlx::query("UPDATE tokens SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL")
                .bind(name)
                .bind(at.as_millisecond())
        )?;
        Ok(rows == 1)
    }
}
