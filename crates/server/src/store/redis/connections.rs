//! Connections to one Redis, to a Cluster, or to whichever node Sentinel calls the master. A connection on which anything
//! went wrong is dropped, for the answer to one question might come as the answer to the next.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::{Client, ConnectionLike, IntoConnectionInfo as _, RedisError, RedisResult};

use super::sentinel::Sentinels;
use crate::store::StoreError;

/// More idle connections than this are closed.
const IDLE: usize = 64;
/// Written to prove that a node takes writes.
const PROBE: &str = "pilotlight:probe";
/// How addresses begin where TLS is spoken.
const TLS: &str = "rediss";

pub(super) type Connection = Box<dyn ConnectionLike + Send>;

enum Address {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinel(Box<Sentinels>),
}

/// Where connections come from, and those that nobody uses now.
pub(super) struct Connections {
    address: Address,
    patience: Duration,
    /// How addresses of nodes begin.
    scheme: &'static str,
    idle: Mutex<Vec<Connection>>,
}

/// `redis://HOST:PORT/DB`, `redis+unix://PATH`, `redis+cluster://HOST:PORT,HOST:PORT`, `redis+sentinel://HOST:PORT,HOST:PORT/MASTER`
/// (more at [`Sentinels::parse`]); with `rediss` in the place of `redis` under TLS.
fn parse(address: &str, patience: Duration) -> Option<Address> {
    let scheme = scheme_of(address);
    if scheme == TLS {
        // It fails only where one is installed already.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let after = address.strip_prefix(scheme)?;
    let nodes = |list: &str| list.split(',').map(|node| format!("{scheme}://{node}")).collect::<Vec<_>>();
    if let Some(list) = after.strip_prefix("+cluster://") {
        let client = ClusterClient::builder(nodes(list)).connection_timeout(patience).response_timeout(patience);
        return client.build().ok().map(|client| Address::Cluster(Box::new(client)));
    }
    if let Some(rest) = after.strip_prefix("+sentinel://") {
        return Sentinels::parse(scheme, rest).map(|sentinels| Address::Sentinel(Box::new(sentinels)));
    }
    client_of(address).ok().map(|client| Address::One(Box::new(client)))
}

fn scheme_of(address: &str) -> &'static str {
    if address.starts_with(TLS) { TLS } else { "redis" }
}

/// Without the client's name, which nobody asked for: a connection to a frozen Redis would wait for those answers too.
pub(super) fn client_of(address: &str) -> RedisResult<Client> {
    let info = address.into_connection_info()?;
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Client::open(info.set_redis_settings(settings))
}

/// A connection on which nothing takes longer than that.
pub(super) fn connect_to(client: &Client, patience: Duration) -> RedisResult<redis::Connection> {
    let connection = client.get_connection_with_timeout(patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    Ok(connection)
}

impl Connections {
    pub(super) fn new(address: &str, patience: Duration) -> Result<Self, StoreError> {
        let scheme = scheme_of(address);
        let address = parse(address, patience).ok_or(StoreError::BadAddress)?;
        Ok(Self { address, patience, scheme, idle: Mutex::new(Vec::new()) })
    }

    /// Whether keys stand on more than one node.
    pub(super) fn are_many_nodes(&self) -> bool {
        matches!(self.address, Address::Cluster(_))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> RedisResult<Connection> {
        match &self.address {
            Address::One(client) => Ok(Box::new(connect_to(client, self.patience)?)),
            Address::Sentinel(sentinels) => Ok(Box::new(sentinels.connect(self.patience)?)),
            Address::Cluster(cluster) => {
                let connection = cluster.get_connection()?;
                connection.set_read_timeout(Some(self.patience))?;
                connection.set_write_timeout(Some(self.patience))?;
                Ok(Box::new(connection))
            }
        }
    }

    /// The one Redis that there is, for connections of another kind.
    pub(super) fn one(&self) -> Option<Client> {
        match &self.address {
            Address::One(client) => Some((**client).clone()),
            Address::Cluster(_) | Address::Sentinel(_) => None,
        }
    }

    /// A connection to a Redis that has just answered on another one.
    pub(super) fn any(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.connect().map_err(|error| away(&error)), Ok)
    }

    /// Asks what may be asked twice. Where Redis was restarted, an idle connection is found dead here, and a new one is
    /// made; it comes back with the answer, so that the change that follows is made on a connection known to be good.
    pub(super) fn ask<T>(
        &self,
        question: impl Fn(&mut dyn ConnectionLike) -> RedisResult<T>,
    ) -> Result<(Connection, T), StoreError> {
        self.ask_twice(question, || self.connect()).map_err(|unanswered| unanswered.error)
    }

    /// Asks what changes something, and may be asked twice too. A connection that is new is tried first: so where Redis is
    /// frozen, nothing that it may do later is sent, but what was sent to it before that was known.
    pub(super) fn ask_for_a_change<T>(
        &self,
        question: impl Fn(&mut dyn ConnectionLike) -> RedisResult<T>,
    ) -> Result<(Connection, T), Unanswered> {
        let tried = || {
            let mut connection = self.connect()?;
            redis::cmd("PING").exec(&mut *connection)?;
            Ok(connection)
        };
        self.ask_twice(question, tried)
    }

    /// On an idle connection, where there is one, and where that is found dead on a new one.
    fn ask_twice<T>(
        &self,
        question: impl Fn(&mut dyn ConnectionLike) -> RedisResult<T>,
        connect: impl Fn() -> RedisResult<Connection>,
    ) -> Result<(Connection, T), Unanswered> {
        let mut in_doubt = false;
        let idle = self.idle().pop();
        if let Some(mut connection) = idle {
            match question(&mut *connection) {
                Ok(answer) => return Ok((connection, answer)),
                Err(error) => {
                    self.idle().clear();
                    in_doubt = may_be_done(&error);
                    // It waited long enough already.
                    if error.is_timeout() {
                        return Err(Unanswered { error: away(&error), in_doubt });
                    }
                }
            }
        }
        let mut connection = connect().map_err(|error| Unanswered { error: away(&error), in_doubt })?;
        match question(&mut *connection) {
            Ok(answer) => Ok((connection, answer)),
            Err(error) => Err(Unanswered { error: away(&error), in_doubt: in_doubt || may_be_done(&error) }),
        }
    }

    /// [`Self::ask`], where nothing follows.
    pub(super) fn ask_once<T>(
        &self,
        question: impl Fn(&mut dyn ConnectionLike) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let (connection, answer) = self.ask(question)?;
        self.give_back(connection);
        Ok(answer)
    }

    /// Where a replica may take the master's place: a connection to the one that is the master at this moment, as Sentinel
    /// says, and as a write to it shows that enough replicas follow. What is not there is not anywhere. An idle connection is
    /// no such proof: it may lead to a master that was cut off, or that is one no more.
    pub(super) fn to_the_master_now(&self) -> Result<Option<Connection>, StoreError> {
        let Address::Sentinel(sentinels) = &self.address else { return Ok(None) };
        let connect = || {
            let mut connection = sentinels.connect(self.patience)?;
            redis::cmd("SET").arg(PROBE).arg(1).arg("PX").arg(60_000).exec(&mut connection)?;
            sentinels.wait_for_replicas(&mut connection, self.patience)?;
            Ok(connection)
        };
        connect().map(|connection| Some(Box::new(connection) as Connection)).map_err(|error| away(&error))
    }

    /// After a change on that connection: until no fail-over loses it, where that was asked for.
    pub(super) fn wait_for_replicas(&self, connection: &mut Connection) -> RedisResult<()> {
        match &self.address {
            Address::Sentinel(sentinels) => sentinels.wait_for_replicas(&mut **connection, self.patience),
            _ => Ok(()),
        }
    }

    /// For whoever needs it next. Not after an error.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }

    /// After an error: the others are likely dead too.
    pub(super) fn distrust(&self) {
        self.idle().clear();
    }

    /// Visits all nodes that have a part of the keys: one, or the masters of a Cluster.
    pub(super) fn each_node<T>(
        &self,
        mut visit: impl FnMut(&mut dyn ConnectionLike) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let Address::Cluster(cluster) = &self.address else {
            let (mut connection, ()) = self.ask(|connection| redis::cmd("PING").exec(connection))?;
            return Ok(vec![visit(&mut *connection)?]);
        };
        let nodes: String = {
            let mut connection = cluster.get_connection().map_err(|error| away(&error))?;
            redis::cmd("CLUSTER").arg("NODES").query(&mut connection).map_err(|error| away(&error))?
        };
        masters(&nodes)
            .map(|node| {
                let client = client_of(&format!("{}://{node}", self.scheme)).map_err(|error| away(&error))?;
                visit(&mut connect_to(&client, self.patience).map_err(|error| away(&error))?)
            })
            .collect()
    }
}

/// `HOST:PORT` of the masters in an answer of `CLUSTER NODES`.
fn masters(nodes: &str) -> impl Iterator<Item = &str> {
    nodes.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (address, flags) = (words.nth(1)?, words.next()?);
        let serves = flags.split(',').any(|flag| flag == "master") && !flags.contains("fail");
        // HOST:PORT@BUSPORT,NAME
        serves.then(|| address.split('@').next()).flatten()
    })
}

/// A change without an answer.
pub(super) struct Unanswered {
    pub(super) error: StoreError,
    /// It may have been made, and may yet be made.
    pub(super) in_doubt: bool,
}

/// What Redis answers with an error it has not done.
pub(super) fn may_be_done(error: &RedisError) -> bool {
    error.code().is_none()
}

/// As an error of the store. Redis's own words may repeat what was sent, so only the kind is told.
pub(super) fn away(error: &RedisError) -> StoreError {
    let kind = match error.code() {
        Some(code) => code.to_owned(),
        None if error.is_timeout() => "time-out".to_owned(),
        None if error.is_connection_refusal() => "nothing listens at its address".to_owned(),
        None if error.is_connection_dropped() => "there is no connection to it".to_owned(),
        None if error.is_io_error() => "its address cannot be reached".to_owned(),
        None => error.category().to_owned(),
    };
    StoreError::Away(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masters_of_a_cluster_are_read_from_its_list_of_nodes() {
        let nodes = "07c3 127.0.0.1:30004@31004,host4 slave e7d1 0 1426238317239 4 connected\n\
                     67ed 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922\n\
                     292f 127.0.0.1:30003@31003 master,fail - 0 1426238318243 3 connected 10923-16383\n\
                     e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460\n";
        assert_eq!(masters(nodes).collect::<Vec<_>>(), ["127.0.0.1:30002", "127.0.0.1:30001"]);
    }

    #[test]
    fn an_address_is_of_one_redis_of_a_cluster_or_of_sentinels_or_is_refused() {
        let parse = |address| super::parse(address, Duration::from_secs(1));
        assert!(matches!(parse("redis://127.0.0.1:6379/1"), Some(Address::One(_))));
        assert!(matches!(parse("redis+unix:///run/redis.sock"), Some(Address::One(_))));
        assert!(matches!(parse("redis+cluster://127.0.0.1:1,127.0.0.1:2"), Some(Address::Cluster(_))));
        assert!(matches!(parse("redis+sentinel://127.0.0.1:1/main"), Some(Address::Sentinel(_))));
        assert!(matches!(parse("rediss://redis.example:6379/1"), Some(Address::One(_))));
        assert!(matches!(parse("rediss+cluster://127.0.0.1:1,127.0.0.1:2"), Some(Address::Cluster(_))));
        assert!(matches!(parse("rediss+sentinel://127.0.0.1:1/main"), Some(Address::Sentinel(_))));
        for bad in ["", "http://127.0.0.1", "redis+sentinel://127.0.0.1:1", "redis+cluster://"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
