//! How long the long tests are: short by themselves, whole in `cargo xtask torture --server`.

/// Whether they run whole.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests read the environment")]
pub(crate) fn is_whole() -> bool {
    std::env::var_os("PILOTLIGHT_TORTURE").is_some()
}

/// How many rounds.
pub(crate) fn rounds(short: usize, whole: usize) -> usize {
    if is_whole() { whole } else { short }
}
