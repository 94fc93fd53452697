//! What the tests attack: the strategies of the product, and stores that are broken on purpose, each in its own way.
//!
//! They also show how a store is brought along: implement `Store`, call `serve`.

#[cfg(target_os = "linux")]
mod broken;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let flaw = || std::env::args().nth(1)?.parse().ok();
    let serve = || flaw().map(|flaw| pilotlight_lab::protocol::serve(&mut broken::Broken::new(flaw)));
    pilotlight_lab::work_if_asked().or_else(serve).unwrap_or(std::process::ExitCode::from(2))
}

#[cfg(not(target_os = "linux"))]
fn main() {}
