//! What may happen next: the server, the network, and the order in which a client carries out its effects.

use std::time::Duration;

use pilotlight_oauth::{Scope, Timestamp};
use pilotlight_server::grant::{Grant, GrantId, Outcome, Reason, RecentKeys, Redemption};

use super::search::{Kind, Move, What};
use super::state::{At, Behind, Key, Late, Revoked, Server, State, Wire};

/// Which world is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protocol {
    pub(super) service: Service,
    pub(super) guard: Guard,
    /// How many rotations a given-up request may be behind when it arrives at last. With 0, what arrives late at all
    /// arrives before anything that was sent after it.
    pub(super) outrun: Behind,
    /// How many given-up requests may be under way at once.
    pub(super) late: usize,
    /// What else may happen.
    pub(super) mishap: Option<Mishap>,
    /// What is wrong with the client, to see that it would be noticed.
    pub(super) flaw: Option<Flaw>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Pilotlight's own rule: a repeat with the same `Idempotency-Key` gets the same successor.
    KnowsKeys,
    /// Any consumed refresh token that is presented again ends the grant: the same rule, but no key ever reaches it.
    Strict,
}

/// What keeps a second process from refreshing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Held until it is returned or its process dies.
    FileLock,
    /// It may run out while its holder sleeps, who looks at it once more right before it sends.
    Lease,
    /// As on a network file system whose locks hold nobody.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The operator revokes the grant.
    Revoked,
    /// The server's store loses its last rotation: a fail-over, a restored backup.
    LostRotation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    PublishesBeforeItSaves,
    NewKeyForEachRepeat,
    /// Notes its attempt without looking whether another one is noted by now.
    OverwritesAttempts,
    /// Forgets the attempt without looking whether it is still its own.
    ForgetsOthersAttempts,
    /// The background task goes on with what this process knew of an older generation.
    StaleMemory,
    LockOutlivesItsProcess,
}

/// The service this project is about, and one machine, with the longest delays the rule of rotation has room for.
pub(super) const PILOTLIGHT: Protocol =
    Protocol { service: Service::KnowsKeys, guard: Guard::FileLock, outrun: 2, late: 2, mishap: None, flaw: None };

/// The server's present generation, in the numbers it counts with itself.
const PRESENT: u32 = 1000;
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ID: GrantId = GrantId([7; 16]);

impl Protocol {
    pub(super) fn moves(&self, state: &State) -> Vec<Move> {
        let mut moves = vec![];
        for who in 0..state.clients.len() {
            self.client(state, who, &mut moves);
            self.arrival(state, who, &mut moves);
        }
        self.late_copies(state, &mut moves);
        self.outside(state, &mut moves);
        moves
    }

    /// The server works on the request of a client that waits for the answer.
    fn arrival(&self, state: &State, who: usize, moves: &mut Vec<Move>) {
        let client = &state.clients[who];
        if client.at != At::Sent(Wire::Request) || client.token > self.outrun {
            return;
        }
        let mut to = *state;
        let (outcome, answer) = self.redeem(&mut to, client.token, client.key);
        to.clients[who].at = At::Sent(answer.map_or(Wire::InvalidGrant, Wire::Granted));
        moves.push(Move {
            what: What { who: Some(who), does: "is heard by the server: ", outcome },
            to,
            kind: Kind::Step,
        });
    }

    /// Nobody hears the answers to these.
    fn late_copies(&self, state: &State, moves: &mut Vec<Move>) {
        for (at, late) in state.late.iter().enumerate() {
            let Some(late) = late else { continue };
            let mut gone = *state;
            gone.late[at] = None;
            let mut to = gone;
            let (outcome, _) = self.redeem(&mut to, late.token, late.key);
            let arrives = What { who: None, does: "a late request arrives: ", outcome };
            let is_lost = What { who: None, does: "a late request is lost", outcome: "" };
            moves.push(Move { what: arrives, to, kind: Kind::Step });
            moves.push(Move { what: is_lost, to: gone, kind: Kind::Trouble });
        }
    }

    fn outside(&self, state: &State, moves: &mut Vec<Move>) {
        let mut to = *state;
        let does = match self.mishap {
            Some(Mishap::Revoked) if state.server.revoked.is_none() => {
                to.server.revoked = Some(Revoked::Operator);
                "the operator revokes"
            }
            // Once more, and the vault's token would be two ahead; once is what a fail-over loses.
            Some(Mishap::LostRotation) if state.vault.token >= 0 && state.server.keys[0].is_some() => {
                to.rotated(-1, self.outrun);
                to.server.keys = [state.server.keys[1], None];
                "the store loses a rotation"
            }
            _ => return,
        };
        moves.push(Move { what: What { who: None, does, outcome: "" }, to, kind: Kind::Trouble });
    }

    /// The shipped rule, on the model's numbers. What came of it, and the token of the answer.
    fn redeem(&self, state: &mut State, token: Behind, key: Option<Key>) -> (&'static str, Option<Behind>) {
        let mut grant = grant_of(&state.server);
        let outcome = grant.redeem(&Redemption {
            grant: ID,
            generation: generation(token),
            client: String::new(),
            key: key.filter(|_| self.service == Service::KnowsKeys).map(|key| [key; 8]),
            scope: None,
            resources: Vec::new(),
            proven: None,
            binds: true,
            now: NOW,
            idle: Duration::from_secs(3600),
            retry_window: Duration::ZERO,
            remembered_keys: state.server.keys.len(),
        });
        state.server.keys = std::array::from_fn(|later| grant.keys.of_rotation(later).map(|hash| hash[0]));
        state.server.revoked = grant.revoked.map(|(_, reason)| match reason {
            Reason::Reuse => Revoked::Reuse,
            _ => Revoked::Operator,
        });
        state.rotated(behind(PRESENT, grant.generation), self.outrun);
        let answer = match &outcome {
            Outcome::Rotated(given) | Outcome::Healed(given) | Outcome::Repeated(given) => {
                Some(behind(given.generation, grant.generation))
            }
            _ => None,
        };
        (outcome.as_str(), answer)
    }

    /// What may become of a request on its way whose sender waits no longer.
    pub(super) fn given_up(&self, state: &State, who: usize) -> Vec<State> {
        let client = &state.clients[who];
        let mut ways = vec![*state];
        if client.at == At::Sent(Wire::Request)
            && client.token <= self.outrun
            && let Some(free) = state.late.iter().take(self.late).position(Option::is_none)
        {
            let mut late = *state;
            late.late[free] = Some(Late { token: client.token, key: client.key });
            ways.push(late);
        }
        ways
    }
}

fn grant_of(server: &Server) -> Grant {
    let reason = |revoked| if revoked == Revoked::Reuse { Reason::Reuse } else { Reason::Operator };
    let mut grant = Grant::new(ID, String::new(), String::new(), Scope::default(), NOW);
    grant.generation = PRESENT;
    grant.keys = RecentKeys::new(server.keys.map(|key| key.map(|key| [key; 8])).to_vec());
    grant.revoked = server.revoked.map(|revoked| (NOW, reason(revoked)));
    grant
}

fn generation(token: Behind) -> u32 {
    PRESENT.checked_add_signed(-i32::from(token)).unwrap()
}

fn behind(token: u32, present: u32) -> Behind {
    Behind::try_from(i64::from(present) - i64::from(token)).unwrap()
}
