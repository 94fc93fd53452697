//! One strategy under one attack, in a throw-away folder.
//!
//! ```text
//!   folder/home       what the store keeps, and what a thief gets
//!   folder/keystore   what plays the OS keystore, out of his reach
//!   folder/tmp        TMPDIR
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bus::Bus;
use crate::canary::{Canary, Search};
use crate::companions::{Redis, Tpm};
use crate::keystore::Entries;
use crate::protocol::Place;
use crate::snapshot::Snapshot;
use crate::subject::{Launch, Live, Subject, Told, Trouble};
use crate::system::{self, Stopwatch};
use crate::verdict::{Evidence, Halt};

/// What the process of a cell is told on its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) subject: Subject,
    pub(crate) attack: String,
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    /// How long an attack that could go on for ever goes on.
    pub(crate) budget_ms: u64,
}

/// The host that tokens belong to.
pub(crate) const HOST: &str = "id.example.test";
/// The host of a thief: as long, so that it can be written over the other.
pub(crate) const EVIL: &str = "id.evilhos.test";
/// What a person types where a store is opened by a passphrase.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
pub(crate) const APP: &str = "dev.pilotlight.lab";

/// A record that was kept, as it must be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) generation: u64,
    pub(crate) payload: String,
    pub(crate) canary: Canary,
}

impl Known {
    /// A new record's first generation.
    pub(crate) fn new(what: &str) -> Self {
        let canary = Canary::new(what);
        let id = crate::canary::hex(&system::random::<16>());
        Self { id, generation: 1, payload: payload(&canary.text), canary }
    }

    /// The same record, one generation later.
    pub(crate) fn next(&self) -> Self {
        let generation = self.generation + 1;
        let canary = Canary::new(format!("the refresh token of generation {generation}"));
        Self { id: self.id.clone(), generation, payload: payload(&canary.text), canary }
    }
}

/// What a client keeps of a grant, as one line without a character that JSON escapes.
pub(crate) fn payload(token: &str) -> String {
    format!(
        "refresh_token={token}&token_endpoint=https://{HOST}/token&scope=openid+offline_access&expires_at=1900000000"
    )
}

/// What a reader got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Record {
        generation: u64,
        payload: String,
    },
    /// "There is no such record."
    Nothing,
    /// A typed error.
    Refused(String),
    /// It crashed, hung or babbled.
    Broken(String),
}

impl Seen {
    pub(crate) fn of(told: Told<Option<crate::protocol::Held>>) -> Self {
        match told {
            Ok(Some(held)) => Self::Record { generation: held.generation, payload: held.payload.as_str().to_owned() },
            Ok(None) => Self::Nothing,
            Err(trouble) if trouble.is_breakdown() => Self::Broken(trouble.to_string()),
            Err(trouble) => Self::Refused(trouble.to_string()),
        }
    }

    /// Whether it is this record.
    pub(crate) fn is(&self, known: &Known) -> bool {
        matches!(self, Self::Record { generation, payload } if *generation == known.generation && *payload == known.payload)
    }

    /// In a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Record { generation, .. } => format!("a value of generation {generation}"),
            Self::Nothing => "nothing".to_owned(),
            Self::Refused(why) => format!("an error ({why})"),
            Self::Broken(how) => format!("a breakdown ({how})"),
        }
    }

    /// What is wrong with this, where one of `right` or a typed error is right. `None` where nothing is.
    pub(crate) fn wrong(&self, right: &[&Known]) -> Option<String> {
        match self {
            Self::Refused(_) => None,
            Self::Nothing => {
                Some("the store says that there is no such record, which the person reads as: sign in again".to_owned())
            }
            Self::Broken(how) => Some(format!("the store broke down: {how}")),
            Self::Record { generation, payload } => {
                let same = |known: &&Known| known.generation == *generation && known.payload == *payload;
                if right.iter().any(same) {
                    return None;
                }
                Some(match right.iter().find(|known| known.payload == *payload) {
                    Some(known) => {
                        format!("the store gives generation {generation} for what was generation {}", known.generation)
                    }
                    None => format!("the store gives another value than was kept: {}", excerpt(payload, right)),
                })
            }
        }
    }
}

/// The part of a value in which it differs from what it should be.
fn excerpt(got: &str, right: &[&Known]) -> String {
    let expected = right.first().map_or("", |known| known.payload.as_str());
    let at = got.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count().saturating_sub(8);
    let cut = |text: &str| text.chars().skip(at).take(32).collect::<String>();
    format!("«{}» instead of «{}» at character {at}", cut(got), cut(expected))
}

/// One strategy under one attack.
pub(crate) struct Cell {
    pub(crate) launch: Launch,
    pub(crate) folder: PathBuf,
    budget: Duration,
    watch: Stopwatch,
    /// What was done, in sentences.
    pub(crate) done: Vec<String>,
    pub(crate) redis: Option<Redis>,
    pub(crate) tpm: Option<Tpm>,
    /// A real keystore, which the store is to use instead of the folder.
    pub(crate) bus: Option<Bus>,
}

impl Cell {
    pub(crate) fn new(orders: &Orders) -> Result<Self, Halt> {
        for part in ["home", "keystore", "tmp"] {
            fs::create_dir_all(orders.folder.join(part))?;
            fs::set_permissions(orders.folder.join(part), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        let strategy = orders.subject.strategy();
        let redis =
            (strategy == Some(pilotlight_vault::Strategy::Redis)).then(|| Redis::start(&orders.folder)).transpose()?;
        let tpm =
            (strategy == Some(pilotlight_vault::Strategy::Hardware)).then(|| Tpm::start(&orders.folder)).transpose()?;
        let launch = Launch {
            program: orders.program.clone(),
            subject: orders.subject.clone(),
            folder: orders.folder.clone(),
            harden: true,
            umask: None,
            under: vec![],
            surroundings: vec![],
        };
        Ok(Self {
            launch,
            folder: orders.folder.clone(),
            budget: Duration::from_millis(orders.budget_ms),
            watch: Stopwatch::start(),
            done: vec![],
            redis,
            tpm,
            bus: None,
        })
    }

    /// Notes what was done, for the report.
    pub(crate) fn did(&mut self, what: impl Into<String>) {
        self.done.push(what.into());
    }

    /// Whether an attack that could go on has gone on for long enough.
    pub(crate) fn is_over(&self) -> bool {
        self.watch.elapsed() >= self.budget
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    pub(crate) fn keystore(&self) -> PathBuf {
        self.folder.join("keystore")
    }

    /// Frees what a killed program left in the chip, as a kernel's resource manager does when a program's end of it closes.
    pub(crate) fn free_tpm(&mut self) -> Result<(), Halt> {
        self.tpm.as_mut().map_or(Ok(()), Tpm::restart)
    }

    /// The usual place.
    pub(crate) fn place(&self) -> Place {
        self.place_at("home", "keystore")
    }

    /// A place in other folders of the cell.
    pub(crate) fn place_at(&self, home: &str, keystore: &str) -> Place {
        Place {
            home: self.folder.join(home),
            keystore: self.folder.join(keystore),
            secret_service: self.bus.is_some(),
            app: APP.to_owned(),
            passphrase: PASSPHRASE.to_owned(),
            redis: self.redis.as_ref().map(Redis::address),
            tpm: self.tpm.as_ref().map(Tpm::socket),
            now_ms: system::now_ms(),
        }
    }

    pub(crate) fn start(&self) -> Result<Live, Halt> {
        self.start_as(&self.launch)
    }

    pub(crate) fn start_as(&self, launch: &Launch) -> Result<Live, Halt> {
        Live::start(launch)
            .or_else(|error| Halt::inconclusive(format!("the store's program cannot be started: {error}")))
    }

    /// A process that has the store open.
    pub(crate) fn open(&self, place: &Place) -> Result<Live, Halt> {
        let mut live = self.start()?;
        self.usable(live.open(place))?;
        Ok(live)
    }

    /// The store must work before it is attacked.
    pub(crate) fn usable<T>(&self, told: Told<T>) -> Result<T, Halt> {
        told.map_err(|trouble| {
            let name = self.launch.subject.name();
            if trouble.is("unavailable") {
                return Halt::NotApplicable(format!("{name} does not work here: {trouble}"));
            }
            Halt::Inconclusive(format!("{name} failed before it was attacked: {trouble}"))
        })
    }

    /// Makes a store at `place` with so many records, and ends its process.
    pub(crate) fn seed(&mut self, place: &Place, count: usize) -> Result<Vec<Known>, Halt> {
        let mut live = self.open(place)?;
        let known: Vec<Known> =
            (0..count).map(|at| Known::new(&format!("the refresh token of record {}", at + 1))).collect();
        for record in &known {
            self.usable(live.create(&record.id, &record.payload))?;
        }
        self.usable(live.close())?;
        live.end();
        Ok(known)
    }

    /// As [`Self::seed`], where the attack is on what stands in files afterwards.
    pub(crate) fn seed_files(&mut self, count: usize) -> Result<(Vec<Known>, Snapshot), Halt> {
        let known = self.seed(&self.place(), count)?;
        let files = Snapshot::take(&self.home())?;
        if files.bytes() == 0 {
            return Halt::not_applicable("it keeps no file that could be attacked");
        }
        Ok((known, files))
    }

    /// What a new process reads.
    pub(crate) fn read_anew(&self, place: &Place, id: &str) -> Result<Seen, Halt> {
        let mut live = self.start()?;
        Ok(read_back(&mut live, place, id))
    }

    /// A search for the tokens of these records.
    pub(crate) fn search(&self, known: &[&Known]) -> Search {
        Search::new(&known.iter().map(|known| known.canary.clone()).collect::<Vec<_>>())
    }

    /// A search for what the keystore keeps.
    pub(crate) fn key_search(&self) -> Search {
        let secret = |file: PathBuf| {
            let text = fs::read_to_string(&file).ok()?;
            let name = crate::keystore::entry_name(&file);
            // An entry's name says what it is up to its first `-`.
            let kind = name.split('-').next().unwrap_or_default().to_owned();
            (text.len() >= 24).then(|| Canary::known(format!("the keystore's entry {kind}"), text))
        };
        Search::new(&self.entries().files().into_iter().filter_map(secret).collect::<Vec<_>>())
    }

    pub(crate) fn entries(&self) -> Entries {
        Entries(self.keystore())
    }

    /// Everything that a search finds in the home, the temporary folder and the working directory.
    pub(crate) fn in_files(&self, search: &Search) -> Vec<Evidence> {
        let mut evidence = search.in_folder(&self.home(), "");
        evidence.extend(search.in_folder(&self.folder.join("tmp"), "TMPDIR"));
        evidence
    }
}

/// Opens, loads and closes.
pub(crate) fn read_back(live: &mut Live, place: &Place, id: &str) -> Seen {
    let seen = match live.open(place) {
        Ok(()) => Seen::of(live.load(id)),
        Err(trouble) => Seen::of(Err(trouble)),
    };
    // What is open may not be there any more for the next one.
    match live.close() {
        Err(Trouble::Refused(_)) | Ok(()) => seen,
        Err(trouble) if matches!(seen, Seen::Broken(_)) => Seen::Broken(trouble.to_string()),
        Err(trouble) => Seen::Broken(format!("closing: {trouble}")),
    }
}

/// Copies the files of a folder into another one.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Halt> {
    Ok(Snapshot::take(from)?.put(to)?)
}
