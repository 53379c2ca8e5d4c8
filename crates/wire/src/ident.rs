//! Names of assets, and unique ids made from randomness that the caller gives.

use crate::limits::NAME_BYTES_MAX;

/// Why a text is no name of a stream or a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name cannot be empty")]
    Empty,
    /// Above [`NAME_BYTES_MAX`] bytes.
    #[error("a name has at most {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// A character that would change the meaning of API subjects or paths.
    #[error("a name cannot hold white space or any of `.`, `*`, `>`, `/`, `\\`")]
    Character,
}

/// What is wrong with `name` as the name of a stream or a consumer.
pub fn name_problem(name: &str) -> Option<NameError> {
    if name.is_empty() {
        return Some(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(NameError::TooLong);
    }
    let bad = |c: char| matches!(c, '.' | '*' | '>' | '/' | '\\' | '\0') || c.is_whitespace();
    name.contains(bad).then_some(NameError::Character)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id of 22 letters and digits, as NATS uses them, from two random numbers.
pub fn unique_id(random: [u64; 2]) -> String {
    random.iter().flat_map(|word| base62(*word).into_iter().take(11)).collect()
}

/// An id of 8 letters and digits: the name that the server gives an ephemeral consumer.
pub fn short_id(random: u64) -> String {
    base62(random).into_iter().take(8).collect()
}

fn base62(mut word: u64) -> [char; 11] {
    let mut digits = ['0'; 11];
    for digit in &mut digits {
        let index = usize::try_from(word % 62).unwrap_or(0);
        *digit = BASE62.get(index).map_or('0', |byte| char::from(*byte));
        word /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["ORDERS", "my:str$", "ünï", "a%b", "a-b_c"] {
            assert_eq!(name_problem(name), None, "{name}");
        }
        for name in ["", "a.b", "a b", "*", "a>", "a/b", "a\\b", "a\tb", "a\0"] {
            assert!(name_problem(name).is_some(), "{name:?}");
        }
        assert_eq!(name_problem(&"x".repeat(256)), Some(NameError::TooLong));
    }

    #[test]
    fn ids_are_letters_and_digits_of_a_fixed_length() {
        assert_eq!(unique_id([u64::MAX, 0]).len(), 22);
        assert_eq!(short_id(12345).len(), 8);
        assert_ne!(unique_id([1, 2]), unique_id([2, 1]));
    }
}
