//! What stands in `docs/deploy` is what this program and the others take. The configuration file is tested in config_file.rs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command_line::run;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").join(name)
}

/// The compose file as JSON, read by a parser of YAML.
fn compose() -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.xtask/tools/python");
    let python = python.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    assert!(python.exists(), "the Python of the tests is not set up: run `cargo xtask setup`");
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let output = Command::new(python).args(["-c", program]).arg(file("docker-compose.yml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// That `serve` has each of these options.
fn assert_known(command: &str) {
    let help = run(&["serve", "--help"], "");
    let help = String::from_utf8(help.stdout).unwrap();
    let known: Vec<&str> = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    let options: Vec<&str> = command.split_whitespace().filter(|word| word.starts_with("--")).collect();
    assert!(!options.is_empty(), "{command}");
    for option in options {
        assert!(known.contains(&option), "{option} is no option of `serve`");
    }
}

#[test]
fn the_commands_of_unit_and_compose_file_have_no_option_that_serve_does_not_know() {
    let unit = std::fs::read_to_string(file("pilotlight-server.service")).unwrap();
    let starts = unit.lines().filter_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("ExecStart="));
    assert_eq!(starts.map(assert_known).count(), 2, "the one that counts, and the one in the comment");
    for service in ["one", "two"] {
        assert_known(compose()["services"][service]["command"].as_str().unwrap());
    }
}

#[test]
fn whatever_the_compose_file_names_is_there() {
    let all = compose();
    let services = all["services"].as_object().unwrap();
    let has = |kind: &str, name: &str| all[kind].as_object().is_some_and(|names| names.contains_key(name));
    let names = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            Value::Object(names) => names.keys().cloned().collect(),
            _ => Vec::new(),
        }
    };
    for (name, service) in services {
        for volume in names(&service["volumes"]) {
            assert!(has("volumes", volume.split(':').next().unwrap()), "{name}: {volume}");
        }
        assert!(names(&service["networks"]).iter().all(|network| has("networks", network)), "{name}");
        assert!(names(&service["depends_on"]).iter().all(|other| services.contains_key(other)), "{name}");
    }
    for service in ["one", "two"] {
        let command = services[service]["command"].as_str().unwrap();
        assert!(command.contains("redis://redis:6379/") && services.contains_key("redis"), "{command}");
    }
    let build = &services["one"]["build"];
    let dockerfile = file("").join(build["context"].as_str().unwrap()).join(build["dockerfile"].as_str().unwrap());
    assert!(dockerfile.is_file(), "{}", dockerfile.display());
}

/// Where systemd is.
#[cfg(target_os = "linux")]
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = std::fs::read_to_string(file("pilotlight-server.service")).unwrap();
    let here = folder.path().join("pilotlight-server.service");
    std::fs::write(&here, unit.replace("/usr/local/bin/pilotlight-server", crate::command_line::PROGRAM)).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&here).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("pilotlight-server.service"), "{said}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}
