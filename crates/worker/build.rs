//! Says which peers are at hand, for the tests.

include!("../peers/at_hand.rs");

fn main() {
    tell_cargo();
}
