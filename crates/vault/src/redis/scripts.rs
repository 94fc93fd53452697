//! The transitions, each of them one script: Redis runs a script whole and alone, so that what is compared is what is
//! replaced. Nothing is written before everything was looked at, because Redis does not roll back.

use std::sync::LazyLock;

use redis::Script;

/// What every transition begins with. KEYS: vault, records, attempts. ARGV: what the header begins with, the furthest epoch
/// that the caller saw, whether this is sent for the second time, the record's id, and what the script itself takes.
///
/// A generation is compared as the eight bytes that a value begins with: Lua's numbers are too short for it.
const HEAD: &str = "
local header, epoch = redis.call('HGET', KEYS[1], 'header'), redis.call('HGET', KEYS[1], 'epoch')
if not header or not epoch then return {'gone', 0, ''} end
if string.sub(header, 1, #ARGV[1]) ~= ARGV[1] then return {'another', 0, ''} end
if not string.match(epoch, '^[1-9]%d*$') or #epoch > 15 then return {'damaged', 0, ''} end
epoch = tonumber(epoch)
if epoch < tonumber(ARGV[2]) then return {'older', epoch, ''} end
local again, id = ARGV[3] == '1', ARGV[4]
local value, attempt = redis.call('HGET', KEYS[2], id), redis.call('HGET', KEYS[3], id) or ''
local function advance() return redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
local function same() return {'same', epoch, ''} end
local function ours() return {'changed', epoch, ''} end
local function conflict() return {'conflict', epoch, string.sub(value or '', 1, 8)} end
";

/// One record and its attempt. Scripts read too: a transaction is refused where Redis' memory is full.
pub(super) static LOAD: LazyLock<Script> =
    LazyLock::new(|| script(&[HEAD, "return {'read', epoch, {value, redis.call('HGET', KEYS[3], id)}}"]));

/// All records and all attempts.
pub(super) static LIST: LazyLock<Script> = LazyLock::new(|| {
    script(&[HEAD, "return {'read', epoch, {redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3])}}"])
});

/// Nothing but what every script looks at.
pub(super) static LOOK: LazyLock<Script> = LazyLock::new(|| script(&[HEAD, "return {'read', epoch, ''}"]));

/// What transitions of an existing record go on with. ARGV\[5\] is the expected generation.
const AT_GENERATION: &str = "
if not value then return {'absent', epoch, ''} end
local elsewhere = string.sub(value, 1, 8) ~= ARGV[5]
";

/// ARGV\[5\]: the value.
pub(super) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    script(&[
        HEAD,
        "
if value and again and value == ARGV[5] then return ours() end
if value then return {'conflict', epoch, ''} end
local now = advance()
redis.call('HSET', KEYS[2], id, ARGV[5])
redis.call('HDEL', KEYS[3], id)
return {'changed', now, ''}",
    ])
});

/// ARGV\[6\]: the next value. A repeat that finds it there is told that it was its own: nonces do not repeat.
pub(super) static COMMIT: LazyLock<Script> = LazyLock::new(|| {
    script(&[
        HEAD,
        AT_GENERATION,
        "
if again and value == ARGV[6] then return ours() end
if elsewhere then return conflict() end
local now = advance()
redis.call('HSET', KEYS[2], id, ARGV[6])
redis.call('HDEL', KEYS[3], id)
return {'changed', now, ''}",
    ])
});

/// ARGV\[6\]: the attempt that the caller saw, or nothing; ARGV\[7\]: the new one.
pub(super) static BEGIN_ATTEMPT: LazyLock<Script> = LazyLock::new(|| {
    script(&[
        HEAD,
        AT_GENERATION,
        "
if elsewhere then return conflict() end
if again and attempt == ARGV[7] then return ours() end
if attempt ~= ARGV[6] then return conflict() end
local now = advance()
redis.call('HSET', KEYS[3], id, ARGV[7])
return {'changed', now, ''}",
    ])
});

/// ARGV\[6\]: the attempt to forget.
pub(super) static END_ATTEMPT: LazyLock<Script> = LazyLock::new(|| {
    script(&[
        HEAD,
        AT_GENERATION,
        "
if elsewhere then return conflict() end
if attempt == '' then return same() end
if attempt ~= ARGV[6] then return conflict() end
local now = advance()
redis.call('HDEL', KEYS[3], id)
return {'changed', now, ''}",
    ])
});

pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    script(&[
        HEAD,
        "
if not value and attempt == '' then return same() end
local now = advance()
redis.call('HDEL', KEYS[2], id)
redis.call('HDEL', KEYS[3], id)
return {'changed', now, ''}",
    ])
});

/// Makes a vault where there is none. ARGV\[1\]: its header. Gives the header that is there afterwards, and nothing where there
/// are remains of a vault without one (P4).
pub(super) static MAKE: LazyLock<Script> = LazyLock::new(|| {
    script(&["
local header = redis.call('HGET', KEYS[1], 'header')
if header then return header end
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then return '' end
redis.call('HSET', KEYS[1], 'header', ARGV[1], 'epoch', 1)
return ARGV[1]"])
});

/// Replaces the header ARGV\[1\] by ARGV\[2\]: says whether it was there.
pub(super) static REWRAP: LazyLock<Script> = LazyLock::new(|| {
    script(&["
local header = redis.call('HGET', KEYS[1], 'header')
if header == ARGV[2] then return 1 end
if header ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'header', ARGV[2])
return 1"])
});

/// Gives the three keys other names, KEYS\[4\] to KEYS\[6\]: says how many there were, or -1 where a name is taken.
pub(super) static SET_ASIDE: LazyLock<Script> = LazyLock::new(|| {
    script(&["
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[4], KEYS[5], KEYS[6]) > 0 then return -1 end
local moved = 0
for place = 1, 3 do
  if redis.call('EXISTS', KEYS[place]) == 1 then
    redis.call('RENAME', KEYS[place], KEYS[place + 3])
    moved = moved + 1
  end
end
return moved"])
});

fn script(parts: &[&str]) -> Script {
    Script::new(&parts.concat())
}
