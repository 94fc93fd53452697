//! Everything that building and testing need, in the order in which it is found out soonest that something is amiss.

use crate::{failure::Failure, npm, packages::Purpose, progress::Progress, python, system, tools};

/// Steps of [`everything`].
pub(crate) const STEPS: usize = system::STEPS + tools::VERSION_STEPS + npm::STEPS + npm::TEST_STEPS + python::STEPS + 2;
/// Steps of [`for_building`].
pub(crate) const BUILD_STEPS: usize = system::STEPS + tools::VERSION_STEPS + npm::STEPS;
/// Steps of [`for_driving`].
pub(crate) const DRIVE_STEPS: usize = BUILD_STEPS + 1;

/// For `cargo xtask test`.
pub(crate) fn everything(progress: &mut Progress) -> Result<(), Failure> {
    for_driving(progress)?;
    npm::install_for_tests(progress)?;
    python::install_peers(progress)?;
    tools::install_deny(progress)
}

/// For building the app and running it on a display.
pub(crate) fn for_building(progress: &mut Progress) -> Result<(), Failure> {
    building(progress, Purpose::Build)
}

/// Also for running it on a display and with a keystore of its own.
pub(crate) fn for_driving(progress: &mut Progress) -> Result<(), Failure> {
    building(progress, Purpose::Test)?;
    tools::install_driver(progress)
}

fn building(progress: &mut Progress, purpose: Purpose) -> Result<(), Failure> {
    tools::versions(progress)?;
    system::packages(progress, purpose)?;
    npm::install(progress)
}
