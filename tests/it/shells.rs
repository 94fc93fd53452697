//! Completions in the real shells, and manual pages.

use std::fs;
use std::path::PathBuf;

use pilotlight_tests::{Keystore, PrivateDesktop, binaries, process};

use crate::program::{run, run_to_end};

/// The shell's script in a file.
fn script(desktop: &PrivateDesktop, shell: &str) -> PathBuf {
    let ran = run(desktop, &["completions", shell]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    // zsh finds a function by its file's name.
    let file = desktop.folder().join("_pilotlight");
    fs::write(&file, ran.out).unwrap();
    file
}

/// What the shell says to `line`, and nothing on standard error.
fn say(desktop: &PrivateDesktop, shell: &str, arguments: &[&str]) -> String {
    let mut command = process::piped(desktop.command(shell));
    let ran = run_to_end(command.args(arguments), "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{shell} {arguments:?}");
    ran.out
}

#[test]
fn bash_completes_commands_and_their_options() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let script = script(&desktop, "bash");
    let complete = |words: &str| {
        let line = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _pilotlight pilotlight \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        say(&desktop, "bash", &["--norc", "-c", &line])
    };
    assert_eq!(complete("pilotlight pro"), if cfg!(target_os = "linux") { "programs proxy\n" } else { "proxy\n" });
    assert!(complete("pilotlight proxy --up").contains("--upstream"));
}

#[test]
fn zsh_takes_its_script() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let script = script(&desktop, "zsh");
    say(&desktop, "zsh", &["-f", "-n", script.to_str().unwrap()]);
    let folder = script.parent().unwrap().display();
    let line = format!("fpath=('{folder}' $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[pilotlight]");
    assert_eq!(say(&desktop, "zsh", &["-f", "-c", &line]), "_pilotlight\n");
}

#[test]
fn fish_completes_commands() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let script = script(&desktop, "fish");
    say(&desktop, "fish", &["--no-config", "--no-execute", script.to_str().unwrap()]);
    let line = format!("source '{}'; complete --do-complete 'pilotlight pro'", script.display());
    let found = say(&desktop, "fish", &["--no-config", "-c", &line]);
    assert!(found.lines().any(|line| line.starts_with("proxy\t")), "{found}");
}

#[test]
fn powershell_and_elvish_have_their_scripts() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    for (shell, begin) in [("powershell", "Register-ArgumentCompleter"), ("elvish", "edit:completion:arg-completer")] {
        let text = fs::read_to_string(script(&desktop, shell)).unwrap();
        assert!(text.contains(begin) && text.contains("proxy"), "{shell}");
    }
}

/// The commands that `--help` lists below `words`.
fn commands(desktop: &PrivateDesktop, words: &[&str]) -> Vec<String> {
    let help = run(desktop, &[words, &["--help"]].concat()).out;
    let listed =
        help.split("\nCommands:\n").nth(1).unwrap_or_default().lines().take_while(|line| line.starts_with("  "));
    let named = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    named.map(ToOwned::to_owned).collect()
}

#[test]
fn every_command_has_a_manual_page_that_troff_sets() {
    let desktop = PrivateDesktop::start(Keystore::NoBus);
    let folder = desktop.folder().join("man1");
    assert_eq!(run(&desktop, &["man-pages", folder.to_str().unwrap()]).code, 0);
    let top = commands(&desktop, &[]);
    assert!(top.len() > 20 && top.contains(&"proxy".to_owned()), "{top:?}");
    let mut pages = vec!["pilotlight".to_owned()];
    for command in &top {
        pages.push(format!("pilotlight-{command}"));
        pages.extend(commands(&desktop, &[command]).iter().map(|below| format!("pilotlight-{command}-{below}")));
    }
    assert!(pages.contains(&"pilotlight-vault-migrate".to_owned()), "{pages:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), pages.len());
    for page in pages {
        let file = folder.join(format!("{page}.1"));
        let set = say(&desktop, "groff", &["-man", "-Tutf8", "-ww", "-P-cbou", file.to_str().unwrap()]);
        assert!(set.contains("NAME") && set.contains("pilotlight"), "{page}: {set}");
    }
    let nowhere = run(&desktop, &["man-pages", binaries::built("pilotlight").to_str().unwrap(), "--json"]);
    assert_eq!((nowhere.code, nowhere.error().as_str()), (2, "bad_input"));
}
