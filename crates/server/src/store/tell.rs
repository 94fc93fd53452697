//! Answers to many at once.
//!
//! Each answer wakes a task. From a thread that is not the runtime's own that takes a system call and often a change of threads,
//! there and back again before the next one is told. So what came of one transaction is told by one task, over there.

use tokio::runtime::Handle;

/// Tells one of them.
pub(super) type Tell = Box<dyn FnOnce() + Send>;

/// The runtime that a caller waits on, if it is one that must not be made to wait.
pub(super) fn runtime_here() -> Option<Handle> {
    Handle::try_current().ok()
}

/// Tells all of them, on that runtime. Where it is gone they are dropped, and nobody waits any more.
pub(super) fn tell_all(runtime: Option<Handle>, all: Vec<Tell>) {
    if all.is_empty() {
        return;
    }
    let tell = move || all.into_iter().for_each(|tell| tell());
    match runtime {
        Some(runtime) => drop(runtime.spawn(async move { tell() })),
        None => tell(),
    }
}
