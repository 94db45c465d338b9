//! The evidence of a payout, from the pages and offline; and every decision of a run decided again from its record.

use crate::{
    browser::Browser,
    harness::{Demo, counterfoil, ran},
    passkey::Passkey,
    treasury::Treasury,
};
use serde_json::{Value, json};
use std::path::Path;

/// One payout, confirmed by the first user and executed. The step-up's page, and what it showed.
fn payout(demo: &Demo, browser: &mut Browser<'_>) -> (String, Value) {
    let user = demo.ready["users"][0].clone();
    let mut treasury = Treasury::sign_in(demo, browser, &user);
    let mut passkey = Passkey::enrol(browser, demo.issuer());
    let page = treasury.change_payout(browser, "operations-eur", "12400.00");
    let shown = treasury.confirm(browser, &page, &mut passkey);
    (page, shown)
}

#[test]
fn the_evidence_of_a_payout_is_verified_by_whoever_has_the_logs_key() {
    let mut demo = Demo::start();
    let outside = tempfile::tempdir().unwrap();
    let file = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    let (decision, number, from_page) = {
        let mut browser = Browser::new(&demo);
        let (_, shown) = payout(&demo, &mut browser);
        let me = browser.post("/me", &json!({})).json();
        let confirmed = &me["confirmations"][0];
        assert_eq!(confirmed["outcome"], "executed", "{me}");
        let url = confirmed["evidence_url"].as_str().unwrap();
        let evidence = browser.post(url, &json!({}));
        assert_eq!(evidence.status, 200, "{evidence:?}");
        // Nobody else's: neither another person nor another session of the same one.
        let mut other = Browser::new(&demo);
        assert_eq!(other.post(url, &json!({})).status, 401);
        other.sign_in(&demo.ready["users"][1].clone());
        assert_eq!(other.post(url, &json!({})).status, 404);
        let of_decision = format!("/admin/decisions/{}/evidence", shown["decision_id"].as_str().unwrap());
        assert_eq!(other.post(&of_decision, &json!({})).status, 403, "no role here");
        (
            shown["decision_id"].as_str().unwrap().to_owned(),
            confirmed["counterfoil"].as_str().unwrap().to_owned(),
            evidence.json(),
        )
    };
    demo.stop();
    let data = demo.data();
    let key = std::fs::read_to_string(data.join("log.vkey")).unwrap().trim().to_owned();

    for (name, wanted) in
        [("by-decision.json", ["--decision", &decision]), ("by-number.json", ["--counterfoil", &number])]
    {
        let (done, _) = counterfoil(&["audit", "evidence", wanted[0], wanted[1], "--out", &file(name)], &data);
        assert!(done, "{name}");
    }
    std::fs::write(file("page.json"), from_page.to_string()).unwrap();
    for name in ["by-decision.json", "by-number.json", "page.json"] {
        let (code, text) = ran(&["--format", "json", "audit", "verify", "--bundle", &file(name), "--log-key", &key]);
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (code, &report["holds"], &report["outcome"]),
            (0, &json!(true), &json!("executed")),
            "{name}: {text}"
        );
        assert_eq!(report["transaction"]["iban"], "DE89370400440532013000");
        assert!(
            report["display_text"].as_str().unwrap().contains("12,400.00")
                || report["display_text"].as_str().unwrap().contains("12400.00"),
            "{text}"
        );
    }
    let (code, text) = ran(&["audit", "verify", "--bundle", &file("page.json"), "--data", data.to_str().unwrap()]);
    assert!(code == 0 && text.contains("the log at hand contains the tree") && !text.contains("FAILED"), "{text}");

    // One digit of the amount, another log's key, and no key at all.
    let edited = std::fs::read_to_string(file("page.json")).unwrap().replace("12400.00", "92400.00");
    std::fs::write(file("edited.json"), edited).unwrap();
    let (code, text) = ran(&["audit", "verify", "--bundle", &file("edited.json"), "--log-key", &key]);
    assert!(code == 1 && text.contains("FAILED    transaction and text"), "{text}");
    let other = Demo::start();
    let foreign = std::fs::read_to_string(other.data().join("log.vkey")).unwrap().trim().to_owned();
    assert_eq!(ran(&["audit", "verify", "--bundle", &file("page.json"), "--log-key", &foreign]).0, 1);
    assert_eq!(
        ran(&["audit", "verify", "--bundle", &file("page.json"), "--data", other.data().to_str().unwrap()]).0,
        1
    );
    assert_eq!(ran(&["audit", "verify", "--bundle", &file("page.json")]).0, 1);
    // A bundle that is older than the checkpoint one keeps is asked for again.
    let (_, note) = counterfoil(&["audit", "checkpoint"], &data);
    std::fs::write(file("kept"), note).unwrap();
    let kept = ["audit", "verify", "--bundle", &file("page.json"), "--log-key", &key, "--checkpoint", &file("kept")];
    let (code, text) = ran(&kept);
    assert!(code == 1 && text.contains("ask for it again"), "{text}");
    let fresh =
        ["audit", "verify", "--bundle", &file("by-number.json"), "--log-key", &key, "--checkpoint", &file("kept")];
    assert_eq!(ran(&fresh).0, 0);
    // What is nobody's has no evidence.
    let unknown = "01a2010a-51fe-7e1f-9893-d6b45adab2c5";
    assert!(!counterfoil(&["audit", "evidence", "--decision", unknown], &data).0);
    assert!(!counterfoil(&["audit", "evidence", "--counterfoil", "0000-0000"], &data).0);

    exported(&data);
}

/// Each leaf is a line, byte for byte; what is personal needs the key.
fn exported(data: &Path) {
    use counterfoil_core::audit::event::{Leaf, LeafHash};
    let (_, report) = counterfoil(&["--format", "json", "audit", "verify"], data);
    let report: Value = serde_json::from_str(report.lines().next().unwrap()).unwrap();
    let (done, plain) = counterfoil(&["audit", "export"], data);
    assert!(done && plain.lines().count() as u64 == report["size"].as_u64().unwrap());
    for (index, line) in plain.lines().enumerate() {
        let (_, rest) = line.split_once("\"leaf\":").unwrap();
        let leaf = rest.strip_suffix('}').unwrap();
        assert!(Leaf::parse(leaf.as_bytes()).is_ok(), "{line}");
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["index"], &line["hash"]), (&json!(index), &json!(LeafHash::of(leaf.as_bytes()))));
        assert!(line.get("personal").is_none());
    }
    let (done, personal) = counterfoil(&["audit", "export", "--with-personal"], data);
    assert!(done && personal.contains("\"personal\":{\"salt\""), "{personal}");
    assert_eq!(counterfoil(&["audit", "export", "--from", "5"], data).1.lines().count(), plain.lines().count() - 5);
    let wrong = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", data.join("counterfoil.db").display());
    let (code, _) = ran(&["audit", "export", "--with-personal", "--database-url", &url]);
    assert_eq!(code, 1, "no key");
    let other = wrong.path().join("master.key");
    std::fs::write(&other, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = other.to_str().unwrap();
    assert_eq!(
        ran(&["audit", "export", "--with-personal", "--key", key, "--database-url", &url]).0,
        1,
        "another's key"
    );
}

/// The default pack with a policy that fails on every request to export a key.
fn pack_that_fails(directory: &Path) -> String {
    let pack = directory.join("pack");
    let mut files = counterfoil_core::policy::default_pack();
    let failing = "@id(\"fails\") forbid (principal, action in Action::\"key.export\", resource)\n\
                   when { context.evidence.age * 9223372036854775807 > 5 };";
    files.insert("failing.cedar".to_owned(), failing.into());
    for (path, bytes) in files {
        let path = pack.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    pack.to_str().unwrap().to_owned()
}

/// Decisions of every kind, in a run as it comes.
fn run_of_many_kinds(demo: &Demo) {
    let mut browser = Browser::new(demo);
    payout(demo, &mut browser);
    for _ in 0..3 {
        assert_eq!(browser.post("/me", &json!({})).status, 200);
    }
    let sub = demo.ready["users"][0]["sub"].as_str().unwrap();
    let details = json!([{
        "type": "payout_change", "resource": {"type": "account", "id": "operations-eur"},
        "creditor_name": "Acme", "iban": "DE89370400440532013000", "amount": {"currency": "EUR", "value": "1.00"},
    }]);
    let wrong = json!([{"type": "payout_change", "resource": {"type": "account", "id": "other"}}]);
    for (subject, action, resource, extra) in [
        (sub, "balance.read", "operations-eur", json!({})),
        (sub, "balance.read", "nobody-registered-this", json!({})),
        (sub, "beneficiary.add", "operations-eur", json!({})),
        (sub, "payout.change", "operations-eur", json!({"context": {"authorization_details": details}})),
        (sub, "payout.change", "operations-eur", json!({"context": {"authorization_details": wrong}})),
        (
            sub,
            "payout.change",
            "operations-eur",
            json!({"context": {"ip": "192.0.2.7", "user_agent": "x", "ja4": "y"}}),
        ),
        (sub, "key.export", "operations-eur", json!({})),
        (sub, "no.such.action", "operations-eur", json!({})),
        ("nobody", "balance.read", "operations-eur", json!({})),
    ] {
        for asserted in [json!({}), json!({"sensitivity": "high"}), json!({"sensitivity": "none", "x": [1]})] {
            let mut question = json!({
                "subject": {"type": "user", "id": subject, "properties": {"department": "x"}},
                "action": {"name": action},
                "resource": {"type": "account", "id": resource, "properties": asserted},
            });
            question.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let reply = demo.evaluate(&[("content-type", "application/json")], &question.to_string());
            assert!(matches!(reply.status, 200 | 400), "{question}: {reply:?}");
        }
    }
}

/// All of them come out again; and the pack without its failing policy would change the alarms alone.
fn decided_again(log: &[&str]) {
    let (code, text) = ran(&[&["--format", "json", "audit", "verify", "--decide-again"], log].concat());
    let report: Value = serde_json::from_str(&text).unwrap();
    let again = &report["decided_again"];
    assert_eq!((code, &again["differences"], &again["unknown_packs"]), (0, &json!([]), &json!({})), "{text}");
    for (what, least) in [("permit", 3), ("step_up", 5), ("deny", 5)] {
        assert!(again["same"][what].as_u64().unwrap() >= least, "{what}: {again}");
    }
    assert!(again["alarms"].as_u64().unwrap() >= 1, "{again}");
    let whole: u64 = again["same"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(again["decisions"], json!(whole));

    let plain = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
    let (code, text) = ran(&[&["--format", "json", "policy", "replay", "--policies", plain], log].concat());
    let replay: Value = serde_json::from_str(&text).unwrap();
    let changes = replay["changes"].as_array().unwrap();
    assert_eq!((code, &replay["decisions"]), (0, &again["decisions"]), "{text}");
    assert!(!changes.is_empty() && changes.iter().all(|change| change["action"] == "key.export"), "{text}");
    let id = changes[0]["examples"][0].as_str().unwrap();
    let (code, text) = ran(&[&["policy", "explain", "--decision", id], log].concat());
    assert!(code == 0 && text.contains("evaluation_error"), "{text}");
    let (code, text) = ran(&[&["policy", "explain", "--decision", id, "--policies", plain], log].concat());
    assert!(code == 0 && text.contains("It was decided otherwise"), "{text}");
}

#[test]
fn every_stored_decision_comes_out_again_from_its_record_and_an_edited_record_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let pack = pack_that_fails(directory.path());
    let mut demo = Demo::start_with(&["--policies", &pack]);
    run_of_many_kinds(&demo);
    demo.stop();
    let data = demo.data();
    decided_again(&["--data", data.to_str().unwrap()]);

    // One digit of a record, which the log's own leaves do not say. The file may hold old copies of a row: touch them too.
    let file = data.join("counterfoil.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let needle = b"\"input\":{\"now\":";
    let found: Vec<usize> = (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(!found.is_empty(), "no record in the database file: was the WAL not written back?");
    for at in found {
        let digit = at + needle.len() + 12;
        bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' };
    }
    std::fs::write(&file, bytes).unwrap();
    let (holds, text) = counterfoil(&["--format", "json", "audit", "verify", "--decide-again"], &data);
    let report: Value = serde_json::from_str(&text).unwrap();
    let told = report["decided_again"]["differences"][0]["reason"].as_str().unwrap().to_owned();
    assert!(!holds && told.contains("not the one that the log commits to"), "{text}");
}

#[test]
fn every_decision_on_postgresql_comes_out_again_from_its_record() {
    let Ok(maintenance) = std::env::var("COUNTERFOIL_TEST_POSTGRES") else {
        println!("skipped: COUNTERFOIL_TEST_POSTGRES names no PostgreSQL");
        return;
    };
    let name = format!("evidence_{}", std::process::id());
    let psql = |database: &str, sql: &str| {
        let done = std::process::Command::new("psql").args([database, "-qAtc", sql]).output().unwrap();
        assert!(done.status.success(), "{sql}: {done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    psql(&maintenance, &format!("CREATE DATABASE {name}"));
    let url = format!("{}/{name}", maintenance.rsplit_once('/').unwrap().0);
    let directory = tempfile::tempdir().unwrap();
    let pack = pack_that_fails(directory.path());
    let mut demo = Demo::start_with(&["--policies", &pack, "--database-url", &url]);
    run_of_many_kinds(&demo);
    demo.stop();
    let data = demo.data();
    let log = ["--database-url", &url, "--data", data.to_str().unwrap()];
    decided_again(&log);

    // A record that is gone leaves its event behind.
    let gone = psql(&url, "DELETE FROM decisions WHERE id = (SELECT MIN(id) FROM decisions) RETURNING id");
    let (code, text) = ran(&[&["--format", "json", "audit", "verify", "--decide-again"], &log[..]].concat());
    let report: Value = serde_json::from_str(&text).unwrap();
    let expected = json!([{"decision": gone, "reason": "its record is gone"}]);
    assert_eq!((code, &report["decided_again"]["differences"]), (1, &expected), "{text}");
}
