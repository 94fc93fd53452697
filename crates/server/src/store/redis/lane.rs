//! The quick way to one Redis: plain rotations go from the runtime itself, on one connection that carries many at once, and whoever
//! asked is told where it waits. No thread stands in between, as one does before what blocks.
//!
//! Whatever is out of the ordinary is the queue's: a grant in doubt or not plain, a caller without a runtime, a Redis that says no.
//! A connection on which anything went wrong is dropped. The next one is made beside the requests, which take the queue meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::connections::{away, may_be_done};
use super::queue::{Job, Queue};
use super::rotate::{Rotated, Rotation};
use super::unsettled::Unsettled;
use crate::system::stopwatch;

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Lane(Arc<Ends>);

/// What it leads to, and from where.
pub(super) struct Ends {
    pub(super) client: Client,
    pub(super) patience: Duration,
    pub(super) remember: Duration,
    pub(super) rotate: Script,
    pub(super) unsettled: Arc<Unsettled>,
    pub(super) queue: Arc<Queue>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// With the number of the connection, so that nobody drops one that came after theirs.
    connection: Option<(MultiplexedConnection, u64)>,
    /// When the last attempt to connect began, and the attempt itself: while it lasts, none is made beside it.
    tried: Option<(Instant, JoinHandle<()>)>,
    tries: u64,
}

impl Lane {
    pub(super) fn new(ends: Ends) -> Self {
        Self(Arc::new(ends))
    }

    /// Whether there is a connection.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.0.state().connection.is_some()
    }

    /// Rotates, or hands it to the queue.
    pub(super) fn take(&self, job: Job) {
        let ends = &self.0;
        let Ok(runtime) = Handle::try_current() else { return ends.queue.hand_in(job) };
        let Some((connection, number)) = ends.connection(&runtime) else { return ends.queue.hand_in(job) };
        let plain = Rotation::of(&job.presented, ends.remember).filter(|_| !ends.unsettled.doubts(job.presented.grant));
        let Some(rotation) = plain else { return ends.queue.hand_in(job) };
        let ends = ends.clone();
        runtime.spawn(async move { ends.rotate(job, &rotation, connection, number).await });
    }
}

impl Ends {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that is there; where there is none, it may be there for the next who asks.
    fn connection(self: &Arc<Self>, runtime: &Handle) -> Option<(MultiplexedConnection, u64)> {
        let mut state = self.state();
        // An attempt whose runtime is gone has ended too.
        let may_try = |(began, attempt): &(Instant, JoinHandle<()>)| attempt.is_finished() && began.elapsed() >= PAUSE;
        if state.connection.is_none() && state.tried.as_ref().is_none_or(may_try) {
            state.tries += 1;
            let (ends, number) = (self.clone(), state.tries);
            let attempt = runtime.spawn(async move {
                match ends.connect().await {
                    Ok(connection) => ends.state().connection = Some((connection, number)),
                    Err(error) => tracing::debug!(error = %away(&error), "no connection to Redis yet"),
                }
            });
            state.tried = Some((stopwatch(), attempt));
        }
        state.connection.clone()
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let patience = Some(self.patience);
        let config = AsyncConnectionConfig::new().set_connection_timeout(patience).set_response_timeout(patience);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        // Nothing that Redis may do later goes to one that is frozen.
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    }

    async fn rotate(&self, job: Job, rotation: &Rotation, mut connection: MultiplexedConnection, number: u64) {
        match rotation.ask_from_here(&self.rotate, &mut connection).await {
            Ok(answer) => match rotation.read(&job.presented, answer) {
                Ok(Rotated::Made(outcome)) => (job.then)(Ok(outcome)),
                Ok(Rotated::Left(read)) => self.queue.hand_in(Job { read, ..job }),
                Err(error) => (job.then)(Err(error)),
            },
            Err(error) if may_be_done(&error) => {
                self.unsettled.note(rotation.grant, rotation.doubt);
                let mut state = self.state();
                state.connection.take_if(|(_, its)| *its == number);
                drop(state);
                if error.is_timeout() {
                    // It waited long enough already.
                    (job.then)(Err(away(&error)));
                } else {
                    self.queue.hand_in(job);
                }
            }
            Err(_) => self.queue.hand_in(job),
        }
    }
}
