//! The locks that a home needs: those of its machine, and with the strategy `redis` those of all its hosts.

use std::sync::Arc;

use secrecy::SecretString;

use super::{FileLocks, Locks};
use crate::parts::Clock;
use crate::{Error, Home};

/// Locks for the home, whichever strategy it has now or will move to. `redis` is the address of the Redis, where there is one.
#[cfg(not(feature = "redis"))]
pub(crate) fn of_home(home: &Home, _: Option<&SecretString>, _: &Arc<dyn Clock>) -> Result<Arc<dyn Locks>, Error> {
    Ok(Arc::new(FileLocks::new(home)))
}

/// Locks for the home, whichever strategy it has now or will move to. `redis` is the address of the Redis, where there is one.
#[cfg(feature = "redis")]
pub(crate) fn of_home(
    home: &Home,
    redis: Option<&SecretString>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Locks>, Error> {
    use secrecy::ExposeSecret as _;
    let files = FileLocks::new(home);
    let Some(address) = redis else { return Ok(Arc::new(files)) };
    let random = Arc::new(crate::parts::SystemRandom);
    let leases = crate::parts::RedisLocks::new(address.expose_secret(), "pilotlight:lock:", Arc::clone(clock), random)?;
    Ok(Arc::new(shared::HomeLocks { home: home.clone(), files, leases }))
}

#[cfg(feature = "redis")]
mod shared {
    use std::future::Future;
    use std::pin::Pin;

    use super::FileLocks;
    use crate::Home;
    use crate::lock::{Lock, Locking, Locks};
    use crate::parts::RedisLocks;
    use crate::storage::is_shared;

    /// A file lock, and a lease too while the home's vault is shared with other hosts.
    pub(super) struct HomeLocks {
        pub(super) home: Home,
        pub(super) files: FileLocks,
        pub(super) leases: RedisLocks,
    }

    impl Locks for HomeLocks {
        fn lock<'a>(&'a self, name: &'a str) -> Locking<'a> {
            Box::pin(async move {
                let file = self.files.lock(name).await?;
                if !is_shared(&self.home) {
                    return Ok(file);
                }
                let lease = self.leases.lock(name).await?;
                Ok(Lock { ends: lease.ends, _held: Box::new((lease, file)) })
            })
        }

        fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            self.leases.settled()
        }
    }
}
