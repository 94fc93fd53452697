//! Keys in memory of their own: pages that are not swapped, not dumped, and wiped when a key goes.
//!
//! A page holds one key at a time and is kept for the next one, since locking memory costs more than sealing a record.
//! Where the system gives no page or refuses to lock it, the key is kept all the same, and the log says so once.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use memmap2::MmapMut;
use secrecy::{ExposeSecret, ExposeSecretMut};
use zeroize::Zeroize;

/// Less than any system's page: the map is rounded up to one.
const PAGE: usize = 4096;

/// 32 bytes that are never swapped or dumped where the system allows it, and wiped on drop.
pub(crate) struct LockedKey {
    place: Place,
}

enum Place {
    /// The first bytes of a page that holds nothing else.
    Page(MmapMut),
    /// The heap, where there is no page to be had.
    Heap(Box<[u8; 32]>),
}

/// Pages whose keys are gone. They stay locked.
static IDLE: Mutex<Vec<MmapMut>> = Mutex::new(Vec::new());

static TOLD: Once = Once::new();

fn idle() -> MutexGuard<'static, Vec<MmapMut>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LockedKey {
    /// A key of zeros, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        let idle_page = idle().pop();
        let place = match idle_page {
            Some(page) => Place::Page(page),
            None => make_page().map_or_else(|| Place::Heap(Box::new([0; 32])), Place::Page),
        };
        Self { place }
    }
}

/// Takes over the bytes, and wipes the copy that came in.
impl From<[u8; 32]> for LockedKey {
    fn from(mut bytes: [u8; 32]) -> Self {
        let mut key = Self::zeroed();
        key.expose_secret_mut().copy_from_slice(&bytes);
        bytes.zeroize();
        key
    }
}

impl ExposeSecret<[u8; 32]> for LockedKey {
    fn expose_secret(&self) -> &[u8; 32] {
        match &self.place {
            Place::Page(page) => &page.as_chunks().0[0],
            Place::Heap(key) => key,
        }
    }
}

impl ExposeSecretMut<[u8; 32]> for LockedKey {
    fn expose_secret_mut(&mut self) -> &mut [u8; 32] {
        match &mut self.place {
            Place::Page(page) => &mut page.as_chunks_mut().0[0],
            Place::Heap(key) => key,
        }
    }
}

/// Without the key.
impl std::fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockedKey([REDACTED])")
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        self.expose_secret_mut().zeroize();
        // What is put in its place holds nothing and is freed right away.
        if let Place::Page(page) = std::mem::replace(&mut self.place, Place::Heap(Box::new([0; 32]))) {
            idle().push(page);
        }
    }
}

/// A page that is locked, as far as the system lets us.
fn make_page() -> Option<MmapMut> {
    let page = MmapMut::map_anon(PAGE).ok();
    if !page.as_ref().is_some_and(protect) {
        TOLD.call_once(|| {
            tracing::warn!(
                "the system does not let keys be locked in memory (see `ulimit -l`): they may be swapped out"
            );
        });
    }
    page
}

#[cfg(unix)]
fn protect(page: &MmapMut) -> bool {
    #[cfg(target_os = "linux")]
    // Old kernels do not know this one; cores are forbidden besides.
    let _ = page.advise(memmap2::Advice::DontDump);
    page.lock().is_ok()
}

/// Elsewhere a page is only kept apart and wiped.
#[cfg(not(unix))]
fn protect(_page: &MmapMut) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::LockedKey;
    use secrecy::{ExposeSecret, ExposeSecretMut};

    #[test]
    fn keys_at_the_same_time_do_not_share_their_memory() {
        let mut keys: Vec<LockedKey> = (0..100).map(|_| LockedKey::zeroed()).collect();
        for (number, key) in (0_u8..).zip(&mut keys) {
            assert_eq!(key.expose_secret(), &[0; 32]);
            key.expose_secret_mut().fill(number);
        }
        for (number, key) in (0_u8..).zip(&keys) {
            assert_eq!(key.expose_secret(), &[number; 32]);
        }
    }

    #[test]
    fn a_page_comes_back_wiped() {
        let places: Vec<LockedKey> = (0..8).map(|number| LockedKey::from([number + 1; 32])).collect();
        drop(places);
        let again: Vec<LockedKey> = (0..8).map(|_| LockedKey::zeroed()).collect();
        assert!(again.iter().all(|key| key.expose_secret() == &[0; 32]));
        assert_eq!(format!("{:?}", again[0]), "LockedKey([REDACTED])");
    }

    #[test]
    fn many_threads_make_and_drop_keys() {
        let work = || {
            for round in 0..200_u8 {
                let keys = [LockedKey::from([round; 32]), LockedKey::zeroed()];
                assert_eq!((keys[0].expose_secret(), keys[1].expose_secret()), (&[round; 32], &[0; 32]));
            }
        };
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(work))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_says_that_a_key_is_locked_and_not_dumped() {
        let key = LockedKey::from([9; 32]);
        let address = std::ptr::from_ref(key.expose_secret()).addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut within = false;
        let flags = maps.lines().find_map(|line| {
            if let Some((from, to)) = line.split(' ').next().and_then(|range| range.split_once('-')) {
                let hex = |text| usize::from_str_radix(text, 16);
                if let (Ok(from), Ok(to)) = (hex(from), hex(to)) {
                    within = (from..to).contains(&address);
                }
            }
            line.strip_prefix("VmFlags:").filter(|_| within)
        });
        let flags: Vec<&str> = flags.unwrap().split_whitespace().collect();
        assert!(flags.contains(&"lo") && flags.contains(&"dd"), "{flags:?}");
    }
}
