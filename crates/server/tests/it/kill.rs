//! `kill -9` of the real program under load: what was answered is there after the restart.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::command_line::{Serving, serve};
use crate::size::rounds;

/// Somebody who refreshes as fast as answers come, under a key of each attempt.
struct Person {
    token: Value,
    attempt: usize,
}

impl Person {
    /// Once more with the same token and key, if no answer came. Whether one came now.
    fn refresh(&mut self, server: &Serving) -> bool {
        let key = format!("attempt-{}", self.attempt);
        let body = json!({"refresh_token": self.token});
        match server.try_post("/token/refresh", &[("Idempotency-Key", &key)], &body) {
            Some((200, answer)) => {
                self.token = answer["refresh_token"].clone();
                self.attempt += 1;
                true
            }
            Some((503, _)) => false,
            Some((status, answer)) => panic!("signed out: {status} {answer}"),
            None => false,
        }
    }
}

#[test]
fn kill_9_at_any_instant_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    survives(&["--store", &format!("sqlite:{}", folder.path().join("server.db").display())]);
}

/// Over a store that outlives the process.
pub(crate) fn survives(store: &[&str]) {
    let arguments = [&["--demo", "--log", "off"], store].concat();
    let mut server = serve(&arguments);
    let people: Vec<_> = (0..8).map(|_| Mutex::new(Person { token: server.sign_in(), attempt: 0 })).collect();
    let mut most = 0;
    for round in 1..=rounds(10, 200) {
        let (answered, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (server, answered, killed) = (&server, &answered, &killed);
            for person in &people {
                scope.spawn(move || {
                    let mut person = person.lock().unwrap();
                    while !killed.load(Ordering::SeqCst) {
                        answered.fetch_add(usize::from(person.refresh(server)), Ordering::SeqCst);
                    }
                });
            }
            // In the middle of it: after another number of answers each time, with eight requests under way.
            while answered.load(Ordering::SeqCst) < 20 + 7 * (round % 30) {
                std::thread::yield_now();
            }
            server.kill();
            killed.store(true, Ordering::SeqCst);
        });
        server = serve(&arguments);
        for person in &people {
            let mut person = person.lock().unwrap();
            while !person.refresh(&server) {
                std::thread::yield_now();
            }
        }
        most = most.max(people.iter().map(|person| person.lock().unwrap().attempt).max().unwrap());
    }
    assert!(most > 10, "hardly anybody was answered: {most}");
}
