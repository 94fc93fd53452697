//! One process: `refresh.rs` in its order. What it decides, the shipped state machine decides.

use pilotlight::grant::{self, Attempts, Effect, Event};

use super::protocol::{Flaw, Guard, Protocol};
use super::search::{Kind, Move, What};
use super::state::{At, Client, Memory, State, Todo, Wire};

/// How the moves of one client are put down.
struct Moves<'a> {
    protocol: &'a Protocol,
    from: &'a State,
    who: usize,
    moves: &'a mut Vec<Move>,
}

impl Protocol {
    pub(super) fn client(&self, state: &State, who: usize, moves: &mut Vec<Move>) {
        let mut moves = Moves { protocol: self, from: state, who, moves };
        match state.clients[who].at {
            At::Idle => moves.look(),
            At::Waiting => moves.take_lock(),
            At::Reading => moves.read(),
            At::Todo(todo, _) => moves.carry_out(todo),
            At::Sent(wire) => moves.hear_answer(wire),
        }
        moves.stop();
    }
}

impl Moves<'_> {
    fn put(&mut self, kind: Kind, does: &'static str, change: impl FnOnce(&mut State, usize)) {
        let mut to = *self.from;
        change(&mut to, self.who);
        self.moves.push(Move { what: What { who: Some(self.who), does, outcome: "" }, to, kind });
    }

    fn goes_on(&mut self, does: &'static str, change: impl FnOnce(&mut State, usize)) {
        self.put(Kind::Step, does, change);
    }

    fn fails(&mut self, does: &'static str, change: impl FnOnce(&mut State, usize)) {
        self.put(Kind::Trouble, does, change);
    }

    /// Somebody wants a token, or the background task finds that one is due.
    fn look(&mut self) {
        let client = self.from.clients[self.who];
        let known_ended = client.newest && matches!(client.state.state(), grant::State::Ended(_));
        if self.from.vault.ended || known_ended {
            return;
        }
        let stale = self.protocol.flaw == Some(Flaw::StaleMemory);
        self.goes_on("wants to refresh", |state, who| {
            let client = &mut state.clients[who];
            // What memory says of an older generation is nothing to go by.
            if !client.newest && !stale {
                client.state = Memory::default();
            }
            (client.at, client.newest) = (At::Waiting, true);
        });
    }

    fn take_lock(&mut self) {
        let free = !self.from.clients.iter().any(|client| client.lock);
        if free || self.protocol.guard == Guard::Nothing {
            self.goes_on("takes the lock", |state, who| {
                state.clients[who].lock = true;
                state.clients[who].at = At::Reading;
            });
        }
        self.fails("gives up waiting for the lock", |state, who| state.clients[who].pause());
    }

    fn read(&mut self) {
        let (vault, client) = (self.from.vault, self.from.clients[self.who]);
        self.fails("cannot read the vault", |state, who| state.clients[who].pause());
        if vault.ended {
            self.goes_on("reads again: ended", |state, who| state.clients[who].rest());
        } else if !client.newest {
            let does = "reads again: somebody else has refreshed";
            self.put(Kind::Adopted, does, |state, who| state.clients[who].settle());
        } else {
            self.goes_on("reads again", |state, who| {
                let client = &mut state.clients[who];
                if !matches!(client.state.state(), grant::State::Waiting(_) | grant::State::Ended(_)) {
                    client.state = Memory::default();
                }
                (client.token, client.key, client.abreast) = (vault.token, vault.attempt, true);
                client.hear(Event::Wanted { resumed: vault.attempt.is_some() });
            });
        }
    }

    fn carry_out(&mut self, todo: Todo) {
        match todo {
            Todo::NoteAttempt => self.note_attempt(),
            Todo::ForgetAttempt => self.forget_attempt(),
            Todo::Send => self.send(),
            Todo::ReadAgain => {
                let newest = self.from.clients[self.who].newest;
                let event = if newest { Event::Confirmed } else { Event::Superseded };
                self.goes_on("reads once more", |state, who| state.clients[who].hear(event));
                self.fails("cannot read once more", |state, who| {
                    state.doubt = true;
                    state.clients[who].hear(Event::AttemptNotNoted);
                });
            }
            Todo::Save => self.save(),
            Todo::Publish => self.put(Kind::Renewed, "publishes", |state, who| {
                state.published = state.published.min(state.clients[who].token);
                state.clients[who].rest();
            }),
            Todo::Adopt => {
                let kind = if self.from.vault.ended { Kind::Step } else { Kind::Adopted };
                self.put(kind, "takes over what another committed", |state, who| state.clients[who].settle());
            }
            Todo::RetryAfter => self.goes_on("pauses", |state, who| {
                let client = &mut state.clients[who];
                // While tokens wait to be saved, the lock is kept and the next effect follows.
                if matches!(client.state.state(), grant::State::Saving { .. }) { client.go() } else { client.rest() }
            }),
            Todo::Quarantine => {
                self.goes_on("marks the grant as ended", |state, who| {
                    if state.clients[who].newest {
                        state.vault.ended = true;
                        // What this process holds is the record before this commit.
                        state.commit(who, false);
                    }
                    state.clients[who].rest();
                });
                self.fails("cannot mark the grant as ended", |state, who| {
                    state.doubt = true;
                    state.clients[who].rest();
                });
            }
        }
    }

    /// Whether the vault lets this client write: only over what it last read or wrote itself.
    fn may_write_attempt(&self, flaw: Flaw) -> bool {
        let client = self.from.clients[self.who];
        client.newest && (client.abreast || self.protocol.flaw == Some(flaw))
    }

    /// Not to be let is no trouble: it is how the vault should answer.
    fn refuses(&mut self, let_in: bool, does: &'static str, change: impl FnOnce(&mut State, usize)) {
        self.put(if let_in { Kind::Trouble } else { Kind::Step }, does, change);
    }

    fn note_attempt(&mut self) {
        let open = self.from.clients[self.who].key;
        let open = open.filter(|_| self.protocol.flaw != Some(Flaw::NewKeyForEachRepeat));
        let key = Some(open.unwrap_or(self.from.fresh_key()));
        let let_in = self.may_write_attempt(Flaw::OverwritesAttempts);
        if let_in {
            self.goes_on("notes the attempt", |state, who| {
                state.write_attempt(who, key);
                state.clients[who].key = key;
                state.clients[who].hear(Event::AttemptNoted);
            });
        }
        self.refuses(let_in, "cannot note the attempt", |state, who| state.clients[who].hear(Event::AttemptNotNoted));
    }

    fn forget_attempt(&mut self) {
        let let_in = self.may_write_attempt(Flaw::ForgetsOthersAttempts);
        if let_in {
            self.goes_on("forgets the attempt", |state, who| {
                state.write_attempt(who, None);
                state.clients[who].go();
            });
        }
        self.refuses(let_in, "cannot forget the attempt", |state, who| {
            // To whoever reads it next, an attempt that is still there may have been sent.
            state.doubt = true;
            state.clients[who].go();
        });
    }

    fn send(&mut self) {
        if self.protocol.guard != Guard::Lease || self.from.clients[self.who].lock {
            self.goes_on("sends", |state, who| state.clients[who].at = At::Sent(Wire::Request));
            self.fails("cannot send", |state, who| state.clients[who].hear(Event::NotSent));
        } else {
            let does = "sees that its lease ran out";
            self.goes_on(does, |state, who| state.clients[who].hear(Event::NotSent));
        }
    }

    /// Every back end is held to this by the vault's own suite: all or nothing, and only over the generation it was read at.
    fn save(&mut self) {
        self.goes_on("commits", |state, who| {
            let client = &mut state.clients[who];
            let Some(token) = client.gained.take().filter(|_| client.newest) else {
                return client.hear(Event::Superseded);
            };
            client.token = token;
            client.hear(Event::Saved);
            state.vault.token = token;
            state.doubt = false;
            state.commit(who, true);
        });
        self.fails("cannot save", |state, who| state.clients[who].hear(Event::NotSaved));
    }

    fn hear_answer(&mut self, wire: Wire) {
        let early = self.protocol.flaw == Some(Flaw::PublishesBeforeItSaves);
        match wire {
            Wire::Request if self.from.clients[self.who].token > self.protocol.outrun => {
                self.goes_on("waits in vain", |state, who| state.clients[who].hear(Event::AnswerLost));
            }
            Wire::Request => {
                self.fails("is told that its client is unknown", |state, who| state.clients[who].hear(Event::Refused));
            }
            Wire::Granted(token) => self.goes_on("gets new tokens", |state, who| {
                state.clients[who].gained = Some(token);
                if early {
                    state.published = state.published.min(token);
                }
                state.clients[who].hear(Event::Granted);
            }),
            Wire::InvalidGrant => {
                self.goes_on("gets invalid_grant", |state, who| state.clients[who].hear(Event::InvalidGrant));
            }
        }
        let no_verdict = [
            ("gets no answer", Event::AnswerLost),
            ("gets 503, perhaps of a proxy", Event::Unavailable { after: None }),
            ("gets something else's page", Event::Misbehaved),
        ];
        for way in self.protocol.given_up(self.from, self.who) {
            for (what, event) in no_verdict {
                self.fails(what, |state, who| {
                    *state = way;
                    state.doubt = true;
                    state.clients[who].hear(event);
                });
            }
        }
    }

    fn stop(&mut self) {
        let client = self.from.clients[self.who];
        if client == (Client { lock: client.lock, ..Client::default() }) {
            return;
        }
        let lock = client.lock && self.protocol.flaw == Some(Flaw::LockOutlivesItsProcess);
        for way in self.protocol.given_up(self.from, self.who) {
            self.fails("crashes", |state, who| {
                *state = way;
                // What became of its attempt, it took with it.
                state.doubt |= client.abreast && state.vault.attempt.is_some();
                state.clients[who] = Client { lock, ..Client::default() };
            });
        }
        if self.protocol.guard == Guard::Lease && client.lock {
            self.fails("sleeps until its lease has run out", |state, who| state.clients[who].lock = false);
        }
    }
}

impl Client {
    fn hear(&mut self, event: Event) {
        let (state, effects) = grant::step(self.state.state(), event, 0);
        self.state = Memory::of(state);
        assert!(effects.len() <= 2, "the model has no room for so many effects");
        match effects.first() {
            Some(first) => self.at = At::Todo(todo(*first), effects.get(1).copied().map(todo)),
            None => self.pause(),
        }
    }

    /// The next effect; where there is none, `refresh.rs` reports that it came to a stop.
    fn go(&mut self) {
        match self.at {
            At::Todo(_, Some(next)) => self.at = At::Todo(next, None),
            _ => self.pause(),
        }
    }

    /// The flight is over: what belonged to it is dropped, the lock with it.
    fn rest(&mut self) {
        *self = Self { newest: self.newest, state: self.state, ..Self::default() };
    }

    /// As [`Self::rest`], with the newest record in hand.
    fn settle(&mut self) {
        *self = Self { newest: true, ..Self::default() };
    }

    /// `pause_after`: whatever a flight failed of, even the lock.
    fn pause(&mut self) {
        let state = match self.state.state() {
            known @ (grant::State::Waiting(_) | grant::State::Ended(_)) => known,
            _ => grant::State::Waiting(Attempts::default()),
        };
        self.state = Memory::of(state);
        self.rest();
    }
}

fn todo(effect: Effect) -> Todo {
    match effect {
        Effect::NoteAttempt => Todo::NoteAttempt,
        Effect::ForgetAttempt => Todo::ForgetAttempt,
        Effect::Send => Todo::Send,
        Effect::ReadAgain => Todo::ReadAgain,
        Effect::Save => Todo::Save,
        Effect::Publish => Todo::Publish,
        Effect::Adopt => Todo::Adopt,
        Effect::RetryAfter(_) => Todo::RetryAfter,
        Effect::Quarantine(_) => Todo::Quarantine,
        Effect::Erase => unreachable!("nobody signs out here"),
    }
}
