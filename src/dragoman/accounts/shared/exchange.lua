-- One exchange of a process with the store: it reports what it has used and holds, and asks for more.
-- All of it happens at once, because the server runs one script at a time.
--
-- ARGV[1]: the prefix of all keys. ARGV[2]: the request in MessagePack, see `messages.Request`.
-- Returns a `messages.Reply` in MessagePack.
local me, epoch, seq, lease = q[1], q[2], q[3], q[4]
local BURIED = 600000   -- so many milliseconds after its burial, what a process has used and held is added to `b`
local OBEYED = 50       -- milliseconds in which a recall that all have obeyed need not be repeated
local SILENT = 500      -- a process that has not obeyed a recall for so many milliseconds is not waited for
local CONTESTED = 1000

-- Forget a process for good: what it has used becomes part of `b`, and so does what it still holds, because its
-- journal has not told in all the time how much of that was used. If it tells later, this is counted already.
local function forget(who)
  local untold = false
  for _, name in ipairs(call('SMEMBERS', P .. 'o:' .. who)) do
    local key = P .. 'c:' .. name
    if call('EXISTS', key) == 1 then
      local held = take_from(key, 'h:', 'g', who)
      local used = take_from(key, 'u:', 't', who) + held
      take_from(key, 'r:', 'v', who)
      untold = untold or held ~= 0
      if used ~= 0 then call('HINCRBY', key, 'b', text(used)) end
    end
  end
  call('DEL', P .. 'o:' .. who)
  call('ZREM', P .. 'buried', who)
  if untold then call('DEL', P .. 'p:' .. who) end
end

if call('GET', P .. 'epoch') ~= epoch or not call('ZSCORE', P .. 'members', me) then
  return cmsgpack.pack({false})
end
if seq <= number(call('HGET', P .. 'p:' .. me, 'seq')) then return cmsgpack.pack({false}) end
call('HSET', P .. 'p:' .. me, 'seq', text(seq), 'upto', string.format('%.17g', q[5]))
call('ZADD', P .. 'members', 'XX', now + lease, me)
for _, who in ipairs(call('ZRANGEBYSCORE', P .. 'members', '-inf', now, 'LIMIT', 0, 4)) do bury(who) end
for _, who in ipairs(call('ZRANGEBYSCORE', P .. 'buried', '-inf', now - BURIED, 'LIMIT', 0, 4)) do forget(who) end
local processes = call('ZCARD', P .. 'members')
local waits = recovering()

-- The key of a counter, which is made if it is new. seed: what is known to be used, of all. late: 1 = it also counts
-- if the counter is not new.
local function counter(name, ttl, seed, late)
  local key = P .. 'c:' .. name
  local new = call('EXISTS', key) == 0
  if new then call('HSET', key, 'b', '0', 't', '0', 'g', '0', 'v', '0') end
  if ttl >= 0 then
    if new then call('PEXPIRE', key, ttl) else call('PEXPIRE', key, ttl, 'GT') end
  end
  if new then call('SADD', P .. 'o:' .. me, name) end
  if seed > 0 and (new or waits or late == 1) and seed > number(call('HGET', key, 'f')) then
    call('HSET', key, 'f', text(seed))
  end
  if not waits then
    local floor = number(call('HGET', key, 'f'))
    if floor > 0 then
      local known = call('HMGET', key, 'b', 't')
      local more = floor - number(known[1]) - number(known[2])
      if more > 0 then call('HINCRBY', key, 'b', text(more)) end
      call('HDEL', key, 'f')
    end
  end
  return key
end

local function standing(key)
  local s = call('HMGET', key, 'b', 't', 'f', 'v', 'g')
  return math.max(number(s[1]) + number(s[2]), number(s[3])), number(s[4]), number(s[5]), number(s[1])
end

local reports = {}
for i, r in ipairs(q[7]) do
  local name, ttl, used, held, reserved, obeyed, base, seed, late = unpack(r)
  local key = counter(name, ttl, late == 1 and 0 or seed)
  call('SADD', P .. 'o:' .. me, name)
  if base > number(call('HGET', key, 'b')) and waits then call('HSET', key, 'b', text(base)) end
  set(key, 'u:', 't', me, used)
  set(key, 'h:', 'g', me, held)
  set(key, 'r:', 'v', me, reserved)
  if late == 1 then counter(name, ttl, seed, late) end  -- now, because the seed may have what was just reported
  if obeyed > 0 then call('HSET', key, 'k:' .. me, text(obeyed)) end
  local all, promised, given, before = standing(key)
  reports[i] = {all, promised, before}
  if ttl < 0 and all == 0 and given == 0 then call('DEL', key) end
end
for _, name in ipairs(q[9]) do call('SREM', P .. 'o:' .. me, name) end
if q[6] == 1 then call('SREM', P .. 'expected', me); waits = recovering() end

local recalled = {}
-- The recall that an asker should wait for, because other processes may give back what they hold; 0 = none.
-- waited: the recall that it has waited for. If all have obeyed that one, they hold only what they need.
local function worth_waiting(key, name, waited)
  local fields, all = {}, call('HGETALL', key)
  for i = 1, #all, 2 do fields[all[i]] = all[i + 1] end
  local recall = number(fields.rn)
  local held, silent, due = false, false, false
  for field, value in pairs(fields) do
    if string.sub(field, 1, 2) == 'h:' and tonumber(value) > 0 then
      local who = string.sub(field, 3)
      if who ~= me and call('ZSCORE', P .. 'members', who) then  -- others cannot give back anything
        held = true
        local obeyed = number(fields['k:' .. who])
        if obeyed < recall then silent = true end
        if obeyed < waited then due = true end
      end
    end
  end
  if not held or (waited > 0 and not due) then return 0 end
  local age = now - recall
  if recall > 0 then
    if silent and age < SILENT then return recall end
    if silent and age < CONTESTED then return 0 end
    if not silent and age < OBEYED then return 0 end
  end
  recall = math.max(now, recall + 1)
  call('HSET', key, 'rn', text(recall), 'x', text(now + CONTESTED))
  recalled[#recalled + 1] = {name, recall}
  return recall
end

local rested = {}  -- counters of which a rest was granted in this message
-- outcome: 1 = granted, 0 = refused, 2 = ask again soon, 3 = the store waits for other processes
local function asked(claims)
  if waits then return {3, -1, {0, 0, 0}, {}} end
  local keys, standings = {}, {}
  for i, claim in ipairs(claims) do
    local name, ttl, amount, most, seed, waited = unpack(claim)
    local key = counter(name, ttl, seed)
    local used, promised, given, before = standing(key)
    keys[i], standings[i] = key, {used, promised, before, 0}
    local left = most - used - given
    if amount > left then
      local recall = amount <= most - used and worth_waiting(key, name, waited) or 0
      return {recall > 0 and 2 or 0, i - 1, {used, promised, before}, {}, recall}
    end
    if not rested[key] and number(call('HGET', key, 'x')) <= now then
      local extra = math.floor((left - amount) / (4 * processes))
      if extra >= amount then standings[i][4] = extra end
    end
  end
  for i, claim in ipairs(claims) do
    local amount, extra, key = claim[3], standings[i][4], keys[i]
    if extra > 0 then rested[key] = true end
    call('SADD', P .. 'o:' .. me, claim[1])
    call('HINCRBY', key, 'h:' .. me, text(amount + extra))
    call('HINCRBY', key, 'g', text(amount + extra))
    call('HINCRBY', key, 'r:' .. me, text(amount))
    call('HINCRBY', key, 'v', text(amount))
    standings[i][2] = standings[i][2] + amount
  end
  return {1, -1, {0, 0, 0}, standings}
end

local asks = {}
for i, claims in ipairs(q[8]) do asks[i] = asked(claims) end
if #recalled > 0 then call('PUBLISH', P .. 'recall', cmsgpack.pack(recalled)) end
if q[10] == 1 then release(me) end
local others = {}
if q[11] == 1 then others = call('ZRANGE', P .. 'members', 0, -1) end
return cmsgpack.pack({true, waits, processes, reports, asks, others})
