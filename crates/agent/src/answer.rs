//! What each request is answered with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pilotlight::values::{ExposeSecret as _, SecretString};
use pilotlight::{AccessToken, Error, Scope, Status};
use zeroize::Zeroizing;

use crate::audit::Entry;
use crate::consent::{Decision, Unknown};
use crate::program::{self, Asking};
use crate::protocol::{Answer, Request, Secret, Trouble, VERSION, Verdict};
use crate::server::Office;

/// A token that is refused soon after a refresh brought it is not replaced: a service that refuses every token is not cured
/// by another. As long as the authorized HTTP client waits.
const PAUSE: Duration = Duration::from_secs(30);

/// Which token is asked for.
struct Wish {
    account: String,
    audience: Option<String>,
    scope: Scope,
    min_ttl: Duration,
    other_than: Option<Secret>,
}

impl Wish {
    fn entry(&self, asking: &Asking, lent: bool) -> Entry {
        Entry { program: asking.program.clone(), account: self.account.clone(), what: self.told(), lent }
    }

    /// What of it is beside the usual, for the journal. The words are the program's, so their characters are made harmless.
    fn told(&self) -> String {
        let mut told = String::new();
        if let Some(audience) = &self.audience {
            told += &format!(" for {:?}", shortened(audience));
        }
        if !self.scope.is_empty() {
            told += &format!(" with the scope {:?}", shortened(&self.scope.to_string()));
        }
        told
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl Office {
    pub(crate) async fn answer(self: &Arc<Self>, request: Request, pid: i32) -> Zeroizing<Vec<u8>> {
        let failed = |error: &Error| Answer::Error(error.into()).line();
        match request {
            Request::Hello => Answer::Hello { version: VERSION }.line(),
            Request::List => match self.pilotlight.accounts().await {
                Err(error) => failed(&error),
                Ok(all) => Answer::Accounts(all.accounts.into_iter().map(|account| account.name).collect()).line(),
            },
            Request::Status { account } => match self.pilotlight.account(&account).await {
                Err(error) => failed(&error),
                Ok(account) => Answer::Status(word(&account.status).into()).line(),
            },
            Request::Token { account, min_ttl, audience, scope, other_than, last: _ } => {
                let scope = Scope::parse(scope.as_deref().unwrap_or_default());
                let wish = Wish { account, audience, scope, min_ttl: Duration::from_secs(min_ttl), other_than };
                match self.consent(pid, &wish).await {
                    Err(refused) => Answer::Error(refused).line(),
                    Ok(asking) => self.lend(&asking, &wish).await,
                }
            }
            // Connections begin to listen by themselves.
            Request::Subscribe { .. } => Answer::Done(true).line(),
            Request::Decide { .. } if !self.is_own(pid) => Answer::Error(not_ours()).line(),
            Request::Decide { question, verdict } => {
                if self.desk.decide(question, verdict) {
                    return Answer::Done(true).line();
                }
                let message = "This question is not open.";
                Answer::Error(Trouble::new("no_such_question", message, "It was answered, or its time was over."))
                    .line()
            }
            Request::Lock => done(self.pilotlight.lock().await),
            Request::Unlock { passphrase } => done(self.unlock(passphrase).await),
        }
    }

    /// Whether one of our own programs is at the other end.
    pub(crate) fn is_own(&self, pid: i32) -> bool {
        program::executable(pid).is_some_and(|program| self.own.contains(&program))
    }

    /// The program that asks, if it may have the token; or why not.
    async fn consent(self: &Arc<Self>, pid: i32, wish: &Wish) -> Result<Asking, Trouble> {
        let Some(asking) = program::asking(pid, &self.own) else {
            let message = "The system does not tell which program asks.";
            return Err(not_allowed(message, "Ask from a program that is not closed to its neighbours."));
        };
        match self.may(&asking, &wish.account).await {
            Ok(true) => Ok(asking),
            Ok(false) => {
                self.enter(asking.pid, wish.entry(&asking, false));
                let path = asking.program.display();
                let hint = format!("To allow it: pilotlight programs allow {path}");
                Err(not_allowed(&format!("The program {path} may not have tokens."), &hint))
            }
            Err(trouble) => {
                self.enter(asking.pid, wish.entry(&asking, false));
                Err(trouble)
            }
        }
    }

    async fn may(&self, asking: &Asking, account: &str) -> Result<bool, Trouble> {
        let unreadable = |error: crate::ConsentError| {
            not_allowed(&format!("{error}."), "Repair or remove the file programs.json in Pilotlight's folder.")
        };
        let decided = self.programs.of_program(&asking.program).map_err(unreadable)?;
        match (decided, self.unknown) {
            (Some(decision), _) => return Ok(decision == Decision::Always),
            (None, Unknown::Allow) => return Ok(true),
            (None, Unknown::Deny) => return Ok(false),
            (None, Unknown::Ask) => {}
        }
        let verdict = self.desk.ask(asking, account).await;
        let decision = match verdict {
            Verdict::Always => Decision::Always,
            Verdict::Never => Decision::Never,
            verdict => return Ok(matches!(verdict, Verdict::Once | Verdict::Run)),
        };
        // What cannot be written down holds this once.
        if self.programs.of_program(&asking.program).map_err(unreadable)? != Some(decision) {
            self.write_down(&asking.program, decision).await;
        }
        Ok(decision == Decision::Always)
    }

    async fn write_down(&self, program: &Path, decision: Decision) {
        let (programs, program) = (self.programs.clone(), program.to_owned());
        let written = tokio::task::spawn_blocking(move || programs.decide(&program, Some(decision))).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("what was decided about a program could not be written down");
        }
    }

    async fn lend(self: &Arc<Self>, asking: &Asking, wish: &Wish) -> Zeroizing<Vec<u8>> {
        match self.token(wish).await {
            Err(error) => Answer::Error((&error).into()).line(),
            Ok(token) => {
                self.enter(asking.pid, wish.entry(asking, true));
                let answer = Answer::Token {
                    access_token: token.token.expose_secret().into(),
                    token_type: token.token_type.as_str().into(),
                    expires_at: token.expires_at.map(|at| at.as_millis().div_euclid(1000)),
                };
                answer.line()
            }
        }
    }

    async fn token(&self, wish: &Wish) -> Result<AccessToken, Error> {
        if let Some(refused) = &wish.other_than {
            let current = self.pilotlight.access_token(&wish.account, Duration::ZERO).await?;
            if current.token.expose_secret() == refused.0.as_str() {
                let account = self.pilotlight.account(&wish.account).await?;
                let age = self.pilotlight.now().as_secs().abs_diff(account.refreshed_at.as_secs());
                if account.refreshes == 0 || age >= PAUSE.as_secs() {
                    self.pilotlight.refresh(&wish.account).await?;
                }
            }
        }
        self.pilotlight.exchanged_token(&wish.account, wish.audience.as_deref(), &wish.scope, wish.min_ttl).await
    }

    async fn unlock(&self, passphrase: Option<Secret>) -> Result<(), Error> {
        // One at a time: each costs as much memory as a passphrase is worth.
        let _turn = self.unlocking.lock().await;
        match passphrase {
            Some(Secret(text)) => self.pilotlight.unlock_with(SecretString::from(text.as_str())).await,
            None => self.pilotlight.unlock().await,
        }
    }
}

fn done(outcome: Result<(), Error>) -> Zeroizing<Vec<u8>> {
    match outcome {
        Ok(()) => Answer::Done(true).line(),
        Err(error) => Answer::Error((&error).into()).line(),
    }
}

fn not_allowed(message: &str, hint: &str) -> Trouble {
    Trouble::new("not_allowed", message, hint)
}

pub(crate) fn not_ours() -> Trouble {
    let hint = "Answer with `pilotlight programs answer`, or decide with `pilotlight programs allow PATH`.";
    not_allowed("Only Pilotlight's own programs answer questions.", hint)
}

pub(crate) const fn word(status: &Status) -> &'static str {
    match status {
        Status::SignedIn => "signed_in",
        Status::Refreshing => "refreshing",
        Status::Waiting { .. } => "waiting",
        Status::Ended { .. } => "ended",
    }
}
