//! What may stand where, by the schema of the language.

use serde_json::Value as Json;
use watershed_topology::json_schema::json_schema;

use crate::path::Step;

/// The schema of a topology file.
#[derive(Debug)]
pub(crate) struct Shapes {
    schema: Json,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        Self { schema: json_schema() }
    }

    /// What may stand at a path: each of these.
    pub(crate) fn at(&self, path: &[Step]) -> Vec<&Json> {
        let mut shapes = Vec::new();
        self.either(&self.schema, &mut shapes);
        for step in path {
            let mut inner = Vec::new();
            for shape in shapes {
                if let Some(next) = inside(shape, step) {
                    self.either(next, &mut inner);
                }
            }
            shapes = inner;
        }
        shapes
    }

    /// What a key of the mapping at a path means.
    pub(crate) fn about(&self, path: &[Step], key: &str) -> Option<&str> {
        let known = self.at(path).into_iter();
        known
            .filter_map(|shape| shape.get("properties")?.get(key))
            .find_map(|property| property.get("description").and_then(Json::as_str).or(Some("")))
    }

    /// The keys that the mapping at a path may have, with what they mean.
    pub(crate) fn keys(&self, path: &[Step]) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        for shape in self.at(path) {
            let properties = shape.get("properties").and_then(Json::as_object);
            for (key, property) in properties.into_iter().flatten() {
                let about = property.get("description").and_then(Json::as_str).unwrap_or_default();
                found.push((key.as_str(), about));
            }
        }
        found
    }

    /// The words that may stand at a path.
    pub(crate) fn words(&self, path: &[Step]) -> Vec<String> {
        let mut words = Vec::new();
        for shape in self.at(path) {
            let listed = shape.get("enum").and_then(Json::as_array).into_iter().flatten();
            words.extend(listed.filter_map(Json::as_str).map(str::to_owned));
            if shape.get("type").and_then(Json::as_str) == Some("boolean") {
                words.extend(["true".to_owned(), "false".to_owned()]);
            }
        }
        words
    }

    /// What may stand at a path as a mapping has it: whether it takes a mapping or a list, which begin a line of their own.
    pub(crate) fn is_nested(&self, path: &[Step]) -> bool {
        self.at(path).iter().any(|shape| {
            shape.get("properties").is_some()
                || shape.get("additionalProperties").is_some_and(Json::is_object)
        })
    }

    /// A schema without references and alternatives.
    fn either<'s>(&'s self, schema: &'s Json, found: &mut Vec<&'s Json>) {
        if let Some(name) = schema.get("$ref").and_then(Json::as_str) {
            let target = name.strip_prefix('#').and_then(|path| self.schema.pointer(path));
            if let Some(target) = target {
                self.either(target, found);
            }
        } else if let Some(all) = schema.get("anyOf").and_then(Json::as_array) {
            for one in all {
                self.either(one, found);
            }
        } else {
            found.push(schema);
        }
    }
}

fn inside<'s>(shape: &'s Json, step: &Step) -> Option<&'s Json> {
    match step {
        Step::Item => shape.get("items"),
        Step::Key(key) => {
            let known = shape.get("properties").and_then(|all| all.get(key));
            known.or_else(|| shape.get("additionalProperties").filter(|any| any.is_object()))
        }
    }
}
