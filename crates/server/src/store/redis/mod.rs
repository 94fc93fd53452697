//! Redis, for several server processes that behave as one.
//!
//! ```text
//!  pilotlight:grant:{ID}     a grant, with the mark of its last change      lives twice as long as a token unused
//!  pilotlight:code:{HASH}    an authorization code                          a day after its end
//!  pilotlight:device:{NAME}  the request of a device                        a day after its end
//!  pilotlight:pushed:{HASH}  a pushed authorization request                 to its end
//!  pilotlight:of:{SUB}       the set of a person's grants, as an index
//!  pilotlight:proof:{NAME}   a proof that came already (RFC 9449)               two minutes
//!  pilotlight:user:{NAME}    a person;  pilotlight:subject:{SUB} names them
//!  pilotlight:client:{ID}    a client
//!  pilotlight:registered     the ids of clients that registered themselves
//!  pilotlight:newest-key     which of the server's keys is the newest
//! ```
//! Every transition is one key and one script: read, decide here by the pure rule, and swap if the record still is what was
//! decided on; else decide again on what it is now. What nearly all refreshes are, a script does at once (`rotate.rs`), asked from the
//! runtime itself where there is one Redis (`lane.rs`); everything else blocks, behind a queue or on a thread of its own. A grant is one key in one hash slot, so that a Cluster serves, and what
//! is over is forgotten by Redis itself.

mod connections;
mod lane;
mod names;
mod packed;
mod people;
mod queue;
mod records;
mod rotate;
mod sentinel;
mod swap;
mod unsettled;

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilotlight_oauth::Timestamp;
use redis::{ConnectionLike, Script};

use self::connections::{Connection, Connections, Unanswered};
use self::lane::{Ends, Lane};
use self::names::{
    NEWEST_KEY, REGISTERED, client_key, code_key, device_key, grant_key, hash_key, pushed_key, subject_key, user_key,
};
use self::queue::{Job, Queue};
use self::records::Marked;
use self::rotate::{Rotated, Rotation};
use self::swap::Swaps;
use self::unsettled::{Doubt, Unsettled};
use super::{Store, StoreError, Then, User};
use crate::client::{Client, Setting};
use crate::code::{Code, Exchange, Exchanged, LIFE};
use crate::device::{self, Decision, Device, Poll, Polled};
use crate::grant::{Grant, GrantId, Outcome, Reason, Redemption};
use crate::keys::KeyName;
use crate::pushed::{self, Pushed};
use crate::server::REMEMBER_CODES;
use crate::system::make_random;

/// How long Redis may take to answer; a transition asks it twice. A client is told 503 well before it would give up.
const PATIENCE: Duration = Duration::from_millis(125);
/// How often Redis is asked before a start is given up, and the pause in between.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A store in Redis 7 or newer.
pub struct RedisStore {
    /// A Cluster has none: what goes together there may belong to many nodes.
    queue: Option<Arc<Queue>>,
    /// To one Redis alone, which no Sentinel has to name first.
    lane: Option<Lane>,
    connections: Arc<Connections>,
    unsettled: Arc<Unsettled>,
    swaps: Swaps,
    rotate: Script,
    remember: Duration,
}

impl RedisStore {
    /// A store at that address: `redis://HOST:PORT/DB`, `redis+unix://PATH`, `redis+cluster://HOST:PORT,…` or
    /// `redis+sentinel://HOST:PORT,…/MASTER`. Connects when it is first asked. Grants are remembered for that long after
    /// their last rotation.
    ///
    /// # Errors
    /// Where this is no address.
    pub fn open(address: &str, remember: Duration) -> Result<Self, StoreError> {
        Self::open_with(address, remember, PATIENCE)
    }

    /// The same, where Redis may take longer to answer.
    ///
    /// # Errors
    /// Where this is no address.
    pub fn open_with(address: &str, remember: Duration, patience: Duration) -> Result<Self, StoreError> {
        let connections = Arc::new(Connections::new(address, patience)?);
        let swaps = Swaps::new(connections.clone());
        let unsettled = Unsettled::new(swaps.clone())?;
        let rotate = Script::new(include_str!("rotate.lua"));
        let store = |queue, lane| Self {
            queue,
            lane,
            connections: connections.clone(),
            unsettled: unsettled.clone(),
            swaps: swaps.clone(),
            rotate: rotate.clone(),
            remember,
        };
        if connections.are_many_nodes() {
            return Ok(store(None, None));
        }
        let queue = Arc::new(Queue::new(store(None, None))?);
        let lane = connections.one().map(|client| {
            Lane::new(Ends {
                client,
                patience,
                remember,
                rotate: rotate.clone(),
                unsettled: unsettled.clone(),
                queue: queue.clone(),
                state: Mutex::default(),
            })
        });
        Ok(store(Some(queue), lane))
    }

    /// Asks until Redis answers, a few seconds at most: one that was just started reads its files first, and one whose disk is
    /// busy answers later than a request would wait. Blocks.
    ///
    /// # Errors
    /// Where it still does not answer.
    pub fn wait_until_it_answers(&self) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            if self.connections.ask_once(|connection| redis::cmd("PING").exec(connection)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        self.connections.ask_once(|connection| redis::cmd("PING").exec(connection))
    }

    /// Keeps a new grant, or leaves nothing of it: its caller is told an error, so that nobody has its token.
    fn keep_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        let (key, record) = (grant_key(grant.id), Marked { grant: grant.clone(), mark: make_grant_mark()? }.write());
        self.index(&grant.subject, grant.id)?;
        let kept = self.change(&key, Some(self.remember), |_| Ok((Some(record.clone()), ())));
        if kept.is_err() {
            self.forget_one(&key).ok();
        }
        kept
    }

    /// Where a script may do it.
    fn rotate(&self, rotation: &Rotation, presented: &Redemption) -> Result<(Connection, Rotated), StoreError> {
        let asked = self.connections.ask_for_a_change(|connection| rotation.ask(&self.rotate, connection));
        let (connection, answer) = asked.map_err(|unanswered| self.note([rotation], unanswered))?;
        Ok((connection, rotation.read(presented, answer)?))
    }

    /// Which of them may have been made.
    fn note<'a>(&self, rotations: impl IntoIterator<Item = &'a Rotation>, unanswered: Unanswered) -> StoreError {
        if unanswered.in_doubt {
            rotations.into_iter().for_each(|rotation| self.unsettled.note(rotation.grant, rotation.doubt));
        }
        unanswered.error
    }

    fn forget_one(&self, key: &str) -> Result<(), StoreError> {
        self.connections.ask_once(|connection| redis::cmd("DEL").arg(key).exec(connection))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn make_grant_mark() -> Result<u32, StoreError> {
    make_random().map(u32::from_be_bytes).map_err(|_| StoreError::NotDurable)
}

fn make_mark() -> Result<u64, StoreError> {
    make_random().map(u64::from_be_bytes).map_err(|_| StoreError::NotDurable)
}

impl Store for RedisStore {
    fn newest_key(&self) -> Result<Option<KeyName>, StoreError> {
        self.read(NEWEST_KEY, records::read_key_name)
    }

    fn admit_keys(&self, ours: &[KeyName]) -> Result<bool, StoreError> {
        let decide = |is: Option<&[u8]>| {
            let seen = is.map(records::read_key_name).transpose()?;
            let admitted = KeyName::admit(seen, ours);
            let becomes = admitted.filter(|name| seen != Some(*name)).map(records::write_key_name);
            Ok((becomes.transpose()?, admitted.is_some()))
        };
        self.change(NEWEST_KEY, None, decide)
    }

    fn add_user(&self, user: &User) -> Result<bool, StoreError> {
        // The way from the subject first: until the person is there it leads nowhere.
        self.add(&subject_key(&user.subject), user.name.as_bytes(), None)?;
        let added = self.add(&user_key(&user.name), &records::write_user(user)?, None)?;
        if !added {
            self.forget_one(&subject_key(&user.subject))?;
        }
        Ok(added)
    }

    fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.read(&user_key(name), records::read_user)
    }

    fn user(&self, subject: &str) -> Result<Option<User>, StoreError> {
        let name = |name: &[u8]| String::from_utf8(name.to_owned()).map_err(|_| StoreError::Damaged("a person's name"));
        let Some(name) = self.read(&subject_key(subject), name)? else { return Ok(None) };
        Ok(self.user_named(&name)?.filter(|user| user.subject == subject))
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        self.all_users()
    }

    fn change_user(&self, before: &User, after: &User) -> Result<bool, StoreError> {
        self.change_one_user(before, after)
    }

    fn remove_user(&self, subject: &str) -> Result<bool, StoreError> {
        self.remove_one_user(subject)
    }

    fn set_password(&self, name: &str, password_hash: &str) -> Result<bool, StoreError> {
        let decide = |is: Option<&[u8]>| {
            let Some(is) = is else { return Ok((None, false)) };
            let user = User { password_hash: password_hash.to_owned(), ..records::read_user(is)? };
            let becomes = records::write_user(&user)?;
            Ok((Some(becomes).filter(|becomes| becomes != is), true))
        };
        self.change(&user_key(name), None, decide)
    }

    fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        let record = records::write_client(client)?;
        let decide = |is: Option<&[u8]>| Ok((Some(record.clone()).filter(|record| Some(record.as_slice()) != is), ()));
        self.change(&client_key(&client.id), None, decide)
    }

    fn registered_clients(&self) -> Result<u64, StoreError> {
        self.connections.ask_once(|connection| redis::cmd("SCARD").arg(REGISTERED).query(connection))
    }

    fn add_client(&self, client: &Client) -> Result<bool, StoreError> {
        if client.has(Setting::Registered) {
            // First, so that none is missing in the count.
            let note = |connection: &mut dyn ConnectionLike| {
                redis::cmd("SADD").arg(REGISTERED).arg(&client.id).exec(connection)
            };
            self.connections.ask_once(note)?;
        }
        self.add(&client_key(&client.id), &records::write_client(client)?, None)
    }

    fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        self.read(&client_key(id), |text| records::read_client(id, text))
    }

    fn add_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        self.keep_grant(grant)
    }

    fn add_grants(&self, grants: &[Grant]) -> Result<(), StoreError> {
        let mut all = redis::pipe();
        for grant in grants {
            let record = Marked { grant: grant.clone(), mark: make_grant_mark()? }.write();
            all.cmd("SET").arg(grant_key(grant.id)).arg(record).arg("PX").arg(millis(self.remember)).ignore();
        }
        self.connections.ask_once(|connection| all.exec(connection))
    }

    fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        self.read(&grant_key(id), |text| Ok(Marked::read(id, text)?.grant))
    }

    fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        let mut grants: Vec<Grant> = self.connections.each_node(people::scan_grants)?.into_iter().flatten().collect();
        grants.sort_by_key(|grant| (std::cmp::Reverse(grant.created_at), grant.id));
        Ok(grants)
    }

    fn grants_of(&self, subject: &str) -> Result<Vec<Grant>, StoreError> {
        self.grants_in_index(subject)
    }

    fn redeem(&self, presented: &Redemption) -> Result<Outcome, StoreError> {
        let id = presented.grant;
        self.unsettled.settle(id)?;
        let key = grant_key(id);
        let begun = match Rotation::of(presented, self.remember) {
            Some(rotation) => match self.rotate(&rotation, presented)? {
                (connection, Rotated::Made(outcome)) => {
                    self.connections.give_back(connection);
                    return Ok(outcome);
                }
                (connection, Rotated::Left(is)) => (connection, is),
            },
            None => self.swaps.read(&key)?,
        };
        let mark = make_grant_mark()?;
        let doubt = Cell::new(Doubt { mark, of: 0 });
        let decide = |is: Option<&[u8]>| {
            let Some(text) = is else { return Ok((None, Outcome::Unknown)) };
            let mut after = Marked { mark, ..Marked::read(id, text)? };
            doubt.set(Doubt { mark, of: after.grant.generation });
            let outcome = after.grant.redeem(presented);
            Ok((outcome.is_change().then(|| after.write()), outcome))
        };
        let doubted = || self.unsettled.note(id, doubt.get());
        let (outcome, changed_on) = self.swaps.step(&key, begun, Some(self.remember), decide, doubted)?;
        self.swaps.done_on(changed_on);
        Ok(outcome)
    }

    fn queues(&self) -> bool {
        self.queue.is_some()
    }

    fn redeem_then(&self, presented: Redemption, then: Then) {
        let job = Job { presented, then, read: None };
        match (&self.lane, &self.queue) {
            (Some(lane), _) => lane.take(job),
            (None, Some(queue)) => queue.hand_in(job),
            (None, None) => (job.then)(self.redeem(&job.presented)),
        }
    }

    fn revoke(&self, id: GrantId, reason: Reason, now: Timestamp) -> Result<Option<bool>, StoreError> {
        let mark = make_grant_mark()?;
        let decide = |is: Option<&[u8]>| {
            let Some(text) = is else { return Ok((None, None)) };
            let mut grant = Marked::read(id, text)?.grant;
            let first = grant.revoke(reason, now);
            let becomes = first.then(|| Marked { grant, mark }.write());
            Ok((becomes, Some(first)))
        };
        self.change(&grant_key(id), None, decide)
    }

    fn add_code(&self, code: &Code) -> Result<(), StoreError> {
        let record = records::write_code(code, make_mark()?)?;
        let life = Some(LIFE + REMEMBER_CODES);
        self.change(&code_key(&code.hash), life, |_| Ok((Some(record.clone()), ())))
    }

    /// Two keys, which may be in two hash slots. So the grant is there before the code names it, and then is nobody's until
    /// the code is swapped; whoever finds the code spent finds the grant that it names.
    fn exchange(&self, presented: &Exchange) -> Result<Exchanged, StoreError> {
        let (key, mark) = (code_key(&presented.hash), make_mark()?);
        let mut made = None;
        let decide = |is: Option<&[u8]>| {
            let Some(text) = is else { return Ok((None, Exchanged::Unknown)) };
            let before = records::read_code(presented.hash, text)?;
            let mut after = before.clone();
            let exchanged = after.exchange(presented);
            if let (Exchanged::Granted(grant, _), None) = (&exchanged, &made) {
                self.keep_grant(grant)?;
                made = Some(grant.id);
            }
            let becomes = if after == before { None } else { Some(records::write_code(&after, mark)?) };
            Ok((becomes, exchanged))
        };
        let exchanged = self.change(&key, None, decide)?;
        if let Exchanged::Again(of_code) = &exchanged {
            if let Some(id) = of_code {
                self.revoke(*id, Reason::CodeReuse, presented.now)?;
            }
            // Ours, if another exchange was faster.
            if let Some(ours) = made.filter(|ours| Some(*ours) != *of_code) {
                self.forget_one(&grant_key(ours))?;
            }
        }
        Ok(exchanged)
    }

    fn add_device(&self, device: &Device) -> Result<bool, StoreError> {
        let record = records::write_device(device, make_mark()?)?;
        self.add(&device_key(&device.name), &record, Some(device::LIFE + REMEMBER_CODES))
    }

    fn device(&self, name: &[u8; 32]) -> Result<Option<Device>, StoreError> {
        self.read(&device_key(name), |text| records::read_device(*name, text))
    }

    fn decide_device(&self, decision: &Decision) -> Result<bool, StoreError> {
        let mark = make_mark()?;
        let decide = |is: Option<&[u8]>| {
            let Some(text) = is else { return Ok((None, false)) };
            let mut device = records::read_device(decision.name, text)?;
            let counts = device.decide(decision);
            Ok((counts.then(|| records::write_device(&device, mark)).transpose()?, counts))
        };
        self.change(&device_key(&decision.name), None, decide)
    }

    /// Two keys, as with [`Self::exchange`].
    fn poll_device(&self, poll: &Poll) -> Result<Polled, StoreError> {
        let mark = make_mark()?;
        let mut made = None;
        let decide = |is: Option<&[u8]>| {
            let Some(text) = is else { return Ok((None, Polled::Unknown)) };
            let before = records::read_device(poll.name, text)?;
            let mut after = before.clone();
            let polled = after.poll(poll);
            if let (Polled::Granted(grant, _), None) = (&polled, &made) {
                self.keep_grant(grant)?;
                made = Some(grant.id);
            }
            let becomes = if after == before { None } else { Some(records::write_device(&after, mark)?) };
            Ok((becomes, polled))
        };
        let polled = self.change(&device_key(&poll.name), None, decide)?;
        if let Polled::Again(of_code) = &polled {
            self.revoke(*of_code, Reason::CodeReuse, poll.now)?;
            if let Some(ours) = made.filter(|ours| ours != of_code) {
                self.forget_one(&grant_key(ours))?;
            }
        }
        Ok(polled)
    }

    fn add_pushed(&self, pushed: &Pushed) -> Result<(), StoreError> {
        self.add(&pushed_key(&pushed.hash), &records::write_pushed(pushed)?, Some(pushed::LIFE)).map(drop)
    }

    fn take_pushed(&self, hash: &[u8; 32]) -> Result<Option<Pushed>, StoreError> {
        let key = pushed_key(hash);
        let taken: Option<Vec<u8>> =
            self.connections.ask_once(|connection| redis::cmd("GETDEL").arg(&key).query(connection))?;
        taken.map(|text| records::read_pushed(*hash, &text)).transpose()
    }

    /// With a mark, so that a question that was asked twice, because its first answer was lost, is told from a second proof.
    fn first_sight(&self, proof: &[u8; 16], life: Duration) -> Result<bool, StoreError> {
        let (key, mark) = (hash_key("proof", proof), make_mark()?);
        let mut note = redis::cmd("SET");
        note.arg(&key).arg(mark).arg(&["NX", "GET", "PX"]).arg(millis(life));
        let before: Option<u64> = self.connections.ask_once(|connection| note.query(connection))?;
        Ok(before.is_none_or(|before| before == mark))
    }

    /// Redis forgets by itself.
    fn forget(&self, _: Timestamp, _: Timestamp) -> Result<usize, StoreError> {
        Ok(0)
    }
}
