/**
 * What runs inside the store. A bucket is one hash, so that one script reads and writes many keys at once:
 * field `<policy>:<key>` holds the key's TAT, field `@` the bucket's own state.
 *
 * - A TAT is its µs as a little-endian double, and a second one of the ticks where the rate's interval is no whole number
 *   of µs (gcra.ts). Packed, for writing numbers out and reading them back took half of the script's time.
 * - The bucket's state is `<owner> <last> <fence> <barrier>`. Owner is the server process that wrote it, the layout
 *   (number of buckets), and the form of the TATs. Last is the time of the last write, fence the moment at which every key of the bucket was set to
 *   empty, barrier the moment before which no charge may be refunded.
 *
 * A bucket is fenced, that is emptied and every key in it refused until it has refilled, when the state cannot be trusted:
 * another process owns it now (a failover or a restart may have lost the latest admissions), it is missing although this
 * limiter has seen it, the number of buckets or the form changed, or the clock went back by more than a second. Setbacks of the clock
 * below that hold time still.
 *
 * All numbers are integers below 2^53, exact in Lua's doubles.
 */

import { defineScript } from '@dsp/kit/kv';

/** The time, and whether the bucket's state holds. Sets now, last, fence, barrier and trusted; needs `meta`, `owner`. */
const readBucket = `
local key = KEYS[1]
local owner = ARGV[1] .. '/' .. ARGV[2] .. '/packed'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last, fence, barrier, trusted = 0, 0, 0, false
local function readMeta(meta)
  if not meta then return end
  local o, l, f, b = string.match(meta, '^(%S+) (%d+) (%d+) (%d+)$')
  last, fence, barrier = tonumber(l), tonumber(f), tonumber(b)
  trusted = o == owner and now >= last - 1000000
  if now < last and trusted then now = last end
end
local function meta() return string.format('%s %.0f %.0f %.0f', owner, now, fence, barrier) end
`;

/** Debt of a stored TAT in ticks; ticks left over from another rate count as less than a µs. */
const debtOf = `
local pack, unpackTat, floor = struct.pack, struct.unpack, math.floor
local function debtOf(value, ticksPerUs)
  local us = unpackTat('<d', value)
  local debt = (us - now) * ticksPerUs
  if #value > 8 then debt = debt + math.min(unpackTat('<d', value, 9), ticksPerUs) end
  return debt
end
local function tatOf(debt, ticksPerUs)
  local us = floor(debt / ticksPerUs)
  local ticks = debt - us * ticksPerUs
  if ticks == 0 then return pack('<d', now + us) end
  return pack('<dd', now + us, ticks)
end
`;

/**
 * ARGV: run_id, layout, atomic (0 or 1); the number of rates, and ticksPerUs unitTicks capacityTicks of each with the
 * number of keys that have it; the number of keys that ask for anything else than one unit once, and for each of them its
 * place among the keys from 1, how many numbers follow, and these: the cost of a check, or for a lease −1 − the units
 * needed, the units wanted, and among how many limiters what is left is to be shared. Then the keys' fields, in the order
 * of the rates.
 *
 * With atomic, either every check is charged or none. A lease takes what fits of the units needed, and of those wanted no
 * more than one limiter's share of what fits.
 *
 * Answers now, when the bucket was last fenced (0: never), then a number for each check in order: the debt after it when
 * it was admitted, −1 − debt when not. For a lease two: the units taken, and the debt after it.
 */
export const checkScript = defineScript(`${readBucket}${debtOf}
local groups, at = tonumber(ARGV[4]), 5 + 4 * ARGV[4]
local special, asked = {}, tonumber(ARGV[at])
at = at + 1
for i = 1, asked do
  special[tonumber(ARGV[at])] = at + 1
  at = at + 2 + ARGV[at + 1]
end
local first = at

local got = redis.call('HMGET', key, '@', unpack(ARGV, first))
readMeta(got[1])
local fenced = not trusted
if fenced then
  redis.call('UNLINK', key)
  fence, barrier, got = now, now, {}
end

local writes, n, reply, r, refused, i = { 'HSET', key, '@', '' }, 4, { now, fence }, 2, false, 0
for group = 1, groups do
  local from = 1 + 4 * group
  local S, T, C = tonumber(ARGV[from]), tonumber(ARGV[from + 1]), tonumber(ARGV[from + 2])
  local unseen = math.max(0, C - (now - fence) * S)
  for _ = 1, tonumber(ARGV[from + 3]) do
    i = i + 1
    local value, debt, changed = got[i + 1], unseen, false
    if value then
      local owed = debtOf(value, S)
      if owed > debt then debt = owed end
    end
    if debt > C then debt, barrier, changed = C, now, true end
    local start = special[i]
    if not start then
      local after = debt + T
      r = r + 1
      if after <= C then
        debt, changed, reply[r] = after, true, after
      else
        refused, reply[r] = true, -1 - debt
      end
    else
      local stop = start + ARGV[start]
      while start < stop do
        start, r = start + 1, r + 1
        local cost = tonumber(ARGV[start])
        if cost < 0 then
          local fits = floor((C - debt) / T)
          local share = math.min(tonumber(ARGV[start + 1]), floor(fits / ARGV[start + 2]))
          local taken = math.max(math.min(-1 - cost, fits), share)
          if taken > 0 then debt, changed = debt + taken * T, true end
          reply[r], reply[r + 1] = taken, debt
          start, r = start + 2, r + 1
        elseif debt + cost * T <= C then
          debt = debt + cost * T
          changed, reply[r] = true, debt
        else
          refused, reply[r] = true, -1 - debt
        end
      end
    end
    if changed then
      writes[n + 1], writes[n + 2] = ARGV[first + i - 1], tatOf(debt, S)
      n = n + 2
    end
  end
end

if ARGV[3] == '1' and refused then n = 4 end
if n > 4 or fenced then
  writes[4] = meta()
  redis.call(unpack(writes, 1, n))
end
return reply
`);

/**
 * ARGV: run_id, layout, 1 to create a missing bucket as fenced or 0 as full. Answers 0 when it was created, 1 when it was
 * there, 2 when it was there under another layout. Only for a limiter's start: a full bucket may be made only where nothing
 * was ever admitted, and must have reached the replicas before the first admission.
 */
export const createScript = defineScript(`${readBucket}
local found = redis.call('HGET', key, '@')
if found then
  return string.match(found, '/(%d+)/packed ') == ARGV[2] and 1 or 2
end
if ARGV[3] == '1' then fence = now end
barrier = now
redis.call('HSET', key, '@', meta())
return 0
`);

/**
 * Takes charges back. ARGV: run_id, layout, then field, ticksPerUs, ticks, the time of the charge, and the debt after it, of
 * each. Without the charge the key might have been full since, and then what drained in that time would not have come back
 * to it; it was not while the debt stayed above the charge. So no more is given back than the debt after the charge less what
 * has drained. Nothing is given back across a fence, or once a changed policy has cut a debt. Answers how many were taken
 * back.
 */
export const refundScript = defineScript(`${readBucket}${debtOf}
readMeta(redis.call('HGET', key, '@'))
if not trusted then return 0 end
local refunded = 0
for at = 3, #ARGV, 5 do
  local field, S, charged = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
  local ticks = math.min(tonumber(ARGV[at + 2]), ARGV[at + 4] - (now - charged) * S)
  local value = redis.call('HGET', key, field)
  if value and ticks > 0 and barrier < charged then
    local debt = debtOf(value, S) - ticks
    if debt > 0 then redis.call('HSET', key, field, tatOf(debt, S)) else redis.call('HDEL', key, field) end
    refunded = refunded + 1
  end
end
if refunded > 0 then redis.call('HSET', key, '@', meta()) end
return refunded
`);

/**
 * Removes keys that have drained, which are as good as absent, and lets a bucket that nobody uses expire. ARGV: run_id,
 * layout, cursor, how many fields to look at, the bucket's time to live in ms. Answers the next cursor, how many fields
 * were looked at, how many removed.
 */
export const sweepScript = defineScript(`${readBucket}
readMeta(redis.call('HGET', key, '@'))
if not trusted then return { '0', 0, 0 } end
local ttl = tonumber(ARGV[5])
if redis.call('PTTL', key) < ttl / 2 then redis.call('PEXPIRE', key, ttl) end
local page = redis.call('HSCAN', key, ARGV[3], 'COUNT', ARGV[4])
local found, idle = page[2], {}
for i = 1, #found, 2 do
  local value = found[i + 1]
  if found[i] ~= '@' and struct.unpack('<d', value) < now then idle[#idle + 1] = found[i] end
end
for i = 1, #idle, 1000 do redis.call('HDEL', key, unpack(idle, i, math.min(i + 999, #idle))) end
if #idle > 0 then redis.call('HSET', key, '@', meta()) end
return { page[1], #found / 2, #idle }
`);
