//! Programs that mean harm, or go wrong at length: an honest client does not notice.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use pilotlight_agent::Unknown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{Connection, World};

const TOKEN: &str = r#"{"ask":"token","account":"work"}"#;

/// `nobody` on Debian and most others; any number but ours does.
const NOBODY: u32 = 65_534;

/// Asks until the siege is over, and then once more; every answer is a token.
fn is_served_during(honest: &mut Connection, siege: std::thread::JoinHandle<()>) {
    let mut answers = 0;
    while !siege.is_finished() || answers == 0 {
        assert!(honest.ask(TOKEN)["token"].is_object());
        answers += 1;
    }
    siege.join().unwrap();
    assert!(honest.ask(TOKEN)["token"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_told_nothing_even_where_the_folder_lets_them_in() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: to become another user takes root");
        return;
    }
    let world = World::lending().await;
    let socket = world.place().socket();
    let script = r#"
import socket, sys
s = socket.socket(socket.AF_UNIX)
try: s.connect(sys.argv[1])
except OSError as error: sys.exit(f"closed: {error.errno}")
try: s.sendall(b'{"ask":"hello"}\n{"ask":"list"}\n'); said = s.recv(1000)
except OSError: said = b""
print(len(said))
"#;
    let ask = || Command::new("python3").args(["-c", script]).arg(&socket).uid(NOBODY).gid(NOBODY).output().unwrap();
    let kept_out = ask();
    assert!(String::from_utf8_lossy(&kept_out.stderr).starts_with("closed: 13"), "{kept_out:?}");
    let mut folders: Vec<_> =
        socket.ancestors().skip(1).take_while(|folder| folder.starts_with(world.folder())).collect();
    folders.push(&socket);
    for path in folders {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let let_in = ask();
    assert_eq!(String::from_utf8_lossy(&let_in.stdout).trim(), "0", "{let_in:?}");
    assert!(world.connect().ask(TOKEN)["token"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_of_another_process_take_nothing_from_an_honest_client() {
    let world = World::lending().await;
    let mut honest = world.connect();
    // It keeps what it is given, and comes again where it is turned away.
    let script = r#"
import socket, sys
held, busy = [], 0
for _ in range(10000):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    if len(held) < 32: held.append(s)
    else: busy += b'"busy"' in s.recv(1000); s.close()
print(len(held), busy)
"#;
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(world.place().socket()).stdout(Stdio::piped());
    let siege = std::thread::spawn(move || {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let busy = said.trim().strip_prefix("32 ").and_then(|busy| busy.parse().ok());
        assert!(busy.is_some_and(|busy: u32| busy > 9000), "{output:?}");
    });
    is_served_during(&mut honest, siege);
    // And one that comes only now.
    assert!(world.connect().ask(TOKEN)["token"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_gigabyte_is_cut_off_and_takes_no_memory() {
    let world = World::lending().await;
    let mut honest = world.connect();
    let mut stream = UnixStream::connect(world.place().socket()).unwrap();
    let siege = std::thread::spawn(move || {
        let chunk = [b'x'; 64 * 1024];
        let sent = (0..16 * 1024).take_while(|_| stream.write_all(&chunk).is_ok()).count();
        // What the agent read, and what lay in between.
        assert!(sent < 32, "{sent} chunks were taken");
    });
    is_served_during(&mut honest, siege);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_without_end_takes_nothing_from_an_honest_client() {
    let world = World::lending().await;
    let mut honest = world.connect();
    let socket = world.place().socket();
    let siege = std::thread::spawn(move || {
        let mut byte = 7_u8;
        for length in [1, 1000, 60_000, 70_000].repeat(20) {
            let mut stream = UnixStream::connect(&socket).unwrap();
            let garbage: Vec<u8> = (0..length)
                .map(|_| {
                    byte = byte.wrapping_mul(167).wrapping_add(13);
                    byte
                })
                .collect();
            // It may be closed before all of it is taken.
            let _ = stream.write_all(&garbage);
        }
    });
    is_served_during(&mut honest, siege);
}

/// Simulated time passes only while nobody has anything to do, so this client is one of the runtime's own.
#[tokio::test(start_paused = true)]
async fn whoever_sends_a_byte_now_and_then_is_closed_after_thirty_seconds() {
    let world = World::signed_in().await;
    tokio::spawn(world.agent(Unknown::Allow).unwrap().serve());
    let mut stream = tokio::net::UnixStream::connect(world.place().socket()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        for byte in TOKEN.bytes() {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut said = vec![];
    tokio::select! {
        () = trickle => {}
        end = reading.read_to_end(&mut said) => drop(end),
    }
    assert!(said.is_empty());
}
