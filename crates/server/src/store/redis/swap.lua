-- Changes a record if it still is what the decision was made on: the one way in which anything here changes.
-- KEYS[1] the record. ARGV[1] what it must be, '' for none; ARGV[2] what it becomes; ARGV[3] how many milliseconds it
-- lives from now on, '' to leave that as it is. Gives back what it is instead, or 1.
local is = redis.call('GET', KEYS[1]) or ''
if is ~= ARGV[1] then
  return is
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
