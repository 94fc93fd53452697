//! A stretch of a person's life, simulated: nights, lids closed, trains, hotels, clocks set wrong, servers that restart,
//! answers lost, and the program killed. From one seed, in no real time.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_vault::MemoryVault;

use super::{FakeServer, SeededRandom, SimulatedClock, Weather, config, sign_in};
use crate::parts::{Clock as _, Random as _};
use crate::{Config, Error, Home, Pilotlight, Status};

const MINUTE: Duration = Duration::from_secs(60);
/// Access tokens live an hour, as with most services.
const ACCESS_TTL: Duration = Duration::from_secs(3600);
/// When such a token is refreshed on average: five minutes before its end, less half of the jitter.
const USUAL_AGE: Duration = Duration::from_millis(3_262_500);

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the person is still signed in, and was all the time.
    pub signed_in: bool,
    /// Rotations at the server.
    pub refreshes: u64,
    /// What a program would have needed that always refreshes at the usual age, or in the first minute after it in which it can.
    pub ideal: u64,
    /// Token requests, the failed ones included.
    pub requests: u64,
    /// Consumed tokens that were presented again as if they were new.
    pub reuses: u64,
    /// How often the program was killed.
    pub kills: u64,
}

/// One life, from a seed.
pub struct Life {
    random: SeededRandom,
    clock: Arc<SimulatedClock>,
    server: Arc<FakeServer>,
    config: Config,
    vault: Arc<MemoryVault>,
    process: Option<(Pilotlight, tokio::task::JoinHandle<()>)>,
    outcome: Outcome,
    /// When the ideal program refreshed last.
    ideal_at: Duration,
}

impl Life {
    /// Begins a life with a sign-in. `home` is a folder for locks and journal. Tokio's time must be paused.
    pub async fn begin(seed: u64, home: Home) -> Result<Self, Error> {
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), ACCESS_TTL));
        let mut config = config(home, clock.clone(), server.clone());
        config.random = Arc::new(SeededRandom::new(seed));
        let outcome = Outcome { signed_in: true, refreshes: 0, ideal: 0, requests: 0, reuses: 0, kills: 0 };
        let vault = Arc::new(MemoryVault::default());
        let random = SeededRandom::new(seed ^ 0xa5a5_a5a5);
        let ideal_at = crate::parts::Clock::elapsed(&*clock);
        let mut life = Self { random, clock, server, config, vault, process: None, outcome, ideal_at };
        sign_in(&life.start(), "work").await?;
        Ok(life)
    }

    /// Lives through so many days and tells how it went.
    pub async fn live(mut self, days: u64) -> Outcome {
        for _ in 0..days {
            self.day().await;
        }
        self.set_weather(Weather::Fine);
        self.pass(10 * MINUTE).await;
        self.look().await;
        self.stop();
        self.outcome.refreshes = self.server.refreshes();
        self.outcome.requests = self.server.requests();
        self.outcome.reuses = self.server.reuses();
        self.outcome
    }

    /// Sixteen hours in pieces of half an hour to two hours, each with its own luck, and a night.
    async fn day(&mut self) {
        let mut left = 16 * 60;
        while left > 0 {
            let piece = self.below(90) + 30;
            left = u64::saturating_sub(left, piece);
            self.happen().await;
            self.set_weather(Weather::Fine);
            if self.below(2) == 0
                && let Some((pilotlight, _)) = &self.process
            {
                // Where NetworkManager tells that the network is back; elsewhere the pauses must do.
                pilotlight.try_waiting_again();
            }
            self.pass(u32::try_from(piece).unwrap_or(30) * MINUTE).await;
            self.look().await;
        }
        self.sleep(8 * 60 * MINUTE).await;
    }

    /// One thing that happens to people.
    async fn happen(&mut self) {
        let minutes = u32::try_from(self.below(40) + 1).unwrap_or(1) * MINUTE;
        match self.below(10) {
            0 => self.weather(Weather::Offline, minutes).await,
            1 => self.weather(Weather::Portal, minutes / 2).await,
            2 => self.weather(Weather::Down, minutes / 4).await,
            3 => self.weather(Weather::Lossy, minutes / 4).await,
            4 => self.sleep(minutes * 2).await,
            5 => self.kill().await,
            6 => self.kill_in_flight().await,
            7 => self.wrong_clock(minutes).await,
            _ => {}
        }
    }

    async fn weather(&mut self, weather: Weather, time: Duration) {
        self.set_weather(weather);
        self.pass(time).await;
    }

    fn set_weather(&self, weather: Weather) {
        self.server.set_weather(weather);
    }

    /// The machine sleeps; nothing runs, and nothing can be refreshed.
    async fn sleep(&mut self, time: Duration) {
        self.clock.sleep_machine(time);
        self.pass(Duration::ZERO).await;
    }

    /// The program is killed, and started again some minutes later.
    async fn kill(&mut self) {
        self.stop();
        let minutes = u32::try_from(self.below(10)).unwrap_or(0);
        tokio::time::sleep(minutes * MINUTE).await;
        self.start();
        self.pass(Duration::ZERO).await;
    }

    /// The program is killed while a refresh is in the air.
    async fn kill_in_flight(&mut self) {
        if let Some((pilotlight, _)) = &self.process {
            let pilotlight = pilotlight.clone();
            let caller = tokio::spawn(async move { pilotlight.refresh("work").await });
            tokio::time::sleep(Duration::from_millis(self.below(40))).await;
            caller.abort();
            // It was asked for, so the ideal program does it too.
            self.outcome.ideal += 1;
            self.ideal_at = self.clock.elapsed();
        }
        self.kill().await;
    }

    /// The wall clock jumps by up to two hours, and later back.
    async fn wrong_clock(&mut self, time: Duration) {
        let off = i64::try_from(self.below(7200)).unwrap_or(0) * 1000 * if self.below(2) == 0 { 1 } else { -1 };
        self.clock.set_wrong_by(off);
        self.pass(time).await;
        self.clock.set_wrong_by(0);
    }

    /// Time passes while the machine is awake, minute by minute for the ideal program.
    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time.max(Duration::from_millis(1))).await;
        let reachable = self.process.is_some() && gets_through(&self.server);
        if reachable {
            let now = self.clock.elapsed();
            while now.saturating_sub(self.ideal_at) > USUAL_AGE {
                // It refreshes as soon as it can: at its usual age, or when this stretch began.
                let began = now.saturating_sub(time);
                self.ideal_at = (self.ideal_at + USUAL_AGE).max(began);
                self.outcome.ideal += 1;
            }
        }
    }

    async fn look(&mut self) {
        if let Some((pilotlight, _)) = &self.process {
            let status = pilotlight.account("work").await.map(|account| account.status);
            self.outcome.signed_in &= !matches!(status, Ok(Status::Ended { .. }) | Err(_));
        }
    }

    fn start(&mut self) -> Pilotlight {
        let pilotlight = Pilotlight::with_vault(self.config.clone(), self.vault.clone());
        let task = tokio::spawn(pilotlight.clone().keep_fresh());
        self.process = Some((pilotlight.clone(), task));
        pilotlight
    }

    fn stop(&mut self) {
        if let Some((pilotlight, task)) = self.process.take() {
            task.abort();
            pilotlight.0.flights.crash();
            self.outcome.kills += 1;
        }
    }

    fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        // The seeded generator does not fail.
        let _ = self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }
}

/// Whether a refresh would get through now.
fn gets_through(server: &FakeServer) -> bool {
    matches!(server.weather(), Weather::Fine | Weather::Lossy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn months_of_a_persons_life_lose_no_grant_and_no_refresh_too_many() {
        for seed in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            let life = Life::begin(seed, Home::at(folder.path().join("home")).unwrap()).await.unwrap();
            let outcome = life.live(30).await;
            assert!(outcome.signed_in, "seed {seed}: {outcome:?}");
            assert_eq!(outcome.reuses, 0, "seed {seed}: {outcome:?}");
            let ratio = outcome.refreshes as f64 / outcome.ideal as f64;
            assert!((0.95..=1.05).contains(&ratio), "seed {seed}: {ratio:.3} of the ideal: {outcome:?}");
        }
    }
}
