//! A thief's own browser, dressed in what was stolen.

use crate::chromium::Chromium;
use crate::kit::Loot;
use crate::tab::Tab;
use serde_json::json;
use std::sync::Arc;

/// A browser with the victim's cookies, the session's handle, and the session's key where the loot has it.
pub async fn dressed(chromium: &Arc<Chromium>, issuer: &str, treasury: &str, loot: &Loot) -> Tab {
    let tab = Tab::open(chromium).await;
    tab.add_authenticator().await;
    for (origin, jar) in [(issuer, &loot.issuer_cookies), (treasury, &loot.treasury_cookies)] {
        if !jar.is_empty() {
            let (name, value) = Loot::newest(jar);
            tab.set_cookie(origin, &name, &value).await;
        }
    }
    // A page of the real origin that starts no session of its own.
    tab.open_address(&format!("{issuer}/healthz")).await;
    tab.arrives(issuer).await;
    if let Some(sid) = &loot.sid {
        keep(&tab, "sid", &json!(sid).to_string()).await;
    }
    if let Some(key) = &loot.key {
        let (x, y) = (&key["x"], &key["y"]);
        let import = format!(
            "{{ privateKey: await crypto.subtle.importKey('jwk', {key}, {{ name: 'ECDSA', namedCurve: 'P-256' }}, true, ['sign']), \
             publicJwk: {{ kty: 'EC', crv: 'P-256', x: {x}, y: {y} }} }}"
        );
        keep(&tab, "key", &import).await;
    }
    tab
}

/// Writes where the pages' script looks for its key and handle.
async fn keep(tab: &Tab, name: &str, value: &str) {
    let write = format!(
        "(async () => {{
            const value = {value};
            const settled = (request) => new Promise((done, failed) => {{ request.onsuccess = () => done(request.result); request.onerror = () => failed(request.error); }});
            const opening = indexedDB.open('counterfoil', 1);
            opening.onupgradeneeded = () => opening.result.createObjectStore('device');
            const database = await settled(opening);
            await settled(database.transaction('device', 'readwrite').objectStore('device').put(value, '{name}'));
            database.close();
            return true;
        }})()"
    );
    assert_eq!(tab.look(&write).await, Ok(json!(true)));
}

/// The handle that the pages' script keeps in this browser.
pub async fn handle(tab: &Tab) -> String {
    let read = "(async () => {
        const opening = indexedDB.open('counterfoil', 1);
        const database = await new Promise((done) => { opening.onsuccess = () => done(opening.result); });
        const asking = database.transaction('device').objectStore('device').get('sid');
        return new Promise((done) => { asking.onsuccess = () => done(asking.result); });
    })()";
    tab.until(read).await.as_str().unwrap().to_owned()
}
