//! A process under `strace`: its system calls on paper, and some of them made to fail or to be its last.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cell::Cell;
use crate::subject::Launch;
use crate::system;
use crate::verdict::Halt;

/// The calls that change a disk.
pub(crate) const CALLS: &str =
    "write,pwrite64,pwritev,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
/// The calls that wait for the disk.
pub(crate) const SYNCS: &str = "fsync,fdatasync";

/// One traced process.
pub(crate) struct Trace {
    file: PathBuf,
    words: Vec<String>,
}

impl Trace {
    /// A trace of the calls that touch files, with these expressions of strace's `-e`.
    pub(crate) fn of(cell: &Cell, expressions: &[&str]) -> Result<Self, Halt> {
        let Some(strace) = system::on_path("strace") else {
            return Halt::inconclusive("strace is not installed");
        };
        let file = cell.folder.join("trace");
        // One of an earlier process may be there.
        let _ = std::fs::remove_file(&file);
        let mut words = vec![strace.display().to_string()];
        words.extend(["-f", "-y", "-qq", "-s", "0", "-o"].map(str::to_owned));
        words.push(file.display().to_string());
        words.extend(["-e".to_owned(), format!("trace={CALLS},openat,fallocate")]);
        words.extend(expressions.iter().flat_map(|one| ["-e".to_owned(), (*one).to_owned()]));
        Ok(Self { file, words })
    }

    /// How to start the store so.
    pub(crate) fn launch(&self, cell: &Cell) -> Launch {
        Launch { under: self.words.clone(), ..cell.launch.clone() }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// The lines of the calls that were made to fail: every thread has an n-th call of its own.
    pub(crate) fn injected(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains("(INJECTED)")).collect()
    }

    /// The files that were synced behind the first stop, but for the sync at which the process was stopped again.
    pub(crate) fn synced_between_stops(&self, stopped_again: bool) -> Vec<String> {
        let lines = self.lines();
        let stops: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("--- SIGSTOP {")).collect();
        let from = stops.first().map_or(0, |at| at + 1);
        let until = stops.get(1).copied().unwrap_or(lines.len());
        let stopped = lines.get(until).and_then(|line| line.split_once(' ')).map(|(process, _)| process.to_owned());
        let is_sync = |line: &&String| line.contains("sync(");
        let mut syncs: Vec<&String> = lines[from..until.max(from)].iter().filter(is_sync).collect();
        if let (true, Some(process)) = (stopped_again, stopped)
            && let Some(last) = syncs.iter().rposition(|line| line.starts_with(&process))
        {
            syncs.remove(last);
        }
        syncs.into_iter().filter_map(|line| of_descriptor(line)).collect()
    }

    /// The name of the last call.
    pub(crate) fn last_call(&self) -> String {
        let lines = self.lines();
        let last = lines.iter().rev().find(|line| line.contains('(') && !line.contains("+++"));
        last.and_then(|line| line.split_once('('))
            .map_or("?", |(name, _)| name.rsplit(' ').next().unwrap_or("?"))
            .to_owned()
    }
}

/// A traced line as a person reads it: without the process and the throw-away folder.
pub(crate) fn shown(line: &str, folder: &str) -> String {
    let line = line.split_once(' ').map_or(line, |(_, rest)| rest.trim());
    line.replace(&format!("{folder}/"), "").chars().take(160).collect()
}

/// The files below `home` that these calls changed and did not sync, with what was done to them.
pub(crate) fn unsynced(lines: &[String], home: &str) -> Vec<(String, String)> {
    let mut dirty: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let Some((call, rest)) = line.split_once('(') else { continue };
        let call = call.rsplit(' ').next().unwrap_or_default();
        let told = |what: &str| what.to_owned();
        match call {
            // The answer goes out: what comes behind it is nobody's promise.
            "write" if rest.contains("<pipe:") => break,
            // A log that is emptied held nothing any more that stands nowhere else.
            "ftruncate" if rest.contains(", 0)") => drop(of_descriptor(rest).and_then(|file| dirty.remove(&file))),
            "write" | "pwrite64" | "pwritev" | "writev" | "ftruncate" | "fallocate" => {
                if let Some(file) = of_descriptor(rest).filter(|file| file.starts_with(home)) {
                    dirty.insert(file, told("written"));
                }
            }
            "fsync" | "fdatasync" => {
                if let Some(file) = of_descriptor(rest) {
                    dirty.remove(&file);
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let names = paths(rest);
                if let [from, to] = names.as_slice()
                    && to.starts_with(home)
                {
                    if let Some(what) = dirty.remove(from) {
                        dirty.insert(to.clone(), what);
                    }
                    dirty.insert(folder_of(to), told("a file in it was renamed"));
                }
            }
            _ => {}
        }
    }
    // An index of the log that is built anew at every start, and a lock, hold nothing that could be lost.
    dirty.retain(|file, _| !file.ends_with("-shm") && !file.ends_with(".lock"));
    let inside =
        |file: String| file.strip_prefix(home).map(|name| name.trim_start_matches('/').to_owned()).unwrap_or(file);
    dirty.into_iter().map(|(file, what)| (named(inside(file)), what)).collect()
}

fn named(file: String) -> String {
    if file.is_empty() { "the home folder".to_owned() } else { file }
}

fn folder_of(file: &str) -> String {
    file.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
}

/// `5</home/vault.db>, …`: the path behind the descriptor.
fn of_descriptor(rest: &str) -> Option<String> {
    let (_, behind) = rest.split_once('<')?;
    let (path, _) = behind.split_once('>')?;
    Some(path.to_owned())
}

/// The quoted paths of a call; with a folder's descriptor before it, where it is not absolute.
fn paths(rest: &str) -> Vec<String> {
    let mut folder = String::new();
    let mut all = vec![];
    for part in rest.split(", ") {
        if let Some(path) = of_descriptor(part).filter(|path| path.starts_with('/')) {
            folder = path;
        }
        if let Some(name) = part.split('"').nth(1) {
            all.push(if name.starts_with('/') || folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(lines: &[&str]) -> Vec<(String, String)> {
        unsynced(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), "/h")
    }

    #[test]
    fn what_is_written_renamed_and_synced_with_its_folder_is_not_lost() {
        let written = [r#"7 write(5</h/new>, ""..., 10) = 10"#, "7 fsync(5</h/new>) = 0"];
        let renamed = [r#"7 rename("/h/new", "/h/vault.json") = 0"#, "7 fsync(6</h>) = 0"];
        assert!(lost(&[written, renamed].concat()).is_empty());
        assert_eq!(
            lost(&[written, [renamed[0], ""]].concat()),
            [("the home folder".to_owned(), "a file in it was renamed".to_owned())]
        );
        assert_eq!(lost(&written[..1]), [("new".to_owned(), "written".to_owned())]);
        assert_eq!(lost(&[written[0], renamed[0], renamed[1]])[0].0, "vault.json");
    }
}
