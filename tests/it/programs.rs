//! Tokens in the hands of the real programs: each asks Pilotlight in its own words, and a service checks what it was sent.

mod agent;
mod asked;
mod aws;
mod git;
mod kube;
mod proxy;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;

use pilotlight_tests::{Server, binaries, process};

use crate::program::{command, run, run_to_end, run_with, signed_in, token};

#[test]
fn a_token_never_crosses_a_network_in_the_clear() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let asked = "protocol=http\nhost=git.example\n\n";
    let ran = run_with(&desktop, &["git-credential", "--account", "work", "--any-host", "--json", "get"], asked);
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
    let ran = run_with(
        &desktop,
        &["docker-credential", "--account", "work", "--any-host", "--json", "get"],
        "http://registry.example",
    );
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
}

#[test]
fn docker_is_given_a_name_and_a_token_and_stores_nothing() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let docker = |operation, input| {
        run_with(&desktop, &["docker-credential", "--account", "work", "--host", "registry.example", operation], input)
    };
    let answer = docker("get", "registry.example").json();
    assert_eq!(answer, serde_json::json!({ "ServerURL": "registry.example", "Username": "oauth2", "Secret": lent }));
    let elsewhere = docker("get", "https://registry.elsewhere/v1/");
    assert_eq!((elsewhere.code, elsewhere.out.as_str()), (1, "credentials not found in native keychain\n"));
    assert_eq!(docker("list", "").json(), serde_json::json!({}));
    assert_eq!(docker("erase", "registry.example").code, 0);
    assert_eq!(docker("store", r#"{"ServerURL":"x","Username":"u","Secret":"s"}"#).code, 2);
    assert_eq!(token(&desktop, &[]), lent, "still signed in");
}

#[test]
fn docker_calls_a_link_that_names_account_and_registry() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let link = desktop.folder().join("docker-credential-pilotlight-work@registry.example");
    std::os::unix::fs::symlink(binaries::built("pilotlight"), &link).unwrap();
    let docker = |registry| {
        let mut command = process::piped(desktop.command(&link));
        run_to_end(command.arg("get"), registry)
    };
    assert_eq!(docker("registry.example").json()["Secret"], lent.as_str());
    assert_eq!(docker("registry.elsewhere").out, "credentials not found in native keychain\n");
    let nameless = desktop.folder().join("docker-credential-pilotlight");
    std::os::unix::fs::symlink(binaries::built("pilotlight"), &nameless).unwrap();
    let ran = run_to_end(process::piped(desktop.command(&nameless)).arg("get"), "registry.example");
    assert!(ran.code == 2 && ran.err.contains("--account"), "{}", ran.err);
}

#[test]
fn a_command_gets_the_token_in_its_environment_and_keeps_its_exit_code() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let script = desktop.folder().join("script");
    fs::write(&script, "#!/bin/sh\nprintf '%s|%s' \"$API_TOKEN\" \"$*\"\nexit 42\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let ran = run(&desktop, &["exec", "work", "--env", "API_TOKEN", "--", script.to_str().unwrap(), "a b", "--json"]);
    assert_eq!((ran.code, ran.out), (42, format!("{lent}|a b --json")), "{}", ran.err);
    let script = "printf '%s|%s' \"$(cat \"$PILOTLIGHT_TOKEN_FILE\")\" \"$(cat \"$PILOTLIGHT_TOKEN_FILE\")\"; env";
    let by_file = run(&desktop, &["exec", "work", "--fd", "--", "sh", "-c", script]);
    let (read, environment) = by_file.out.split_once('|').unwrap();
    assert_eq!((by_file.code, read), (0, lent.as_str()), "{}", by_file.err);
    assert!(!environment.contains(&lent), "neither read twice nor in the environment");
    let absent = run(&desktop, &["exec", "work", "--json", "--", "/no/such/program"]);
    assert_eq!((absent.code, absent.error().as_str()), (2, "bad_input"));
}

#[test]
fn curl_reads_the_header_from_standard_input_and_sends_it() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let header = run(&desktop, &["header", "work"]);
    assert_eq!((header.code, header.out), (0, format!("Authorization: Bearer {lent}\n")));
    assert_eq!(run(&desktop, &["header", "nobody"]).code, 3);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![];
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    let mut lender = command(&desktop, &["header", "work"]).stdin(Stdio::null()).spawn().unwrap();
    let mut curl = process::piped(desktop.command("curl"));
    curl.args(["-sS", "--noproxy", "*", "-H", "@-", &url]).stdin(lender.stdout.take().unwrap());
    let output = curl.spawn().unwrap().wait_with_output().unwrap();
    assert!(lender.wait().unwrap().success());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(asked.join().unwrap().contains(&format!("\r\nAuthorization: Bearer {lent}\r\n")));
}
