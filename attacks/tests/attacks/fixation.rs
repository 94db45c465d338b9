//! A session that the attacker began and planted in the victim's browser.

use crate::kit::Loot;
use crate::steps::{self, journey};
use crate::tab::Tab;
use crate::thief;
use serde_json::json;

/// It must fail because signing in renews handle and cookie: whoever knew the old ones, and even the key, has nothing.
#[test]
fn an_identifier_does_not_survive_the_sign_in() {
    journey(async |demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        // The attacker makes a session of which he knows everything: with a key of his own, from outside.
        let attacker = Tab::open(&chromium).await;
        attacker.open_address(&format!("{issuer}/healthz")).await;
        attacker.arrives(&issuer).await;
        let pair = "crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']).then((pair) => crypto.subtle.exportKey('jwk', pair.privateKey))";
        let key = attacker.look(pair).await.unwrap();
        let begun =
            thief::dressed(&chromium, &issuer, &treasury, &Loot { key: Some(key.clone()), ..Loot::default() }).await;
        begun.open_address(&format!("{issuer}/sign-in")).await;
        begun.sees("#identify button:not([disabled])").await;
        let cookies = begun.cookies().await;
        let cookie = cookies.iter().find(|cookie| cookie.name.ends_with("counterfoil")).expect("a session's cookie");
        let planted = Loot {
            issuer_cookies: vec![(cookie.name.clone(), cookie.value.clone())],
            sid: Some(thief::handle(&begun).await),
            key: Some(key),
            ..Loot::default()
        };
        // It is a session indeed: the control.
        assert_eq!(begun.post("/me", &json!({})).await, Err("sign-in-required".to_owned()));

        // The victim's browser has it, and she signs in.
        let ada = thief::dressed(&chromium, &issuer, &treasury, &planted).await;
        steps::sign_in_to_account(&ada, &issuer, &demo.ada()).await;
        assert_ne!(Some(thief::handle(&ada).await), planted.sid);
        let renewed = ada.cookies().await;
        assert!(renewed.iter().all(|now| now.name != cookie.name || now.value != cookie.value));

        // What he knew leads nowhere now.
        begun.open_address(&format!("{issuer}/me")).await;
        begun.sees("#identify").await;
        assert!(!begun.text().await.contains("Ada"));
    });
}
