//! A client is removed with everything that it holds, also by who has to ask twice.

use crate::{
    application::Application,
    harness::{Demo, Engine, counterfoil},
    logbook::assert_holds,
    staff::{half_remove, hire},
};
use serde_json::{Value, json};

crate::on_both_engines! {
    a_removal_that_was_interrupted_is_completed_by_asking_again,
    a_client_that_was_removed_gets_nothing_more,
}

fn remove(demo: &Demo, client_id: &str) -> (bool, Value) {
    let words = ["--format", "json", "admin", "clients", "remove", client_id];
    let (done, text) = counterfoil(&words, &demo.data());
    (done, serde_json::from_str(text.lines().last().unwrap()).unwrap())
}

fn a_removal_that_was_interrupted_is_completed_by_asking_again(engine: Engine) {
    let mut demo = Demo::start_on(engine);
    let (_, other) = hire(&mut demo);
    Application::new(&demo, other.client_id, &other.jwk, None).client_token();
    half_remove(&mut demo, other.client_id);
    let (done, said) = remove(&demo, other.client_id);
    assert_eq!((done, &said["tokens_revoked"]), (true, &json!(1)), "{said}");
    let (done, said) = remove(&demo, other.client_id);
    assert!(!done && said["error"].as_str().unwrap().contains("no client is registered"), "{said}");
    assert_holds(&demo);
}

fn a_client_that_was_removed_gets_nothing_more(engine: Engine) {
    let mut demo = Demo::start_on(engine);
    let (_, other) = hire(&mut demo);
    let mut client = Application::new(&demo, other.client_id, &other.jwk, None);
    client.client_token();
    let (done, said) = remove(&demo, other.client_id);
    assert_eq!((done, &said["tokens_revoked"]), (true, &json!(1)), "{said}");
    let form = [("grant_type", "client_credentials"), ("resource", demo.issuer())];
    let refused = client.send("/oauth/token", &form);
    assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")), "{refused:?}");
    assert_holds(&demo);
}
