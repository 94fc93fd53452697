//! A lease in Redis, for a vault that several hosts share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, ExistenceCheck, Script, SetExpiry, SetOptions};
use tokio::sync::OnceCell;

use super::{Lock, Locking, Locks, busy};
use crate::flights::Flights;
use crate::parts::{Clock, Random};
use crate::random::make_text;
use crate::{Error, ErrorCode};

/// How long a lease lasts. It has to outlive one exchange with the authorization server and the commit.
const LEASE: Duration = Duration::from_secs(40);
/// How long a host waits for another one's refresh.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long Redis may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// Removes the lease only if it is still ours.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// Leases at one Redis. Nothing secret is kept there: a name and a random number.
pub struct RedisLocks {
    client: Client,
    connection: OnceCell<ConnectionManager>,
    prefix: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    lease: Duration,
    /// The leases on their way back.
    releases: Arc<Flights>,
}

impl RedisLocks {
    /// Leases at `url` (`redis://…`), under keys that begin with `prefix`. Connects at the first use.
    pub fn new(url: &str, prefix: &str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let client = Client::open(url).map_err(|_| {
            Error::new(ErrorCode::BadInput, "This is not the address of a Redis: redis://HOST:PORT/NUMBER.")
        })?;
        Ok(Self {
            client,
            connection: OnceCell::new(),
            prefix: prefix.to_owned(),
            clock,
            random,
            lease: LEASE,
            releases: Arc::default(),
        })
    }

    /// The same, with leases of another length.
    #[must_use]
    pub const fn leases_of(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    async fn take(&self, name: &str) -> Result<Lock, Error> {
        let patience = || {
            ConnectionManagerConfig::new()
                .set_number_of_retries(1)
                .set_connection_timeout(Some(DEADLINE))
                .set_response_timeout(Some(DEADLINE))
        };
        let connect = || ConnectionManager::new_with_config(self.client.clone(), patience());
        let mut connection = self.connection.get_or_try_init(connect).await.map_err(|_| unreachable())?.clone();
        let (key, holder) = (format!("{}{name}", self.prefix), make_text(&*self.random)?);
        let expiry = SetExpiry::PX(u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX));
        let options = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(expiry);
        let mut waited = Duration::ZERO;
        loop {
            // Counted from before the request, so that the lease at Redis never ends before ours does.
            let asked = self.clock.elapsed();
            let set: Option<String> =
                connection.set_options(&key, &holder, options.clone()).await.map_err(|_| unreachable())?;
            if set.is_some() {
                let held = Lease { connection, key, holder, releases: Arc::clone(&self.releases) };
                return Ok(Lock::lease(held, asked + self.lease));
            }
            if waited >= PATIENCE {
                return Err(busy());
            }
            let pause = Duration::from_millis(100);
            tokio::time::sleep(pause).await;
            waited += pause;
        }
    }
}

impl Locks for RedisLocks {
    fn lock<'a>(&'a self, name: &'a str) -> Locking<'a> {
        Box::pin(self.take(name))
    }

    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.releases.landed())
    }
}

struct Lease {
    connection: ConnectionManager,
    key: String,
    holder: String,
    releases: Arc<Flights>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (mut connection, key) = (self.connection.clone(), std::mem::take(&mut self.key));
        let holder = std::mem::take(&mut self.holder);
        // Where there is no runtime left, or Redis is away, the lease ends by itself.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.releases.launch(async move {
                let _: redis::RedisResult<i64> =
                    Script::new(RELEASE).key(key).arg(holder).invoke_async(&mut connection).await;
            });
        }
    }
}

fn unreachable() -> Error {
    Error::new(ErrorCode::VaultIo, "The Redis that keeps the locks of this shared vault cannot be reached.")
}
