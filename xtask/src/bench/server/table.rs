//! The figures, as a table and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::process::{Kind, Sample};

/// One store with so many grants and so many people.
pub(super) struct Cell {
    store: Kind,
    grants: u32,
    users: usize,
    pub(super) floor: Vec<Sample>,
    pub(super) ours: Vec<Sample>,
    /// Medians of bare fsyncs beside it, in milliseconds.
    pub(super) bare: Vec<f64>,
}

/// What a filled store takes, in kilobytes.
pub(super) struct Memory {
    pub(super) store: Kind,
    pub(super) grants: u32,
    pub(super) server: (u64, u64),
    /// In bytes.
    pub(super) redis: Option<u64>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) cells: Vec<Cell>,
    pub(super) memory: Vec<Memory>,
    /// RSS and PSS of servers without a grant, in kilobytes.
    pub(super) empty: Vec<(Kind, (u64, u64))>,
    /// Refreshes while grants are forgotten, and afterwards.
    pub(super) forgetting: Vec<(Kind, Sample, Sample)>,
}

impl Cell {
    pub(super) fn new(store: Kind, grants: u32, users: usize) -> Self {
        Self { store, grants, users, floor: Vec::new(), ours: Vec::new(), bare: Vec::new() }
    }

    /// Of each round, then the median: so that both meet the same moods of the machine.
    fn ratio(&self) -> f64 {
        let all = |sample: &Sample| sample.cpu(0) + sample.cpu(1);
        median(self.ours.iter().zip(&self.floor).map(|(ours, floor)| all(ours) / all(floor)).collect())
    }

    fn of(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
        median(samples.iter().map(figure).collect())
    }

    fn in_fsyncs(&self) -> Option<f64> {
        (!self.bare.is_empty())
            .then(|| Self::of(&self.ours, |sample| sample.number("p50_ms")) / median(self.bare.clone()))
    }

    fn print(&self) {
        let ours = |name: &'static str| Self::of(&self.ours, |sample| sample.number(name));
        let [server, redis] = [0, 1].map(|process| Self::of(&self.ours, |sample| sample.cpu(process)));
        let floor = Self::of(&self.floor, |sample| sample.cpu(0) + sample.cpu(1));
        let fsyncs = self.in_fsyncs().map_or_else(|| "-".to_owned(), |fsyncs| format!("{fsyncs:.2}"));
        println!(
            "{:<7} {:>8} {:>5} {:>9.0} {:>8.2} {:>8.1} {:>8.1} {server:>8.3} {redis:>7.3} {floor:>7.3} {:>6.2} {fsyncs:>10}",
            self.store.name(),
            self.grants,
            self.users,
            ours("per_second"),
            ours("p50_ms"),
            ours("p95_ms"),
            ours("p99_ms"),
            self.ratio(),
        );
    }

    fn to_json(&self) -> Value {
        let all = |samples: &[Sample]| samples.iter().map(|sample| sample.0.clone()).collect::<Vec<_>>();
        json!({
            "store": self.store.name(), "grants": self.grants, "users": self.users, "cpu_by_floor": self.ratio(),
            "p50_by_bare_fsync": self.in_fsyncs(), "ours": all(&self.ours), "floor": all(&self.floor), "bare_fsync_ms": self.bare,
        })
    }
}

impl Memory {
    /// Bytes of each grant, beyond what the smallest store of the kind takes.
    fn per_grant(&self, all: &[Self]) -> Option<u64> {
        let least = all.iter().find(|memory| memory.store == self.store)?;
        let grants = u64::from(self.grants.checked_sub(least.grants).filter(|grants| *grants > 0)?);
        let bytes = |memory: &Self| memory.redis.unwrap_or(1024 * memory.server.0);
        (self.store != Kind::Sqlite).then(|| bytes(self).saturating_sub(bytes(least)) / grants)
    }
}

impl Table {
    pub(super) fn print(&self) {
        println!(
            "\n{:<7} {:>8} {:>5} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>10}",
            "store",
            "grants",
            "users",
            "per s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "CPU s",
            "Redis",
            "floor",
            "ratio",
            "in fsyncs"
        );
        self.cells.iter().for_each(Cell::print);
        println!(
            "\nCPU s, Redis, floor: seconds of the processor for 1000 refreshes. ratio: ours to the floor's, Redis included."
        );
        println!("in fsyncs: p50 in bare fsyncs of one page beside it.\n");
        for cell in &self.cells {
            for (whose, samples) in [("ours", &cell.ours), ("the floor's", &cell.floor)] {
                if let Some(told) = tell_refused(samples) {
                    let (store, grants, users) = (cell.store.name(), cell.grants, cell.users);
                    println!("{store}, {grants} grants, {users} users, {whose}: {told}");
                }
            }
        }
        for (store, (rss, pss)) in &self.empty {
            println!("{:<7} {:>8} grants: {rss:>7} kB resident, {pss:>7} kB its own", store.name(), 0);
        }
        for memory in &self.memory {
            let each =
                memory.per_grant(&self.memory).map(|bytes| format!(", {bytes} bytes a grant")).unwrap_or_default();
            let (rss, pss) = memory.server;
            println!(
                "{:<7} {:>8} grants: {rss:>7} kB resident, {pss:>7} kB its own{each}",
                memory.store.name(),
                memory.grants
            );
        }
        for (store, meanwhile, afterwards) in &self.forgetting {
            let [before, after] = [meanwhile, afterwards].map(|sample| sample.number("p99_ms"));
            println!(
                "{:<7} p99 while 100,000 grants are forgotten: {before:.1} ms; afterwards {after:.1} ms",
                store.name()
            );
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let memory = self.memory.iter().map(|memory| {
            json!({
                "store": memory.store.name(), "grants": memory.grants, "rss_kb": memory.server.0, "pss_kb": memory.server.1,
                "redis_bytes": memory.redis, "bytes_per_grant": memory.per_grant(&self.memory),
            })
        });
        let empty =
            self.empty.iter().map(|(store, (rss, pss))| json!({"store": store.name(), "rss_kb": rss, "pss_kb": pss}));
        let forgetting = self.forgetting.iter().map(|(store, meanwhile, afterwards)| {
            json!({"store": store.name(), "meanwhile": meanwhile.0, "afterwards": afterwards.0})
        });
        json!({
            "cells": self.cells.iter().map(Cell::to_json).collect::<Vec<_>>(),
            "memory": memory.collect::<Vec<_>>(),
            "empty": empty.collect::<Vec<_>>(),
            "forgetting": forgetting.collect::<Vec<_>>(),
        })
    }
}

/// What was said instead of tokens, if anything was.
fn tell_refused(samples: &[Sample]) -> Option<String> {
    let mut refused = BTreeMap::new();
    for (said, times) in samples.iter().filter_map(|sample| sample.0.get("refused")?.as_object()).flatten() {
        *refused.entry(said.as_str()).or_insert(0) += times.as_u64().unwrap_or_default();
    }
    let signed_out: f64 = samples.iter().map(|sample| sample.number("signed_out")).filter(|n| n.is_finite()).sum();
    let all: Vec<String> = refused.iter().map(|(said, times)| format!("{times} times {said}")).collect();
    (!all.is_empty()).then(|| format!("{}; asked again at once, and {signed_out} grants were over", all.join(", ")))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Cell, Kind, Memory, Sample, tell_refused};

    #[test]
    fn a_ratio_is_that_of_each_round_with_redis_in_it() {
        let mut cell = Cell::new(Kind::Redis, 1000, 16);
        for (ours, floor) in [(3.0, 1.0), (2.0, 1.0), (9.0, 1.0)] {
            cell.ours.push(Sample(json!({"cpu_per_1000": [ours / 2.0, ours / 2.0]})));
            cell.floor.push(Sample(json!({"cpu_per_1000": [floor]})));
        }
        assert!((cell.ratio() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_said_instead_of_tokens_is_told_over_all_rounds() {
        let sample = |refused, signed_out| Sample(json!({"refused": refused, "signed_out": signed_out}));
        assert_eq!(tell_refused(&[sample(json!({}), 0)]), None);
        let samples = [sample(json!({"503": 2}), 0), sample(json!({}), 0), sample(json!({"400": 1, "503": 3}), 1)];
        let told = "1 times 400, 5 times 503; asked again at once, and 1 grants were over";
        assert_eq!(tell_refused(&samples).as_deref(), Some(told));
    }

    #[test]
    fn bytes_of_a_grant_are_those_beyond_the_smallest_store() {
        let of = |grants, kilobytes| Memory { store: Kind::Memory, grants, server: (kilobytes, 0), redis: None };
        let all = [of(1000, 5000), of(101_000, 25_000)];
        assert_eq!(all.each_ref().map(|memory| memory.per_grant(&all)), [None, Some(204)]);
    }
}
