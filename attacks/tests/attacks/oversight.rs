//! The administrator's eyes: what the log and the decisions say, read through the console.

use crate::chromium::Chromium;
use crate::clock::until;
use crate::demo::Demo;
use crate::steps;
use crate::tab::Tab;
use serde_json::{Value, json};
use std::sync::Arc;

/// The administrator at her own device.
pub struct Oversight {
    /// Her tab.
    pub tab: Tab,
}

impl Oversight {
    /// Noor signs in with password and code, adds a passkey, and opens the console with it.
    pub async fn open(demo: &Demo, chromium: &Arc<Chromium>) -> Self {
        let tab = Tab::open(chromium).await;
        tab.add_authenticator().await;
        steps::sign_in_to_account(&tab, demo.issuer(), &demo.noor()).await;
        steps::enrol_passkey(&tab, demo.issuer()).await;
        tab.open_address(&format!("{}/admin", demo.issuer())).await;
        // A new device shows a password and a code at most: the console wants the passkey.
        tab.until("document.querySelector('#side a') || document.querySelector('button.primary')").await;
        if tab.look("Boolean(document.querySelector('#side a'))").await != Ok(json!(true)) {
            tab.presence(true).await;
            tab.press("button.primary").await;
            tab.sees("#side a").await;
            tab.presence(false).await;
        }
        Self { tab }
    }

    /// The newest events of a kind, newest first.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let reply = self.tab.post("/admin/log", &json!({ "kind": kind })).await.unwrap();
        reply["events"].as_array().unwrap().clone()
    }

    /// Waits until the log has an event of this kind of which `fits` is true.
    pub async fn event(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = until(async || {
            let events = self.events(kind).await;
            events.iter().find(|event| fits(event)).cloned().ok_or_else(|| json!(events).to_string())
        });
        found.await.unwrap_or_else(|events| panic!("no such {kind} in {events}"))
    }

    /// The newest decisions about a person on an action.
    pub async fn decisions(&self, username: &str, action: &str) -> Vec<Value> {
        let filter = json!({ "subject": username, "action": action });
        self.tab.post("/admin/decisions", &filter).await.unwrap()["decisions"].as_array().unwrap().clone()
    }
}
