//! Tests of transaction types: the schema's closed subset, every rule of a field, and what a person reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

use super::*;
use serde_json::json;

const SCHEMA: &str = include_str!("../../../../policies/transactions/payout_change.json");
const ENGLISH: &str = include_str!("../../../../policies/transactions/payout_change.en.txt");
const GERMAN: &str = include_str!("../../../../policies/transactions/payout_change.de.txt");

fn templates() -> BTreeMap<String, String> {
    BTreeMap::from([("en".into(), ENGLISH.into()), ("de".into(), GERMAN.into())])
}

fn payout_change() -> TransactionType {
    TransactionType::new("payout_change", &serde_json::from_str(SCHEMA).unwrap(), &templates()).unwrap()
}

fn payout() -> Value {
    json!({
        "type": "payout_change",
        "resource": { "type": "account", "id": "acc-operations-eur" },
        "creditor_name": "Acme Tools GmbH",
        "iban": "DE89370400440532013000",
        "amount": { "currency": "EUR", "value": "12400.00" },
    })
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut payout = payout();
    *payout.pointer_mut(pointer).unwrap() = value;
    payout
}

#[test]
fn a_transaction_is_its_canonical_bytes_and_their_hash() {
    let kind = payout_change();
    let transaction = kind.validate(&payout()).unwrap();
    let canonical = r#"{"amount":{"currency":"EUR","value":"12400.00"},"creditor_name":"Acme Tools GmbH","iban":"DE89370400440532013000","resource":{"id":"acc-operations-eur","type":"account"},"type":"payout_change"}"#;
    assert_eq!(transaction.canonical(), canonical.as_bytes());
    assert_eq!(transaction.digest(), Digest::of(canonical.as_bytes()));
    assert_eq!((transaction.resource_type(), transaction.resource_id()), ("account", "acc-operations-eur"));
    assert_eq!(transaction.amount().map(Amount::minor_units), Some(1_240_000));

    let reordered: Value = serde_json::from_str(
        r#"{"iban":"DE89370400440532013000","amount":{"value":"12400.00","currency":"EUR"},"type":"payout_change",
            "resource":{"id":"acc-operations-eur","type":"account"},"creditor_name":"Acme Tools GmbH"}"#,
    )
    .unwrap();
    assert_eq!(kind.validate(&reordered).unwrap().digest(), transaction.digest());
}

#[test]
fn whatever_the_type_does_not_allow_is_refused_with_its_place() {
    let kind = payout_change();
    let mut extra = payout();
    extra["note"] = json!("x");
    let mut nested = payout();
    nested["resource"]["owner/x"] = json!("x");
    let mut without = payout();
    without.as_object_mut().unwrap().remove("iban");
    for (value, pointer, reason) in [
        (extra, "/note", TransactionFault::Unknown),
        (nested, "/resource/owner~1x", TransactionFault::Unknown),
        (without, "/iban", TransactionFault::Missing),
        (json!([payout()]), "", TransactionFault::WrongType("an object")),
        (changed("/type", json!("payout_changes")), "/type", TransactionFault::NotConst("payout_change".into())),
        (changed("/resource/type", json!("vault")), "/resource/type", TransactionFault::NotConst("account".into())),
        (changed("/resource/id", json!("a b")), "/resource/id", TransactionFault::NotAnId),
        (changed("/resource/id", json!("konto-ä")), "/resource/id", TransactionFault::NotAnId),
        (changed("/resource/id", json!("")), "/resource/id", TransactionFault::Text(text::TextError::Empty)),
        (changed("/creditor_name", json!(7)), "/creditor_name", TransactionFault::WrongType("a string")),
        (changed("/creditor_name", json!(null)), "/creditor_name", TransactionFault::WrongType("a string")),
        (
            changed("/creditor_name", json!("Acme\nIBAN: DE00")),
            "/creditor_name",
            TransactionFault::Text(text::TextError::Forbidden(10)),
        ),
        (
            changed("/creditor_name", json!("x".repeat(71))),
            "/creditor_name",
            TransactionFault::Text(text::TextError::TooLong(70)),
        ),
        (changed("/iban", json!("DE89370400440532013001")), "/iban", TransactionFault::Iban(IbanError::CheckDigits)),
        (changed("/iban", json!("DE89 3704 0044 0532 0130 00")), "/iban", TransactionFault::Iban(IbanError::Spelling)),
        (changed("/amount", json!("12400.00")), "/amount", TransactionFault::Amount(AmountError::Shape)),
        (changed("/amount/value", json!(12400.0)), "/amount", TransactionFault::Amount(AmountError::Shape)),
        (changed("/amount/value", json!("12400")), "/amount", TransactionFault::Amount(AmountError::Value(2))),
        (changed("/amount/currency", json!("EURO")), "/amount", TransactionFault::Amount(AmountError::Currency)),
    ] {
        let error = kind.validate(&value).expect_err("refused");
        assert_eq!(error, TransactionError { pointer: pointer.into(), reason }, "{value}");
    }
}

#[test]
fn a_person_reads_every_value_in_words_and_rows() {
    let kind = payout_change();
    let transaction = kind.validate(&payout()).unwrap();
    let english = kind.render(&transaction, "en").unwrap();
    assert_eq!(
        english.text,
        "Change where payouts go\n\nPayouts of account acc-operations-eur will go to another recipient.\n\n\
         New recipient: Acme Tools GmbH\nIBAN: DE89 3704 0044 0532 0130 00\nAmount: € 12,400.00\n"
    );
    assert_eq!(english.digest, Digest::of(english.text.as_bytes()));
    assert_eq!(
        (english.template.as_str(), english.strong.as_slice()),
        ("payout_change.en", &["acc-operations-eur".to_owned()][..])
    );
    let rows: Vec<_> = english.rows.iter().map(|r| (r.field.as_str(), r.kind, r.canonical.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("creditor_name", RowKind::Name, "Acme Tools GmbH"),
            ("iban", RowKind::Iban, "DE89370400440532013000"),
            ("amount", RowKind::Amount, "12400.00"),
        ]
    );
    let german = kind.render(&transaction, "de").unwrap();
    assert!(german.text.ends_with("Betrag: 12.400,00 €\n"), "{}", german.text);
    assert_ne!(german.digest, english.digest);
}

#[test]
fn names_in_scripts_that_do_not_belong_together_are_marked() {
    let kind = payout_change();
    let transaction = kind.validate(&changed("/creditor_name", json!("Асme Tools"))).unwrap();
    let marked: Vec<bool> = kind.render(&transaction, "en").unwrap().rows.iter().map(|r| r.mixed_scripts).collect();
    assert_eq!(marked, [true, false, false]);
}

#[test]
fn any_other_value_reads_differently() {
    let kind = payout_change();
    let base = kind.render(&kind.validate(&payout()).unwrap(), "en").unwrap();
    for other in [
        changed("/resource/id", json!("acc-operations-usd")),
        changed("/creditor_name", json!("Acme Tools GmbH.")),
        changed("/iban", json!("GB82WEST12345698765432")),
        changed("/amount/value", json!("12400.01")),
        changed("/amount/currency", json!("USD")),
    ] {
        let display = kind.render(&kind.validate(&other).unwrap(), "en").unwrap();
        assert_ne!(display.digest, base.digest, "{other}");
    }
}

#[test]
fn naughty_strings_are_refused_or_shown_on_one_line() {
    let vectors = std::env::var_os("COUNTERFOIL_VECTORS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        std::path::PathBuf::from,
    );
    let Ok(bytes) = std::fs::read(vectors.join("blns/blns.json")) else {
        println!("skipped: {} absent", vectors.join("blns").display());
        return;
    };
    let strings: Vec<String> = serde_json::from_slice(&bytes).unwrap();
    let kind = payout_change();
    let shape = |display: &Display| display.text.lines().count();
    let usual = shape(&kind.render(&kind.validate(&payout()).unwrap(), "en").unwrap());
    let (mut taken, mut refused) = (0, 0);
    for string in &strings {
        for pointer in
            ["/type", "/resource/type", "/resource/id", "/creditor_name", "/iban", "/amount/currency", "/amount/value"]
        {
            let Ok(transaction) = kind.validate(&changed(pointer, json!(string))) else {
                refused += 1;
                continue;
            };
            taken += 1;
            let display = kind.render(&transaction, "en").unwrap();
            assert_eq!(shape(&display), usual, "{pointer} {string:?}");
            assert!(display.text.contains(string.as_str()), "{pointer} {string:?} is not shown as it is");
        }
    }
    assert!(taken > 100 && refused > 2_000, "{taken} taken, {refused} refused");
}

fn with_schema(edit: impl FnOnce(&mut Value)) -> TransactionTypeError {
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    edit(&mut schema);
    TransactionType::new("payout_change", &schema, &templates()).map(|_| ()).expect_err("refused")
}

#[test]
fn a_schema_beyond_the_closed_subset_is_refused() {
    type Edit = fn(&mut Value);
    let edits: [(Edit, &str); 12] = [
        (|s| s["additionalProperties"] = json!(true), ""),
        (|s| s["required"] = json!(["type", "resource", "iban", "amount"]), ""),
        (|s| s["anyOf"] = json!([]), ""),
        (|s| s["properties"]["iban"] = json!({ "type": "string" }), "/iban"),
        (|s| s["properties"]["iban"]["pattern"] = json!(".*"), "/iban"),
        (|s| s["properties"]["iban"] = json!({ "type": "number" }), "/iban"),
        (|s| s["properties"]["iban"] = json!({ "type": "integer", "minimum": 0 }), "/iban"),
        (|s| s["properties"]["iban"] = json!({ "type": "array", "items": {} }), "/iban"),
        (|s| s["properties"]["creditor_name"]["maxLength"] = json!(100_000), "/creditor_name"),
        (|s| s["properties"]["type"]["const"] = json!("other"), "/type"),
        (|s| s["properties"]["resource"]["properties"]["id"]["format"] = json!("text"), "/resource/id"),
        (
            |s| s["properties"]["resource"]["properties"]["type"] = json!({ "type": "string", "format": "id" }),
            "/resource/type",
        ),
    ];
    for (number, (edit, pointer)) in edits.into_iter().enumerate() {
        match with_schema(edit) {
            TransactionTypeError::Schema(error) => assert_eq!(error.pointer, pointer, "edit {number}: {error}"),
            other => panic!("edit {number}: {other}"),
        }
    }
}

#[test]
fn a_template_shows_each_field_exactly_once() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (from, to, line) in [
        ("IBAN: {iban}\n", "", 6),
        ("IBAN: {iban}", "IBAN: {creditor_name}", 6),
        ("{iban}", "{bic}", 6),
        ("IBAN: {iban}", "IBAN: {iban} (new)", 6),
        ("{resource.id}", "nobody", 7),
        ("{resource.id}", "{resource.type}", 3),
        ("{resource.id}", "{resource.id", 3),
        ("{resource.id}", "{resource.id}}", 3),
        ("Change where payouts go", "Change {amount}", 1),
        ("Payouts of", "Payouts\u{202E} of", 3),
    ] {
        let changed = BTreeMap::from([("en".to_owned(), ENGLISH.replace(from, to))]);
        match TransactionType::new("payout_change", &schema, &changed).map(|_| ()).expect_err("refused") {
            TransactionTypeError::Template { lang, error } => {
                assert_eq!((lang.as_str(), error.line), ("en", line), "{error}")
            }
            other => panic!("{other}"),
        }
    }
}
