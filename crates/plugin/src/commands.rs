//! The commands: one per action, so that the ACL sees each. Only here errors become text.

use std::sync::Arc;

use pilotlight::Scope;
use tauri::ipc::{CommandScope, Response};
use tauri::{AppHandle, Runtime, State, Webview, command};

use crate::fetch::{FetchHead, FetchRequest};
use crate::fetches::{Fetches, Key};
use crate::scope::FetchScope;
use crate::shell::{self, Shell};
use crate::sign_in::{PresetView, SignInRequest, SignInWith};
use crate::storage::{FindingView, MovedView, StorageRequest, StorageView};
use crate::view::{AccountView, EventView, ExplanationView, Password, Problem, Snapshot};

/// The most journal entries a window is given at once.
const MOST_EVENTS: usize = 1000;

#[command]
pub(crate) async fn snapshot(shell: State<'_, Shell>) -> Result<Snapshot, Problem> {
    Ok(shell.snapshot().await)
}

#[command]
pub(crate) async fn events(
    shell: State<'_, Shell>,
    account: Option<String>,
    limit: usize,
) -> Result<Vec<EventView>, Problem> {
    let entries = shell.pilotlight().events(account.as_deref(), limit.min(MOST_EVENTS)).await?;
    Ok(entries.into_iter().map(EventView::from).collect())
}

#[command]
pub(crate) async fn explain(shell: State<'_, Shell>, account: String) -> Result<ExplanationView, Problem> {
    shell.pilotlight().explain(&account).await.map(ExplanationView::from).map_err(Problem::from)
}

#[command]
pub(crate) async fn presets() -> Result<Vec<PresetView>, Problem> {
    Ok(pilotlight::presets::presets().iter().map(PresetView::from).collect())
}

#[command]
pub(crate) async fn sign_in<R: Runtime>(
    app: AppHandle<R>,
    shell: State<'_, Shell>,
    request: SignInRequest,
) -> Result<AccountView, Problem> {
    let (registration, with) = request.into_parts(move |device| shell::push_device(&app, device))?;
    shell.sign_in(registration, with).await
}

#[command]
pub(crate) async fn sign_in_again<R: Runtime>(
    app: AppHandle<R>,
    shell: State<'_, Shell>,
    account: String,
    with: SignInWith,
    more: Option<String>,
) -> Result<AccountView, Problem> {
    let with = with.into_way(move |device| shell::push_device(&app, device));
    shell.sign_in_again(account, with, Scope::parse(&more.unwrap_or_default())).await
}

#[command]
pub(crate) async fn cancel_sign_in(shell: State<'_, Shell>) -> Result<(), Problem> {
    shell.cancel_sign_in();
    Ok(())
}

#[command]
pub(crate) async fn refresh(shell: State<'_, Shell>, account: String) -> Result<(), Problem> {
    shell.pilotlight().refresh(&account).await.map(drop).map_err(Problem::from)
}

#[command]
pub(crate) async fn retry_vault(shell: State<'_, Shell>) -> Result<(), Problem> {
    let outcome = shell.pilotlight().unlock().await;
    shell.pilotlight().announce();
    outcome.map_err(Problem::from)
}

#[command]
pub(crate) async fn start_over(shell: State<'_, Shell>) -> Result<(), Problem> {
    shell.pilotlight().start_over().await?;
    shell.pilotlight().unlock().await.map_err(Problem::from)
}

#[command]
pub(crate) async fn storage(shell: State<'_, Shell>) -> Result<StorageView, Problem> {
    let info = shell.pilotlight().vault_info().await?;
    Ok(StorageView::of(shell.pilotlight(), info).await)
}

#[command]
pub(crate) async fn examine(shell: State<'_, Shell>) -> Result<Vec<FindingView>, Problem> {
    Ok(shell.pilotlight().examine().await.into_iter().map(FindingView::from).collect())
}

#[command]
pub(crate) async fn choose(shell: State<'_, Shell>, request: StorageRequest) -> Result<(), Problem> {
    shell.choose(request).await
}

#[command]
pub(crate) async fn migrate<R: Runtime>(
    app: AppHandle<R>,
    shell: State<'_, Shell>,
    request: StorageRequest,
) -> Result<MovedView, Problem> {
    shell.migrate(request, |moving| shell::push_moving(&app, moving)).await
}

#[command]
pub(crate) async fn unlock(shell: State<'_, Shell>, passphrase: Password) -> Result<(), Problem> {
    shell.unlock(passphrase.0).await
}

#[command]
pub(crate) async fn fetch<R: Runtime>(
    webview: Webview<R>,
    shell: State<'_, Shell>,
    fetches: State<'_, Arc<Fetches>>,
    scope: CommandScope<FetchScope>,
    request: FetchRequest,
) -> Result<FetchHead, Problem> {
    let (key, account) = (Key::new(webview.label(), request.id), request.account.clone());
    let request = request.checked(scope.allows(), scope.denies())?;
    fetches.begin(shell.pilotlight(), &account, key, request).await
}

#[command]
pub(crate) async fn fetch_body<R: Runtime>(
    webview: Webview<R>,
    fetches: State<'_, Arc<Fetches>>,
    id: u32,
) -> Result<Response, Problem> {
    fetches.piece(&Key::new(webview.label(), id)).await.map(Response::new)
}

#[command]
pub(crate) async fn cancel_fetch<R: Runtime>(
    webview: Webview<R>,
    fetches: State<'_, Arc<Fetches>>,
    id: u32,
) -> Result<(), Problem> {
    fetches.cancel(&Key::new(webview.label(), id));
    Ok(())
}
