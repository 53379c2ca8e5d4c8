//! Numbers that nobody can guess, whatever others of them they have seen.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher};

/// Numbers from a key that the shell has from the system: a keyed hash of how many there were.
#[derive(Clone)]
pub struct Secrets {
    key: [u64; 2],
    given: u64,
}

impl Secrets {
    /// Numbers that nobody can guess who does not know `key`.
    pub fn new(key: [u64; 2]) -> Self {
        Self { key, given: 0 }
    }

    /// The next 128 bits.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> [u64; 2] {
        let mut hasher = SipHasher::new_with_keys(self.key[0], self.key[1]);
        hasher.write_u64(self.given);
        self.given += 1;
        let hash = hasher.finish128();
        [hash.h1, hash.h2]
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("given", &self.given).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_key_and_do_not_show_it() {
        let mut secrets = Secrets::new([1, 2]);
        let first: Vec<_> = (0..3).map(|_| secrets.next()).collect();
        let mut again = Secrets::new([1, 2]);
        assert_eq!(first, (0..3).map(|_| again.next()).collect::<Vec<_>>());
        let mut other = Secrets::new([1, 3]);
        assert!((0..3).all(|_| !first.contains(&other.next())));
        assert_eq!(format!("{secrets:?}"), "Secrets { given: 3, .. }");
    }
}
