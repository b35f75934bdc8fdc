//! Bearer tokens and their roles. A token is shown once, when it is made; the store has its hash.

use crate::store::{Store, StoreError, Tx};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Take transfers in, amend and withdraw them, and read them.
    Submit,
    /// Read everything, masked.
    View,
    /// Act on transfers and systems.
    Operate,
    /// Manage tokens and keys.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Submit, Self::View, Self::Operate, Self::Admin];

    /// The word in the store and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::View => "view",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
}

impl Caller {
    /// Whether any of these roles is among the caller's.
    #[must_use]
    pub fn may(&self, any_of: &[Role]) -> bool {
        self.roles.iter().any(|role| any_of.contains(role))
    }
}

/// Makes a token and keeps its hash; `None` when the name is taken.
///
/// # Errors
/// [`StoreError`].
pub async fn create_token(
    store: &Store,
    name: &str,
    roles: &[Role],
    at: Timestamp,
) -> Result<Option<Zeroizing<String>>, StoreError> {
    let mut tx = store.write("create token").await?;
    let made = make_token(&mut tx, name, roles, at).await?;
    tx.commit().await?;
    Ok(made)
}

/// [`create_token`] in the caller's transaction.
///
/// # Errors
/// [`StoreError`].
pub async fn make_token(
    tx: &mut Tx,
    name: &str,
    roles: &[Role],
    at: Timestamp,
) -> Result<Option<Zeroizing<String>>, StoreError> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    if getrandom::fill(bytes.as_mut_slice()).is_err() {
        return Err(StoreError::Schema("the operating system gave no randomness for a token".into()));
    }
    let token = Zeroizing::new(format!("lgw_{}", hex::encode(bytes.as_slice())));
    let roles = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ");
    let made = tx.insert_token(name, &hash(&token), &roles, at).await?;
    Ok(made.then_some(token))
}

/// Who bears this token.
///
/// # Errors
/// [`StoreError`].
pub async fn authenticate(store: &Store, token: &str) -> Result<Option<Caller>, StoreError> {
    let hash = &hash(token);
    let row = store.glance("authenticate", |mut tx| async move { tx.token(hash).await }).await?;
    Ok(row.map(|row| Caller {
        roles: Role::ALL
            .into_iter()
            .filter(|role| row.roles.split(' ').any(|word| word == role.as_str()))
            .collect(),
        name: row.name,
    }))
}

/// The token has 256 random bits: a plain hash can't be searched, and is looked up in constant work.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
