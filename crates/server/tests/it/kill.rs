//! `kill -9` of the real program under load, or of what it stands on: what was answered is there afterwards, and whoever was
//! not answered repeats the request and is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::command_line::{Serving, serve};
use crate::size::{Draws, rounds, tell};

/// Somebody who refreshes as fast as answers come, under a key of each attempt.
pub(crate) struct Person {
    token: Value,
    attempt: usize,
    unanswered: usize,
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
            Some((503, _)) | None => {
                self.unanswered += 1;
                false
            }
            Some((status, answer)) => panic!("signed out: {status} {answer}"),
        }
    }
}

/// So many, signed in.
pub(crate) fn people(server: &Serving) -> Vec<Mutex<Person>> {
    (0..8).map(|_| Mutex::new(Person { token: server.sign_in(), attempt: 0, unanswered: 0 })).collect()
}

/// All refresh as fast as they can, and at some instant in the middle of it something happens.
pub(crate) fn under_load(server: &Serving, people: &[Mutex<Person>], draws: &mut Draws, happens: impl FnOnce()) {
    let answers = usize::try_from(10 + draws.up_to(220)).unwrap();
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (answered, over) = (&answered, &over);
        for person in people {
            scope.spawn(move || {
                let mut person = person.lock().unwrap();
                while !over.load(Ordering::SeqCst) {
                    answered.fetch_add(usize::from(person.refresh(server)), Ordering::SeqCst);
                }
            });
        }
        while answered.load(Ordering::SeqCst) < answers {
            std::thread::yield_now();
        }
        // Not right after an answer.
        std::thread::park_timeout(draws.moment());
        happens();
        over.store(true, Ordering::SeqCst);
    });
}

/// With the token and the key of the request that may have got lost.
pub(crate) fn everybody_goes_on(server: &Serving, people: &[Mutex<Person>]) {
    for person in people {
        let mut person = person.lock().unwrap();
        while !person.refresh(server) {
            std::thread::yield_now();
        }
    }
}

/// What it came to; a person who is signed out would have ended the test.
pub(crate) fn tell_of(what: &str, rounds: usize, people: &[Mutex<Person>]) {
    let sum = |of: fn(&Person) -> usize| people.iter().map(|person| of(&person.lock().unwrap())).sum::<usize>();
    let (answered, again) = (sum(|person| person.attempt), sum(|person| person.unanswered));
    tell(what, &format!("{rounds} times, {answered} refreshes answered, {again} not and repeated, 0 grants lost"));
    assert!(answered > rounds, "hardly anybody was answered: {answered}");
}

#[test]
fn kill_9_at_any_instant_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("server.db").display());
    survives("kill -9 of the server, embedded store", &["--store", &store]);
}

/// Over a store that outlives the process.
pub(crate) fn survives(what: &str, store: &[&str]) {
    let arguments = [&["--demo", "--log", "off"], store].concat();
    let mut server = serve(&arguments);
    let people = people(&server);
    let (mut draws, rounds) = (Draws::new(), rounds(10, 200));
    for _ in 0..rounds {
        under_load(&server, &people, &mut draws, || server.kill());
        server = serve(&arguments);
        everybody_goes_on(&server, &people);
    }
    tell_of(what, rounds, &people);
}
