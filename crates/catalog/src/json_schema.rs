//! A catalogue item as JSON Schema 2020-12, for those who push JSON and want to check before.

use crate::configuration::Configuration;
use crate::model::{Field, FieldType, Item};
use serde_json::{Map, Value, json};

/// The schema of one row of the item in its own form, as pushed in JSON or NDJSON.
pub fn json_schema(item: &Item, version: i32, configuration: &Configuration) -> Value {
    let properties: Map<String, Value> = item.fields.iter().map(|field| (field.code.clone(), property(field, configuration))).collect();
    let required: Vec<&str> = item.fields.iter().filter(|f| f.required).map(|f| f.code.as_str()).collect();
    let conditions: Vec<Value> = item
        .fields
        .iter()
        .filter_map(|field| {
            let condition = field.required_if.as_ref()?;
            let any = condition.contains.iter().any(|text| text == "*");
            let given = if any {
                json!({ "type": "string", "minLength": 1 })
            } else {
                json!({ "type": "string", "pattern": condition.contains.join("|") })
            };
            Some(json!({
                "if": { "properties": { condition.field.clone(): given }, "required": [condition.field] },
                "then": { "required": [field.code] }
            }))
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("/v1/catalog/{}/schema", item.code),
        "title": item.name,
        "description": item.name_en,
        "x-version": version,
        "type": "object",
        "properties": properties,
        "required": required,
        "allOf": conditions,
        "additionalProperties": false,
    })
}

fn property(field: &Field, configuration: &Configuration) -> Value {
    let mut schema = match field.of_type {
        FieldType::Text => json!({ "type": "string", "maxLength": field.max_chars }),
        FieldType::Date => json!({ "type": "string", "format": "date" }),
        FieldType::Decimal => json!({ "type": ["number", "string"] }),
        FieldType::Integer => json!({ "type": ["integer", "string"] }),
        FieldType::Code => json!({ "type": "string", "enum": values(field, configuration) }),
        FieldType::Codes => json!({ "type": ["string", "array"], "items": { "enum": values(field, configuration) } }),
        FieldType::Uscc => json!({ "type": "string", "pattern": "^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$" }),
        FieldType::OrganisationCode => json!({ "type": "string", "pattern": "^[0-9A-Z]{8}-?[0-9X]$" }),
        FieldType::RegistrationNumber => json!({ "type": "string", "maxLength": 50 }),
        FieldType::PersonDocumentKind => json!({ "type": "string" }),
        FieldType::PersonDocument => json!({ "type": "string", "minLength": 5, "maxLength": 18 }),
        FieldType::AnySubjectCode => json!({ "type": "string", "maxLength": 50 }),
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".to_owned(), field.name.clone().into());
        map.insert("description".to_owned(), field.name_en.clone().into());
        if let Some(unit) = &field.unit {
            map.insert("x-unit".to_owned(), unit.clone().into());
        }
    }
    schema
}

/// The values a code field takes.
pub(crate) fn values(field: &Field, configuration: &Configuration) -> Vec<String> {
    match (&field.allowed, field.code_set.as_ref().and_then(|set| configuration.code_sets.get(set))) {
        (Some(allowed), _) => allowed.clone(),
        (None, Some(set)) => set.values.iter().map(|v| v.value.clone()).collect(),
        (None, None) => Vec::new(),
    }
}
