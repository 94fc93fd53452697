//! `pilotlight-server chaos`, run as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilotlight-server"));
    command.arg("chaos").args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn failing(args: &[&str]) -> (Option<i32>, String) {
    let output: Output = command(args).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn chaos_says_where_and_reports_every_request_as_a_line_of_json() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", upstream.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "answer 503 retry-after=2\nloop\n").unwrap();
    let args = ["--upstream", &upstream, "--script", script.to_str().unwrap(), "--only", "/token,/x", "--after", "0"];
    let mut running = Running(command(&args).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let address = ready["issuer"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /x?code=secret HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 2\r\n"), "{answer}");
    let mut line = String::new();
    BufReader::new(running.0.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let expected = r#"{"number":0,"path":"/x","fault":"answer 503 json retry-after=2","upstream_status":null}"#;
    assert_eq!(line.trim_end(), expected);
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_refused_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "pass\n\ndrop\n").unwrap();
    let (script, missing) = (script.to_str().unwrap(), folder.path().join("missing"));
    let (code, said) = failing(&["--upstream", "http://127.0.0.1:4400", "--script", script]);
    assert!(said.contains("line 3: `drop` is no fault") && said.contains("hint: "), "{said}");
    assert_eq!(code, Some(2));
    let cases: [(&[&str], &str); 8] = [
        (&["--upstream", "http://127.0.0.1:1", "--script", missing.to_str().unwrap()], "cannot be read"),
        (&["--upstream", "http://127.0.0.1:1"], "--script"),
        (&["--upstream", "http://127.0.0.1:1", "--seed", "1", "--script", script], "cannot be used with"),
        (&["--upstream", "http://127.0.0.1:1", "--seed", "1", "--rate", "1.5"], "from 0 to 1"),
        (&["--upstream", "http://127.0.0.1:1", "--seed", "1", "--faults", "reset,drop"], "`drop` is no fault"),
        (&["--upstream", "https://127.0.0.1:1", "--seed", "1"], "cannot be the upstream"),
        (&["--upstream", "http://192.0.2.1", "--seed", "1"], "not on this machine"),
        (&["--upstream", "http://127.0.0.1:1", "--seed", "1", "--listen", "0.0.0.0:0"], "other machines"),
    ];
    for (args, expected) in cases {
        let (code, said) = failing(args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
}
