//! A cookie that was stolen: worth nothing without the key that the session was born with.

use crate::kit::Loot;
use crate::steps::{self, journey};
use crate::tab::Tab;
use crate::thief;
use serde_json::json;

/// It must fail because every call proves the session's key, and the browser lets nobody copy it.
#[test]
fn a_cookie_without_its_key_is_nothing() {
    journey(async |demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = Tab::open(&chromium).await;
        steps::sign_in_to_account(&ada, &issuer, &demo.ada()).await;
        let cookies = ada.cookies().await;
        let cookie = cookies.iter().find(|cookie| cookie.name.ends_with("counterfoil")).expect("a session's cookie");
        assert!(cookie.http_only, "no script reads it");
        let kept = |name: &str| {
            format!(
                "(async () => {{ const opening = indexedDB.open('counterfoil', 1); const database = await new Promise((done) => {{ opening.onsuccess = () => done(opening.result); }}); const asking = database.transaction('device').objectStore('device').get('{name}'); return new Promise((done) => {{ asking.onsuccess = () => done(asking.result); }}); }})()"
            )
        };
        let sid = ada.look(&kept("sid")).await.unwrap();
        let copied =
            ada.look(&format!("{}.then((key) => crypto.subtle.exportKey('jwk', key.privateKey))", kept("key"))).await;
        assert!(copied.as_ref().is_err_and(|error| error.contains("not extractable")), "{copied:?}");

        let loot = Loot {
            issuer_cookies: vec![(cookie.name.clone(), cookie.value.clone())],
            sid: Some(sid.as_str().unwrap().to_owned()),
            ..Loot::default()
        };
        // From another machine, without a browser: the cookie alone.
        let header = format!("{}={}", cookie.name, cookie.value);
        let bare = demo.call("POST", "/me", &[("content-type", "application/json"), ("cookie", &header)], "{}").await;
        assert_eq!(bare.status, 401, "{bare:?}");

        // In a browser with the cookie and the handle, and a key of its own.
        let thief = thief::dressed(&chromium, &issuer, &treasury, &loot).await;
        thief.open_address(&format!("{issuer}/me")).await;
        thief.until("location.pathname === '/sign-in' || document.querySelector('.refusal')").await;
        assert!(!thief.text().await.contains("Ada"), "{}", thief.text().await);

        // She is still signed in, and nothing of hers was ended by it.
        assert_eq!(ada.post("/me", &json!({})).await.unwrap()["person"]["username"], "ada");
    });
}
