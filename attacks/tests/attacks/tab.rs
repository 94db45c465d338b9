//! A tab as a person uses it: open, read, type, press, and wait until the page says something.

use crate::chromium::Chromium;
use crate::clock::until;
use chromiumoxide::Command;
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams, SetUserAgentOverrideParams,
};
use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType, InsertTextParams};
use chromiumoxide::cdp::browser_protocol::network::{Cookie, GetCookiesParams, SetCookieParams};
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, CaptureScreenshotParams, FrameTree, GetFrameTreeParams, NavigateParams, Viewport,
};
use chromiumoxide::cdp::browser_protocol::target::{CreateBrowserContextParams, CreateTargetParams};
use chromiumoxide::cdp::browser_protocol::web_authn::{
    AddCredentialParams, AddVirtualAuthenticatorParams, AuthenticatorId, AuthenticatorProtocol, AuthenticatorTransport,
    ClearCredentialsParams, Credential, EnableParams, GetCredentialsParams, SetAutomaticPresenceSimulationParams,
    VirtualAuthenticatorOptions,
};
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// What a picture shows of a long page.
const TALLEST: f64 = 1500.0;

/// A tab in a browser context.
pub struct Tab {
    context: Arc<Context>,
    page: Page,
    authenticator: Mutex<Option<AuthenticatorId>>,
}

/// A browser without history; it is gone when its last tab is.
struct Context {
    chromium: Arc<Chromium>,
    id: BrowserContextId,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.chromium.abandon(self.id.clone());
    }
}

impl Tab {
    /// A tab in a context of its own: another person at another device, as far as any server can tell.
    pub async fn open(chromium: &Arc<Chromium>) -> Self {
        Self::speaking(chromium, "en-US,en").await
    }

    /// The same, whose owner reads these languages.
    pub async fn speaking(chromium: &Arc<Chromium>, languages: &str) -> Self {
        for id in chromium.abandoned() {
            chromium.browser().dispose_browser_context(id).await.unwrap();
        }
        let id = chromium.browser().create_browser_context(CreateBrowserContextParams::default()).await.unwrap();
        Self::within(Arc::new(Context { chromium: Arc::clone(chromium), id }), languages).await
    }

    /// A second tab of the same browser.
    pub async fn beside(&self) -> Self {
        Self::within(Arc::clone(&self.context), "en-US,en").await
    }

    async fn within(context: Arc<Context>, languages: &str) -> Self {
        let blank = CreateTargetParams::builder().url("about:blank").browser_context_id(context.id.clone());
        let page = context.chromium.browser().new_page(blank.build().unwrap()).await.unwrap();
        let tab = Self { context, page, authenticator: Mutex::new(None) };
        let agent = SetUserAgentOverrideParams::builder().user_agent(AGENT).accept_language(languages);
        tab.command(agent.build().unwrap()).await;
        tab
    }

    async fn command<C: Command>(&self, command: C) -> C::Response {
        let name = command.identifier();
        self.page.execute(command).await.unwrap_or_else(|error| panic!("{name}: {error}")).result
    }

    // ---- where, and what is there ----

    /// Opens an address.
    pub async fn open_address(&self, url: &str) {
        let reply = self.command(NavigateParams::new(url)).await;
        assert_eq!(reply.error_text, None, "{url}");
    }

    /// The value of an expression, if the page is not just being replaced by another.
    pub async fn look(&self, expression: &str) -> Result<Value, String> {
        let evaluate = EvaluateParams::builder().expression(expression).await_promise(true).return_by_value(true);
        let evaluate = evaluate.user_gesture(true).build().unwrap();
        let reply = self.page.execute(evaluate).await.map_err(|error| error.to_string())?.result;
        match reply.exception_details {
            None => Ok(reply.result.value.unwrap_or(Value::Null)),
            Some(exception) => {
                let thrown = exception.exception.and_then(|thrown| thrown.description);
                Err(thrown.unwrap_or(exception.text))
            }
        }
    }

    /// Waits until an expression is true of the page; panics with what the page says when it never is.
    pub async fn until(&self, expression: &str) -> Value {
        let found = until(async || match self.look(expression).await {
            Ok(Value::Null | Value::Bool(false)) => Err("is not so".to_owned()),
            Ok(Value::String(text)) if text.is_empty() => Err("is empty".to_owned()),
            Ok(value) => Ok(value),
            Err(error) => Err(error),
        });
        match found.await {
            Ok(value) => value,
            Err(missing) => panic!("{expression}: {missing}\nat {}\n{}", self.url().await, self.text().await),
        }
    }

    /// Waits until the page says this.
    pub async fn says(&self, text: &str) {
        self.until(&format!("document.body?.innerText.includes({})", json!(text))).await;
    }

    /// Waits until something of this selector can be seen.
    pub async fn sees(&self, selector: &str) {
        self.until(&format!("document.querySelector({})?.checkVisibility()", json!(selector))).await;
    }

    /// Waits until the address starts like this.
    pub async fn arrives(&self, start: &str) {
        self.until(&format!("location.href.startsWith({}) && document.readyState === 'complete'", json!(start))).await;
    }

    /// What can be read.
    pub async fn text(&self) -> String {
        let text = self.look("document.body?.innerText ?? ''").await;
        text.map_or_else(|error| error, |text| text.as_str().unwrap_or_default().to_owned())
    }

    /// The text of the first of this selector.
    pub async fn text_of(&self, selector: &str) -> String {
        self.sees(selector).await;
        let text = self.until(&format!("document.querySelector({}).innerText", json!(selector))).await;
        text.as_str().unwrap().to_owned()
    }

    /// What the address bar shows.
    pub async fn url(&self) -> String {
        let url = self.look("location.href").await;
        url.map_or_else(|error| error, |url| url.as_str().unwrap_or_default().to_owned())
    }

    // ---- hands ----

    /// Presses a button or link once it is there and enabled.
    pub async fn press(&self, selector: &str) {
        let ready = format!(
            "(() => {{ const it = document.querySelector({}); if (!it?.checkVisibility() || it.disabled) return false; it.click(); return true; }})()",
            json!(selector)
        );
        self.until(&ready).await;
    }

    /// Types into a field, in place of what stood there.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.sees(selector).await;
        self.until(&format!("(() => {{ const it = document.querySelector({}); it.focus(); it.select(); return document.activeElement === it; }})()", json!(selector))).await;
        self.command(InsertTextParams::new(text)).await;
    }

    /// Presses what saves a file, and waits until the browser has saved it under this name in this directory.
    pub async fn download(&self, selector: &str, directory: &Path, name: &str) -> PathBuf {
        let behavior = SetDownloadBehaviorParams::builder()
            .behavior(SetDownloadBehaviorBehavior::Allow)
            .browser_context_id(self.context.id.clone())
            .download_path(directory.to_str().unwrap());
        let behavior = behavior.build().unwrap();
        self.context.chromium.browser().execute(behavior).await.unwrap_or_else(|error| panic!("{error}"));
        self.press(selector).await;
        let file = directory.join(name);
        // It gets its name when it is whole.
        let saved = until(async || if file.is_file() { Ok(()) } else { Err(format!("no {}", file.display())) });
        saved.await.unwrap_or_else(|missing| panic!("{missing}"));
        file
    }

    /// Strikes one key: `Tab`, `Enter`, `Space`, or a letter.
    pub async fn key(&self, name: &str) {
        let (key, code, number, text) = match name {
            "Tab" => ("Tab", "Tab", 9, None),
            "Enter" => ("Enter", "Enter", 13, Some("\r")),
            "Space" => (" ", "Space", 32, Some(" ")),
            letter => (letter, letter, i64::from(letter.to_ascii_uppercase().as_bytes()[0]), Some(letter)),
        };
        let stroke = |kind| {
            let stroke = DispatchKeyEventParams::builder().r#type(kind).key(key).code(code);
            stroke.windows_virtual_key_code(number).native_virtual_key_code(number)
        };
        let mut down = stroke(DispatchKeyEventType::KeyDown);
        if let Some(text) = text {
            down = down.text(text);
        }
        self.command(down.build().unwrap()).await;
        self.command(stroke(DispatchKeyEventType::KeyUp).build().unwrap()).await;
    }

    // ---- a passkey in it ----

    /// A platform authenticator that verifies its user. It answers nothing until [`Self::presence`] says that somebody is there:
    /// else it would answer the sign-in page's autofill by itself.
    pub async fn add_authenticator(&self) {
        self.command(EnableParams::default()).await;
        let options = VirtualAuthenticatorOptions::builder()
            .protocol(AuthenticatorProtocol::Ctap2)
            .transport(AuthenticatorTransport::Internal)
            .has_resident_key(true)
            .has_user_verification(true)
            .is_user_verified(true)
            .automatic_presence_simulation(false);
        let added = self.command(AddVirtualAuthenticatorParams::new(options.build().unwrap())).await;
        *self.authenticator.lock().unwrap() = Some(added.authenticator_id);
    }

    fn authenticator(&self) -> AuthenticatorId {
        self.authenticator.lock().unwrap().clone().expect("the tab has an authenticator")
    }

    /// Whether somebody is there to touch the authenticator.
    pub async fn presence(&self, there: bool) {
        self.command(SetAutomaticPresenceSimulationParams::new(self.authenticator(), there)).await;
    }

    /// The passkeys in the authenticator, private keys and all.
    pub async fn passkeys(&self) -> Vec<Credential> {
        self.command(GetCredentialsParams::new(self.authenticator())).await.credentials
    }

    /// Makes these the authenticator's passkeys, as a provider that copies them between devices would.
    pub async fn put_passkeys(&self, passkeys: Vec<Credential>) {
        self.command(ClearCredentialsParams::new(self.authenticator())).await;
        for passkey in passkeys {
            self.command(AddCredentialParams::new(self.authenticator(), passkey)).await;
        }
    }

    // ---- what scripts and thieves can reach ----

    /// Calls our server as the page's own script would, with the session's key: the reply, or the problem's name.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let call = format!(
            "(async () => {{ const proof = document.querySelector('link[href$=\"/js/proof.js\"]').href; \
             const {{ post }} = await import(proof); \
             try {{ return {{ reply: await post({}, {body}) }}; }} catch (problem) {{ return {{ problem: problem.slug ?? String(problem) }}; }} }})()",
            json!(path)
        );
        let answer = self.look(&call).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        match answer.get("problem").and_then(Value::as_str) {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(answer["reply"].clone()),
        }
    }

    /// The addresses of the page and of what it frames; a frame that was blocked shows an error of the browser's own.
    pub async fn frames(&self) -> Vec<String> {
        fn walk(tree: &FrameTree, urls: &mut Vec<String>) {
            urls.push(tree.frame.url.clone());
            tree.child_frames.iter().flatten().for_each(|child| walk(child, urls));
        }
        let mut urls = Vec::new();
        walk(&self.command(GetFrameTreeParams::default()).await.frame_tree, &mut urls);
        urls
    }

    /// Every cookie that this page would send.
    pub async fn cookies(&self) -> Vec<Cookie> {
        self.command(GetCookiesParams::default()).await.cookies
    }

    /// Gives the browser a cookie.
    pub async fn set_cookie(&self, url: &str, name: &str, value: &str) {
        let cookie = SetCookieParams::builder().url(url).name(name).value(value).path("/").http_only(true);
        let cookie = cookie.secure(name.starts_with("__Host-"));
        self.command(cookie.build().unwrap()).await;
    }

    // ---- its looks ----

    /// Screen size, and light or dark.
    pub async fn dress(&self, width: i64, dark: bool) {
        self.command(SetDeviceMetricsOverrideParams::new(width, 800, 1.0, width < 600)).await;
        let scheme = if dark { "dark" } else { "light" };
        let features = vec![
            MediaFeature { name: "prefers-color-scheme".into(), value: scheme.into() },
            MediaFeature { name: "prefers-reduced-motion".into(), value: "reduce".into() },
        ];
        self.command(SetEmulatedMediaParams { media: None, features: Some(features) }).await;
    }

    /// A picture of the whole page.
    pub async fn picture(&self, quality: i64) -> Vec<u8> {
        let size = self
            .until(
                "[document.documentElement.clientWidth, Math.max(document.documentElement.scrollHeight, innerHeight)]",
            )
            .await;
        let (width, height) = (size[0].as_f64().unwrap(), size[1].as_f64().unwrap().min(TALLEST));
        let clip = Viewport { x: 0.0, y: 0.0, width, height, scale: 1.0 };
        let shot = CaptureScreenshotParams::builder()
            .format(CaptureScreenshotFormat::Webp)
            .quality(quality)
            .clip(clip)
            .capture_beyond_viewport(true);
        let data = self.command(shot.build()).await.data;
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, AsRef::<[u8]>::as_ref(&data)).unwrap()
    }
}
