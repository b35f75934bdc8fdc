//! How much each token may ask: a bucket for each, as a partner has one of ours.

use crate::gate::Bucket;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::Mutex;

/// The tokens' buckets. There are as many as tokens that were made, and no more: only who proved one is counted.
pub struct Rates {
    per_second: u32,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Rates {
    /// So many requests of one token in a second, a tenth of them at once.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second, buckets: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// There were too many: how long to wait.
    pub(super) fn take(&self, token: &str, now: Timestamp) -> Result<(), SignedDuration> {
        // A bucket that a panic left is as good as before it.
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !buckets.contains_key(token) {
            buckets.insert(token.to_owned(), Bucket::default());
        }
        let Some(bucket) = buckets.get_mut(token) else { return Ok(()) };
        if bucket.available(self.per_second, now) == 0 {
            return Err(bucket.next_at(self.per_second, now).duration_since(now));
        }
        bucket.take(1, self.per_second, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_a_rate_of_its_own() {
        let (rates, mut now) = (Rates::new(10), Timestamp::UNIX_EPOCH);
        assert_eq!(rates.take("a", now), Ok(()));
        assert_eq!(rates.take("a", now), Err(SignedDuration::from_millis(100)));
        assert_eq!(rates.take("b", now), Ok(()));
        now += SignedDuration::from_millis(100);
        assert_eq!(rates.take("a", now), Ok(()));
    }
}
