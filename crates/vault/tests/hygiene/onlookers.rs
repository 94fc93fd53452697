//! Other programs of the same user, and cores. Each attack is first shown to work on a victim that is not hardened.

use super::victim::{Victim, canary, neighbour};
use std::path::Path;
use std::process::Output;

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Runs a line of Python as a neighbour of the victim would.
fn python(victim: &Victim, line: &str) -> Output {
    neighbour("python3").args(["-c", line, &victim.id().to_string()]).output().unwrap()
}

const READ_MEMORY: &str = "
import sys
pid = sys.argv[1]
maps = open(f'/proc/{pid}/maps').read().splitlines()
memory = open(f'/proc/{pid}/mem', 'rb', 0)
for line in maps:
    range, mode = line.split()[:2]
    if not mode.startswith('rw'):
        continue
    start, end = (int(part, 16) for part in range.split('-'))
    try:
        memory.seek(start)
        sys.stdout.buffer.write(memory.read(end - start))
    except (OSError, OverflowError, ValueError):
        pass
";

/// process_vm_readv of the whole heap, whose address the victim's own maps would tell; without them any address does.
const READ_VECTOR: &str = "
import ctypes, sys
pid = int(sys.argv[1])
class Vector(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
libc = ctypes.CDLL(None, use_errno=True)
try:
    lines = open(f'/proc/{pid}/maps').read().splitlines()
except OSError:
    lines = ['10000-11000 rw-p']
for line in lines:
    range, mode = line.split()[:2]
    if not mode.startswith('rw'):
        continue
    start, end = (int(part, 16) for part in range.split('-'))
    buffer = ctypes.create_string_buffer(end - start)
    local, remote = Vector(ctypes.addressof(buffer), end - start), Vector(start, end - start)
    read = libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    if read < 0 and ctypes.get_errno() == 1:
        sys.exit(77)
    sys.stdout.buffer.write(buffer.raw)
";

const ATTACH: &str = "
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, int(sys.argv[1]), None, None) != 0:
    sys.exit(77 if ctypes.get_errno() == 1 else 1)
";

#[test]
fn a_process_of_the_same_user_reads_the_memory_only_of_a_process_that_is_not_hardened() {
    let open = python(&Victim::start(false), READ_MEMORY);
    assert!(contains(&open.stdout, &canary()), "{}", String::from_utf8_lossy(&open.stderr));
    let closed = python(&Victim::start(true), READ_MEMORY);
    assert!(!closed.status.success() && closed.stdout.is_empty());
    assert!(String::from_utf8_lossy(&closed.stderr).contains("PermissionError"));
}

#[test]
fn process_vm_readv_is_refused_by_a_hardened_process() {
    let open = python(&Victim::start(false), READ_VECTOR);
    assert!(contains(&open.stdout, &canary()), "{}", String::from_utf8_lossy(&open.stderr));
    let closed = python(&Victim::start(true), READ_VECTOR);
    assert_eq!((closed.status.code(), closed.stdout.len()), (Some(77), 0));
}

#[test]
fn ptrace_does_not_attach_to_a_hardened_process() {
    assert_eq!(python(&Victim::start(false), ATTACH).status.code(), Some(0));
    assert_eq!(python(&Victim::start(true), ATTACH).status.code(), Some(77));
}

#[test]
fn gcore_gets_no_core_of_a_hardened_process() {
    let gcore = |victim: &Victim| {
        let file = victim.folder.path().join("taken");
        let id = victim.id().to_string();
        let output = neighbour("gcore").arg("-o").arg(&file).arg(&id).output().unwrap();
        let core = std::fs::read(victim.folder.path().join(format!("taken.{id}")));
        (core.ok(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (core, told) = gcore(&Victim::start(false));
    assert!(contains(&core.expect(&told), &canary()));
    let (core, told) = gcore(&Victim::start(true));
    assert!(core.is_none());
    assert!(told.contains("not permitted"), "{told}");
}

/// The cores in a folder.
fn cores(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let cores = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("core"));
    cores.map(|entry| std::fs::read(entry.path()).unwrap()).collect()
}

#[test]
fn a_hardened_process_that_crashes_leaves_no_core() {
    const SIGSEGV: i32 = 11;
    for harden in [false, true] {
        let mut victim = Victim::start(harden);
        victim.crash();
        let (signal, dumped, folder) = victim.end();
        assert_eq!(signal, Some(SIGSEGV));
        if harden {
            assert!(!dumped && cores(folder.path()).is_empty());
        } else {
            // Whether a core appears here is the system's affair (core_pattern); that one was dumped says the kernel.
            assert!(dumped, "without the hardening there is a core, or this test shows nothing");
        }
    }
}

#[test]
fn the_proc_files_of_a_hardened_process_belong_to_root_and_what_is_public_holds_no_secret() {
    let victim = Victim::start(true);
    for name in ["environ", "maps", "mem", "smaps", "stack", "syscall", "auxv", "pagemap"] {
        let file = format!("/proc/{}/{name}", victim.id());
        let output = neighbour("cat").arg(&file).output().unwrap();
        assert!(output.stdout.is_empty() && !output.status.success(), "{name}");
    }
    assert!(!neighbour("ls").arg(format!("/proc/{}/fd", victim.id())).output().unwrap().status.success());
    let arguments = std::fs::read(format!("/proc/{}/cmdline", victim.id())).unwrap();
    assert!(!contains(&arguments, &canary()) && !contains(&arguments, b"pk1."));
}

#[test]
fn environment_files_and_arguments_of_any_victim_hold_no_secret() {
    let victim = Victim::start(false);
    for name in ["environ", "cmdline"] {
        let bytes = std::fs::read(format!("/proc/{}/{name}", victim.id())).unwrap();
        assert!(!bytes.is_empty() && !contains(&bytes, &canary()) && !contains(&bytes, b"pk1."), "{name}");
    }
    let mut folders = vec![victim.folder.path().join("home")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!contains(&bytes, &canary()) && !contains(&bytes, b"pk1."), "{:?}", entry.path());
            read += 1;
        }
    }
    assert!(read > 0);
}
