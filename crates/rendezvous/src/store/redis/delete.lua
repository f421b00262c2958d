-- Deletes a session, and publishes that.
--
-- KEYS: the session. ARGV: a channel, and the message to publish. Returns how many sessions were
-- deleted.
local ended = redis.call('DEL', KEYS[1])
if ended > 0 then
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return ended
