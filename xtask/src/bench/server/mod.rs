//! `cargo xtask bench server`: what a refresh costs, by store, by number of grants and of people at once. Each figure of ours
//! stands beside that of the floor, measured in turns with it; docs/benchmarks.md says how to read them.
//!
//! ```text
//!  generator ─┐ core 1          one thread, connections that stay open; crates/server/benches/load/
//!  redis ─────┘
//!  server ────  core 0          the release program; the floor; and in memory, our server filled by the generator's program
//! ```

mod process;
mod table;

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::{
    process::{Kind, Running, drive},
    table::{Cell, Memory, Table},
};
use crate::{cargo, environment, failure::Failure, place, progress::Progress, progress::Step, progress::now};

/// Measure what refreshes cost the authorization server
#[derive(Debug, clap::Args)]
pub(crate) struct ServerBench {
    /// Up to 100,000 grants, 16 people, once
    #[arg(long)]
    quick: bool,
    /// Write all figures to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How long each measurement takes
    #[arg(long, default_value_t = 1500)]
    millis: u64,
    /// How often each is made, in turns with the floor; medians are told. Many short ones meet the same moods of the machine
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// These stores alone
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STORE")]
    store: Vec<Kind>,
    /// With so many grants alone, as in 1000,100000; then nothing is forgotten meanwhile
    #[arg(long, value_delimiter = ',', value_name = "NUMBER")]
    grants: Vec<u32>,
    /// With so many people at once alone, as in 1,16; then nothing is forgotten meanwhile
    #[arg(long, value_delimiter = ',', value_name = "NUMBER")]
    people: Vec<usize>,
}

/// The two programs.
struct Programs {
    server: PathBuf,
    load: PathBuf,
}

impl ServerBench {
    pub(crate) fn start(self) -> Result<(), Failure> {
        if !cfg!(target_os = "linux") || environment::on_path("taskset").is_none() {
            println!("SKIPPED: the server's figures take Linux and taskset");
            return Ok(());
        }
        let redis = environment::on_path("redis-server").is_some();
        if !redis {
            println!("SKIPPED: Redis, whose redis-server is not installed");
        }
        let mut stores = or(&self.store, &[Kind::Memory, Kind::Sqlite, Kind::Redis]);
        stores.retain(|kind| redis || *kind != Kind::Redis);
        let sizes = or(&self.grants, if self.quick { &[1000, 100_000] } else { &[1000, 100_000, 1_000_000] });
        let mut progress = Progress::of(1 + usize::from(self.forgets()) + stores.len() * sizes.len());
        let mut table = Table::default();
        let measured = self.fill_table(&mut progress, (&stores, &sizes), &mut table);
        table.print();
        if let Some(file) = &self.json {
            fs::write(file, format!("{:#}\n", table.to_json()))?;
        }
        // What was measured until then is told all the same.
        measured
    }

    /// Whether it is also measured how others fare while grants are forgotten.
    fn forgets(&self) -> bool {
        self.grants.is_empty() && self.people.is_empty()
    }

    fn fill_table(
        &self,
        progress: &mut Progress,
        (stores, sizes): (&[Kind], &[u32]),
        table: &mut Table,
    ) -> Result<(), Failure> {
        let folder = place::own().join("bench");
        let programs = progress.step("Build the programs", build)?;
        for store in stores {
            for grants in sizes {
                progress.step(&format!("{} with {grants} grants", store.name()), |step| {
                    fs::remove_dir_all(&folder).or_else(absent)?;
                    fs::create_dir_all(&folder)?;
                    self.measure(step, &programs, &folder, (*store, *grants), table)
                })?;
            }
        }
        if !self.forgets() {
            return Ok(());
        }
        progress.step("While 100,000 grants are forgotten", |_| {
            for store in [Kind::Memory, Kind::Sqlite].into_iter().filter(|store| stores.contains(store)) {
                fs::remove_dir_all(&folder).or_else(absent)?;
                fs::create_dir_all(&folder)?;
                let server = Running::ours(&programs, &folder, (store, 1000), 100_000)?;
                let meanwhile = drive(&programs, &folder, &server, (16, 2000, 0))?;
                let afterwards = drive(&programs, &folder, &server, (16, 2000, 0))?;
                table.forgetting.push((store, meanwhile, afterwards));
            }
            Ok(())
        })?;
        Ok(())
    }

    fn measure(
        &self,
        step: &mut Step,
        programs: &Programs,
        folder: &Path,
        (store, grants): (Kind, u32),
        table: &mut Table,
    ) -> Result<(), Failure> {
        let floor_folder = folder.join("floor");
        fs::create_dir_all(&floor_folder)?;
        if grants == 1000 {
            let empty = Running::ours(programs, folder, (store, 0), 0)?;
            table.empty.push((store, empty.server.memory()?));
            drop(empty);
        }
        let floor = Running::floor(programs, &floor_folder, (store, grants))?;
        let ours = Running::ours(programs, folder, (store, grants), 0)?;
        table.memory.push(Memory { store, grants, server: ours.server.memory()?, redis: ours.used_by_redis() });
        step.note("filled");
        for users in or(&self.people, if self.quick { &[16] } else { &[1, 16, 64] }) {
            let mut cell = Cell::new(store, grants, users);
            for _ in 0..if self.quick { 1 } else { self.rounds } {
                cell.floor.push(drive(programs, &floor_folder, &floor, (users, self.millis, 500))?);
                cell.ours.push(drive(programs, folder, &ours, (users, self.millis, 500))?);
                if store == Kind::Sqlite {
                    cell.bare.push(bare_fsync(folder)?);
                }
            }
            table.cells.push(cell);
        }
        Ok(())
    }
}

/// What was chosen, or else all.
fn or<T: Clone>(chosen: &[T], all: &[T]) -> Vec<T> {
    if chosen.is_empty() { all.to_vec() } else { chosen.to_vec() }
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn build(step: &mut Step) -> Result<Programs, Failure> {
    let mut command = cargo::cargo(&["build", "--release"]);
    command.args(["--package", "pilotlight-server", "--bin", "pilotlight-server"]);
    step.run(command)?;
    let mut command = cargo::cargo(&["bench", "--no-run", "--message-format", "json"]);
    command.args(["--package", "pilotlight-server", "--features", "testing", "--bench", "load"]);
    let output = step.read(command)?;
    let mut programs = output.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let of_load = message.pointer("/target/name")? == "load";
        message.get("executable")?.as_str().filter(|_| of_load).map(PathBuf::from)
    });
    let load = programs.next_back().ok_or_else(|| Failure::new("cargo named no program"))?;
    Ok(Programs { server: environment::target_folder().join("release/pilotlight-server"), load })
}

/// The median of bare fsyncs of one page, in milliseconds.
fn bare_fsync(folder: &Path) -> Result<f64, Failure> {
    let mut file = File::create(folder.join("bare"))?;
    file.sync_all()?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let begun = now();
        file.write_all(&[2; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
