//! Variables of a configuration: keys that were set before.

use watershed_wire::conf::{Item, Pair, Value};

/// Variables that are remembered.
const VARIABLES_MAX: usize = 1000;

/// Puts in the values of variables that were set before; the environment's stay as they are.
pub(super) fn resolved(mut pairs: Vec<Pair>) -> Vec<Pair> {
    let mut known: Vec<(String, Value)> = Vec::new();
    for pair in &mut pairs {
        put_in(&mut pair.item, &known);
        let plain = !matches!(pair.item.value, Value::List(_) | Value::Map(_) | Value::Variable(_));
        if plain && known.len() < VARIABLES_MAX {
            known.push((pair.key.clone(), pair.item.value.clone()));
        }
    }
    pairs
}

fn put_in(item: &mut Item, known: &[(String, Value)]) {
    match &mut item.value {
        Value::Variable(name) => {
            if let Some((_, value)) = known.iter().rfind(|(key, _)| key == name) {
                item.value = value.clone();
            }
        }
        Value::List(items) => {
            for item in items {
                put_in(item, known);
            }
        }
        Value::Map(pairs) => {
            for pair in pairs {
                put_in(&mut pair.item, known);
            }
        }
        _ => {}
    }
}
