//! JSON Schema as far as the schemas that we hold replies against use it: the standard's own and those of our document.

use serde_json::Value;

/// What the schema finds wrong with a value, each with its place. Names of schemas are looked up in `document`. A keyword that
/// it is not prepared for stops the test, so that nothing passes unread.
pub fn wrong(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    Reader { document, strict: false }.wrong(schema, value, "")
}

/// The same, and members of which the schema says nothing are wrong too: what is sent is documented.
pub fn undocumented(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    Reader { document, strict: true }.wrong(schema, value, "")
}

/// The least that a schema takes: what is required, and of each the first or the shortest that fits.
pub fn least(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return least(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    if let Some(only) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return only.clone();
    }
    if let Some(first) = schema["oneOf"].get(0) {
        return least(document, first);
    }
    let bound = |name: &str| schema[name].as_u64().unwrap_or_default();
    match schema["type"].as_str().unwrap() {
        "object" => {
            let names = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
            names.map(|name| (name.to_owned(), least(document, &schema["properties"][name]))).collect()
        }
        "array" => (0..bound("minItems")).map(|_| least(document, &schema["items"])).collect(),
        "string" if schema["format"] == "uuid" => "01a2010a-51fe-7e1f-9893-d6b45adab2c5".into(),
        "string" => "A".repeat(bound("minLength").max(1).try_into().unwrap()).into(),
        "integer" => bound("minimum").into(),
        "boolean" => false.into(),
        other => panic!("a type that nobody makes: {other}"),
    }
}

struct Reader<'a> {
    document: &'a Value,
    strict: bool,
}

impl Reader<'_> {
    fn wrong(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut found = Vec::new();
        let members = schema.as_object().unwrap_or_else(|| panic!("{at}: no schema: {schema}"));
        for (keyword, rule) in members {
            found.extend(self.judged(keyword, rule, value, at));
        }
        // INVARIANT: an object is documented where its `type` is said; other schemas with `properties` only narrow one.
        let open = members.get("additionalProperties").map_or(!self.strict, |rule| *rule != Value::Bool(false));
        if let (Some(known), Some(object)) = (members.get("properties"), value.as_object())
            && !open
            && members.contains_key("type")
        {
            let others = object.keys().filter(|name| known.get(name.as_str()).is_none());
            found.extend(others.map(|name| format!("{at}/{name} is not documented")));
        }
        found
    }

    fn judged(&self, keyword: &str, rule: &Value, value: &Value, at: &str) -> Vec<String> {
        let fault = |fits: bool, why: String| if fits { Vec::new() } else { vec![why] };
        let length = value.as_str().map_or(0, |text| text.chars().count() as u64);
        let items = value.as_array().map_or(0, |items| items.len() as u64);
        match keyword {
            "$ref" => {
                let name = rule.as_str().unwrap().trim_start_matches('#');
                let schema = self.document.pointer(name).unwrap_or_else(|| panic!("{name} is not defined"));
                self.wrong(schema, value, at)
            }
            "type" => fault(is(rule.as_str().unwrap(), value), format!("{at} is no {rule}: {value}")),
            "enum" => fault(rule.as_array().unwrap().contains(value), format!("{at} is none of {rule}: {value}")),
            "const" => fault(rule == value, format!("{at} is not {rule}: {value}")),
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                names
                    .filter(|name| value.is_object() && value.get(name).is_none())
                    .map(|name| format!("{at}/{name} is missing"))
                    .collect()
            }
            "properties" => {
                let rules = rule.as_object().unwrap().iter();
                let there = rules.filter_map(|(name, rule)| Some((name, rule, value.get(name)?)));
                there.flat_map(|(name, rule, member)| self.wrong(rule, member, &format!("{at}/{name}"))).collect()
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.flat_map(|(number, item)| self.wrong(rule, item, &format!("{at}/{number}"))).collect()
            }
            "allOf" => rule.as_array().unwrap().iter().flat_map(|rule| self.wrong(rule, value, at)).collect(),
            "oneOf" => {
                let tried: Vec<Vec<String>> =
                    rule.as_array().unwrap().iter().map(|rule| self.wrong(rule, value, at)).collect();
                let fitting = tried.iter().filter(|found| found.is_empty()).count();
                fault(fitting == 1, format!("{at} is {fitting} of them: {tried:?}"))
            }
            "minimum" => fault(
                value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
                format!("{at} is less than {rule}"),
            ),
            "minLength" => fault(!value.is_string() || length >= rule.as_u64().unwrap(), format!("{at} is too short")),
            "maxLength" => fault(length <= rule.as_u64().unwrap(), format!("{at} is too long")),
            "minItems" => fault(!value.is_array() || items >= rule.as_u64().unwrap(), format!("{at} has too few")),
            "maxItems" => fault(items <= rule.as_u64().unwrap(), format!("{at} has too many")),
            "format" => fault(
                rule != "uuid" || value.as_str().is_none_or(|text| text.len() == 36),
                format!("{at} is no {rule}: {value}"),
            ),
            "additionalProperties" => {
                assert!(rule.is_boolean(), "{at}: a rule for other members that nobody reads: {rule}");
                Vec::new()
            }
            "$schema" | "$id" | "$comment" | "title" | "description" | "example" | "examples" | "contentEncoding"
            | "contentMediaType" => Vec::new(),
            other => panic!("a keyword that nobody reads: {other}"),
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("a type that nobody reads: {other}"),
    }
}

#[test]
fn each_keyword_finds_what_it_is_for() {
    use serde_json::json;
    let document = json!({"a": {"type": "string", "minLength": 2}});
    for (schema, good, bad) in [
        (json!({"$ref": "#/a"}), json!("xy"), json!("x")),
        (json!({"type": "integer", "minimum": 0}), json!(0), json!(-1)),
        (json!({"enum": ["a"]}), json!("a"), json!("b")),
        (json!({"const": "a"}), json!("a"), json!("b")),
        (json!({"type": "object", "required": ["a"]}), json!({"a": 1}), json!({"b": 1})),
        (json!({"properties": {"a": {"type": "boolean"}}}), json!({"a": true}), json!({"a": 1})),
        (
            json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}),
            json!({"a": 1}),
            json!({"b": 1}),
        ),
        (json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}), json!(["a"]), json!(["a", "b"])),
        (json!({"items": {"type": "string"}}), json!(["a"]), json!([1])),
        (json!({"allOf": [{"type": "string"}, {"maxLength": 1}]}), json!("a"), json!("ab")),
        (json!({"oneOf": [{"type": "string"}, {"maxLength": 1}]}), json!("ab"), json!("a")),
        (json!({"format": "uuid"}), json!("01a2010a-51fe-7e1f-9893-d6b45adab2c5"), json!("1")),
    ] {
        assert_eq!(wrong(&document, &schema, &good), Vec::<String>::new(), "{schema}");
        assert!(!wrong(&document, &schema, &bad).is_empty(), "{schema}: {bad}");
    }
    let schema = json!({"type": "object", "properties": {"a": {}}});
    assert!(wrong(&document, &schema, &json!({"b": 1})).is_empty());
    assert!(!undocumented(&document, &schema, &json!({"b": 1})).is_empty());
}
