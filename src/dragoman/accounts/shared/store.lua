-- Stands before each of the other scripts. The store is a Valkey server, or Redis.
--
-- Keys, each with the prefix:
--   epoch     the id of the state that all processes have agreed on; it is missing after the store was emptied
--   members   a sorted set: process -> the end of its lease, in milliseconds of the server's clock
--   buried    a sorted set: process without a lease -> when it was found without one
--   expected  after a loss: the processes that have not yet put back what they know
--   until     after a loss: exists as long as the store waits for them
--   p:ID      of a process: seq (its latest request), upto (the time of the latest settlement that it reported)
--   o:ID      of a process: the counters that it has a share in
--   c:NAME    a counter: b = used by processes that are gone, or known from elsewhere; f = a lower bound of all
--             that was used, in force after a loss; u:ID, h:ID, r:ID = what a process has used, holds, and has
--             reserved of what it holds; t, g, v = the sums of these; rn = the latest recall,
--             numbered by its time; k:ID = the latest recall that a process has obeyed; x = until when it is contested
local P = ARGV[1]
local q = cmsgpack.unpack(ARGV[2])
local call = redis.call
local clock = call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

-- Lua's own conversion of a number to a text keeps 14 digits only.
local function text(n) return string.format('%.0f', n) end
local function number(s) return s and tonumber(s) or 0 end

-- Set a field of a process, and add the difference to its sum.
local function set(key, field, sum, who, value)
  local before = number(call('HGET', key, field .. who))
  if before ~= value then
    call('HSET', key, field .. who, text(value))
    call('HINCRBY', key, sum, text(value - before))
  end
end

-- Whether, after a loss, the store waits for processes that have not yet put back what they know.
local function recovering()
  return call('EXISTS', P .. 'until') == 1 and call('SCARD', P .. 'expected') > 0
end

local function take_from(key, field, sum, who)
  local before = number(call('HGET', key, field .. who))
  if before ~= 0 then call('HINCRBY', key, sum, text(-before)) end
  call('HDEL', key, field .. who)
  return before
end

-- Whether a counter is of `concurrency`: what its name says, see state/counters.py.
local function counts_places(name) return string.find(name, '^[^|]*|concurrency|') ~= nil end

-- Begin to treat a process as gone, whose lease is over: it has ended, or is silent. Its places are free: nobody
-- knows better. Of other counters it may have used all that it held, and nobody has charged that yet: so it all counts
-- as reserved, until the process comes back and says less, its journal has told what was used (`release`), or it is
-- forgotten (exchange.lua).
local function bury(who)
  for _, name in ipairs(call('SMEMBERS', P .. 'o:' .. who)) do
    local key = P .. 'c:' .. name
    if call('EXISTS', key) == 0 then
      call('SREM', P .. 'o:' .. who, name)
    elseif counts_places(name) then
      take_from(key, 'h:', 'g', who)
      take_from(key, 'r:', 'v', who)
    else
      local held = number(call('HGET', key, 'h:' .. who))
      take_from(key, 'r:', 'v', who)
      if held ~= 0 then
        call('HSET', key, 'r:' .. who, text(held))
        call('HINCRBY', key, 'v', text(held))
      end
    end
    call('HDEL', key, 'k:' .. who)
  end
  call('ZREM', P .. 'members', who)
  call('SREM', P .. 'expected', who)
  call('ZADD', P .. 'buried', now, who)
  call('PEXPIRE', P .. 'p:' .. who, 86400000)
end

-- Give back all that a process holds, which leaves or has ended. What it has used stays.
local function release(who)
  if call('ZSCORE', P .. 'members', who) then bury(who) end
  for _, name in ipairs(call('SMEMBERS', P .. 'o:' .. who)) do
    local key = P .. 'c:' .. name
    take_from(key, 'h:', 'g', who)
    take_from(key, 'r:', 'v', who)
  end
end
