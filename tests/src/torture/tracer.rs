//! Stops a process at its N-th system call, counted over all of its threads.
//!
//! `strace --inject=…:signal=KILL:when=N` counts for each thread by itself and strikes whichever comes first to N, so the
//! calls of the vault's threads would stand in the shadow of the first thread's. This counts them all in one row.

use std::{
    fs,
    io::Write as _,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::bench::read;
use crate::wait;

/// How a traced process ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It was killed as it entered that system call, which was not carried out.
    Killed {
        /// The call's number and arguments, as /proc tells them; `mprotect` is 10 on x86-64.
        call: String,
    },
    /// It ended by itself before it came so far.
    Finished {
        /// How many system calls it made.
        calls: u64,
        /// Those from the connection to the server to the end of the refresh: here a kill can cost something.
        exchange: RangeInclusive<u64>,
    },
}

/// Starts `command`, waits until it says `ready` in `said`, gives it the word, and kills it at system call `at` from there.
///
/// # Panics
/// When it cannot be started or traced.
pub(super) fn kill_at(command: Command, said: &Path, at: u64) -> Fate {
    // Tracing belongs to a thread, and so do the children that this one waits for: nobody else's are touched.
    thread::scope(|scope| scope.spawn(|| Tracer::start(command, said).run(at)).join()).expect("the tracer")
}

struct Tracer {
    child: Child,
    id: Pid,
    said: PathBuf,
    calls: u64,
    /// The last call that connected to somebody, and the last before `refreshed` was said.
    exchange: (u64, u64),
    killed: Option<String>,
}

impl Tracer {
    fn start(mut command: Command, said: &Path) -> Self {
        let child = command.stdin(Stdio::piped()).spawn().expect("the victim starts");
        wait::until("a victim that is ready", || (read(said) == "ready\n").then_some(()));
        let id = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
        ptrace::seize(id, options).expect("a child may be traced");
        ptrace::interrupt(id).expect("a traced process may be interrupted");
        Self { child, id, said: said.to_owned(), calls: 0, exchange: (1, 1), killed: None }
    }

    fn run(mut self, at: u64) -> Fate {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    self.count(thread, at);
                    go(thread, None);
                }
                Ok(WaitStatus::PtraceEvent(thread, ..)) => {
                    if let Some(mut word) = self.child.stdin.take() {
                        word.write_all(b"go\n").expect("the victim listens");
                    }
                    go(thread, None);
                }
                Ok(WaitStatus::Stopped(thread, signal)) => go(thread, Some(signal)),
                Ok(WaitStatus::Exited(id, _) | WaitStatus::Signaled(id, ..)) if id == self.id => return self.fate(),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => panic!("the victim cannot be waited for: {error}"),
            }
        }
    }

    /// Counts a call as it is entered, and kills at the one that was asked for.
    fn count(&mut self, thread: Pid, at: u64) {
        let entered = ptrace::syscall_info(thread).is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
        if !entered || self.killed.is_some() {
            return;
        }
        self.calls += 1;
        let call = fs::read_to_string(format!("/proc/{}/task/{thread}/syscall", self.id)).unwrap_or_default();
        if call.split(' ').next().and_then(|number| number.parse().ok()) == Some(libc::SYS_connect) {
            self.exchange.0 = self.calls;
        }
        if !read(&self.said).contains("refreshed") {
            self.exchange.1 = self.calls;
        }
        if self.calls == at {
            self.killed = Some(call.trim().to_owned());
            kill(self.id, Signal::SIGKILL).expect("a child may be killed");
        }
    }

    fn fate(self) -> Fate {
        match self.killed {
            Some(call) => Fate::Killed { call },
            None => Fate::Finished { calls: self.calls, exchange: self.exchange.0..=self.exchange.1 },
        }
    }
}

/// On to the next system call. A thread that is gone meanwhile needs no push.
fn go(thread: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(thread, signal);
}
