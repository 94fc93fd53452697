//! What the tests attack: the strategies of the product, and stores that are broken on purpose.

fn main() -> std::process::ExitCode {
    pilotlight_lab::work_if_asked().unwrap_or(std::process::ExitCode::from(2))
}
