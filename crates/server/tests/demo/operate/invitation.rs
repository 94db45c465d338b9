//! A link works once, in one browser, and vouches for one passkey.

use super::{browser::Browser, installation::Installation};
use serde_json::json;

crate::on_both_engines! {
    whom_a_thiefs_first_passkey_kept_out_comes_back_by_a_link,
}

#[test]
fn the_first_administrator_comes_by_the_link_and_their_passkey_counts_in_full() {
    let at = Installation::running();
    let mut browser = Browser::new(&at);
    let (offered, passkey) = browser.accept(&at.made["link"]);
    assert_eq!((&offered["kind"], &offered["ceiling"]), (&json!("administrator"), &json!("phr")), "{offered}");
    assert_eq!(offered["person"]["username"], "admin");
    // The ceremony binds a passkey and signs nobody in: that is what the passkey is for.
    assert_eq!(browser.post("/me", &json!({})).status, 401);
    browser.sign_in(&passkey);
    let me = browser.post("/me", &json!({})).json();
    assert_eq!((&me["session"]["acr"], &me["can_admin"]), (&json!("phr"), &json!(true)), "{me}");
    assert_eq!(me["authenticators"][0]["ceiling"], "phr", "{me}");
    assert_eq!(browser.post("/admin/overview", &json!({})).status, 200);
}

#[test]
fn a_link_is_the_first_browsers_that_brings_it_and_over_when_used() {
    let at = Installation::running();
    let secret = json!({"secret": Installation::secret(&at.made["link"])});
    let (mut first, mut second) = (Browser::new(&at), Browser::new(&at));
    assert_eq!(first.post("/init", &secret).status, 200);
    let refused = second.post("/init", &secret);
    assert_eq!((refused.status, &refused.json()["code"]), (410, &json!("invitation-spent")), "{refused:?}");
    // The same browser may load the page again, also in a new session: its key is what counts.
    first.begin();
    let (_, passkey) = first.accept(&at.made["link"]);
    for browser in [&mut first, &mut second] {
        assert_eq!(browser.post("/init", &secret).json()["code"], "invitation-spent");
    }
    first.sign_in(&passkey);
}

#[test]
fn of_many_browsers_that_bring_a_link_at_once_one_wins() {
    let at = Installation::running();
    let secret = json!({"secret": Installation::secret(&at.made["link"])});
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..16)
            .map(|_| {
                let mut browser = Browser::new(&at);
                let secret = &secret;
                scope.spawn(move || browser.post("/init", secret).status)
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).filter(|status| *status == 200).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn wrong_links_look_alike_and_are_throttled() {
    let at = Installation::running();
    let secret = Installation::secret(&at.made["link"]);
    let (id, rest) = secret.split_once('.').unwrap();
    let mut browser = Browser::new(&at);
    let altered = format!("{id}.{}", rest.chars().rev().collect::<String>());
    for wrong in ["", "x", id, rest, altered.as_str(), "01a2010a-51fe-7e1f-9893-d6b45adab2c5.AAAA"] {
        let refused = browser.post("/init", &json!({"secret": wrong}));
        assert_eq!((refused.status, &refused.json()["code"]), (410, &json!("invitation-spent")), "{wrong}");
    }
    for _ in 0..counterfoil_core::limits::INVITATION_GUESSES {
        browser.post("/init", &json!({"secret": altered}));
    }
    let refused = browser.post("/init", &json!({"secret": altered}));
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("throttled")), "{refused:?}");
}

#[test]
fn an_invitation_of_somebody_signed_in_elsewhere_is_not_used_up() {
    let at = Installation::running();
    let mut browser = Browser::new(&at);
    let (_, passkey) = browser.accept(&at.made["link"]);
    browser.sign_in(&passkey);
    let added = at.command(&["admin", "subjects", "add", "sam", "--invite"]);
    let secret = json!({"secret": Installation::secret(&added["link"])});
    assert_eq!(browser.post("/init", &secret).json()["code"], "signed-in-already");
    let (offered, _) = Browser::new(&at).accept(&added["link"]);
    assert_eq!((&offered["kind"], &offered["person"]["username"]), (&json!("invitation"), &json!("sam")));
}

#[test]
fn a_newer_link_ends_the_older_and_whoever_had_a_passkey_gets_none() {
    let at = Installation::running();
    let newer = at.command(&["admin", "subjects", "invite", "admin"]);
    let older = json!({"secret": Installation::secret(&at.made["link"])});
    assert_eq!(Browser::new(&at).post("/init", &older).json()["code"], "invitation-spent");
    Browser::new(&at).accept(&newer["link"]);
    let (done, refused) = at.try_command(&["admin", "subjects", "invite", "admin"]);
    assert!(!done && refused["error"].as_str().unwrap().contains("had a passkey"), "{refused}");
}

#[test]
fn an_open_link_vouches_for_nothing_in_a_sign_in_with_codes() {
    let demo = crate::harness::Demo::start();
    let user = demo.ready["users"][1].clone();
    let name = user["username"].as_str().unwrap();
    let (done, link) =
        crate::harness::counterfoil(&["--format", "json", "admin", "subjects", "invite", name], &demo.data());
    assert!(done, "{link}");
    // Whoever relays this sign-in does not hold the link.
    let mut relayed = crate::browser::Browser::new(&demo);
    assert_eq!(relayed.sign_in(&user).status, 200);
    let offered = relayed.post("/me/passkey/options", &json!({})).json();
    assert_eq!((&offered["ceiling"], offered.get("invitation")), (&json!("aal2"), None), "{offered}");
}

fn whom_a_thiefs_first_passkey_kept_out_comes_back_by_a_link(engine: crate::harness::Engine) {
    let mut demo = crate::harness::Demo::start_on(engine);
    let user = demo.ready["users"][1].clone();
    {
        let invite = |name: &serde_json::Value| {
            let words = ["--format", "json", "admin", "subjects", "invite", name.as_str().unwrap()];
            let (done, text) = crate::harness::counterfoil(&words, &demo.data());
            (done, serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap())
        };
        let mut thief = crate::browser::Browser::new(&demo);
        assert_eq!(thief.sign_in(&user).status, 200);
        let planted = thief.enrol();
        let mut later = crate::browser::Browser::new(&demo);
        later.sign_in_with(&planted);
        let mut other = crate::browser::Browser::new(&demo);
        assert_eq!(other.sign_in(&demo.ready["users"][0]).status, 200);

        let (done, link) = invite(&user["username"]);
        assert_eq!((done, &link["disowned"]), (true, &json!(1)), "{link}");
        for browser in [&mut thief, &mut later] {
            assert_eq!(browser.post("/me", &json!({})).status, 401, "what came of it is cut");
        }
        let mut again = crate::browser::Browser::new(&demo);
        let begun = again.post("/sign-in", &json!({"to": "/me"})).json();
        let credential = planted.assert(&begun["passkey_options"]);
        let refused =
            again.post("/sign-in/passkey", &json!({"challenge": begun["challenge"], "credential": credential}));
        assert_eq!(refused.status, 422, "it proves nothing any more");
        assert_eq!(other.post("/me", &json!({})).status, 200, "nobody else is touched");

        // Asked for once more, there is nothing left to disown.
        let (done, link) = invite(&user["username"]);
        assert_eq!((done, &link["disowned"]), (true, &json!(0)), "{link}");
        let mut owner = crate::browser::Browser::new(&demo);
        let offered = owner.post("/init", &json!({"secret": Installation::secret(&link["link"])}));
        assert_eq!((offered.status, &offered.json()["ceiling"]), (200, &json!("phr")), "{offered:?}");
        let offered = offered.json();
        let (own, credential) = crate::passkey::Passkey::create(&offered["creation_options"], demo.issuer(), false);
        let made = json!({"challenge": offered["challenge"], "credential": credential, "name": "Mine"});
        let added = owner.post("/init/passkey", &made);
        assert_eq!(added.status, 200, "{added:?}");
        owner.sign_in_with(&own);
        let me = owner.post("/me", &json!({})).json();
        assert_eq!(me["session"]["acr"], "phr", "{me}");

        // From now on there is one that confirms: losing it is a matter of recovery.
        let (done, refused) = invite(&user["username"]);
        assert!(!done && refused["error"].as_str().unwrap().contains("had a passkey that confirms"), "{refused}");
    }
    demo.stop();
    let mut words = vec!["--format", "json", "audit", "verify"];
    if let Some(url) = demo.database_url() {
        words.extend(["--database-url", url]);
    }
    let (holds, text) = crate::harness::counterfoil(&words, &demo.data());
    assert!(holds, "{text}");
}
