//! `pilotlight-torture`: the long crash test. Kills real processes at random instants and at every system call, and counts what
//! was lost. Progress on standard error, the result on standard output; ends with 1 when a grant was lost that should not have been.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::print_stdout, clippy::print_stderr, reason = "the result, and the progress")
)]

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match linux::Options::parse(std::env::args().skip(1)) {
        Ok(options) => linux::torture(&options),
        Err(why) => {
            eprintln!(
                "{why}\nusage: pilotlight-torture [--kills N] [--seed S] [--sweep] [--json] | --lives N [--seed S] | --grants N"
            );
            ExitCode::from(2)
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::ExitCode;

    use pilotlight::Home;
    use pilotlight::simulation::{Life, scale};
    use pilotlight_tests::torture::{
        Keys, Points, Summary, Tally, kill_at_random_instants, outwait_the_stopped_holder, sweep,
    };

    /// What is to be done.
    pub(crate) struct Options {
        /// Kills at random instants, against each kind of server.
        kills: u64,
        /// Chooses the instants.
        seed: u64,
        /// Kill at every system call of one refresh too.
        sweep: bool,
        /// Print the result as JSON.
        json: bool,
        /// Simulated months instead, so many.
        lives: u64,
        /// So many grants in one simulated vault instead.
        grants: u32,
    }

    impl Options {
        pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
            let mut options = Self { kills: 1000, seed: 1, sweep: false, json: false, lives: 0, grants: 0 };
            while let Some(argument) = arguments.next() {
                let mut number = || {
                    let number = arguments.next().and_then(|text| text.parse().ok());
                    number.ok_or_else(|| format!("{argument} wants a number"))
                };
                match argument.as_str() {
                    "--kills" => options.kills = number()?,
                    "--seed" => options.seed = number()?,
                    "--lives" => options.lives = number()?,
                    "--grants" => options.grants = u32::try_from(number()?).map_err(|error| error.to_string())?,
                    "--sweep" => options.sweep = true,
                    "--json" => options.json = true,
                    _ => return Err(format!("{argument} is not known")),
                }
            }
            Ok(options)
        }
    }

    pub(crate) fn torture(options: &Options) -> ExitCode {
        let &Options { kills, seed, .. } = options;
        if options.lives > 0 {
            return simulated(lives(options.lives, seed));
        }
        if options.grants > 0 {
            return simulated(many(options.grants));
        }
        eprintln!("seed {seed}");
        let mut summary = Summary {
            seed,
            known_keys: kill_at_random_instants(Keys::Passed, kills, seed, &said("keys known")),
            strict: kill_at_random_instants(Keys::Stripped, kills, seed, &said("strict")),
            sweep: options.sweep.then(|| sweep(Points::All, seed, &said("sweep"))),
            patience: 0.0,
            stopped_holder: Vec::new(),
        };
        eprintln!("a stopped holder of the lock …");
        let waiting = outwait_the_stopped_holder();
        summary.patience = waiting.waited.as_secs_f64();
        summary.stopped_holder = waiting.troubles_of_outwaiting();
        if options.json {
            println!("{}", serde_json::json!(summary));
        } else {
            println!("{}", summary.table());
        }
        if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Runs a simulation in paused time and tells whether all was well.
    fn simulated(simulation: impl Future<Output = Result<bool, pilotlight::Error>>) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        match runtime.expect("a runtime").block_on(simulation) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Months of so many people's lives, each from a seed of its own.
    async fn lives(number: u64, seed: u64) -> Result<bool, pilotlight::Error> {
        let (mut lost, mut reuses, mut refreshes, mut ideal, mut kills) = (0, 0, 0, 0, 0);
        for life in seed..seed + number {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let outcome = Life::begin(life, Home::at(folder.path().join("home"))?).await?.live(30).await;
            if !outcome.signed_in || outcome.reuses > 0 {
                eprintln!("seed {life}: {outcome:?}");
            }
            lost += u64::from(!outcome.signed_in);
            reuses += outcome.reuses;
            refreshes += outcome.refreshes;
            ideal += outcome.ideal;
            kills += outcome.kills;
        }
        println!(
            "{number} months, {kills} kills: {lost} grants lost, {reuses} reuses, {refreshes} refreshes where the ideal has {ideal}"
        );
        Ok(lost == 0 && reuses == 0 && refreshes.abs_diff(ideal) * 20 <= ideal)
    }

    /// One life of tokens of so many grants.
    async fn many(grants: u32) -> Result<bool, pilotlight::Error> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scale = scale(grants, Home::at(folder.path().join("home"))?).await?;
        println!("{grants} grants: {scale:?}");
        let all = u64::from(grants);
        Ok(scale.refreshes == all && scale.requests == all && scale.reuses == 0 && scale.wake_ups <= all)
    }

    /// A line for every fifty kills.
    fn said(name: &'static str) -> impl Fn(&Tally) {
        move |tally| {
            if tally.kills % 50 == 0 {
                eprintln!(
                    "{name}: {} kills, {} refreshes, {} lost, {:.0} s",
                    tally.kills,
                    tally.refreshes,
                    tally.losses(),
                    tally.seconds
                );
            }
        }
    }
}
