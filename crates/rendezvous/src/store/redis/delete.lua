-- Ends a session, and says so to those who wait for it.
--
-- KEYS: the session. ARGV: a channel, and what to say there. Answers how many sessions it ended.
local ended = redis.call('DEL', KEYS[1])
if ended > 0 then
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return ended
