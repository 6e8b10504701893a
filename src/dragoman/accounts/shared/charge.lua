-- Charge what processes have used that have ended before they could report it.
--
-- ARGV[1]: the prefix of all keys. ARGV[2]: a `messages.Charges` in MessagePack. Returns how many were charged.
--
-- A use that was settled up to the latest settlement that the process has reported is counted already. A process that
-- the store does not know has ended before the store began: then the counters began with what the database knows.
local charges, ended = unpack(q)
local charged = 0
for _, one in ipairs(charges) do
  local id, process, settled, used = unpack(one)
  local upto = call('HGET', P .. 'p:' .. process, 'upto')
  if upto and call('SET', P .. 'a:' .. id, '1', 'NX', 'EX', 604800) then
    if settled < 0 or settled > tonumber(upto) then
      charged = charged + 1
      for _, pair in ipairs(used) do
        local key = P .. 'c:' .. pair[1]
        if call('EXISTS', key) == 1 then call('HINCRBY', key, 'b', text(pair[2])) end
      end
    end
  end
end
-- What a process still held is given back now: its journal can only be read because it has ended. But not before all
-- that it has used is charged, or others would get what its last exchanges had reserved and used.
for _, process in ipairs(ended) do release(process) end
return charged
