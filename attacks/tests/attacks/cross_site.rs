//! Another site in the same browser: it posts, frames and sends people on, with the victim's cookies where the browser adds them.

use crate::site::Site;
use crate::steps::{self, ACME, assert_says, journey};
use crate::tab::Tab;
use serde_json::json;

/// It must fail because we take JSON with a proof of the session's key, and the treasury takes forms of its own origin with
/// its own token. A page on the same host and another port even gets the cookies sent along.
#[test]
fn another_site_posts_in_vain() {
    journey(async |demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = Tab::open(&chromium).await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        let page = format!(
            "<title>prize</title><form method=post action=\"{treasury}/accounts/operations-eur/payout\"><input name=creditor_name value=Thief>\
             <input name=iban value=DE89370400440532013000><input name=amount value=1.00><input name=csrf value=guess></form>"
        );
        let site = Site::start(page).await;
        for host in ["evil.localhost", "localhost", "evil.treasury.localhost"] {
            let lured = ada.beside().await;
            lured.open_address(&site.at(host)).await;
            lured.until("document.title === 'prize'").await;
            for path in ["/sign-out", "/me", "/me/passkey/options", "/session"] {
                for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
                    let post = format!(
                        "fetch({}, {{ method: 'POST', credentials: 'include', mode: '{}', headers: {{ 'content-type': '{kind}' }}, body: '{{}}' }}).then((reply) => reply.type === 'opaque' ? 'sent' : reply.status, () => 'stopped')",
                        json!(format!("{issuer}{path}")),
                        if kind == "application/json" { "cors" } else { "no-cors" }
                    );
                    let answer = lured.look(&post).await.unwrap();
                    assert!(answer == json!("stopped") || answer == json!("sent"), "{host} {path} {kind}: {answer}");
                }
            }
            lured.until("(document.forms[0].submit(), true)").await;
            // The treasury says no more than that, so the browser shows a page of its own.
            lured.says("HTTP ERROR 403").await;
        }
        let books = steps::payout_of(&ada, &treasury, ACME.account).await;
        assert_says(&books, &["None yet"]);
        ada.open_address(&format!("{issuer}/me")).await;
        ada.says("Ada Lopez").await;
    });
}

/// It must fail because no page of ours lets itself be framed: nobody can be made to press what they do not see.
#[test]
fn no_page_lets_itself_be_framed() {
    journey(async |demo, chromium| {
        let paths = [
            "/sign-in",
            "/me",
            "/me/passkey",
            "/admin",
            "/oauth/authorize",
            "/step-up/01a2010a-51fe-7e1f-9893-d6b45adab2c5",
            "/outbox",
        ];
        let framed: Vec<String> = paths
            .iter()
            .map(|path| format!("{}{path}", demo.issuer()))
            .chain([format!("{}/", demo.treasury())])
            .collect();
        let control = Site::start("<title>plain</title><p>plain</p>".to_owned()).await;
        for host in ["evil.localhost", "localhost"] {
            for (address, blocked) in
                framed.iter().map(|address| (address.clone(), true)).chain([(control.at(host), false)])
            {
                let page = format!(
                    "<title>bait</title><iframe src=\"{address}\" onload=\"document.title = 'loaded'\"></iframe>"
                );
                let site = Site::start(page).await;
                let tab = Tab::open(&chromium).await;
                tab.open_address(&site.at(host)).await;
                tab.until("document.title === 'loaded'").await;
                let urls = tab.frames().await;
                let shown = urls.iter().any(|url| url.starts_with(&address));
                assert_eq!(!shown, blocked, "{address} in {host}: {urls:?}");
            }
        }
    });
}

/// It must fail because only a path of ours is followed after signing in.
#[test]
fn nobody_is_sent_to_another_site_after_signing_in() {
    journey(async |demo, chromium| {
        let issuer = demo.issuer().to_owned();
        let ada = steps::with_passkey(&demo, &chromium).await;
        // Copies of one passkey: one whose counter lags is refused.
        let mut passkeys = ada.passkeys().await;
        for to in [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "javascript:document.title='x'",
            "/%09/evil.example",
            "/me@evil.example",
            "data:text/html,x",
        ] {
            let visitor = Tab::open(&chromium).await;
            visitor.add_authenticator().await;
            passkeys.iter_mut().for_each(|passkey| passkey.sign_count += 10);
            visitor.put_passkeys(passkeys.clone()).await;
            visitor.open_address(&format!("{issuer}/sign-in")).await;
            visitor.arrives(&issuer).await;
            // As a person would, she sees the page before she is led on.
            visitor.sees("#use-passkey:not([disabled])").await;
            visitor.until(&format!("(location.search = new URLSearchParams({{ to: {} }}), true)", json!(to))).await;
            visitor.sees("#use-passkey:not([disabled])").await;
            visitor.until("location.search !== ''").await;
            visitor.presence(true).await;
            visitor.until("document.querySelector('#use-passkey:not([disabled])')?.click() ?? location.pathname !== '/sign-in'").await;
            visitor.until("location.pathname !== '/sign-in' && document.readyState === 'complete'").await;
            let url = visitor.url().await;
            assert!(url.starts_with(&format!("{issuer}/")), "{to} led to {url}");
        }
    });
}
