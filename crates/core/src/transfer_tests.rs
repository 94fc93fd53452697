//! Two machines, one grant, and a kill at every step.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Step;
use crate::simulation::{FakeServer, SeededRandom, SimulatedClock, Weather, config};
use crate::{Client, Config, ErrorCode, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn};

const TTL: Duration = Duration::from_secs(900);

struct World {
    folder: tempfile::TempDir,
    server: Arc<FakeServer>,
    /// Of the machine that hands over, and of the one that takes over.
    machines: [Config; 2],
    passphrase: SecretString,
}

impl World {
    /// The account `work` on the first machine, at a service that ends a grant for a reused token.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), TTL).strict());
        let machines = [("first", 1), ("second", 2)].map(|(name, seed)| {
            let home = Home::at(folder.path().join(name)).unwrap();
            Config { random: Arc::new(SeededRandom::new(seed)), ..config(home, clock.clone(), server.clone()) }
        });
        let world = Self { folder, server, machines, passphrase: "correct horse".into() };
        world.sign_in(0, "work").await;
        world
    }

    async fn sign_in(&self, machine: usize, name: &str) {
        let registration = Registration {
            name: name.into(),
            service: ServiceLocation::Issuer("https://as.test".into()),
            client: Client { id: "pilotlight".into(), secret: None },
            scope: Scope::default(),
        };
        let with = SignIn::Password { username: "ada".into(), password: "demo".into() };
        self.process(machine).sign_in(registration, with).await.unwrap();
    }

    /// A process that was just started on that machine.
    fn process(&self, machine: usize) -> Pilotlight {
        Pilotlight::new(self.machines[machine].clone())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("work.pilotlight")
    }

    async fn names(&self, machine: usize) -> Vec<String> {
        self.process(machine).accounts().await.unwrap().accounts.into_iter().map(|account| account.name).collect()
    }

    async fn hand_over(&self) -> Result<(), crate::Error> {
        self.process(0).hand_over("work", &self.file(), &self.passphrase).await
    }

    async fn take_over(&self) -> Result<crate::Account, crate::Error> {
        self.process(1).take_over(&self.file(), &self.passphrase, None).await
    }

    /// The second machine has it, and it refreshes; nothing else is left, and nothing was reused.
    async fn assert_moved(&self, context: &str) {
        assert_eq!(self.names(0).await, [""; 0], "{context}");
        assert_eq!(self.names(1).await, ["work"], "{context}");
        self.process(1).refresh("work").await.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(self.server.reuses(), 0, "{context}");
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("work")), "{context}: {left:?}");
        assert!(!self.folder.path().join("second/incoming").exists(), "{context}");
    }
}

fn killed_at(at: Step) -> impl Fn(Step) + Send + Sync {
    move |step| assert_ne!(step, at, "killed")
}

#[tokio::test(start_paused = true)]
async fn a_grant_moves_in_a_file_that_tells_nothing_and_is_rotated_when_it_arrives() {
    let world = World::new().await;
    let before = world.process(0).access_token("work", Duration::ZERO).await.unwrap();
    world.hand_over().await.unwrap();
    assert_eq!(world.names(0).await, [""; 0]);
    let file = std::fs::read(world.file()).unwrap();
    let token = before.token.expose_secret().as_bytes();
    assert!(!file.windows(token.len()).any(|bytes| bytes == token), "the token in plain");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(world.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let account = world.take_over().await.unwrap();
    assert_eq!((account.name.as_str(), account.refreshes), ("work", 1));
    world.assert_moved("moved").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_killed_while_handing_over_does_it_again_and_loses_nothing() {
    for at in [Step::Sealed, Step::Removed, Step::Named] {
        let world = World::new().await;
        let (process, file, passphrase) = (world.process(0), world.file(), world.passphrase.clone());
        let killed =
            tokio::spawn(async move { process.hand_over_telling("work", &file, &passphrase, &killed_at(at)).await });
        assert!(killed.await.unwrap_err().is_panic());
        assert_eq!(world.file().exists(), at == Step::Named, "a file under its name is one whose grant is gone");
        if at == Step::Sealed {
            // Life goes on here meanwhile; what was sealed is stale by now.
            world.process(0).refresh("work").await.unwrap();
        }
        assert_eq!(world.hand_over().await.is_ok(), at != Step::Named, "{at:?}");
        world.take_over().await.unwrap();
        world.assert_moved(&format!("{at:?}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_killed_while_taking_over_does_it_again_and_reuses_nothing() {
    for at in [Step::Created, Step::Consumed] {
        let world = World::new().await;
        world.hand_over().await.unwrap();
        let (process, file, passphrase) = (world.process(1), world.file(), world.passphrase.clone());
        let killed =
            tokio::spawn(async move { process.take_over_telling(&file, &passphrase, None, &killed_at(at)).await });
        assert!(killed.await.unwrap_err().is_panic());
        world.process(1).refresh("work").await.unwrap();
        assert_eq!(world.take_over().await.is_ok(), at == Step::Created, "{at:?}");
        world.assert_moved(&format!("{at:?}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_passphrase_a_taken_name_and_a_foreign_file_change_nothing() {
    let world = World::new().await;
    world.hand_over().await.unwrap();
    let second = world.process(1);
    let wrong = second.take_over(&world.file(), &"wrong".into(), None).await.unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::WrongPassphrase);
    world.sign_in(1, "work").await;
    assert_eq!(world.take_over().await.unwrap_err().code(), ErrorCode::NameTaken);
    let foreign = world.folder.path().join("foreign");
    for content in [&b""[..], b"{}", &[0; 4096]] {
        std::fs::write(&foreign, content).unwrap();
        let error = second.take_over(&foreign, &world.passphrase, None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadInput, "{error}");
        assert!(error.message().contains("foreign"), "{error}");
    }
    let account = second.take_over(&world.file(), &world.passphrase, Some("work elsewhere")).await.unwrap();
    assert_eq!(account.name, "work elsewhere");
    assert_eq!(world.names(1).await, ["work", "work elsewhere"]);
    second.refresh("work elsewhere").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_over_where_something_stands_already() {
    let world = World::new().await;
    std::fs::write(world.file(), "mine").unwrap();
    assert_eq!(world.hand_over().await.unwrap_err().code(), ErrorCode::BadInput);
    assert_eq!(std::fs::read(world.file()).unwrap(), b"mine");
    world.process(0).refresh("work").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_arrives_without_a_network_waits_for_it() {
    let world = World::new().await;
    world.hand_over().await.unwrap();
    world.server.set_weather(Weather::Offline);
    world.take_over().await.unwrap();
    world.server.set_weather(Weather::Fine);
    world.assert_moved("offline").await;
}
