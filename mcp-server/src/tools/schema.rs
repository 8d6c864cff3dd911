//! Schemas in the plain dialect that every client understands.
//!
//! schemars writes `$ref`, `anyOf` with null, type lists and formats such as `uint32`; several
//! clients reject or misread them. Every schema here is flat: one type a value, nothing referred to.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of arguments, with their descriptions.
pub(super) fn input<T: schemars::JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12();
    let schema = flat(settings.into_generator().into_root_schema_for::<T>().into());
    Arc::new(object(schema))
}

/// The schema of an answer, as it is written. Only the answer's own fields keep their descriptions:
/// what is in a run or a failure is told by its names, and every word here costs each conversation.
pub(super) fn output<T: schemars::JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = flat(settings.into_generator().into_root_schema_for::<T>().into());
    let mut schema = object(schema);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(undescribe_inside);
    }
    Arc::new(schema)
}

/// Removes descriptions below a property.
fn undescribe_inside(property: &mut Value) {
    for key in ["properties", "items"] {
        let Some(Value::Object(inner)) = property.get_mut(key) else {
            continue;
        };
        if key == "properties" {
            for value in inner.values_mut() {
                if let Some(value) = value.as_object_mut() {
                    value.remove("description");
                }
                undescribe_inside(value);
            }
        } else {
            inner.remove("description");
            undescribe_inside(&mut property["items"]);
        }
    }
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(mut object) => {
            object.remove("description");
            object
        }
        _ => JsonObject::new(),
    }
}

fn flat(mut root: Value) -> Value {
    let definitions = root
        .as_object_mut()
        .and_then(|object| object.remove("$defs"))
        .unwrap_or_default();
    let mut schema = simplify(root, &definitions);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
    }
    schema
}

/// Simplifies one schema and everything in it. Types here are not recursive, so this ends.
fn simplify(schema: Value, definitions: &Value) -> Value {
    let Value::Object(mut object) = schema else {
        return schema;
    };
    if let Some(Value::String(reference)) = object.remove("$ref") {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let mut target = simplify(definitions[name].clone(), definitions);
        if let (Some(target), Some(description)) =
            (target.as_object_mut(), object.remove("description"))
        {
            target.insert("description".to_owned(), description);
        }
        return target;
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(options)) = object.remove(choice) {
            let real = options.into_iter().find(|option| option["type"] != "null");
            let real = simplify(real.unwrap_or_default(), definitions);
            for (key, value) in real.as_object().into_iter().flatten() {
                object.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    if let Some(Value::Array(types)) = object.get("type") {
        let real = types.iter().find(|one| *one != "null").cloned();
        object.insert("type".to_owned(), real.unwrap_or_default());
    }
    for noise in ["title", "format", "default", "minimum"] {
        object.remove(noise);
    }
    if let Some(Value::Object(properties)) = object.remove("properties") {
        let simple = properties
            .into_iter()
            .map(|(name, property)| (name, simplify(property, definitions)));
        object.insert("properties".to_owned(), Value::Object(simple.collect()));
    }
    if let Some(items) = object.remove("items") {
        let mut items = simplify(items, definitions);
        if let Some(items) = items.as_object_mut() {
            items.remove("description");
        }
        object.insert("items".to_owned(), items);
    }
    Value::Object(object)
}
