//! `pilotlight vault …` and `pilotlight doctor`: how the grants are kept, and whether all is well.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use pilotlight::diagnosis::{Finding, Health};
use pilotlight::storage::{Aead, Exposure, Moving, Need, Strategy, VaultInfo, VaultStatus};
use pilotlight::values::{ExposeSecret as _, SecretString};
use pilotlight::{ErrorCode, Pilotlight};
use serde_json::{Value, json};

use crate::arguments::{Cipher, Purpose, TypedWay, VaultCommand};
use crate::command::{Outcome, Run};
use crate::failure::{DISK, Failure};
use crate::words::{harmless, table};
use crate::{output, secrets};

impl Run {
    pub(crate) async fn vault_command(self, command: VaultCommand) -> Outcome {
        match command {
            VaultCommand::Strategies => self.strategies(),
            VaultCommand::Info => self.vault_info().await,
            VaultCommand::Protect { with: TypedWay::Passphrase, passphrase_stdin } => {
                self.set_passphrase(passphrase_stdin).await
            }
            VaultCommand::Protect { with: TypedWay::RecoveryCode, .. } => self.set_recovery_code().await,
            VaultCommand::Unprotect { way } => self.remove_ways(&way).await,
            VaultCommand::Rekey { cipher } => self.rekey(cipher).await,
            VaultCommand::Use { strategy, yes } => self.choose(strategy, yes).await,
            VaultCommand::Migrate { to, yes, passphrase_stdin } => self.migrate(to, yes, passphrase_stdin).await,
        }
    }

    fn strategies(self) -> Outcome {
        let used = self.pilotlight.strategy()?;
        let json: Vec<Value> = Strategy::ALL.into_iter().map(|strategy| strategy_json(strategy, used)).collect();
        self.form.print(&json, || strategies_text(used))?;
        Ok(0)
    }

    async fn vault_info(self) -> Outcome {
        let info = self.pilotlight.vault_info().await?;
        self.form.print(&info_json(&info), || info_text(&info))?;
        match info.status {
            VaultStatus::Unavailable(error) => Err(error.into()),
            _ => Ok(0),
        }
    }

    async fn set_passphrase(self, from_stdin: bool) -> Outcome {
        self.pilotlight.set_passphrase(new_passphrase(from_stdin)?).await?;
        self.form.confirm(&json!({ "way": "passphrase" }), "The passphrase opens the vault too.")?;
        Ok(0)
    }

    async fn set_recovery_code(self) -> Outcome {
        let code = self.pilotlight.set_recovery_code().await?;
        let exposed = code.expose_secret();
        let json = json!({ "way": "recovery-code", "recovery_code": exposed });
        self.form.print(&json, || format!("{exposed}\n"))?;
        output::note("Write it down and keep it away from this computer. It is not shown again.");
        Ok(0)
    }

    async fn remove_ways(self, kind: &str) -> Outcome {
        let count = self.pilotlight.remove_ways(kind).await?;
        if count == 0 {
            return Err(Failure::usage(
                format!("No {} opens the vault.", harmless(kind)),
                "See `pilotlight vault info`.",
            ));
        }
        let text = format!("No {} opens the vault any more.", harmless(kind));
        self.form.confirm(&json!({ "removed": count }), &text)?;
        Ok(0)
    }

    async fn rekey(self, cipher: Option<Cipher>) -> Outcome {
        let aead = cipher.map(|cipher| match cipher {
            Cipher::Aes256Gcm => Aead::Aes256Gcm,
            Cipher::Aes256GcmSiv => Aead::Aes256GcmSiv,
            Cipher::XChaCha20Poly1305 => Aead::XChaCha20Poly1305,
        });
        match self.pilotlight.rekey(aead).await {
            // The keystore opened the vault, so the passphrase that new keys have to be sealed under was not asked for.
            Err(error) if error.code() == ErrorCode::PassphraseNeeded => {
                let passphrase = secrets::ask("vault's passphrase", "Pass --passphrase-file FILE.")?;
                self.pilotlight.unlock_with(passphrase).await?;
                self.pilotlight.rekey(aead).await?;
            }
            made => made?,
        }
        self.form.confirm(&json!({ "rekeyed": true }), "The vault's keys were made anew.")?;
        Ok(0)
    }

    async fn choose(self, strategy: Strategy, yes: bool) -> Outcome {
        confirm_plain(strategy, yes)?;
        self.pilotlight.choose(strategy).await?;
        let text = if strategy == Strategy::Memory {
            format!("The next sign-in is kept by {strategy}: each program has its own, and forgets them when it ends.")
        } else {
            format!("The next sign-in is kept by {strategy}.")
        };
        self.form.confirm(&json!({ "strategy": strategy.as_str() }), &text)?;
        Ok(0)
    }

    async fn migrate(self, to: Strategy, yes: bool, passphrase_stdin: bool) -> Outcome {
        refuse_to_forget(to)?;
        confirm_plain(to, yes)?;
        let passphrase =
            if to.needs().contains(&Need::Passphrase) { Some(new_passphrase(passphrase_stdin)?) } else { None };
        let progress = Progress::default();
        let moved = self.pilotlight.migrate(to, passphrase, |moving| progress.show(moving)).await;
        progress.end();
        let moved = moved?;
        let grants = if moved.grants == 1 { "1 grant was".to_owned() } else { format!("{} grants were", moved.grants) };
        let mut text = format!("{grants} moved from {} to {}.", moved.from, moved.to);
        if !moved.not_rotated.is_empty() {
            let names = moved.not_rotated.iter().map(|name| harmless(name)).collect::<Vec<_>>().join(", ");
            text = format!("{text} The tokens of {names} could not be rotated yet; that is tried again by itself.");
        }
        let json = json!({
            "from": moved.from.as_str(),
            "to": moved.to.as_str(),
            "grants": moved.grants,
            "not_rotated": moved.not_rotated,
        });
        self.form.confirm(&json, &text)?;
        Ok(0)
    }

    pub(crate) async fn doctor(self) -> Outcome {
        let findings = self.pilotlight.examine().await;
        let json: Vec<Value> = findings.iter().map(finding_json).collect();
        self.form.print(&json, || findings_text(&findings))?;
        let worst = findings.iter().map(|finding| finding.health).max();
        Ok(if worst == Some(Health::Trouble) { DISK } else { 0 })
    }
}

/// Asks for the passphrase of a vault that is opened by one, where there is somebody to ask.
pub(crate) async fn unlock(
    pilotlight: &Pilotlight,
    file: Option<&std::path::Path>,
    purpose: Purpose,
) -> Result<(), Failure> {
    if (purpose == Purpose::Look && file.is_none()) || !pilotlight.takes_passphrase().await.unwrap_or(false) {
        return Ok(());
    }
    if let Some(file) = file {
        return Ok(pilotlight.unlock_with(secrets::from_file(file)?).await?);
    }
    match pilotlight.unlock().await {
        Err(error) if wants_passphrase(error.code()) => {}
        // Whatever else is wrong, the command itself meets it and says so.
        _ => return Ok(()),
    }
    if purpose == Purpose::Serve && !std::io::stdin().is_terminal() {
        // Started by a service manager: it says to everybody what is missing until somebody unlocks it.
        output::note("The vault needs its passphrase: run `pilotlight agent unlock`.");
        return Ok(());
    }
    let passphrase = secrets::ask("vault's passphrase or recovery code", "Pass --passphrase-file FILE.")?;
    Ok(pilotlight.unlock_with(passphrase).await?)
}

/// Where the machine's own way does not open the vault, a person's may.
fn wants_passphrase(code: ErrorCode) -> bool {
    use ErrorCode::{KeyCorrupt, KeyLost, KeystoreAbsent, KeystoreChanged, PassphraseNeeded, TpmLost, WrongKey};
    matches!(code, PassphraseNeeded | KeyLost | KeyCorrupt | WrongKey | KeystoreAbsent | KeystoreChanged | TpmLost)
}

/// What is kept in memory ends with the program that keeps it, and this one ends right after the move.
fn refuse_to_forget(to: Strategy) -> Result<(), Failure> {
    if to != Strategy::Memory {
        return Ok(());
    }
    Err(Failure::usage(
        "memory forgets every grant when the program that moved them ends, and this command ends at once.",
        "Choose a strategy that lasts, from `pilotlight vault strategies`; to be rid of an account, sign out of it.",
    ))
}

/// A storage that keeps tokens readable is only used on a person's word.
fn confirm_plain(strategy: Strategy, yes: bool) -> Result<(), Failure> {
    if !strategy.is_plain() || yes {
        return Ok(());
    }
    output::note(&format!(
        "{strategy} keeps every token readable on the disk: in backups, and for whoever takes the disk."
    ));
    if secrets::ask_line(&format!("consent (type {strategy})"), "Pass --yes.")? == strategy.as_str() {
        return Ok(());
    }
    Err(Failure::usage("Nothing was changed.", "Type the strategy's name, or pass --yes, to use it all the same."))
}

pub(crate) fn new_passphrase(from_stdin: bool) -> Result<SecretString, Failure> {
    if from_stdin {
        let read = secrets::StandardInput::read(1)?.next();
        return read.ok_or_else(|| Failure::usage("The passphrase is missing.", "Pass it on standard input."));
    }
    secrets::ask_twice("new passphrase", "Pass it on standard input, with --passphrase-stdin.")
}

/// A line on standard error that is written over, where a person is looking.
#[derive(Default)]
struct Progress(Mutex<bool>);

impl Progress {
    fn show(&self, moving: Moving) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let (what, done, all) = match moving {
            Moving::Quieting(done, all) => ("waiting for refreshes", done, all),
            Moving::Copying(done, all) => ("copying", done, all),
            Moving::Verifying(done, all) => ("comparing", done, all),
            Moving::Removing => ("removing the old vault", 0, 0),
            Moving::Rotating(done, all) => ("rotating tokens", done, all),
        };
        let bar = bar(done, all);
        output::overwrite(&format!("{bar} {what} {done}/{all}"));
        *self.shown() = true;
    }

    fn end(&self) {
        if *self.shown() {
            output::overwrite("");
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 24;
    let filled = (WIDTH * done.min(all)).checked_div(all).unwrap_or(WIDTH);
    format!("[{}{}]", "#".repeat(filled), " ".repeat(WIDTH - filled))
}

const fn need(need: Need) -> &'static str {
    match need {
        Need::Keystore => "keystore",
        Need::Passphrase => "passphrase",
        Need::Tpm => "tpm",
        Need::Redis => "redis",
    }
}

const fn exposure(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Protected => "protected",
        Exposure::Depends => "depends",
        Exposure::Exposed => "exposed",
    }
}

fn strategy_json(strategy: Strategy, used: Strategy) -> Value {
    let told = strategy.exposures();
    json!({
        "name": strategy.as_str(),
        "in_use": strategy == used,
        "built_in": strategy.is_built_in(),
        "summary": strategy.summary(),
        "needs": strategy.needs().iter().map(|one| need(*one)).collect::<Vec<_>>(),
        "file": strategy.file_name(),
        "disk_thief": exposure(told.disk_thief),
        "other_user": exposure(told.other_user),
        "same_user": exposure(told.same_user),
        "leaked_backup": exposure(told.leaked_backup),
        "depends_on": told.depends_on,
    })
}

fn strategies_text(used: Strategy) -> String {
    let mut rows = vec![["", "NAME", "NEEDS", "DISK THIEF", "OTHER USER", "SAME USER", "BACKUP"].map(str::to_owned)];
    rows.extend(Strategy::ALL.map(|strategy| {
        let needs = strategy.needs().iter().map(|one| need(*one)).collect::<Vec<_>>().join("+");
        let told = strategy.exposures();
        [
            if strategy == used { "*" } else { "" },
            strategy.as_str(),
            if needs.is_empty() { "-" } else { &needs },
            exposure(told.disk_thief),
            exposure(told.other_user),
            exposure(told.same_user),
            exposure(told.leaked_backup),
        ]
        .map(str::to_owned)
    }));
    let summaries = Strategy::ALL
        .map(|strategy| {
            let absent = if strategy.is_built_in() { "" } else { " Not built into this program." };
            format!("{strategy:<16} {}{absent}\n", strategy.summary())
        })
        .concat();
    format!("{}\n{summaries}", table(&rows))
}

fn info_json(info: &VaultInfo) -> Value {
    let (state, keystore) = match &info.status {
        VaultStatus::Ready { keystore, .. } => ("ready", Some(*keystore)),
        VaultStatus::Closed => ("closed", None),
        VaultStatus::Unavailable(_) => ("unavailable", None),
    };
    let ways = info.ways.iter().map(|way| json!({ "kind": way.kind, "detail": way.detail })).collect::<Vec<_>>();
    json!({
        "strategy": info.strategy.as_str(),
        "state": state,
        "keystore": keystore.filter(|_| info.strategy.needs().contains(&Need::Keystore)),
        "file": info.file.as_ref().map(|file| file.display().to_string()),
        "bytes": info.bytes,
        "exists": info.exists,
        "records": info.records.map(|(all, _)| all),
        "damaged": info.records.map(|(_, damaged)| damaged),
        "ways": ways,
        "to_rotate": info.to_rotate,
    })
}

fn info_text(info: &VaultInfo) -> String {
    let mut rows = vec![["strategy", info.strategy.as_str()].map(str::to_owned)];
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("", info.strategy.summary().to_owned());
    if let Some(file) = &info.file {
        let size = info.bytes.map(|bytes| format!(" ({bytes} bytes)")).unwrap_or_default();
        row("file", format!("{}{size}", harmless(&file.display().to_string())));
    }
    match &info.status {
        _ if !info.exists => row("state", "there is none yet".to_owned()),
        VaultStatus::Ready { keystore, .. } if info.strategy.needs().contains(&Need::Keystore) => {
            row("state", format!("open, its key in {keystore}"));
        }
        VaultStatus::Ready { .. } => row("state", "open".to_owned()),
        VaultStatus::Closed => row("state", "closed".to_owned()),
        VaultStatus::Unavailable(error) => row("state", harmless(error.message())),
    }
    if let Some((all, damaged)) = info.records {
        row(
            "records",
            if damaged == 0 { all.to_string() } else { format!("{all}, of which {damaged} cannot be opened") },
        );
    }
    for way in &info.ways {
        row("opened by", format!("{} {}", harmless(&way.kind), harmless(&way.detail)));
    }
    if info.to_rotate > 0 {
        row("to rotate", format!("{} tokens, after a move", info.to_rotate));
    }
    table(&rows)
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "what": finding.what,
        "health": finding.health.as_str(),
        "text": finding.text,
        "code": finding.code.map(pilotlight::ErrorCode::as_str),
        "hint": finding.hint(),
    })
}

fn findings_text(findings: &[Finding]) -> String {
    let rows: Vec<_> = findings
        .iter()
        .flat_map(|finding| {
            let hint = finding.hint().map(|hint| [String::new(), String::new(), hint.to_owned()]);
            let told = [finding.health.as_str().to_owned(), finding.what.to_owned(), harmless(&finding.text)];
            std::iter::once(told).chain(hint)
        })
        .collect();
    table(&rows)
}
