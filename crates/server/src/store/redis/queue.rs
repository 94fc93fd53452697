//! Redemptions from many connections, on one to Redis: what comes in while Redis is busy with the last ones goes to it together,
//! as one read and one write of each side. Each is still decided by itself, and swapped by itself.
//!
//! Whoever waits behind a Redis that does not answer is told at once with the first: nothing of theirs was sent.

use std::sync::mpsc;
use std::thread;

use redis::{FromRedisValue as _, RedisResult, Value};
use tokio::runtime::Handle;

use super::connections::{Connection, away};
use super::records::Marked;
use super::{RedisStore, grant_key, make_grant_mark, millis};
use crate::grant::{Outcome, Redemption};
use crate::store::tell::{Tell, runtime_here, tell_all};
use crate::store::{Store as _, StoreError, Then};

/// The most that go together: bounds how long Redis serves nobody else.
const MOST: usize = 64;

type Job = (Redemption, Then);

/// With the runtime on which its caller waits.
pub(super) struct Queue(mpsc::Sender<(Job, Option<Handle>)>);

/// One that is to be written.
struct Swap {
    presented: Redemption,
    then: Then,
    outcome: Outcome,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Queue {
    pub(super) fn new(store: RedisStore) -> Result<Self, StoreError> {
        let (jobs, incoming) = mpsc::channel();
        let work = move || work_off(&store, &incoming);
        thread::Builder::new().name("pilotlight-redis".to_owned()).spawn(work)?;
        Ok(Self(jobs))
    }

    pub(super) fn hand_in(&self, presented: Redemption, then: Then) {
        // Where the thread is gone the job is dropped, and that tells the caller.
        self.0.send(((presented, then), runtime_here())).ok();
    }
}

fn work_off(store: &RedisStore, incoming: &mpsc::Receiver<(Job, Option<Handle>)>) {
    while let Ok((first, runtime)) = incoming.recv() {
        let more = incoming.try_iter().take(MOST - 1).map(|(job, _)| job);
        if let Err(error) = store.redeem_all(std::iter::once(first).chain(more).collect(), runtime) {
            let told = error.to_string();
            incoming.try_iter().for_each(|((_, then), _)| then(Err(StoreError::Away(told.clone()))));
        }
    }
}

impl RedisStore {
    /// An error where Redis is away; all of the batch are told by then.
    fn redeem_all(&self, batch: Vec<Job>, runtime: Option<Handle>) -> Result<(), StoreError> {
        let (doubtful, batch): (Vec<Job>, Vec<Job>) =
            batch.into_iter().partition(|(presented, _)| self.unsettled.doubts(presented.grant));
        let mut apart = doubtful;
        let fetched = self.connections.ask(|connection| {
            let mut all = redis::pipe();
            for (presented, _) in &batch {
                all.cmd("GET").arg(grant_key(presented.grant));
            }
            if batch.is_empty() { Ok(Vec::new()) } else { all.query::<Vec<Option<Vec<u8>>>>(connection) }
        });
        let (connection, records) = match fetched {
            Ok(fetched) => fetched,
            Err(error) => return Err(refuse(apart.into_iter().chain(batch), error)),
        };
        let mut swaps = Vec::new();
        for ((presented, then), record) in batch.into_iter().zip(records) {
            // Where there is none it is looked for at the master, which takes its time.
            let Some(before) = record else {
                apart.push((presented, then));
                continue;
            };
            match decide(&presented, &before) {
                Ok((outcome, Some(after))) => swaps.push(Swap { presented, then, outcome, before, after }),
                Ok((outcome, None)) => then(Ok(outcome)),
                Err(error) => then(Err(error)),
            }
        }
        let swapped = self.swap_all(connection, swaps, &mut apart, runtime);
        let mut apart = apart.into_iter();
        let mut done = swapped;
        while let (Ok(()), Some((presented, then))) = (&done, apart.next()) {
            match self.redeem(&presented) {
                Err(error @ StoreError::Away(_)) => done = Err(refuse([(presented, then)], error)),
                outcome => then(outcome),
            }
        }
        done.map_err(|error| refuse(apart, error))
    }

    /// Those that others were faster with, and those that Redis would not do, are left to be done `apart`.
    fn swap_all(
        &self,
        mut connection: Connection,
        swaps: Vec<Swap>,
        apart: &mut Vec<Job>,
        runtime: Option<Handle>,
    ) -> Result<(), StoreError> {
        if swaps.is_empty() {
            self.connections.give_back(connection);
            return Ok(());
        }
        let life = millis(self.remember);
        let mut all = redis::pipe();
        for Swap { presented, before, after, .. } in &swaps {
            let call = all.cmd("EVALSHA").arg(self.swap.get_hash()).arg(1).arg(grant_key(presented.grant));
            call.arg(before).arg(after).arg(life);
        }
        let answers = connection.req_packed_commands(&all.get_packed_pipeline(), 0, swaps.len());
        let answers = match answers.and_then(|answers| whole(answers, swaps.len())) {
            Ok(answers) => answers,
            Err(error) => return Err(self.lose(swaps, away(&error))),
        };
        self.connections.give_back(connection);
        let mut told: Vec<Tell> = Vec::with_capacity(swaps.len());
        for (swap, answer) in swaps.into_iter().zip(answers) {
            let made = match answer {
                Value::Int(1) => true,
                // Sent twice: no other change leaves the same mark.
                other => Vec::<u8>::from_redis_value(other).is_ok_and(|other| other == swap.after),
            };
            if made {
                told.push(Box::new(move || (swap.then)(Ok(swap.outcome))));
            } else {
                apart.push((swap.presented, swap.then));
            }
        }
        tell_all(runtime, told);
        Ok(())
    }

    /// Each of them may have been made, and may yet be made.
    fn lose(&self, swaps: Vec<Swap>, error: StoreError) -> StoreError {
        self.connections.distrust();
        for swap in &swaps {
            self.note_doubt(swap.presented.grant, &swap.before, &swap.after);
        }
        refuse(swaps.into_iter().map(|swap| (swap.presented, swap.then)), error)
    }
}

/// What a record becomes, where it changes.
fn decide(presented: &Redemption, record: &[u8]) -> Result<(Outcome, Option<Vec<u8>>), StoreError> {
    let mut after = Marked { mark: make_grant_mark()?, ..Marked::read(presented.grant, record)? };
    let outcome = after.grant.redeem(presented);
    let becomes = outcome.is_change().then(|| after.write());
    Ok((outcome, becomes))
}

/// An answer for each, or it is not known which is whose.
fn whole(answers: Vec<Value>, number: usize) -> RedisResult<Vec<Value>> {
    if answers.len() == number { Ok(answers) } else { Err((redis::ErrorKind::Io, "answers are missing").into()) }
}

fn refuse(jobs: impl IntoIterator<Item = Job>, error: StoreError) -> StoreError {
    let told = error.to_string();
    jobs.into_iter().for_each(|(_, then)| then(Err(StoreError::Away(told.clone()))));
    error
}
