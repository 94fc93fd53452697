//! Which Redis is the master, by the word of Sentinels, and whether it still is (redis.io, "Guidelines for Redis clients with
//! support for Redis Sentinel"). Every question has a deadline, for a Sentinel or a master may be frozen or behind a cut cable;
//! and nothing is locked while one is asked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Client, ErrorKind, RedisError, RedisResult, Value};

use super::connections::{client_of, connect_to};
use crate::system::stopwatch;

/// After so many times the patience with one answer no further Sentinel is asked.
const PATIENCES: u32 = 2;

pub(super) struct Sentinels {
    /// Who answered last stands first.
    order: Mutex<Vec<Client>>,
    master: String,
    /// How addresses begin.
    scheme: &'static str,
    /// `USER:PASSWORD@`, or nothing.
    credentials: String,
    /// How many replicas have to have what is answered.
    pub(super) replicas: u32,
}

impl Sentinels {
    /// Of `[:PASSWORD@]HOST:PORT,…/[:PASSWORD@]MASTER[?replicas=N]`: the first passwords are the Sentinels', the last is the
    /// master's. One replica where no number is named.
    pub(super) fn parse(scheme: &'static str, text: &str) -> Option<Self> {
        let (list, rest) = text.split_once('/')?;
        let (master, replicas) = match rest.split_once('?') {
            Some((master, options)) => (master, options.strip_prefix("replicas=")?.parse().ok()?),
            None => (rest, 1),
        };
        let (credentials, master) = master.rsplit_once('@').map_or(("", master), |(before, name)| (before, name));
        let credentials = if credentials.is_empty() { String::new() } else { format!("{credentials}@") };
        let order: RedisResult<Vec<Client>> =
            list.split(',').map(|node| client_of(&format!("{scheme}://{node}"))).collect();
        let order = order.ok().filter(|_| !master.is_empty())?;
        Some(Self { order: Mutex::new(order), master: master.to_owned(), scheme, credentials, replicas })
    }

    fn order(&self) -> MutexGuard<'_, Vec<Client>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection to the node that a Sentinel calls the master, and that says so itself.
    pub(super) fn connect(&self, patience: Duration) -> RedisResult<redis::Connection> {
        let (begun, sentinels) = (stopwatch(), self.order().clone());
        let (mut asked, mut tried, mut last) = (0, Vec::new(), None);
        for sentinel in sentinels {
            if begun.elapsed() > PATIENCES * patience {
                break;
            }
            match self.ask(&sentinel, patience) {
                // Another one may know of a fail-over that this one has not heard of.
                Ok(address) if !tried.contains(&address) => {
                    match self.connect_to_master(&address, patience) {
                        Ok(connection) => {
                            self.order().rotate_left(asked);
                            return Ok(connection);
                        }
                        Err(error) => last = Some(error),
                    }
                    tried.push(address);
                }
                Ok(_) => {}
                Err(error) => last = last.or(Some(error)),
            }
            asked += 1;
        }
        // Those who took the time stand last when it is tried again.
        self.order().rotate_left(asked);
        Err(last.unwrap_or_else(|| (ErrorKind::Io, "no Sentinel answered").into()))
    }

    /// The address that it names, as in a URL.
    fn ask(&self, sentinel: &Client, patience: Duration) -> RedisResult<String> {
        let mut connection = connect_to(sentinel, patience)?;
        let mut question = redis::cmd("SENTINEL");
        let named: Option<(String, u16)> =
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master).query(&mut connection)?;
        let (host, port) = named.ok_or((ErrorKind::Io, "the Sentinel knows no master of that name"))?;
        Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }

    /// A node that was the master yesterday may not know yet that it is a replica, but once it is one it says so.
    fn connect_to_master(&self, address: &str, patience: Duration) -> RedisResult<redis::Connection> {
        let client = client_of(&format!("{}://{}{address}", self.scheme, self.credentials))?;
        let mut connection = connect_to(&client, patience)?;
        let role: Vec<Value> = redis::cmd("ROLE").query(&mut connection)?;
        let is_master = role.first().is_some_and(|role| *role == Value::BulkString(b"master".to_vec()));
        if is_master {
            Ok(connection)
        } else {
            Err((ErrorKind::Io, "the node that Sentinel named is no master").into())
        }
    }

    /// Waits until so many replicas have the last write of that connection: what no fail-over to one of them loses, and proof
    /// that the node is the one they follow.
    pub(super) fn wait_for_replicas(
        &self,
        connection: &mut dyn redis::ConnectionLike,
        patience: Duration,
    ) -> RedisResult<()> {
        if self.replicas == 0 {
            return Ok(());
        }
        // Less than the connection itself waits, or it would be lost for an answer that is on its way.
        let most = u64::try_from((patience * 4 / 5).as_millis()).unwrap_or(u64::MAX).max(1);
        let have: u32 = redis::cmd("WAIT").arg(self.replicas).arg(most).query(connection)?;
        if have >= self.replicas { Ok(()) } else { Err(too_few()) }
    }
}

fn too_few() -> RedisError {
    (ErrorKind::Io, "too few replicas have it").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_sentinels_a_master_its_password_and_how_many_replicas_count() {
        let parse = |text| Sentinels::parse("redis", text);
        let plain = parse("10.0.0.1:26379,[::1]:26380/main").unwrap();
        assert_eq!((&*plain.master, &*plain.credentials, plain.replicas), ("main", "", 1));
        assert_eq!(plain.order().len(), 2);
        let full = parse(":one@10.0.0.1:26379/app:two%40@main?replicas=0").unwrap();
        assert_eq!((&*full.master, &*full.credentials, full.replicas), ("main", "app:two%40@", 0));
        for bad in ["10.0.0.1:26379", "10.0.0.1:26379/", "/main", "h:1/main?replicas=many", "h:1/main?other=1"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
