//! One thread that owns the store, and callers that wait for it no longer than a deadline.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::KeystoreError;

/// A job for the worker, and where its answer goes.
struct Task<J, A> {
    number: u64,
    job: J,
    answer: SyncSender<A>,
}

/// What callers and the worker know of each other.
#[derive(Default)]
struct Progress {
    /// The job that runs now.
    running: Option<u64>,
    /// The running job's caller has given up: the store hangs.
    overdue: bool,
    /// Jobs whose callers gave up before they began; they are skipped, so that no old write happens late.
    abandoned: HashSet<u64>,
    issued: u64,
}

/// A worker thread. A call cannot be cancelled, so a store that hangs holds this thread, and no second one.
pub(super) struct Worker<J, A> {
    tasks: Sender<Task<J, A>>,
    progress: Arc<Mutex<Progress>>,
}

fn locked(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<J: Send + 'static, A: Send + 'static> Worker<J, A> {
    /// Starts the thread; `make` runs on it and gives what does the jobs.
    pub(super) fn start<W>(make: impl FnOnce() -> W + Send + 'static) -> Result<Self, KeystoreError>
    where
        W: FnMut(J) -> A,
    {
        let (tasks, incoming) = channel();
        let progress = Arc::new(Mutex::new(Progress::default()));
        let shared = Arc::clone(&progress);
        std::thread::Builder::new()
            .name("keystore".to_owned())
            .spawn(move || serve(&incoming, &shared, make()))
            .map_err(|_| KeystoreError::Failed("no thread could be started".to_owned()))?;
        Ok(Self { tasks, progress })
    }

    /// Does `job`, or gives up after `deadline`; at once while an earlier job is overdue.
    /// `None` where the thread has died, and a new one is needed.
    pub(super) fn call(&self, job: J, deadline: Duration) -> Option<Result<A, KeystoreError>> {
        let (answer, incoming) = sync_channel(1);
        let number = {
            let mut progress = locked(&self.progress);
            if progress.overdue {
                return Some(Err(KeystoreError::TimedOut));
            }
            progress.issued += 1;
            progress.issued
        };
        self.tasks.send(Task { number, job, answer }).ok()?;
        match incoming.recv_timeout(deadline) {
            Ok(answer) => Some(Ok(answer)),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let mut progress = locked(&self.progress);
                // Answers are sent under this lock: what is not here now has not been answered.
                if let Ok(answer) = incoming.try_recv() {
                    return Some(Ok(answer));
                }
                if progress.running == Some(number) {
                    progress.overdue = true;
                } else {
                    progress.abandoned.insert(number);
                }
                Some(Err(KeystoreError::TimedOut))
            }
        }
    }
}

fn serve<J, A>(incoming: &Receiver<Task<J, A>>, progress: &Mutex<Progress>, mut work: impl FnMut(J) -> A) {
    for Task { number, job, answer } in incoming {
        {
            let mut progress = locked(progress);
            if progress.abandoned.remove(&number) {
                continue;
            }
            progress.running = Some(number);
        }
        let done = work(job);
        let mut progress = locked(progress);
        progress.running = None;
        progress.overdue = false;
        // A caller that gave up has dropped its end, and the answer is wiped here.
        let _ = answer.send(done);
    }
}

#[cfg(test)]
mod tests {
    use super::Worker;
    use crate::KeystoreError;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);
    const NONE: Duration = Duration::ZERO;

    /// A worker that says when it begins a job, waits to be released, and counts what it did.
    struct Bench {
        worker: Arc<Worker<&'static str, usize>>,
        begun: Mutex<Receiver<&'static str>>,
        release: Sender<()>,
        done: Arc<AtomicUsize>,
    }

    fn bench() -> Bench {
        let (begin, begun) = channel();
        let (release, released) = channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let worker = Worker::start(move || {
            move |job| {
                begin.send(job).unwrap();
                assert_ne!(job, "die");
                released.recv().unwrap();
                count.fetch_add(1, Ordering::SeqCst) + 1
            }
        })
        .unwrap();
        Bench { worker: Arc::new(worker), begun: Mutex::new(begun), release, done }
    }

    #[test]
    fn a_hanging_job_times_out_and_later_calls_fail_at_once_until_it_ends() {
        let bench = bench();
        let worker = Arc::clone(&bench.worker);
        // The deadline is long enough for the job to begin, which it says itself.
        let caller = std::thread::spawn(move || worker.call("hangs", Duration::from_millis(300)));
        assert_eq!(bench.begun.lock().unwrap().recv(), Ok("hangs"));
        assert_eq!(caller.join().unwrap(), Some(Err(KeystoreError::TimedOut)));

        assert_eq!(bench.worker.call("next", LONG), Some(Err(KeystoreError::TimedOut)), "without waiting for LONG");

        bench.release.send(()).unwrap();
        bench.release.send(()).unwrap();
        // Whether the worker has noticed by now is a race, so ask until it has.
        let answer = loop {
            match bench.worker.call("again", LONG) {
                Some(Err(KeystoreError::TimedOut)) => std::thread::yield_now(),
                answer => break answer,
            }
        };
        assert_eq!(answer, Some(Ok(2)), "`next` was never begun");
    }

    #[test]
    fn a_job_whose_caller_gave_up_before_it_began_is_never_done() {
        let bench = bench();
        let worker = Arc::clone(&bench.worker);
        let first = std::thread::spawn(move || worker.call("first", LONG));
        assert_eq!(bench.begun.lock().unwrap().recv(), Ok("first"));
        assert_eq!(bench.worker.call("given up", NONE), Some(Err(KeystoreError::TimedOut)));
        bench.release.send(()).unwrap();
        assert_eq!(first.join().unwrap(), Some(Ok(1)));
        bench.release.send(()).unwrap();
        assert_eq!(bench.worker.call("last", LONG), Some(Ok(2)));
        assert_eq!(bench.begun.lock().unwrap().recv(), Ok("last"));
        assert_eq!(bench.done.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_worker_that_died_says_so() {
        let bench = bench();
        assert_eq!(bench.worker.call("die", LONG), None);
        assert_eq!(bench.worker.call("next", LONG), None);
    }
}
