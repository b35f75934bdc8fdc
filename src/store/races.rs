//! Lost races: on PostgreSQL the database may end a transaction in favour of another. It is as if it had not begun, and
//! the same again finds what the other has done.

use super::dialect::LOST_RACES_POSTGRES;
use std::error::Error;

/// How often something runs again because other transactions were in its way.
const MOST_RACES: u32 = 5;

/// The races that something has lost so far.
#[derive(Default)]
pub(super) struct Races(u32);

impl Races {
    /// Whether what ended with an error should run again: another transaction was faster, and not too often yet.
    pub(super) fn again(&mut self, error: &(dyn Error + 'static)) -> bool {
        self.0 += 1;
        self.0 <= MOST_RACES && lost(error)
    }
}

/// Does something that begins and ends a transaction of its own; again from its beginning, so many times, when another
/// transaction was faster. So nothing of it may be told or kept before its commit.
///
/// # Errors
/// The work's own; a lost race only after many.
pub async fn despite_races<T, E: Error + 'static, F: Future<Output = Result<T, E>>>(
    mut work: impl FnMut() -> F,
) -> Result<T, E> {
    let mut races = Races::default();
    loop {
        match work().await {
            Err(error) if races.again(&error) => {}
            ended => return ended,
        }
    }
}

/// Whether the database's words are at the bottom of an error, and say so.
fn lost(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source())
        .filter_map(|error| error.downcast_ref::<sqlx::Error>()?.as_database_error()?.code())
        .any(|code| LOST_RACES_POSTGRES.contains(&&*code))
}
