//! Redemptions from many connections, on one to Redis: what comes in while Redis is busy with the last ones goes to it together,
//! as one read and one write of each side. Each is still rotated by itself, or decided on and swapped by itself.
//!
//! Whoever waits behind a Redis that does not answer is told at once with the first: nothing of theirs was sent.

use std::sync::mpsc;
use std::thread;

use redis::{FromRedisValue as _, RedisResult, Value};
use tokio::runtime::Handle;

use super::connections::{Connection, away};
use super::records::Marked;
use super::rotate::{Rotated, Rotation};
use super::unsettled::Doubt;
use super::{RedisStore, grant_key, make_grant_mark, millis};
use crate::grant::{Outcome, Redemption};
use crate::store::tell::{Tell, runtime_here, tell_all};
use crate::store::{Store as _, StoreError, Then};

/// The most that go together: bounds how long Redis serves nobody else.
const MOST: usize = 64;

/// A redemption, and who is told what came of it.
pub(super) struct Job {
    pub(super) presented: Redemption,
    pub(super) then: Then,
    /// The record as it was a moment ago, where a script left it alone.
    pub(super) read: Option<Vec<u8>>,
}

/// With the runtime on which its caller waits.
pub(super) struct Queue(mpsc::Sender<(Job, Option<Handle>)>);

/// What a batch comes to, as it becomes known.
#[derive(Default)]
struct Sorted {
    told: Vec<Tell>,
    /// To be decided on, each with its record.
    read: Vec<(Job, Vec<u8>)>,
    /// To be done one by one: in doubt, or missing, which the master is asked about, or what Redis would not do.
    apart: Vec<Job>,
}

/// One that is to be written.
struct Swap {
    presented: Redemption,
    then: Then,
    outcome: Outcome,
    before: Vec<u8>,
    after: Vec<u8>,
    doubt: Doubt,
}

impl Swap {
    fn job(self) -> Job {
        Job { presented: self.presented, then: self.then, read: None }
    }
}

impl Queue {
    pub(super) fn new(store: RedisStore) -> Result<Self, StoreError> {
        let (jobs, incoming) = mpsc::channel();
        let work = move || work_off(&store, &incoming);
        thread::Builder::new().name("pilotlight-redis".to_owned()).spawn(work)?;
        Ok(Self(jobs))
    }

    pub(super) fn hand_in(&self, job: Job) {
        // Where the thread is gone the job is dropped, and that tells the caller.
        self.0.send((job, runtime_here())).ok();
    }
}

fn work_off(store: &RedisStore, incoming: &mpsc::Receiver<(Job, Option<Handle>)>) {
    while let Ok((first, runtime)) = incoming.recv() {
        let more = incoming.try_iter().take(MOST - 1).map(|(job, _)| job);
        if let Err(error) = store.redeem_all(std::iter::once(first).chain(more).collect(), runtime) {
            let told = error.to_string();
            incoming.try_iter().for_each(|(job, _)| (job.then)(Err(StoreError::Away(told.clone()))));
        }
    }
}

impl RedisStore {
    /// An error where Redis is away; all of the batch are told by then.
    fn redeem_all(&self, batch: Vec<Job>, runtime: Option<Handle>) -> Result<(), StoreError> {
        let (mut sorted, mut unread) = (Sorted::default(), Vec::new());
        for mut job in batch {
            match job.read.take() {
                _ if self.unsettled.doubts(job.presented.grant) => sorted.apart.push(job),
                Some(read) => sorted.read.push((job, read)),
                None => unread.push(job),
            }
        }
        let mut done = if unread.is_empty() { Ok(None) } else { self.ask_all(unread, &mut sorted).map(Some) };
        tell_all(runtime.clone(), std::mem::take(&mut sorted.told));
        if let Ok(connection) = done {
            done = self.swap_all(connection, decide_all(sorted.read), &mut sorted.apart, runtime).map(|()| None);
        } else {
            // They wait no longer than the others.
            sorted.apart.extend(sorted.read.into_iter().map(|(job, _)| job));
        }
        let mut done = done.map(drop);
        for Job { presented, then, .. } in sorted.apart {
            let outcome = match &done {
                Ok(()) => self.redeem(&presented),
                Err(error) => Err(StoreError::Away(error.to_string())),
            };
            if let Err(error @ StoreError::Away(_)) = &outcome
                && done.is_ok()
            {
                done = Err(StoreError::Away(error.to_string()));
            }
            then(outcome);
        }
        done
    }

    /// In one question: those that a script may rotate, and the records of the others.
    fn ask_all(&self, batch: Vec<Job>, sorted: &mut Sorted) -> Result<Connection, StoreError> {
        let rotations: Vec<Option<Rotation>> =
            batch.iter().map(|job| Rotation::of(&job.presented, self.remember)).collect();
        let asked = self.connections.ask_for_a_change(|connection| {
            let mut all = redis::pipe();
            for (job, rotation) in batch.iter().zip(&rotations) {
                match rotation {
                    Some(rotation) => rotation.put(&self.rotate, &mut all),
                    None => drop(all.cmd("GET").arg(grant_key(job.presented.grant))),
                }
            }
            whole(connection.req_packed_commands(&all.get_packed_pipeline(), 0, batch.len())?, batch.len())
        });
        let (connection, answers) = match asked {
            Ok(answered) => answered,
            Err(unanswered) => return Err(refuse(batch, self.note(rotations.iter().flatten(), unanswered))),
        };
        for ((job, rotation), answer) in batch.into_iter().zip(rotations).zip(answers) {
            sorted.sort(job, rotation.as_ref(), answer);
        }
        Ok(connection)
    }

    /// Those that others were faster with, and those that Redis would not do, are left to be done `apart`.
    fn swap_all(
        &self,
        connection: Option<Connection>,
        swaps: Vec<Swap>,
        apart: &mut Vec<Job>,
        runtime: Option<Handle>,
    ) -> Result<(), StoreError> {
        if swaps.is_empty() {
            self.swaps.done_on(connection);
            return Ok(());
        }
        let mut connection = match connection.map_or_else(|| self.connections.any(), Ok) {
            Ok(connection) => connection,
            Err(error) => return Err(refuse(swaps.into_iter().map(Swap::job), error)),
        };
        let life = millis(self.remember);
        let mut all = redis::pipe();
        for Swap { presented, before, after, .. } in &swaps {
            let call = all.cmd("EVALSHA").arg(self.swaps.script.get_hash()).arg(1).arg(grant_key(presented.grant));
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
                apart.push(swap.job());
            }
        }
        tell_all(runtime, told);
        Ok(())
    }

    /// Each of them may have been made, and may yet be made.
    fn lose(&self, swaps: Vec<Swap>, error: StoreError) -> StoreError {
        self.connections.distrust();
        for swap in &swaps {
            self.unsettled.note(swap.presented.grant, swap.doubt);
        }
        refuse(swaps.into_iter().map(Swap::job), error)
    }
}

impl Sorted {
    fn sort(&mut self, job: Job, rotation: Option<&Rotation>, answer: Value) {
        let left = match rotation {
            // Such as that it does not know the script.
            _ if matches!(answer, Value::ServerError(_)) => return self.apart.push(job),
            Some(rotation) => rotation.read(&job.presented, answer),
            None => Option::from_redis_value(answer).map(Rotated::Left).map_err(|error| away(&error.into())),
        };
        match left {
            Ok(Rotated::Left(Some(record))) => self.read.push((job, record)),
            Ok(Rotated::Left(None)) => self.apart.push(job),
            Ok(Rotated::Made(outcome)) => self.told.push(Box::new(move || (job.then)(Ok(outcome)))),
            Err(error) => self.told.push(Box::new(move || (job.then)(Err(error)))),
        }
    }
}

/// Those that change; the others are told.
fn decide_all(read: Vec<(Job, Vec<u8>)>) -> Vec<Swap> {
    let mut swaps = Vec::new();
    for (Job { presented, then, .. }, before) in read {
        match decide(&presented, &before) {
            Ok((outcome, Some((after, doubt)))) => swaps.push(Swap { presented, then, outcome, before, after, doubt }),
            Ok((outcome, None)) => then(Ok(outcome)),
            Err(error) => then(Err(error)),
        }
    }
    swaps
}

/// What a record becomes, and what is in doubt until that is answered.
type Change = (Vec<u8>, Doubt);

/// What becomes of a record, where it changes.
fn decide(presented: &Redemption, record: &[u8]) -> Result<(Outcome, Option<Change>), StoreError> {
    let mark = make_grant_mark()?;
    let mut after = Marked { mark, ..Marked::read(presented.grant, record)? };
    let doubt = Doubt { mark, of: after.grant.generation };
    let outcome = after.grant.redeem(presented);
    let becomes = outcome.is_change().then(|| (after.write(), doubt));
    Ok((outcome, becomes))
}

/// An answer for each, or it is not known which is whose.
fn whole(answers: Vec<Value>, number: usize) -> RedisResult<Vec<Value>> {
    if answers.len() == number { Ok(answers) } else { Err((redis::ErrorKind::Io, "answers are missing").into()) }
}

fn refuse(jobs: impl IntoIterator<Item = Job>, error: StoreError) -> StoreError {
    let told = error.to_string();
    jobs.into_iter().for_each(|job| (job.then)(Err(StoreError::Away(told.clone()))));
    error
}
