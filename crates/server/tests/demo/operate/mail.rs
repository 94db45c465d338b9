//! Notices go out by SMTP: over TLS with the right server alone, each at least once, and whoever looks after the server is told
//! when one does not.

use super::{browser::Browser, installation::Installation};
use crate::{logbook::Logbook, relay::Relay};
use serde_json::json;
use std::net::TcpListener;

const MAILBOX: &str = "noor@example.org";

fn made() -> Installation {
    Installation::init(&["--admin", "noor", "--admin-mail", MAILBOX])
}

fn send_by(at: &Installation, relay: &Relay) {
    let config = std::fs::read_to_string(at.root().join("counterfoil.toml")).unwrap();
    let config = config.split("\n[smtp]\nurl").next().unwrap();
    at.write("counterfoil.toml", &format!("{config}{}", relay.section(&at.root())));
}

/// Something happens that a person is told.
fn happens(at: &Installation) {
    Browser::new(at).accept(&at.made["link"]);
}

fn counted(at: &Installation, result: &str) -> String {
    let line = format!("counterfoil_mail_total{{result=\"{result}\"}} ");
    let metrics = at.call("GET", "/metrics", &[], "").body;
    metrics.lines().find_map(|shown| shown.strip_prefix(&line)).unwrap().to_owned()
}

/// The log keeps what became of a message; the process may say it a moment later.
fn until_counted(at: &Installation, result: &str) {
    assert!((0..1_000).any(|_| counted(at, result) == "1"), "{result}");
}

#[test]
fn a_notice_goes_out_once_and_survives_a_server_that_puts_it_off_and_a_restart() {
    let relay = Relay::start(&["451 later"]);
    let mut at = made();
    send_by(&at, &relay);
    at.start();
    happens(&at);
    let put_off = at.wait_for("waits for another try");
    assert!(put_off.contains("put off 451"), "{put_off}");
    assert!(!put_off.contains(MAILBOX) && !put_off.contains("passkey"), "neither where to nor what: {put_off}");
    assert_eq!(counted(&at, "postponed"), "1");
    at.stop();
    at.start();
    let mail = relay.mails(1).remove(0);
    assert_eq!(mail.to, MAILBOX);
    for words in ["Subject: A passkey was added", "Auto-Submitted: auto-generated", "was added to your account"] {
        assert!(mail.text.contains(words), "{words}: {}", mail.text);
    }
    until_counted(&at, "delivered");
    at.stop();
    at.start();
    // Another mail than the first would have come before it.
    assert_eq!(counted(&at, "delivered"), "0");
    assert_eq!(relay.mails(1).len(), 1);
}

#[test]
fn a_notice_that_is_refused_for_good_is_not_tried_again_and_its_operator_told() {
    let relay = Relay::start(&["550 nobody of the name noor@example.org"]);
    let mut at = made();
    send_by(&at, &relay);
    at.start();
    happens(&at);
    let given_up = at.wait_for("will not be delivered");
    assert!(given_up.contains("refused 550") && !given_up.contains(MAILBOX), "{given_up}");
    until_counted(&at, "failed");
    let log = Logbook::in_directory(&at.root().join("data")).all();
    let failed: Vec<_> = log.iter().filter(|leaf| leaf["kind"]["type"] == "notice.failed").collect();
    assert_eq!((failed.len(), &failed[0]["kind"]["reason"]), (1, &json!("refused 550")), "{failed:?}");
    assert_eq!(relay.mails(0).len(), 0);
}

#[test]
fn nothing_goes_to_a_server_that_is_another_one_or_not_there_and_then_it_goes() {
    // Somebody listens whom the configuration does not know.
    let (wrong, right, plain) = (Relay::start(&[]), Relay::start(&[]), Relay::without_tls());
    let mut at = made();
    send_by(&at, &wrong);
    right.section(&at.root());
    at.start();
    happens(&at);
    let said = at.wait_for("the mail server takes nothing");
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    at.stop();
    // Somebody says that there is no TLS.
    send_by(&at, &plain);
    at.start();
    let said = at.wait_for("the mail server takes nothing");
    assert!(said.to_lowercase().contains("starttls"), "{said}");
    at.stop();
    // Nobody listens: the port is held, and nothing answers there.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    drop(held);
    let config = std::fs::read_to_string(at.root().join("counterfoil.toml")).unwrap();
    let (before, after) = config.split_once("smtp://localhost:").unwrap();
    let after = after.split_once('"').unwrap().1;
    at.write("counterfoil.toml", &format!("{before}smtp://localhost:{port}\"{after}"));
    at.start();
    at.wait_for("the mail server takes nothing");
    let late = Relay::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), &[]);
    at.stop();
    send_by(&at, &late);
    at.start();
    assert_eq!(late.mails(1).len(), 1);
    assert_eq!([wrong, right, plain].map(|other| other.mails(0).len()), [0; 3]);
}

#[test]
fn check_config_asks_the_mail_server_only_on_request_and_says_what_is_wrong() {
    let relay = Relay::start(&[]);
    let at = made();
    send_by(&at, &relay);
    at.command(&["check-config"]);
    assert_eq!(relay.connections(), 0);
    at.command(&["check-config", "--mail"]);
    assert!(relay.connections() > 0);
    let refused = |at: &Installation, words: &[&str]| {
        let (good, said) = at.try_command(words);
        assert!(!good, "{said}");
        std::process::Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(words)
            .arg("--config")
            .arg(at.root().join("counterfoil.toml"))
            .output()
            .map(|output| String::from_utf8(output.stdout).unwrap())
            .unwrap()
    };
    std::fs::write(at.root().join("relay.password"), "another\n").unwrap();
    let said = refused(&at, &["check-config", "--mail"]);
    assert!(said.contains("refused: smtp: ") && said.contains("535") && !said.contains("another"), "{said}");
    let password = at.root().join("relay.password");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let said = refused(&at, &["check-config"]);
    assert!(said.contains("smtp.password_file"), "{said}");
}
