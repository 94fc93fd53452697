//! What the strategies cost: open, load, commit and list, each beside the bare fsync of the same folder and moment.
//!
//! `cargo xtask bench` runs this and sets the figures in relation; docs/benchmarks.md says how to read them.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock, and the environment that xtask sets")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "what is left out is said aloud")]

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group};
use pilotlight_vault::keystore::MemoryKeystore;
#[cfg(feature = "redis")]
use pilotlight_vault::testing::RedisServer;
#[cfg(all(feature = "tpm", unix))]
use pilotlight_vault::testing::Swtpm;
use pilotlight_vault::{GrantId, Listed, Payload, Record, Strategy, Vault, VaultError, Vaults};
use secrecy::SecretString;
use tempfile::TempDir;

/// Numbers of records.
const SIZES: [u32; 4] = [1, 100, 10_000, 100_000];
/// How many records are made in one step to fill a vault.
const BATCH: u32 = 10_000;
/// As long as a record with two opaque tokens and a JWT, in bytes.
const PAYLOAD: [u8; 1200] = [b'p'; 1200];
/// The most records to measure with; xtask sets it where time is short.
const LARGEST: &str = "PILOTLIGHT_BENCH_LARGEST";
/// `STRATEGY COUNT`: commit that often and end. xtask counts the system calls of it.
const COMMITS: &str = "PILOTLIGHT_BENCH_COMMITS";
/// Measure this strategy alone: SQLCipher takes a build of its own.
const ONLY: &str = "PILOTLIGHT_BENCH_ONLY";
/// The folder whose disk is measured.
const FOLDER: &str = "PILOTLIGHT_BENCH_FOLDER";

/// How many records a strategy is measured with at most, and why no more.
fn most(strategy: Strategy) -> (u32, &'static str) {
    match strategy {
        Strategy::PlainFile | Strategy::EncryptedFile | Strategy::EncryptedPrefs => {
            (10_000, "it writes all records for each commit")
        }
        Strategy::Redis => (10_000, "its list is one answer, which has to come before its deadline"),
        Strategy::KeystoreOnly => {
            (50, "it fills at most 128 entries of the keystore, and those of the narrowest are short")
        }
        _ => (100_000, ""),
    }
}

fn id(number: u32) -> GrantId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    GrantId::from_bytes(bytes)
}

fn folder() -> TempDir {
    match env::var_os(FOLDER) {
        Some(folder) => TempDir::new_in(folder),
        None => TempDir::new(),
    }
    .unwrap()
}

/// A vault that was filled where writes cost nothing, and put where they do.
struct Filled {
    _stand: Stand,
    folder: TempDir,
    vaults: Vaults,
    strategy: Strategy,
}

impl Filled {
    fn new(strategy: Strategy, records: u32) -> Result<Self, VaultError> {
        let quick = Path::new("/dev/shm");
        let shared = if quick.is_dir() { TempDir::new_in(quick) } else { TempDir::new() }.unwrap();
        let stand = Stand::of(strategy);
        let vaults = Vaults {
            home: shared.path().join("home"),
            app: "dev.pilotlight.bench".to_owned(),
            keystore: Arc::new(MemoryKeystore::default()),
            passphrase: Some(SecretString::from("correct horse battery staple")),
            redis: stand.redis(),
            tpm: stand.tpm(),
            now_ms: 1_800_000_000_000,
        };
        let vault = vaults.open(strategy)?;
        fill(&*vault, records)?;
        drop(vault);
        let folder = folder();
        let home = folder.path().join("home");
        copy(&vaults.home, &home);
        Ok(Self { _stand: stand, folder, vaults: Vaults { home, ..vaults }, strategy })
    }

    fn open(&self) -> Arc<dyn Vault> {
        self.vaults.open(self.strategy).unwrap()
    }
}

/// What a strategy stands on beside the disk; it ends when this is dropped.
#[derive(Default)]
struct Stand {
    #[cfg(feature = "redis")]
    redis: Option<RedisServer>,
    #[cfg(all(feature = "tpm", unix))]
    tpm: Option<Swtpm>,
}

impl Stand {
    fn of(strategy: Strategy) -> Self {
        match strategy {
            #[cfg(feature = "redis")]
            Strategy::Redis => Self { redis: Some(RedisServer::start()), ..Self::default() },
            #[cfg(all(feature = "tpm", unix))]
            Strategy::Hardware => Self { tpm: Some(Swtpm::start()), ..Self::default() },
            _ => Self::default(),
        }
    }

    fn redis(&self) -> Option<SecretString> {
        #[cfg(feature = "redis")]
        return self.redis.as_ref().map(|server| server.url().into());
        #[cfg(not(feature = "redis"))]
        None
    }

    fn tpm(&self) -> Option<PathBuf> {
        #[cfg(all(feature = "tpm", unix))]
        return self.tpm.as_ref().map(Swtpm::path);
        #[cfg(not(all(feature = "tpm", unix)))]
        None
    }
}

fn fill(vault: &dyn Vault, records: u32) -> Result<(), VaultError> {
    let record =
        |number| Record { id: id(number), generation: 1, payload: Payload::new(PAYLOAD.to_vec()), attempt: None };
    for first in (0..records).step_by(BATCH as usize) {
        let batch: Vec<_> = (first..records.min(first + BATCH)).map(record).collect();
        vault.create_all(&batch)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    #[cfg(unix)]
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // `memory` has no folder.
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { fs::copy(entry.path(), to).map(|_| ()).unwrap() }
    }
}

/// Writes a page at the end of a file and waits for the disk: the least that anything new and durable can cost.
struct Bare(File);

impl Bare {
    fn in_folder(folder: &Path) -> Self {
        let file = File::create(folder.join("bare")).unwrap();
        file.sync_all().unwrap();
        Self(file)
    }

    fn sync(&mut self) {
        self.0.write_all(&[2; 4096]).unwrap();
        self.0.sync_data().unwrap();
    }
}

fn strategies(criterion: &mut Criterion) {
    let largest = env::var(LARGEST).ok().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
    let only = env::var(ONLY).ok();
    for strategy in Strategy::ALL {
        if only.as_deref().is_some_and(|only| only != strategy.as_str()) {
            continue;
        }
        let (most, why) = most(strategy);
        let mut sizes: Vec<u32> = SIZES.into_iter().filter(|size| *size <= most.min(largest)).collect();
        if most < SIZES[3] {
            println!("NOTE: {strategy} is measured with {most} records at most: {why}");
            if most <= largest && !sizes.contains(&most) {
                sizes.push(most);
            }
        }
        for records in sizes {
            match Filled::new(strategy, records) {
                Ok(filled) => measure(criterion, &filled, records),
                Err(error) => {
                    println!("SKIPPED: {strategy}: {error}");
                    break;
                }
            }
        }
    }
}

fn measure(criterion: &mut Criterion, filled: &Filled, records: u32) {
    let strategy = filled.strategy;
    let mut group = criterion.benchmark_group(strategy.as_str());
    if strategy != Strategy::Memory {
        group.bench_function(BenchmarkId::new("open", records), |bencher| {
            // Closing is not opening, and one at a time is open.
            bencher.iter_custom(|times| {
                let open = || {
                    let begun = Instant::now();
                    let vault = filled.open();
                    (begun.elapsed(), vault)
                };
                (0..times).map(|_| open().0).sum::<Duration>()
            });
        });
    }
    // What `memory` held went when it was closed.
    let vault = filled.open();
    if strategy == Strategy::Memory {
        fill(&*vault, records).unwrap();
    }
    let mut number = 0;
    let mut next = || {
        number = (number + 7919) % records;
        id(number)
    };
    group.bench_function(BenchmarkId::new("load", records), |bencher| bencher.iter(|| vault.load(&next()).unwrap()));
    group.bench_function(BenchmarkId::new("list", records), |bencher| bencher.iter(|| vault.list().unwrap().len()));
    let chosen = id(records / 2);
    let mut generation = vault.load(&chosen).unwrap().unwrap().generation;
    group.bench_function(BenchmarkId::new("commit", records), |bencher| {
        bencher.iter(|| generation = vault.commit(&chosen, generation, &PAYLOAD).unwrap());
    });
    let mut bare = Bare::in_folder(filled.folder.path());
    group.bench_function(BenchmarkId::new("fsync", records), |bencher| bencher.iter(|| bare.sync()));
    group.bench_function(BenchmarkId::new("migrate", records), |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| moved(strategy, &*vault)).sum::<Duration>());
    });
    group.finish();
    beside(strategy, records, &mut bare, || generation = vault.commit(&chosen, generation, &PAYLOAD).unwrap());
}

/// How long it takes to make a vault of this strategy, copy every record into it durably, and read them all again.
fn moved(strategy: Strategy, source: &dyn Vault) -> Duration {
    let target = Filled::new(strategy, 0).unwrap();
    let begun = Instant::now();
    let records = source.list().unwrap().into_iter().map(|listed| match listed {
        Listed::Record(record) => record,
        Listed::Damaged { id } => panic!("{id} is damaged"),
    });
    let records: Vec<_> = records.collect();
    let vault = target.open();
    vault.create_all(&records).unwrap();
    assert_eq!(vault.list().unwrap().len(), records.len());
    begun.elapsed()
}

/// Commits and bare fsyncs in turns, so that both meet the same moods of the disk; tells their medians.
fn beside(strategy: Strategy, records: u32, bare: &mut Bare, mut commit: impl FnMut()) {
    const TURNS: usize = 201;
    let timed = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    let mut pairs: Vec<(Duration, Duration)> =
        (0..TURNS).map(|_| (timed(&mut commit), timed(&mut || bare.sync()))).collect();
    pairs.sort_by_key(|pair| pair.0);
    let commit = pairs[TURNS / 2].0;
    pairs.sort_by_key(|pair| pair.1);
    let bare = pairs[TURNS / 2].1;
    let ratio = commit.as_secs_f64() / bare.as_secs_f64();
    println!("BESIDE: {strategy} {records}: commit {commit:?}, bare fsync {bare:?}, in turns: {ratio:.2}");
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}

criterion_group! { name = all; config = short(); targets = strategies }

/// Commits and nothing else, for whoever counts system calls.
fn commit_only(order: &str) {
    let (name, count) = order.split_once(' ').unwrap();
    let filled = match Filled::new(name.parse().unwrap(), 1) {
        Ok(filled) => filled,
        Err(error) => return println!("SKIPPED: {error}"),
    };
    let vault = filled.open();
    let mut generation = match vault.load(&id(0)).unwrap() {
        Some(record) => record.generation,
        None => vault.create(&id(0), &PAYLOAD).unwrap(),
    };
    for _ in 0..count.parse::<u32>().unwrap() {
        generation = vault.commit(&id(0), generation, &PAYLOAD).unwrap();
    }
}

fn main() {
    match env::var(COMMITS) {
        Ok(order) => commit_only(&order),
        Err(_) => {
            all();
            Criterion::default().final_summary();
        }
    }
}
