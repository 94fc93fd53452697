-- After a swap whose answer did not come: either it was made, and nobody has the token, or from now on it cannot be made.
-- KEYS[1] the record. ARGV[1] and ARGV[2] what it was and what it was to become; ARGV[3] and ARGV[4] the second, noted as
-- lost, and the first under another mark.
local is = redis.call('GET', KEYS[1])
if is == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
elseif is == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL')
end
return 1
