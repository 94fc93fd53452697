//! What `pilotlight-victim` does: opens the vault in `PILOTLIGHT_HOME` and refreshes, saying so line by line.
//!
//! ```text
//!  at 4          the vault is open, and its grant was refreshed four times
//!  sending
//!  refreshed 5   it returned: the new tokens are durable
//!  sending
//!  failed no_answer The answer did not arrive: …
//! ```

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use pilotlight::{Client, Config, ErrorCode, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn, SignOut};

use super::FolderKeystore;

/// The one account of a victim.
const ACCOUNT: &str = "work";
/// The user name and the password of the server's demo person.
const DEMO: &str = "demo";

/// Carries out the command line: `sign-in issuer URL`, `sign-in token-endpoint URL` (in place of the account that is there),
/// `refresh COUNT` (0: until it is killed), or `on-word`: says `ready`, waits for a line, opens the vault and refreshes once, on as few threads as possible.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["sign-in", kind, url] => sign_in(kind, url),
        ["refresh", count] => refresh(count),
        ["on-word"] => on_word(),
        _ => Err("sign-in issuer|token-endpoint URL, refresh COUNT, or on-word".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // What cannot be said is seen by the exit code.
        Err(error) => {
            let _ = say(&format!("failed {}", in_a_word(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// The code of the core's errors, and the sentence.
fn in_a_word(error: &(dyn Error + 'static)) -> String {
    let code = error.downcast_ref::<pilotlight::Error>().map_or("unforeseen", |error| error.code().as_str());
    format!("{code} {error}")
}

/// One line, at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    // One write, so that a kill does not leave half a line.
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

fn open() -> Result<Pilotlight, pilotlight::Error> {
    let home = Home::locate()?;
    let keystore = Arc::new(FolderKeystore::at(home.path().join("keystore")));
    Ok(Pilotlight::new(Config { keystore, ..Config::system(home)? }))
}

fn sign_in(kind: &str, url: &str) -> Result<(), Box<dyn Error>> {
    let service = match kind {
        "issuer" => ServiceLocation::Issuer(url.to_owned()),
        _ => ServiceLocation::TokenEndpoint(url.parse()?),
    };
    let client = Client { id: "pilotlight".into(), secret: None };
    let registration =
        Registration { name: ACCOUNT.into(), service, client, scope: Scope::parse("openid offline_access") };
    let how = SignIn::Password { username: DEMO.into(), password: DEMO.into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(replace(&open()?, registration, how))?;
    Ok(say("signed-in")?)
}

async fn replace(pilotlight: &Pilotlight, registration: Registration, how: SignIn) -> Result<(), pilotlight::Error> {
    match pilotlight.sign_out(ACCOUNT, SignOut::LocalOnly).await {
        Err(error) if error.code() != ErrorCode::NoSuchAccount => return Err(error),
        _ => {}
    }
    pilotlight.sign_in(registration, how).await.map(drop)
}

fn refresh(count: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(refresh_times(open()?, count.parse()?))
}

fn on_word() -> Result<(), Box<dyn Error>> {
    say("ready")?;
    io::stdin().read_line(&mut String::new())?;
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build()?;
    runtime.block_on(refresh_times(open()?, 1))
}

async fn refresh_times(pilotlight: Pilotlight, count: u64) -> Result<(), Box<dyn Error>> {
    say(&format!("at {}", pilotlight.account(ACCOUNT).await?.refreshes))?;
    let mut left = count;
    loop {
        say("sending")?;
        pilotlight.refresh(ACCOUNT).await?;
        say(&format!("refreshed {}", pilotlight.account(ACCOUNT).await?.refreshes))?;
        left = left.wrapping_sub(1);
        if left == 0 {
            return Ok(());
        }
    }
}
