//! Somebody on the wires to the chip: who listens, who changes what it says, and who is no TPM at all.

use super::{VAULT, protector};
use crate::VaultError;
use crate::envelope::{Protector, key_of};
use crate::testing::Swtpm;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Stands between a program and a TPM.
struct Wires {
    folder: TempDir,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wires {
    /// `change` sees the number of each answer within its connection.
    fn to(tpm: PathBuf, change: impl Fn(usize, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        let folder = tempfile::Builder::new().prefix("pl-").tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("wires.sock")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&heard);
        std::thread::spawn(move || {
            for mut program in listener.incoming().map_while(Result::ok) {
                let mut chip = UnixStream::connect(&tpm).unwrap();
                for number in 0.. {
                    let Some(command) = message(&mut program) else { break };
                    chip.write_all(&command).unwrap();
                    let Some(mut answer) = message(&mut chip) else { break };
                    written.lock().unwrap().extend([command, answer.clone()]);
                    change(number, &mut answer);
                    if program.write_all(&answer).is_err() {
                        break;
                    }
                }
            }
        });
        Self { folder, heard }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("wires.sock")
    }
}

fn message(wire: &mut UnixStream) -> Option<Vec<u8>> {
    let mut head = [0; 10];
    wire.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
    let mut whole = head.to_vec();
    whole.resize(length, 0);
    wire.read_exact(&mut whole[10..]).ok()?;
    Some(whole)
}

#[test]
fn who_listens_on_the_wires_hears_no_key() {
    let tpm = Swtpm::start();
    let wires = Wires::to(tpm.path(), |_, _| {});
    let secret = [0xA5; 32];
    let params = protector(&wires.path()).seal(&key_of(secret)).unwrap();
    assert!(protector(&wires.path()).unseal(&params).unwrap().is_some());
    let heard = wires.heard.lock().unwrap().concat();
    assert!(heard.len() > 1000);
    assert!(!heard.windows(8).any(|window| window == &secret[..8]));
}

#[test]
fn an_answer_that_was_changed_on_the_wires_is_never_taken_for_a_key() {
    let tpm = Swtpm::start();
    let params = protector(&tpm.path()).seal(&key_of([0xA5; 32])).unwrap();
    // The answers to an unsealing: storage key, session, load, unseal.
    for number in 0..4 {
        for place in (0..400).step_by(3) {
            let wires = Wires::to(tpm.path(), move |now, answer| {
                // Not the length, which would make this wait for more.
                let place = 6 + place;
                if now == number && place < answer.len() {
                    answer[place] ^= 0x10;
                }
            });
            match protector(&wires.path()).unseal(&params) {
                // Nothing of what was changed matters to the key, e.g. what the TPM says of how it made its own.
                Ok(Some(key)) => assert!(number == 0 && secrecy::ExposeSecret::expose_secret(&key) == &[0xA5; 32]),
                Ok(None) => assert_eq!(number, 0),
                Err(VaultError::Unavailable(_) | VaultError::Damaged(_) | VaultError::Busy) => {}
                Err(error) => panic!("{number}, {place}: {error:?}"),
            }
        }
    }
}

/// Answers every command by `answer`, and closes.
fn impostor(answer: Vec<u8>) -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("pl-").tempdir().unwrap();
    let path = folder.path().join("tpm.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut program in listener.incoming().map_while(Result::ok) {
            let _ = (message(&mut program), program.write_all(&answer));
        }
    });
    (folder, path)
}

fn refused(path: &Path) {
    let outcome = protector(path).make(&VAULT, &[]).map(|_| ());
    assert!(matches!(outcome, Err(VaultError::Unavailable(_) | VaultError::Busy)), "{outcome:?}");
}

#[test]
fn what_is_no_tpm_is_unavailable_whatever_it_says() {
    for answer in [
        Vec::new(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0; 9],
        vec![0; 10],
        vec![0xff; 4096],
        [&[0x80, 0x02, 0, 0, 0, 10], &[0; 4][..]].concat(),
        [&[0x80, 0x02, 0, 0, 0, 40], &[0; 34][..]].concat(),
        // Out of memory for objects; not started; the hierarchy is off; its password is wrong.
        vec![0x80, 0x01, 0, 0, 0, 10, 0, 0, 9, 2],
        vec![0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 0],
        vec![0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 0x85],
        vec![0x80, 0x01, 0, 0, 0, 10, 0, 0, 9, 0xA2],
    ] {
        let (_folder, path) = impostor(answer);
        refused(&path);
    }
}
