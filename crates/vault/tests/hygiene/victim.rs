//! A process that has a vault open, with a token and a key that others look for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use pilotlight_vault::keystore::MemoryKeystore;
use pilotlight_vault::leftovers::copies;
use pilotlight_vault::{GrantId, Keystore as _, SqliteVault, Vault as _, process};

/// What a process is told that is started by [`Victim::start`]; to the test runner it is one more name to look for.
const VICTIM: &str = "as-the-victim";

/// What no two parts of the program hold by chance. It stands in the program as its bytes inverted, so that the program's
/// own text is not found.
const INVERTED: &[u8] =
    &[0xbc, 0xbe, 0xb1, 0xbe, 0xad, 0xa6, 0xd2, 0x90, 0x99, 0xd2, 0x8b, 0x97, 0x9a, 0xd2, 0x8b, 0x90, 0x94, 0x9a, 0x91];

pub(crate) const ONE: GrantId = GrantId::from_bytes([7; 16]);

/// The token that the victim keeps; a fresh copy.
pub(crate) fn canary() -> Vec<u8> {
    INVERTED.iter().map(|byte| !byte).collect()
}

/// The user whom nobody else in the tests is: root may look into everything.
pub(crate) fn as_nobody(command: &mut Command) -> &mut Command {
    command.uid(65534).gid(65534)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that another program of the victim's user runs.
pub(crate) fn neighbour(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if is_root() {
        as_nobody(&mut command);
    }
    command
}

pub(crate) struct Victim {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where its vault is, and where it runs.
    pub(crate) folder: tempfile::TempDir,
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Victim {
    /// Starts it with the hardening on or off.
    pub(crate) fn start(harden: bool) -> Self {
        // What a desktop may have left low is raised: the hardening has to bring it down again.
        Self::start_with("ulimit -c unlimited", harden)
    }

    /// Starts it behind a line of shell that sets limits.
    pub(crate) fn start_with(limits: &str, harden: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The program itself may lie where only root comes.
        let program = folder.path().join("victim");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]).arg(&program);
        command.args(["victim::victim", VICTIM, "--exact", "--nocapture"]);
        command.env(process::SWITCH, if harden { "1" } else { "0" }).env_remove("SNAP");
        command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if is_root() {
            as_nobody(&mut command);
        }
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut victim = Self { child, input, output, folder };
        let told = victim.ask("");
        assert_eq!(told, if harden { "Full" } else { "Off" });
        victim
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says what to do and gives the answer.
    pub(crate) fn ask(&mut self, what: &str) -> String {
        writeln!(self.input.as_ref().unwrap(), "{what}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the victim ended");
            if let Some(answer) = line.strip_prefix("answer ") {
                return answer.trim_end().to_owned();
            }
        }
    }

    /// Has it die of a fault of memory.
    pub(crate) fn crash(&mut self) {
        writeln!(self.input.as_ref().unwrap(), "crash").unwrap();
    }

    /// Waits for its end, and says by which signal it came and whether a core was dumped.
    pub(crate) fn end(mut self) -> (Option<i32>, bool, tempfile::TempDir) {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status.signal(), status.core_dumped(), folder)
    }
}

/// Not a test but the other process, which has to be a test to be in this program.
#[test]
fn victim() {
    if !std::env::args().any(|argument| argument == VICTIM) {
        return;
    }
    let hardening = process::harden();
    let folder = std::env::current_dir().unwrap().join("home");
    let mut held = Held::open(&folder);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match line.as_str() {
            "" => format!("{hardening:?}"),
            "rotate" => held.rotate(),
            "close" => held.close(),
            "count" => held.count(),
            "count with copies" => {
                let planted = std::hint::black_box((canary(), held.kek.iter().map(|byte| !byte).collect::<Vec<u8>>()));
                let counted = held.count();
                drop(zeroize::Zeroizing::new(planted.0));
                drop(zeroize::Zeroizing::new(planted.1));
                counted
            }
            "crash" => {
                // The first one is taken by the handler that tells of stack overflows.
                loop {
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::SEGV).unwrap();
                }
            }
            other => panic!("{other}"),
        };
        if writeln!(std::io::stdout(), "\nanswer {answer}").is_err() {
            return;
        }
    }
}

/// The victim's vault, and the inverted forms of what is looked for in its memory.
struct Held {
    vault: Option<SqliteVault>,
    token: Option<pilotlight_vault::Record>,
    kek: Vec<u8>,
}

impl Held {
    fn open(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let keystore = MemoryKeystore::default();
        let path = folder.join("vault.db");
        let vault = SqliteVault::open(&path, Arc::new(keystore.clone()), 0).unwrap();
        let token = zeroize::Zeroizing::new(canary());
        vault.create(&ONE, &token).unwrap();
        vault.flush_anchor();
        let text = keystore.read(&keystore.name_of("kek-")).unwrap().unwrap();
        let kek = decode_inverted(&text);
        drop((text, vault));
        // As at a later start: the key is read, not made.
        let vault = SqliteVault::open(&path, Arc::new(keystore), 0).unwrap();
        let token = vault.load(&ONE).unwrap();
        Self { vault: Some(vault), token, kek }
    }

    /// Replaces the token by its successor.
    fn rotate(&mut self) -> String {
        let vault = self.vault.as_ref().unwrap();
        let generation = self.token.take().unwrap().generation;
        vault.commit(&ONE, generation, b"its successor").unwrap();
        self.token = vault.load(&ONE).unwrap();
        "rotated".to_owned()
    }

    fn close(&mut self) -> String {
        self.token = None;
        self.vault = None;
        "closed".to_owned()
    }

    /// Copies of the token and of the KEK.
    fn count(&self) -> String {
        format!("{} {}", copies(INVERTED), copies(&self.kek))
    }
}

/// The bytes of a key from `pk1.<generation>.<base64url>`, inverted as they come.
fn decode_inverted(text: &str) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut left = 0;
    let mut bytes = Vec::with_capacity(32);
    for letter in text.rsplit('.').next().unwrap().bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        left += 6;
        if left >= 8 {
            left -= 8;
            bytes.push(!((bits >> left) as u8));
        }
    }
    bytes
}
