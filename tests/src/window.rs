//! The app in its real window, driven as WebDriver drives a browser.
//!
//! `tauri-driver` starts the app and speaks to its web view through WebKit's own driver. Each launch has a driver of its
//! own: when the app is killed, so is the driver, and nothing of the old session is left to be in the way.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::{
    binaries,
    desktop::PrivateDesktop,
    person::Person,
    process::{self, Process},
    wait,
};

/// What the app is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    arguments: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    person: Person,
    hands_over: bool,
    introduces: bool,
}

impl Launch {
    /// Without any argument. The person in front of the browser is the demo person.
    pub fn plain() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            person: Person::demo(),
            hands_over: false,
            introduces: false,
        }
    }

    /// With a service offered: the first sign-in takes one click.
    pub fn offering(name: &str, issuer: &str) -> Self {
        Self::plain().argument("--offer").argument(&format!("{name}={issuer}"))
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// One more variable, or another value for one.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Whoever closes the window leaves an agent with a tray behind. Otherwise the app's end is the end.
    #[must_use]
    pub fn handing_over(mut self) -> Self {
        self.hands_over = true;
        self
    }

    /// The app introduces itself, as it does at its first start. Otherwise it has done so before.
    #[must_use]
    pub fn introducing(mut self) -> Self {
        self.introduces = true;
        self
    }

    /// Somebody else in front of the browser.
    #[must_use]
    pub fn with_person(mut self, person: Person) -> Self {
        self.person = person;
        self
    }
}

/// The app, running. When this is dropped, the app and everything that was started for it end.
#[derive(Debug)]
pub struct Window {
    running: Option<Running>,
    app: PathBuf,
    launch: Launch,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

#[derive(Debug)]
struct Running {
    client: Client,
    driver: Process,
    app: u32,
}

impl Window {
    /// Starts the app on that desktop and waits for its window.
    ///
    /// # Panics
    /// When something it needs is not built or not installed, or the window does not open; the message has the app's log.
    pub async fn open(desktop: &PrivateDesktop, launch: Launch) -> Self {
        if !launch.introduces {
            welcomed(&desktop.pilotlight_home());
        }
        let launch = if launch.hands_over { launch } else { launch.argument("--no-tray") };
        Self::open_program(desktop, &binaries::built("pilotlight-desktop"), launch).await
    }

    /// As [`Self::open`], for another program that shows a web view.
    ///
    /// # Panics
    /// As [`Self::open`].
    pub async fn open_program(desktop: &PrivateDesktop, app: &Path, launch: Launch) -> Self {
        let folder = desktop.folder().to_path_buf();
        let mut environment = desktop.environment();
        environment.push(("BROWSER".into(), browser(&folder, &launch.person).into()));
        environment.extend(launch.environment.iter().cloned());
        let mut window = Self { running: None, app: app.to_path_buf(), launch, environment, folder };
        window.reopen().await;
        window
    }

    /// Starts the app again, with what it was started with before. One that still runs is closed first.
    ///
    /// # Panics
    /// As [`Self::open`].
    pub async fn reopen(&mut self) {
        self.close().await;
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the app's log");
        let [port, native] = free_ports();
        let mut command = Command::new(binaries::tool("tauri-driver"));
        command.env_clear().envs(self.environment.iter().cloned());
        command.args(["--port", &port.to_string(), "--native-port", &native.to_string()]).arg("--native-driver");
        command.arg(binaries::tool("WebKitWebDriver")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the app's log")).stderr(log);
        let driver = Process::start(&mut command);
        let client = self.session(port).await;
        let below = process::descendants(driver.id());
        let app = below.into_iter().find(|id| process::program_of(*id).as_ref() == Some(&self.app));
        let app = app.unwrap_or_else(|| panic!("the app does not run; its log:\n{}", self.log()));
        self.running = Some(Running { client, driver, app });
    }

    async fn session(&self, port: u16) -> Client {
        let options = json!({ "application": self.app, "args": self.launch.arguments });
        let mut capabilities = fantoccini::wd::Capabilities::new();
        capabilities.insert("browserName".into(), json!("wry"));
        capabilities.insert("tauri:options".into(), options);
        let address = format!("http://127.0.0.1:{port}");
        // The driver listens a moment after it starts; a request before that is refused.
        wait::until_async("the app's window", wait::PATIENCE, || async {
            let connecting =
                ClientBuilder::new(HttpConnector::new()).capabilities(capabilities.clone()).connect(&address).await;
            connecting.map_err(|error| format!("{error}; the app's log:\n{}", self.log()))
        })
        .await
    }

    /// Closes the app as the end of a session does. Nothing happens when it does not run.
    pub async fn close(&mut self) {
        if let Some(running) = self.running.take() {
            // It may be gone already; what is left of it is ended by id below.
            let _ = running.client.clone().close().await;
            end(running);
        }
    }

    /// Ends the app as `kill -9` would: it can save nothing and say goodbye to nobody.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let running = self.running.take().expect("the app runs");
        process::signal("KILL", running.app);
        wait::until("the app's end", || (!process::is_running(running.app)).then_some(()));
        end(running);
    }

    /// Clicks the cross of the app's window: without a window manager, the protocol by which one would pass it on
    /// (ICCCM section 4.2.8.1).
    ///
    /// # Panics
    /// When the display has no window that takes it.
    pub fn click_cross(&self) {
        let display = self.environment.iter().find(|(name, _)| name == "DISPLAY").and_then(|(_, value)| value.to_str());
        cross::click(display.expect("a display")).unwrap_or_else(|error| panic!("the cross: {error}"));
    }

    /// The app's process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn process_id(&self) -> u32 {
        self.running.as_ref().expect("the app runs").app
    }

    /// Everything that the app, its web view and its driver have written to their standard output and error.
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// What the person's browser did, one page a line; empty when it was never opened.
    pub fn browser_log(&self) -> String {
        fs::read_to_string(self.folder.join("browser.log")).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("app.log")
    }

    /// The WebDriver client, for what the kit has no word for.
    ///
    /// # Panics
    /// When the app does not run.
    pub fn client(&self) -> &Client {
        &self.running.as_ref().expect("the app runs").client
    }

    /// Waits for the element with that `data-testid`.
    ///
    /// # Panics
    /// When it does not appear; the message has what the page shows instead.
    pub async fn find(&self, id: &str) -> Element {
        self.find_css(&format!("[data-testid=\"{id}\"]")).await
    }

    /// Waits for the first element that the CSS selector matches.
    ///
    /// # Panics
    /// As [`Self::find`].
    pub async fn find_css(&self, selector: &str) -> Element {
        wait::until_async(selector, wait::PATIENCE, || async {
            let found = self.client().find(Locator::Css(selector)).await;
            match found {
                Ok(element) => Ok(element),
                Err(error) => Err(format!("{error}; the page shows:\n{}", self.page_text().await)),
            }
        })
        .await
    }

    /// Whether an element with that `data-testid` is there now.
    pub async fn shows(&self, id: &str) -> bool {
        self.count(id).await > 0
    }

    /// Waits until no element with that `data-testid` is there.
    ///
    /// # Panics
    /// When it stays.
    pub async fn wait_until_gone(&self, id: &str) {
        wait::until_async(&format!("the end of {id}"), wait::PATIENCE, || async {
            if self.shows(id).await { Err("it is shown".to_owned()) } else { Ok(()) }
        })
        .await;
    }

    /// How many elements with that `data-testid` there are now.
    pub async fn count(&self, id: &str) -> usize {
        let selector = format!("[data-testid=\"{id}\"]");
        self.client().find_all(Locator::Css(&selector)).await.map(|all| all.len()).unwrap_or_default()
    }

    /// Waits for the element and clicks it; one that the page replaces at that moment is looked for again.
    ///
    /// # Panics
    /// When it does not appear, or cannot be clicked.
    pub async fn click(&self, id: &str) {
        wait::until_async(&format!("a click on {id}"), wait::PATIENCE, || async {
            self.find(id).await.click().await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Waits for the element, empties it and types.
    ///
    /// # Panics
    /// When it does not appear, or cannot be typed into.
    pub async fn type_into(&self, id: &str, text: &str) {
        let field = self.find(id).await;
        field.clear().await.unwrap_or_else(|error| panic!("{id} cannot be emptied: {error}"));
        field.send_keys(text).await.unwrap_or_else(|error| panic!("{id} takes no text: {error}"));
    }

    /// Waits for the element and reads the text a person sees in it.
    ///
    /// # Panics
    /// When it does not appear.
    pub async fn text(&self, id: &str) -> String {
        wait::until_async(&format!("the text of {id}"), wait::PATIENCE, || async {
            self.find(id).await.text().await.map_err(|error| error.to_string())
        })
        .await
    }

    /// Waits until the element's text fits.
    ///
    /// # Panics
    /// When it does not; the message has the last text.
    pub async fn wait_for_text(&self, id: &str, fits: impl Fn(&str) -> bool) -> String {
        wait::until_async(&format!("the right text in {id}"), wait::PATIENCE, || async {
            let text = self.text(id).await;
            if fits(&text) { Ok(text) } else { Err(text) }
        })
        .await
    }

    /// The value of an attribute of the element now.
    pub async fn attribute(&self, id: &str, name: &str) -> Option<String> {
        let selector = format!("[data-testid=\"{id}\"]");
        let element = self.client().find(Locator::Css(&selector)).await.ok()?;
        element.attr(name).await.ok().flatten()
    }

    /// Waits until the first account is in that state: `signed-in`, `refreshing`, `waiting` or `ended`.
    ///
    /// # Panics
    /// When it is not within [`wait::PATIENCE`]; the message has the last state.
    pub async fn wait_for_state(&self, state: &str) {
        wait::until_async(&format!("an account in state {state}"), wait::PATIENCE, || async {
            match self.attribute("account-card", "data-state").await {
                Some(now) if now == state => Ok(()),
                Some(now) => Err(now),
                None => Err(format!("no account; the page shows:\n{}", self.page_text().await)),
            }
        })
        .await;
    }

    /// How many refreshes the first account counts.
    pub async fn refreshes(&self) -> u64 {
        let digits: String = self.text("refreshes").await.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    }

    /// Waits until the first account counts at least that many refreshes.
    ///
    /// # Panics
    /// When it does not within `patience`.
    pub async fn wait_for_refreshes(&self, at_least: u64, patience: Duration) {
        wait::until_async(&format!("{at_least} refreshes"), patience, || async {
            let now = self.refreshes().await;
            if now >= at_least { Ok(()) } else { Err(format!("{now}")) }
        })
        .await;
    }

    /// Signs in to the first offered service through the browser and waits for the account.
    ///
    /// # Panics
    /// When the account does not appear.
    pub async fn sign_in_by_browser(&self) {
        self.click("sign-in-browser-0").await;
        self.wait_for_state("signed-in").await;
    }

    /// Signs in to the first offered service with a password, and leaves what follows to the caller.
    ///
    /// # Panics
    /// When the form is not there.
    pub async fn sign_in_by_password(&self, username: &str, password: &str) {
        self.click("sign-in-password-0").await;
        self.type_into("username", username).await;
        self.type_into("password", password).await;
        self.click("submit-password").await;
    }

    /// What a person could read on the page now.
    pub async fn page_text(&self) -> String {
        let text = self.client().execute("return document.body ? document.body.innerText : ''", Vec::new()).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Saves a picture of the page as PNG.
    ///
    /// # Panics
    /// When the driver cannot take it or the file cannot be written.
    pub async fn screenshot(&self, file: &Path) {
        let picture = self.client().screenshot().await.expect("a picture of the page");
        fs::write(file, picture).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            end(running);
        }
    }
}

/// Ends the driver, the app and their children, each by its id. A driver that ends leaves its app running, so the ids
/// are collected first.
fn end(mut running: Running) {
    let below = process::descendants(running.driver.id());
    running.driver.kill();
    let app_below = process::descendants(running.app);
    for id in [running.app].into_iter().chain(below).chain(app_below) {
        if process::is_running(id) {
            process::signal("KILL", id);
        }
    }
}

/// Two ports that were free a moment ago. The driver takes no port 0, so somebody else may be quicker; then no session
/// opens and the test says so.
fn free_ports() -> [u16; 2] {
    let bound = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    bound.map(|listener| listener.local_addr().expect("its address").port())
}

/// What the app finds after its first run.
fn welcomed(home: &Path) {
    let settings = home.join("settings.json");
    if !settings.exists() {
        let mut folder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.recursive(true).create(home).expect("the home folder");
        std::fs::write(settings, r#"{"welcomed": true}"#).expect("the settings");
    }
}

/// `$BROWSER` for the app: a command line split at spaces, so the program is reached by a link whose path has none.
fn browser(folder: &Path, person: &Person) -> String {
    let link = folder.join("browser");
    if !link.exists() {
        std::os::unix::fs::symlink(binaries::built("pilotlight-person"), &link).expect("a link to the browser");
    }
    let log = folder.join("browser.log");
    let Person { username, password, answer, .. } = person;
    let plain = |text: &str| !text.is_empty() && !text.contains([' ', ':', '%']);
    assert!(plain(username) && plain(password), "$BROWSER cannot carry the name {username:?} or its password");
    format!("{} {} {username} {password} {} %s", link.display(), log.display(), answer.word())
}

/// The one thing that a window manager would be needed for.
mod cross {
    use x11rb::connection::Connection as _;
    use x11rb::protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, MapState};

    pub(super) fn click(display: &str) -> Result<(), Box<dyn std::error::Error>> {
        let (connection, screen) = x11rb::connect(Some(display))?;
        let atom =
            |name: &[u8]| Ok::<_, Box<dyn std::error::Error>>(connection.intern_atom(false, name)?.reply()?.atom);
        let (protocols, delete) = (atom(b"WM_PROTOCOLS")?, atom(b"WM_DELETE_WINDOW")?);
        let mut asked = 0;
        for window in connection.query_tree(connection.setup().roots[screen].root)?.reply()?.children {
            let seen = connection.get_window_attributes(window)?.reply()?.map_state == MapState::VIEWABLE;
            let known = connection.get_property(false, window, protocols, AtomEnum::ATOM, 0, 16)?.reply()?;
            if seen && known.value32().is_some_and(|mut known| known.any(|protocol| protocol == delete)) {
                let event = ClientMessageEvent::new(32, window, protocols, [delete, x11rb::CURRENT_TIME, 0, 0, 0]);
                connection.send_event(false, window, EventMask::NO_EVENT, event)?.check()?;
                asked += 1;
            }
        }
        if asked == 1 { Ok(()) } else { Err(format!("{asked} windows can be closed").into()) }
    }
}
