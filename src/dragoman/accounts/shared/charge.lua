-- Charge what a process has used that has ended before it could report it, and take back what it held.
--
-- ARGV[1]: the prefix of all keys. ARGV[2]: a `messages.Charges` in MessagePack. Returns a `messages.Charged`.
--
-- A use that was settled up to the latest settlement that the process has reported is counted already. A process that
-- the store does not know has ended before the store began: then the counters began with what the database knows.
local process, epoch, number_of, upto, late, charges, over = unpack(q)

-- It has ended, because else nobody could read its journal. So its places are free, and nobody waits for it. What
-- else it held stays held until all is charged, or others would get what its last exchanges had reserved and used.
if call('ZSCORE', P .. 'members', process) then bury(process) end
call('SREM', P .. 'expected', process)
if recovering() then return cmsgpack.pack({true}) end

local known = call('ZSCORE', P .. 'buried', process)
local about = P .. 'p:' .. process
if epoch ~= '' and not (known and number(call('HGET', about, 'seq')) > number_of) then
  for _, one in ipairs(late) do
    local name, ttl, used, base = unpack(one)
    local key = P .. 'c:' .. name
    local there = call('EXISTS', key) == 1
    if there and known and call('SISMEMBER', P .. 'o:' .. process, name) == 1 then
      set(key, 'u:', 't', process, math.max(used, number(call('HGET', key, 'u:' .. process))))
    elseif there or call('GET', P .. 'epoch') == epoch then
      -- The store has never heard of the process here. Whoever has made the counter since may know of the use from
      -- the database. So it is a lower bound of what nobody else reports.
      if not there then
        call('HSET', key, 'b', '0', 't', '0', 'g', '0', 'v', '0')
        if ttl >= 0 then call('PEXPIRE', key, ttl) end
      end
      if used + base > number(call('HGET', key, 'b')) then call('HSET', key, 'b', text(used + base)) end
    end
  end
  if known and upto > number(call('HGET', about, 'upto')) then
    call('HSET', about, 'upto', string.format('%.17g', upto))
  end
end

local reported = call('HGET', about, 'upto')
local charged = 0
for _, one in ipairs(charges) do
  local id, settled, used = unpack(one)
  if reported and (settled < 0 or settled > tonumber(reported)) then
    if call('SET', P .. 'a:' .. id, '1', 'NX', 'EX', 604800) then
      charged = charged + 1
      for _, pair in ipairs(used) do
        local key = P .. 'c:' .. pair[1]
        if call('EXISTS', key) == 1 then call('HINCRBY', key, 'b', text(pair[2])) end
      end
    end
  end
end
if over == 1 then release(process) end
local answer = {false, charged}
if reported then answer[3] = tonumber(reported) end
return cmsgpack.pack(answer)
