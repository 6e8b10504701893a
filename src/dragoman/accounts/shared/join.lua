-- A process comes to the store, or comes back after the connection was lost.
--
-- ARGV[1]: the prefix of all keys. ARGV[2]: the request in MessagePack, see `messages.Join`.
-- Returns a `messages.Joined` in MessagePack. store.lua describes the keys.
--
-- A new epoch begins when the store has lost its state: it was emptied, or another server process answers (it has
-- another run id), which may be a restarted one or a replica that lacks the latest writes. Then nothing is granted
-- until all processes that were known have put back what they know, or until their lease is over. Who is known: whom
-- this process knows, whom the state names, and who listens for recalls. After a start of the server nobody listens
-- yet, and a process that has just begun knows nobody: so it waits a little for others to come back (grace).
local me, run, fresh, lease, before, peers, grace = q[1], q[2], q[3], q[4], q[5], q[6], q[7]

local epoch = call('GET', P .. 'epoch')
local member = call('ZSCORE', P .. 'members', me)
local known = member or call('ZSCORE', P .. 'buried', me)
if not epoch or call('GET', P .. 'run') ~= run then
  local found = epoch
  epoch = fresh
  call('SET', P .. 'epoch', epoch)
  call('SET', P .. 'run', run)
  call('DEL', P .. 'expected', P .. 'joined', P .. 'until')
  for _, who in ipairs(call('ZRANGE', P .. 'members', 0, -1)) do
    call('ZADD', P .. 'members', 'XX', text(now + lease), who)
    call('SADD', P .. 'expected', who)
  end
  for _, who in ipairs(peers) do call('SADD', P .. 'expected', who) end
  call('SREM', P .. 'expected', me)
  local listening = call('PUBSUB', 'NUMSUB', P .. 'recall')[2] - 1
  for i = call('SCARD', P .. 'expected') + 1, listening do call('SADD', P .. 'expected', '?' .. i) end
  local patience = call('SCARD', P .. 'expected') > 0 and lease or grace
  if patience > 0 then
    if patience == grace then call('SADD', P .. 'expected', '?') end
    call('SET', P .. 'until', '1', 'PX', text(patience))
    call('PEXPIRE', P .. 'expected', text(patience))
    call('PUBLISH', P .. 'recall', cmsgpack.pack({{'', 0}}))
  end
elseif call('EXISTS', P .. 'until') == 1 then
  if call('SREM', P .. 'expected', me) == 0 and call('SISMEMBER', P .. 'joined', me) == 0 then
    for _, who in ipairs(call('SMEMBERS', P .. 'expected')) do
      if string.sub(who, 1, 1) == '?' and who ~= '?' then call('SREM', P .. 'expected', who) break end
    end
  end
  for _, who in ipairs(peers) do
    if who ~= me and call('SISMEMBER', P .. 'joined', who) == 0 then call('SADD', P .. 'expected', who) end
  end
end
call('SADD', P .. 'joined', me)
call('PEXPIRE', P .. 'joined', text(2 * lease))
if call('EXISTS', P .. 'until') == 1 then call('SADD', P .. 'expected', me) end
-- A process that has come back in the same epoch, and which the store has forgotten, must begin anew: what it had
-- used is a part of `b`.
local forgotten = before == epoch and not known
if not forgotten then
  call('ZREM', P .. 'buried', me)
  call('ZADD', P .. 'members', text(now + lease), me)
  call('PERSIST', P .. 'p:' .. me)
end
-- While the store waits for others, nobody gets anything, so the places are still those of this process.
local lapsed = not member and call('EXISTS', P .. 'until') == 0
return cmsgpack.pack({epoch, forgotten, lapsed})
