-- Rotates a grant whose record says that nothing else can speak against it, if the token is the current one and was not left
-- unused for too long. Any other is left alone, for whoever can read all of it.
-- KEYS[1] the record; packed.rs has its form. ARGV[1] what stands there from the generation to the client; ARGV[2] the instant
-- after which it must have been rotated last; ARGV[3] what is to stand between the flags and the keys; ARGV[4] the key of this
-- rotation, or ''; ARGV[5] how many milliseconds it lives from now on. Gives back what it was, in a list where it was rotated.
local is = redis.call('GET', KEYS[1])
local keys = 16 + #ARGV[1]
if not is or string.byte(is) ~= 2 or string.sub(is, 16, keys - 1) ~= ARGV[1] then
  return is
end
if struct.unpack('>I8', is, 4) <= tonumber(ARGV[2]) then
  return is
end
local which, length = string.byte(is, keys, keys + 1)
local rest = string.sub(is, keys + 2 + length)
if which >= 128 then
  -- The oldest of eight is forgotten.
  which, length = which - 128, length - 8
end
local kept = ARGV[4] .. string.sub(is, keys + 2, keys + 1 + length)
which = 2 * which
if ARGV[4] ~= '' then
  which = which + 1
end
local becomes = string.sub(is, 1, 3) .. ARGV[3] .. string.char(which, #kept) .. kept .. rest
redis.call('SET', KEYS[1], becomes, 'PX', ARGV[5])
return {is}
