//! One Chromium for all tests that run at the same time; it ends with the last of them.

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use futures_util::StreamExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

static RUNNING: Mutex<Weak<Chromium>> = Mutex::new(Weak::new());

/// A browser's process and the thread that speaks with it.
pub struct Chromium {
    browser: Option<Browser>,
    end: Option<oneshot::Sender<Browser>>,
    thread: Option<JoinHandle<()>>,
    abandoned: Mutex<Vec<BrowserContextId>>,
}

impl Chromium {
    /// The one that runs, or a new one; or why there is none.
    pub fn get() -> Result<Arc<Self>, String> {
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(chromium) = running.upgrade() {
            return Ok(chromium);
        }
        let program = std::env::var_os("COUNTERFOIL_CHROMIUM").map(PathBuf::from);
        let program = program.filter(|path| path.is_file()).ok_or("COUNTERFOIL_CHROMIUM names no browser")?;
        let chromium = Arc::new(Self::launch(program));
        *running = Arc::downgrade(&chromium);
        Ok(chromium)
    }

    /// To make contexts and pages with.
    pub fn browser(&self) -> &Browser {
        self.browser.as_ref().expect("it is there until the value is dropped")
    }

    /// A context that nobody uses any more. Whoever opens the next one closes it.
    pub fn abandon(&self, context: BrowserContextId) {
        self.abandoned.lock().unwrap().push(context);
    }

    /// The contexts that are to be closed.
    pub fn abandoned(&self) -> Vec<BrowserContextId> {
        std::mem::take(&mut *self.abandoned.lock().unwrap())
    }

    fn launch(program: PathBuf) -> Self {
        let (started, wait) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(speak(program, started, ended));
        });
        let browser = wait.recv().expect("Chromium does not start; what it said stands above");
        Self { browser: Some(browser), end: Some(end), thread: Some(thread), abandoned: Mutex::default() }
    }
}

/// Launches, and carries messages until the browser comes back to be ended.
async fn speak(program: PathBuf, started: mpsc::Sender<Browser>, ended: oneshot::Receiver<Browser>) {
    let profile = tempfile::tempdir().unwrap();
    let config = BrowserConfig::builder()
        .chrome_executable(program)
        .new_headless_mode()
        // Chromium's own sandbox needs what containers seldom give; nothing but our own pages is opened here.
        .no_sandbox()
        .disable_https_first()
        .user_data_dir(profile.path())
        .viewport(None)
        .request_timeout(Duration::from_secs(20))
        .args(["--lang=en-US", "--accept-lang=en-US", "--disable-gpu", "--force-color-profile=srgb"])
        .build()
        .unwrap();
    let (browser, mut handler) = match Browser::launch(config).await {
        Ok(launched) => launched,
        Err(error) => panic!("{error}"),
    };
    started.send(browser).unwrap();
    let carry = async { while handler.next().await.is_some() {} };
    tokio::select! {
        () = carry => {}
        browser = ended => {
            if let Ok(mut browser) = browser {
                // It may have ended already.
                let _ = browser.kill().await;
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let (Some(browser), Some(end)) = (self.browser.take(), self.end.take()) {
            // The other side is gone only when the browser is.
            let _ = end.send(browser);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
