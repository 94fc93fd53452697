//! Against somebody else's generator: PyPI `schemathesis` reads the document at `/openapi.json` and tries every operation.

use std::path::Path;
use std::process::Command;

use crate::command_line::serve;

/// What every answer must hold to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[test]
fn schemathesis_finds_no_trouble_and_no_answer_that_is_not_described() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.xtask/tools/python");
    let python = python.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    assert!(python.exists(), "the Python of the tests is not set up: run `cargo xtask setup`");
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&["--demo", "--registration", "open", "--log", "error"]);
    let output = Command::new(python)
        .args(["-m", "schemathesis.cli", "run", &format!("{}/openapi.json", server.issuer())])
        .args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "4400"])
        .args(["--no-color", "--request-timeout", "20"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let cases = said.lines().find(|line| line.contains(" generated, ")).unwrap_or_else(|| panic!("{said}"));
    let generated: u32 = cases.split_whitespace().next().unwrap().parse().unwrap();
    assert!(generated > 200, "{cases}");
    let (status, _) = server.post_form("/token", "grant_type=authorization_code");
    assert_eq!(status, 400, "it still serves");
}
