//! One key, one swap: the one way in which anything in Redis changes, but for the plain rotations of `rotate.rs`.

use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionLike, FromRedisValue as _, RedisError, RedisResult, Script, Value};

use super::connections::{Connection, Connections, away, may_be_done};
use super::{RedisStore, millis};
use crate::store::StoreError;

/// How often a decision is made again because another process was faster. Each time some other one went through.
const ROUNDS: usize = 100;

/// What became of a swap.
enum Swapped {
    Done(Connection),
    /// The record is another by now, or gone.
    Other(Connection, Option<Vec<u8>>),
}

/// Why a swap has no answer.
enum NotSwapped {
    /// Redis said no.
    Refused(RedisError),
    /// It may have been made, and may yet be made.
    InDoubt(RedisError),
}

/// A record as it was read, and the connection that it came by.
pub(super) type Read = (Connection, Option<Vec<u8>>);

/// What swaps take.
#[derive(Clone)]
pub(super) struct Swaps {
    connections: Arc<Connections>,
    pub(super) script: Script,
}

impl Swaps {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self { connections, script: Script::new(include_str!("swap.lua")) }
    }

    pub(super) fn read(&self, key: &str) -> Result<Read, StoreError> {
        self.connections.ask(|connection| fetch(connection, key))
    }

    /// After a [`Self::step`] behind which no replica is waited for.
    pub(super) fn done_on(&self, connection: Option<Connection>) {
        if let Some(connection) = connection {
            self.connections.give_back(connection);
        }
    }

    fn swap(
        &self,
        mut connection: Connection,
        key: &str,
        before: &[u8],
        after: &[u8],
        life: Option<Duration>,
    ) -> Result<Swapped, NotSwapped> {
        let life = life.map(|life| millis(life).to_string()).unwrap_or_default();
        let answer: RedisResult<Value> = self.script.key(key).arg(before).arg(after).arg(life).invoke(&mut *connection);
        let answer = answer.map_err(|error| {
            self.connections.distrust();
            if may_be_done(&error) { NotSwapped::InDoubt(error) } else { NotSwapped::Refused(error) }
        })?;
        if answer == Value::Int(1) {
            return Ok(Swapped::Done(connection));
        }
        let other = Vec::<u8>::from_redis_value(answer).map_err(|error| NotSwapped::InDoubt(error.into()))?;
        if other == after {
            // It was sent twice, as to a Cluster that moved a slot meanwhile. No other change leaves the same mark.
            return Ok(Swapped::Done(connection));
        }
        Ok(Swapped::Other(connection, Some(other).filter(|other| !other.is_empty())))
    }

    /// Changes a record, from what was read of it on, by `decide`, which gives what it becomes, or `None` to leave it alone; and
    /// its answer. `doubted` is told where that change may have been made.
    /// Gives back the connection on which something was changed, too.
    pub(super) fn step<T>(
        &self,
        key: &str,
        (mut connection, mut is): Read,
        life: Option<Duration>,
        mut decide: impl FnMut(Option<&[u8]>) -> Result<(Option<Vec<u8>>, T), StoreError>,
        mut doubted: impl FnMut(),
    ) -> Result<(T, Option<Connection>), StoreError> {
        let mut certain = false;
        for _ in 0..ROUNDS {
            let (becomes, answer) = decide(is.as_deref())?;
            let Some(becomes) = becomes else {
                if is.is_none() && !certain {
                    // Nobody is told that there is no such thing by a node that only has not heard of it.
                    if let Some(mut master) = self.connections.to_the_master_now()? {
                        is = fetch(&mut *master, key).map_err(|error| away(&error))?;
                        (connection, certain) = (master, true);
                        continue;
                    }
                }
                self.connections.give_back(connection);
                return Ok((answer, None));
            };
            let before = is.unwrap_or_default();
            match self.swap(connection, key, &before, &becomes, life) {
                Ok(Swapped::Done(good)) => return Ok((answer, Some(good))),
                Ok(Swapped::Other(good, other)) => (connection, is) = (good, other),
                Err(NotSwapped::Refused(error)) => return Err(away(&error)),
                Err(NotSwapped::InDoubt(error)) => {
                    doubted();
                    return Err(away(&error));
                }
            }
        }
        Err(StoreError::Away("others were always faster".to_owned()))
    }
}

impl RedisStore {
    /// Changes a record by `decide`, which gives what it becomes, or `None` to leave it alone; and its answer. Returns when
    /// no fail-over loses the change, where the address says that replicas count.
    pub(super) fn change<T>(
        &self,
        key: &str,
        life: Option<Duration>,
        decide: impl FnMut(Option<&[u8]>) -> Result<(Option<Vec<u8>>, T), StoreError>,
    ) -> Result<T, StoreError> {
        let (answer, changed_on) = self.swaps.step(key, self.swaps.read(key)?, life, decide, || {})?;
        if let Some(mut connection) = changed_on {
            self.connections.wait_for_replicas(&mut connection).map_err(|error| away(&error))?;
            self.connections.give_back(connection);
        }
        Ok(answer)
    }

    /// Adds a record where there is none. Whether there was none.
    pub(super) fn add(&self, key: &str, record: &[u8], life: Option<Duration>) -> Result<bool, StoreError> {
        let decide = |is: Option<&[u8]>| Ok((is.is_none().then(|| record.to_owned()), is.is_none()));
        self.change(key, life, decide)
    }

    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl Fn(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.connections.ask_once(|connection| fetch(connection, key))?.as_deref().map(read).transpose()
    }
}

fn fetch(connection: &mut dyn ConnectionLike, key: &str) -> RedisResult<Option<Vec<u8>>> {
    redis::cmd("GET").arg(key).query(connection)
}
