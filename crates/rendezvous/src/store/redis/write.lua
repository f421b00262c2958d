-- Replaces a payload if its tag is still the expected one. Comparing and writing is one atomic
-- step: Redis runs nothing else during a script.
--
-- KEYS: the session. ARGV: the expected tag; the new tag; the new payload; a channel, and the
-- message to publish. Returns nothing if there is no session. Otherwise whether it wrote; the
-- record (if it wrote, only the errcodes, which it has kept); and how many milliseconds are left.
local head = redis.call('GETRANGE', KEYS[1], 0, 32)
if #head < 33 then
  return false
end
local left = redis.call('PTTL', KEYS[1])
if string.sub(head, 1, 16) ~= ARGV[1] then
  return {0, redis.call('GET', KEYS[1]), left}
end
local errcodes = string.sub(head, 33)
redis.call('SET', KEYS[1], ARGV[2] .. ARGV[1] .. errcodes .. struct.pack('>I8', left) .. ARGV[3], 'KEEPTTL')
redis.call('PUBLISH', ARGV[4], ARGV[5])
return {1, errcodes, left}
