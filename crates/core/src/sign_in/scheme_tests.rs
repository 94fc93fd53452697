//! What the programs of one person may hand to a sign-in that waits.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use pilotlight_oauth::{ExposeSecret as _, Issuer, parse_callback};

use super::*;
use crate::ErrorCode;
use crate::redirect::{SCHEME, Undelivered, deliver, folder, socket};

const GOOD: &str = "dev.pilotlight:/callback?code=c0de&state=right&iss=https%3A%2F%2Fas.example";

struct World {
    _folder: tempfile::TempDir,
    home: Home,
}

type Pending = tokio::task::JoinHandle<Result<SecretString, Error>>;

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        Self { _folder: folder, home }
    }

    async fn waiting(&self) -> Pending {
        let waiting = Waiting::begin(self.home.clone(), SCHEME.to_owned(), "right".to_owned()).await.unwrap();
        assert_eq!(waiting.redirect_uri(), "dev.pilotlight:/callback");
        let issuer = Issuer::parse("https://as.example").unwrap();
        tokio::spawn(waiting.answer(Arc::new(move |query: &str| parse_callback(query, "right", &issuer, true))))
    }

    async fn deliver(&self, address: &str) -> Result<(), Undelivered> {
        let (home, address) = (self.home.clone(), address.to_owned());
        tokio::task::spawn_blocking(move || deliver(&home, SCHEME, &address)).await.unwrap()
    }

    /// Says that to the process that waits, whatever [`deliver`] would have made of it.
    async fn say(&self, said: Vec<u8>) -> Vec<u8> {
        let socket = socket(&self.home, "right");
        let saying = move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            // It may have closed before the end of it.
            let _ = stream.write_all(&said);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = vec![];
            let _ = stream.read_to_end(&mut answer);
            answer
        };
        tokio::task::spawn_blocking(saying).await.unwrap()
    }

    fn sockets(&self) -> usize {
        folder(&self.home).read_dir().unwrap().count()
    }
}

#[tokio::test]
async fn rfc8252_section_8_1_only_the_right_answer_ends_the_wait_and_a_second_one_finds_nobody() {
    let world = World::new();
    assert!(matches!(world.deliver(GOOD).await, Err(Undelivered::NobodyWaits)), "before anybody waits");
    let pending = world.waiting().await;
    for (address, not_ours) in [
        (GOOD.replace("right", "wrong"), false),
        (GOOD.replace("dev.pilotlight", "com.example.other"), true),
        ("dev.pilotlight:/callback?code=c0de".to_owned(), true),
        ("x".repeat(1024 * 1024), true),
    ] {
        let undelivered = world.deliver(&address).await.unwrap_err();
        assert_eq!(matches!(undelivered, Undelivered::NotOurs), not_ours, "{undelivered:?}");
        assert_eq!(matches!(undelivered, Undelivered::NobodyWaits), !not_ours, "{undelivered:?}");
    }
    for said in [
        vec![b'x'; 1024 * 1024],
        GOOD.replace("right", "wrong").into_bytes(),
        GOOD.replace("dev.", "com.").into_bytes(),
        vec![0xff; 40],
        vec![],
    ] {
        assert!([&b"0"[..], b""].contains(&&*world.say(said).await));
    }
    assert!(!pending.is_finished());
    world.deliver(GOOD).await.unwrap();
    assert_eq!(pending.await.unwrap().unwrap().expose_secret(), "c0de");
    assert!(matches!(world.deliver(GOOD).await, Err(Undelivered::NobodyWaits)), "it is over");
    assert_eq!(world.sockets(), 0);
}

#[tokio::test]
async fn rfc9207_a_refusal_and_a_wrong_issuer_are_told_apart_by_the_process_that_waits() {
    for (query, code) in [
        ("error=access_denied&state=right&iss=https%3A%2F%2Fas.example", ErrorCode::SignInDenied),
        ("code=c&state=right&iss=https%3A%2F%2Fother.example", ErrorCode::WrongIssuer),
        ("code=c&state=right", ErrorCode::WrongIssuer),
    ] {
        let world = World::new();
        let pending = world.waiting().await;
        world.deliver(&format!("dev.pilotlight:/callback?{query}")).await.unwrap();
        assert_eq!(pending.await.unwrap().unwrap_err().code(), code, "{query}");
    }
}

#[tokio::test]
async fn a_program_that_says_nothing_does_not_block_the_answer() {
    let world = World::new();
    let pending = world.waiting().await;
    let silent = UnixStream::connect(socket(&world.home, "right")).unwrap();
    world.deliver(GOOD).await.unwrap();
    assert!(pending.await.unwrap().is_ok());
    drop(silent);
}

#[tokio::test]
async fn a_sign_in_that_is_given_up_leaves_no_socket_and_one_that_was_killed_is_cleared_away_by_the_next() {
    let world = World::new();
    let given_up = world.waiting().await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    assert_eq!(world.sockets(), 0);

    let dead = socket(&world.home, "killed");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let living = Waiting::begin(world.home.clone(), SCHEME.to_owned(), "other".to_owned()).await.unwrap();
    assert!(!dead.exists());
    let pending = world.waiting().await;
    assert_eq!(world.sockets(), 2, "the one that lives is left alone");
    drop(living);
    pending.abort();
}

#[tokio::test]
async fn a_folder_that_others_may_enter_is_not_used() {
    let world = World::new();
    std::fs::create_dir_all(folder(&world.home)).unwrap();
    std::fs::set_permissions(folder(&world.home), std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Waiting::begin(world.home.clone(), SCHEME.to_owned(), "right".to_owned()).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::UnsafePath);
    assert!(matches!(world.deliver(GOOD).await, Err(Undelivered::Trouble(_))));
}
