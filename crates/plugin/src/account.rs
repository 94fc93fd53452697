//! The page of one account: what is to be expected of its sign-in, who was lent its tokens, where else the person is signed in.

use pilotlight::SignOut;
use pilotlight::diagnosis::{Borrower, Forecast, Reason};
use pilotlight::values::{Device, EndDevices, Timestamp};
use serde::{Deserialize, Serialize};
use tauri::{State, command};
use ts_rs::TS;

use crate::shell::Shell;
use crate::view::Problem;

/// Until when a person stays signed in at least, and why.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct ForecastView {
    /// Until then at least, unless somebody ends it; absent where nothing tells. In the past where the service's own word has
    /// run out and no refresh has asked it yet.
    #[ts(type = "number | null")]
    pub until_ms: Option<i64>,
    /// When the sign-in will end unless the person signs in again; absent where refreshes keep it, or nothing is known.
    #[ts(type = "number | null")]
    pub lapses_at_ms: Option<i64>,
    /// What it rests on, the weightiest first.
    pub reasons: Vec<ReasonView>,
}

/// One thing that a forecast rests on.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct ReasonView {
    /// Stable, e.g. `told`, `moves-on`, `stands-still`, `documented`.
    pub code: String,
    /// The span it speaks of, in milliseconds.
    #[ts(type = "number | null")]
    pub span_ms: Option<i64>,
}

/// A program that asked for tokens of an account.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct BorrowerView {
    /// Its file.
    pub program: String,
    /// When it was last lent a token, as far as the journal tells.
    #[ts(type = "number | null")]
    pub lent_at_ms: Option<i64>,
    /// When it was last refused one.
    #[ts(type = "number | null")]
    pub refused_at_ms: Option<i64>,
}

/// One place where the person is signed in at the service.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct DeviceView {
    /// Names it to the service.
    pub id: String,
    /// Whether it is this sign-in.
    pub this: bool,
    /// Whether it is a browser's own session at the service.
    pub browser: bool,
    /// The app, by its name.
    pub app: Option<String>,
    /// The browser or program.
    pub program: Option<String>,
    /// The operating system.
    pub system: Option<String>,
    /// From which network address.
    pub address: Option<String>,
    /// When the person signed in there.
    #[ts(type = "number | null")]
    pub signed_in_at_ms: Option<i64>,
    /// When it was last used.
    #[ts(type = "number | null")]
    pub last_used_at_ms: Option<i64>,
}

/// Which of the person's other sign-ins to end.
#[derive(Debug, Deserialize, TS)]
#[ts(export)]
#[serde(tag = "which", rename_all = "kebab-case")]
pub enum EndDevicesRequest {
    /// One, by its id.
    One {
        /// [`DeviceView::id`].
        id: String,
    },
    /// All but this one.
    Others,
}

/// How far a sign-out goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum SignOutFrom {
    /// This sign-in ends at the service, and is removed here.
    Service,
    /// It is removed here, and the service is told nothing.
    HereOnly,
    /// The person's other sign-ins at the service end too.
    AllDevices,
}

#[command]
pub(crate) async fn forecast(shell: State<'_, Shell>, account: String) -> Result<ForecastView, Problem> {
    shell.pilotlight().forecast(&account).await.map(ForecastView::from).map_err(Problem::from)
}

#[command]
pub(crate) async fn borrowers(shell: State<'_, Shell>, account: String) -> Result<Vec<BorrowerView>, Problem> {
    let all = shell.pilotlight().borrowers(&account).await?;
    Ok(all.into_iter().map(BorrowerView::from).collect())
}

#[command]
pub(crate) async fn devices(shell: State<'_, Shell>, account: String) -> Result<Vec<DeviceView>, Problem> {
    let all = shell.pilotlight().devices(&account).await?;
    Ok(all.into_iter().map(DeviceView::from).collect())
}

#[command]
pub(crate) async fn end_devices(
    shell: State<'_, Shell>,
    account: String,
    request: EndDevicesRequest,
) -> Result<u32, Problem> {
    let which = match request {
        EndDevicesRequest::One { id } => EndDevices::One(id),
        EndDevicesRequest::Others => EndDevices::Others,
    };
    let ended = shell.pilotlight().end_devices(&account, &which).await?;
    Ok(u32::try_from(ended).unwrap_or(u32::MAX))
}

#[command]
pub(crate) async fn sign_out(
    shell: State<'_, Shell>,
    account: String,
    from: Option<SignOutFrom>,
) -> Result<(), Problem> {
    let pilotlight = shell.pilotlight();
    let from = from.unwrap_or(SignOutFrom::Service);
    if from == SignOutFrom::AllDevices {
        // First the others: afterwards there is no token to ask with. Where that fails, the person is still signed in here
        // and can decide again.
        pilotlight.end_devices(&account, &EndDevices::Others).await?;
    }
    let how = if from == SignOutFrom::HereOnly { SignOut::LocalOnly } else { SignOut::Everywhere };
    pilotlight.sign_out(&account, how).await.map(drop).map_err(Problem::from)
}

fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

impl From<Forecast> for ForecastView {
    fn from(forecast: Forecast) -> Self {
        Self {
            until_ms: millis(forecast.until),
            lapses_at_ms: millis(forecast.lapses_at()),
            reasons: forecast.reasons.into_iter().map(ReasonView::from).collect(),
        }
    }
}

impl From<Reason> for ReasonView {
    fn from(reason: Reason) -> Self {
        let span = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self { code: reason.as_str().to_owned(), span_ms: reason.span().map(span) }
    }
}

impl From<Borrower> for BorrowerView {
    fn from(borrower: Borrower) -> Self {
        let Borrower { program, lent_at, refused_at } = borrower;
        Self { program, lent_at_ms: millis(lent_at), refused_at_ms: millis(refused_at) }
    }
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        let Device { id, this, browser, app, program, system, address, signed_in_at, last_used_at } = device;
        let (signed_in_at_ms, last_used_at_ms) = (millis(signed_in_at), millis(last_used_at));
        Self { id, this, browser, app, program, system, address, signed_in_at_ms, last_used_at_ms }
    }
}
