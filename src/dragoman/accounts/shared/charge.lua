-- Charge what a process has used that has ended before it could report it.
--
-- ARGV[1]: the prefix of all keys. ARGV[2]: {process, mark, {{time, {{counter, ttl, amount}, …}}, …}} in MessagePack.
-- mark: names this batch, which is charged once. Records with a time up to the latest settlement that the process has
-- reported are counted already; a time of -1 is always charged. Returns the number of records that were charged.
if not call('SET', P .. 'a:' .. q[2], '1', 'NX', 'EX', 604800) then return 0 end
local upto = number(call('HGET', P .. 'p:' .. q[1], 'upto'))
local charged = 0
for _, record in ipairs(q[3]) do
  if record[1] < 0 or record[1] > upto then
    charged = charged + 1
    for _, one in ipairs(record[2]) do
      local key = P .. 'c:' .. one[1]
      local new = call('EXISTS', key) == 0
      if new then call('HSET', key, 'b', '0', 't', '0', 'g', '0', 'v', '0') end
      call('HINCRBY', key, 'b', text(one[3]))
      if new and one[2] >= 0 then call('PEXPIRE', key, one[2]) end
    end
  end
end
-- What it still held is given back now: its journal can only be read because it has ended.
if call('ZSCORE', P .. 'members', q[1]) then bury(q[1]) end
return charged
