//! A refresh in one question to Redis. Nearly all grants are plain: only the client, the generation and the time since the last
//! rotation can speak against the next one, and their records say so. Such a grant a script rotates at once, and gives back what it
//! was; the rule is applied to that here, for the answer. Every other one is read, decided on and swapped.
//!
//! A rotation may be sent twice, and may come late: the second finds another generation, and the first one's mark.

use std::time::Duration;

use pilotlight_oauth::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionLike, Pipeline, RedisResult, Script, Value};

use super::records::Marked;
use super::unsettled::Doubt;
use super::{grant_key, make_grant_mark, millis, packed};
use crate::grant::{GrantId, Outcome, REMEMBERED_KEYS, Redemption};
use crate::store::StoreError;

const ANSWER: &str = "the answer of a script";

/// What a script is told to do.
pub(super) struct Rotation {
    pub(super) grant: GrantId,
    /// Until it is answered.
    pub(super) doubt: Doubt,
    /// In this order behind the key.
    arguments: [Vec<u8>; 5],
}

/// What became of it.
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one, and none is kept")]
pub(super) enum Rotated {
    Made(Outcome),
    /// The record as it is; none where there is none.
    Left(Option<Vec<u8>>),
}

impl Rotation {
    /// Where nothing more than a rotation is asked for. The grant is kept for that long from then on.
    pub(super) fn of(presented: &Redemption, remember: Duration) -> Option<Self> {
        let Redemption { generation, client, key, now, idle, .. } = presented;
        let asks_for_all = presented.scope.is_none() && presented.resources.is_empty() && presented.proven.is_none();
        if !asks_for_all || presented.remembered_keys != REMEMBERED_KEYS || !packed::is_exact(*now) {
            return None;
        }
        // Without randomness there is no mark; whoever decides on it instead says so.
        let (mark, next) = (make_grant_mark().ok()?, generation.checked_add(1)?);
        // Nothing was rotated before all time, where Lua would round.
        let oldest = now.minus(*idle).max(Timestamp::from_millis(-1));
        let arguments = [
            packed::whose(*generation, client),
            oldest.as_millis().to_string().into_bytes(),
            packed::head(*now, mark, next, client),
            key.map_or_else(Vec::new, Vec::from),
            millis(remember).to_string().into_bytes(),
        ];
        Some(Self { grant: presented.grant, doubt: Doubt { mark, of: *generation }, arguments })
    }

    /// Sends the script too where Redis does not know it.
    pub(super) fn ask(&self, script: &Script, connection: &mut dyn ConnectionLike) -> RedisResult<Value> {
        let mut call = script.prepare_invoke();
        call.key(grant_key(self.grant));
        for argument in &self.arguments {
            call.arg(argument);
        }
        call.invoke(connection)
    }

    /// The same without holding up a thread, of a Redis that knows the script.
    pub(super) async fn ask_from_here(
        &self,
        script: &Script,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Value> {
        self.command(script).query_async(connection).await
    }

    /// As one question of many, to a Redis that knows the script.
    pub(super) fn put(&self, script: &Script, all: &mut Pipeline) {
        all.add_command(self.command(script));
    }

    fn command(&self, script: &Script) -> Cmd {
        let length: usize = self.arguments.iter().map(Vec::len).sum();
        let mut call = Cmd::with_capacity(4 + self.arguments.len(), 128 + length);
        call.arg("EVALSHA").arg(script.get_hash()).arg(1).arg(grant_key(self.grant));
        for argument in &self.arguments {
            call.arg(argument);
        }
        call
    }

    /// What Redis said to it.
    pub(super) fn read(&self, presented: &Redemption, answer: Value) -> Result<Rotated, StoreError> {
        let record = match answer {
            Value::Nil => return Ok(Rotated::Left(None)),
            Value::BulkString(record) => record,
            Value::Array(was) => return self.made_of(presented, &was),
            _ => return Err(StoreError::Damaged(ANSWER)),
        };
        // Sent twice, and made by the first. No other change leaves the same mark.
        let ours = Marked::read(self.grant, &record).ok().filter(|is| is.mark == self.doubt.mark);
        Ok(ours.map_or(Rotated::Left(Some(record)), |is| Rotated::Made(Outcome::Rotated(is.grant))))
    }

    fn made_of(&self, presented: &Redemption, was: &[Value]) -> Result<Rotated, StoreError> {
        let [Value::BulkString(was)] = was else { return Err(StoreError::Damaged(ANSWER)) };
        match Marked::read(self.grant, was)?.grant.redeem(presented) {
            outcome @ Outcome::Rotated(_) => Ok(Rotated::Made(outcome)),
            outcome => {
                let (grant_id, outcome) = (self.grant, outcome.as_str());
                tracing::error!(%grant_id, outcome = %outcome, "a script rotated what the rule does not rotate");
                Err(StoreError::Damaged("a grant that a script rotated"))
            }
        }
    }
}
