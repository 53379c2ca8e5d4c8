//! Public nkeys, and what was signed with the seeds behind them.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use nkeys::{KeyPair, KeyPairType};

/// The public key of a user, as nats.conf has it behind `nkey`.
#[derive(Clone)]
pub struct Nkey {
    text: String,
    key: KeyPair,
}

impl Nkey {
    /// Reads the public key of a user (`U…`); `None` if it is invalid.
    pub fn of_user(text: &str) -> Option<Self> {
        let key = KeyPair::from_public_key(text).ok()?;
        (key.key_pair_type() == KeyPairType::User).then(|| Self { text: text.to_owned(), key })
    }

    /// Whether `signature`, in Base64, is that of `signed`.
    pub(crate) fn has_signed(&self, signed: &[u8], signature: &str) -> bool {
        !signed.is_empty()
            && bytes_of(signature).is_some_and(|bytes| self.key.verify(signed, &bytes).is_ok())
    }
}

/// A signature's bytes. Clients write it as a URL takes it, or as mail does.
fn bytes_of(signature: &str) -> Option<Vec<u8>> {
    // Longer than 64 bytes come to.
    if signature.len() > 128 {
        return None;
    }
    let read = |alphabet: &Alphabet| {
        let lenient = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(alphabet, lenient).decode(signature).ok()
    };
    read(&URL_SAFE).or_else(|| read(&STANDARD))
}

impl PartialEq for Nkey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Nkey {}

impl fmt::Display for Nkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Nkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_signature_is_of_one_key_and_one_text() {
        let pair = KeyPair::new_user();
        let key = Nkey::of_user(&pair.public_key()).unwrap();
        let signature = pair.sign(b"nonce").unwrap();
        for written in [URL_SAFE_NO_PAD.encode(&signature), STANDARD.encode(&signature)] {
            assert!(key.has_signed(b"nonce", &written));
            assert!(!key.has_signed(b"another", &written) && !key.has_signed(b"", &written));
            let other = Nkey::of_user(&KeyPair::new_user().public_key()).unwrap();
            assert!(!other.has_signed(b"nonce", &written));
        }
        let long = "A".repeat(1 << 20);
        for wrong in ["", "AAAA", "not base64", "é", &long, &URL_SAFE_NO_PAD.encode([0; 64])] {
            assert!(!key.has_signed(b"nonce", wrong));
        }
    }

    #[test]
    fn only_the_key_of_a_user_is_one() {
        let account = KeyPair::new_account().public_key();
        let seed = KeyPair::new_user().seed().unwrap();
        let broken = KeyPair::new_user().public_key().replacen('U', "V", 1);
        for text in ["", "U", &account, &seed, &broken, &"é".repeat(28), &"U".repeat(56)] {
            assert_eq!(Nkey::of_user(text), None, "{text}");
        }
    }
}
