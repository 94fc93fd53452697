//! What a person meets who tries the command line as the documents tell, and takes a wrong turn.

use std::fs;

use pilotlight_tests::{Keystore, PrivateDesktop, Server};

use crate::program::{BY_PASSWORD, command, run, run_to_end, run_with, signed_in, token};

#[test]
fn a_sealed_sign_in_is_imported_from_the_folder_that_one_stands_in() {
    let server = Server::demo().start();
    let here = signed_in(&server);
    let there = PrivateDesktop::start(Keystore::Unlocked);
    let (file, arrived) = (here.folder().join("work.pilotlight"), there.folder().join("work.pilotlight"));
    let export = ["export", "work", "--to", file.to_str().unwrap(), "--with-token", "--passphrase-stdin"];
    assert_eq!(run_with(&here, &export, "correct horse\n").code, 0);
    fs::rename(&file, &arrived).unwrap();
    let mut import = command(&there, &["import", "work.pilotlight", "--passphrase-stdin"]);
    let ran = run_to_end(import.current_dir(there.folder()), "correct horse\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!fs::exists(arrived).unwrap());
    let told = run(&there, &["events", "work"]).out;
    assert!(told.contains("Taken over from another machine."), "{told}");
}

#[test]
fn a_file_that_is_no_export_is_not_told_as_a_damaged_vault() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let file = desktop.folder().join("holiday.jpg");
    fs::write(&file, [0x89; 4096]).unwrap();
    let ran = run_with(&desktop, &["import", file.to_str().unwrap(), "--passphrase-stdin", "--json"], "x\n");
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
    assert!(ran.err.contains("holiday.jpg") && !ran.err.contains("vault"), "{}", ran.err);
}

#[test]
fn no_grant_is_moved_into_the_memory_of_a_command_that_ends() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    for yes in [&[][..], &["--yes"]] {
        let ran = run(&desktop, &[&["vault", "migrate", "--to", "memory", "--json"], yes].concat());
        assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"), "{}", ran.err);
    }
    token(&desktop, &["--refresh"]);
}

#[test]
fn who_could_not_sign_in_is_not_told_to_stay_signed_in() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    // A port that nobody listens at: it was free a moment ago, and is let go of here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let issuer = format!("http://127.0.0.1:{port}");
    let sign_in = [&["sign-in", "work", "--issuer", &issuer][..], &BY_PASSWORD].concat();
    let ran = run_with(&desktop, &sign_in, "demo\n");
    assert_eq!((ran.code, ran.error().as_str()), (4, "offline"));
    assert!(ran.err.contains("Nothing was kept.") && !ran.err.contains("stay signed in"), "{}", ran.err);
}

#[test]
fn an_address_of_ones_own_that_would_send_tokens_unencrypted_is_a_wrong_input() {
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let service = ["--token-endpoint", "http://id.example/token", "--refresh-token-stdin", "--json"];
    let ran = run_with(&desktop, &[&["sign-in", "work"][..], &service].concat(), "token\n");
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
    assert!(ran.err.contains("http://id.example") && !ran.err.contains("metadata"), "{}", ran.err);
}

#[test]
fn a_service_that_speaks_in_sentences_ends_in_one_full_stop() {
    let server = Server::demo().start();
    let desktop = PrivateDesktop::start(Keystore::Unlocked);
    let sign_in = [&["sign-in", "work", "--issuer", server.issuer()][..], &BY_PASSWORD].concat();
    let ran = run_with(&desktop, &sign_in, "wrong\n");
    assert_eq!((ran.code, ran.error().as_str()), (3, "wrong_credentials"));
    assert!(ran.err.contains("do not match.\"") && !ran.err.contains(".."), "{}", ran.err);
}

#[test]
fn a_passphrases_file_that_cannot_be_read_is_named() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    assert_eq!(run(&desktop, &["vault", "use", "encrypted-file"]).code, 0);
    let folder = desktop.folder().to_str().unwrap();
    let long = desktop.folder().join("long");
    fs::write(&long, vec![b'x'; 70_000]).unwrap();
    let long = long.to_str().unwrap();
    for file in [folder, long] {
        let ran = run(&desktop, &["accounts", "--json", "--passphrase-file", file]);
        assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
        assert!(ran.err.contains(file) && !ran.err.contains("Standard input"), "{}", ran.err);
    }
}

mod at_a_terminal {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command, Stdio};

    use nix::pty::{OpenptyResult, openpty};
    use nix::sys::termios::{LocalFlags, tcgetattr};
    use pilotlight_tests::{binaries, wait};

    use super::*;

    /// A terminal at which a program asks for a password.
    struct Asked {
        keys: File,
        screen: OwnedFd,
        program: Child,
    }

    impl Asked {
        fn start(desktop: &PrivateDesktop) -> Self {
            let OpenptyResult { master, slave } = openpty(None, None).unwrap();
            let stdin = Stdio::from(slave.try_clone().unwrap());
            let mut command: Command = desktop.command("setsid");
            command.arg("--ctty").arg(binaries::built("pilotlight"));
            command.args(["sign-in", "work", "--issuer", "https://id.example", "--client-id", "cli"]);
            let command = command.args(["--username", "demo"]).stdin(stdin);
            let program = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let asked = Self { keys: File::from(master), screen: slave, program };
            wait::until("the question", || (!asked.echoes()).then_some(()));
            asked
        }

        fn echoes(&self) -> bool {
            tcgetattr(&self.screen).unwrap().local_flags.contains(LocalFlags::ECHO)
        }

        /// Presses the key that sends this byte; how the program ended, and what it said.
        fn press(&mut self, key: u8) -> (std::process::ExitStatus, String) {
            self.keys.write_all(&[key]).unwrap();
            let mut said = String::new();
            self.program.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            (self.program.wait().unwrap(), said)
        }
    }

    #[test]
    fn ctrl_c_at_a_password_ends_the_program_and_leaves_a_terminal_that_shows_what_is_typed() {
        let desktop = PrivateDesktop::start(Keystore::NoBus);
        let mut asked = Asked::start(&desktop);
        let (ended, said) = asked.press(3);
        assert_eq!(ended.signal(), Some(2), "{said}");
        assert!(asked.echoes());
    }

    #[test]
    fn ctrl_d_at_a_password_is_told_on_a_line_of_its_own() {
        let desktop = PrivateDesktop::start(Keystore::NoBus);
        let mut asked = Asked::start(&desktop);
        let (ended, said) = asked.press(4);
        assert_eq!(ended.code(), Some(2), "{said}");
        assert!(said.contains("\nerror: No password was typed.\n") && asked.echoes(), "{said}");
    }
}
