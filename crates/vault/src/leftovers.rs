//! Counting what is left of a secret in the memory of this very process, for tests.

use std::os::unix::fs::FileExt as _;

const PAGE: usize = 4096;

/// How often the bytes whose inverse is `inverted` stand in the writable memory of this process. The needle is handed in
/// inverted, so that it is not found itself.
///
/// # Panics
/// Where the process cannot read its own memory.
#[must_use]
pub fn copies(inverted: &[u8]) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    assert!(!maps.is_empty(), "the process does not see its own memory");
    maps.lines().filter_map(writable).map(|(from, to)| copies_between(from, to, inverted)).sum()
}

/// The range of a line of `/proc/self/maps`, if it may be written.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with("rw").then_some((hex(from)?, hex(to)?))
}

fn copies_between(from: u64, to: u64, inverted: &[u8]) -> usize {
    let Ok(memory) = std::fs::File::open("/proc/self/mem") else { panic!("the process does not see its own memory") };
    let mut found = 0;
    // A window that begins in one page may end in the next one.
    let mut window = vec![0_u8; PAGE + inverted.len() - 1];
    let own = window.as_ptr().addr() as u64;
    for at in (from..to).step_by(PAGE) {
        let length = window.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
        // What this function copies is not to be found again.
        let is_own = (own.saturating_sub(2 * PAGE as u64)..own + 2 * PAGE as u64).contains(&at);
        if is_own || memory.read_exact_at(&mut window[..length], at).is_err() {
            continue;
        }
        let same = |bytes: &[u8]| bytes.iter().zip(inverted).all(|(one, other)| *one == !*other);
        found += window[..length].windows(inverted.len()).filter(|bytes| same(bytes)).count();
        window.fill(0);
    }
    found
}
