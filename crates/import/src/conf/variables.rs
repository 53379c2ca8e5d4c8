//! Variables of a configuration: keys that were set before, in the same block or around it.

use watershed_wire::conf::{Item, Pair, Value};

/// Values that variables may come to, all together: one that stands for others that stand for others grows quickly.
const VALUES_MAX: usize = 100_000;

/// Puts in the values of variables that were set before; the environment's stay as they are. Of two entries with one
/// key the last one counts.
pub(super) fn resolved(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut scopes = Scopes { open: Vec::new(), budget: VALUES_MAX };
    scopes.block(pairs)
}

struct Scopes {
    /// The blocks around, outermost first, each with what was set in it so far.
    open: Vec<Vec<Pair>>,
    budget: usize,
}

impl Scopes {
    fn block(&mut self, pairs: Vec<Pair>) -> Vec<Pair> {
        self.open.push(Vec::with_capacity(pairs.len()));
        for mut pair in pairs {
            pair.item = self.item(pair.item);
            let Some(own) = self.open.last_mut() else { continue };
            own.push(pair);
        }
        let mut done = self.open.pop().unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        let last: Vec<bool> = done.iter().rev().map(|pair| seen.insert(pair.key.clone())).collect();
        let mut last = last.into_iter().rev();
        done.retain(|_| last.next().unwrap_or_default());
        done
    }

    fn item(&mut self, item: Item) -> Item {
        let value = match item.value {
            Value::Variable(name) => self.found(&name).unwrap_or(Value::Variable(name)),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.item(item)).collect())
            }
            Value::Map(pairs) => Value::Map(self.block(pairs)),
            other => other,
        };
        Item { value, place: item.place }
    }

    fn found(&mut self, name: &str) -> Option<Value> {
        let known = self.open.iter().rev().find_map(|block| {
            block.iter().rfind(|pair| pair.key == name).map(|pair| &pair.item.value)
        })?;
        self.budget = self.budget.checked_sub(values(known, self.budget)?)?;
        Some(known.clone())
    }
}

/// How many values there are in one, if they are no more than `most`.
fn values(value: &Value, most: usize) -> Option<usize> {
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::List(items) => Box::new(items.iter().map(|item| &item.value)),
        Value::Map(pairs) => Box::new(pairs.iter().map(|pair| &pair.item.value)),
        _ => Box::new(std::iter::empty()),
    };
    let mut all = 1;
    for one in inner {
        all += values(one, most.checked_sub(all)?)?;
    }
    (all <= most).then_some(all)
}
