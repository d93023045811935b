/**
 * What runs inside the store. A bucket is one hash, so that one script reads and writes many keys at once:
 * field `<policy>:<key>` holds the key's TAT, field `@` the bucket's own state.
 *
 * - A TAT is 16 digits of µs, and `:<ticks>` more where the rate's interval is no whole number of µs (gcra.ts).
 * - The bucket's state is `<owner> <last> <fence> <barrier>`. Owner is the server process that wrote it, and the layout
 *   (number of buckets). Last is the time of the last write, fence the moment at which every key of the bucket was set to
 *   empty, barrier the moment before which no charge may be refunded.
 *
 * A bucket is fenced, that is emptied and every key in it refused until it has refilled, when the state cannot be trusted:
 * another process owns it now (a failover or a restart may have lost the latest admissions), it is missing although this
 * limiter has seen it, the number of buckets changed, or the clock went back by more than a second. Setbacks of the clock
 * below that hold time still.
 *
 * All numbers are integers below 2^53, exact in Lua's doubles.
 */

import { defineScript } from '@dsp/kit/kv';

/** The time, and whether the bucket's state holds. Sets now, last, fence, barrier and trusted; needs `meta`, `owner`. */
const readBucket = `
local key = KEYS[1]
local owner = ARGV[1] .. '/' .. ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function stamp(us) return string.format('%016.0f', us) end
local last, fence, barrier, trusted = 0, 0, 0, false
local function readMeta(meta)
  if not meta then return end
  local o, l, f, b = string.match(meta, '^(%S+) (%d+) (%d+) (%d+)$')
  last, fence, barrier = tonumber(l), tonumber(f), tonumber(b)
  trusted = o == owner and now >= last - 1000000
  if now < last and trusted then now = last end
end
local function meta() return owner .. ' ' .. stamp(now) .. ' ' .. stamp(fence) .. ' ' .. stamp(barrier) end
`;

/** Debt of a stored TAT in ticks; ticks left over from another rate count as less than a µs. */
const debtOf = `
local function debtOf(value, ticksPerUs)
  local debt = (tonumber(string.sub(value, 1, 16)) - now) * ticksPerUs
  if #value > 16 then debt = debt + math.min(tonumber(string.sub(value, 18)), ticksPerUs) end
  return debt
end
local function tatOf(debt, ticksPerUs)
  local us = math.floor(debt / ticksPerUs)
  local ticks = debt - us * ticksPerUs
  if ticks == 0 then return stamp(now + us) end
  return stamp(now + us) .. ':' .. string.format('%.0f', ticks)
end
`;

/**
 * ARGV: run_id, layout, atomic (0 or 1), number of rates, ticksPerUs unitTicks capacityTicks of each; then for every key its
 * field, the number of its rate from 1, how many checks, and their costs. With atomic, either every check is charged or none.
 *
 * Answers now, when the bucket was last fenced (0: never), then a number for each check in order: the debt after it when
 * it was admitted, −1 − debt when not.
 */
export const checkScript = defineScript(`${readBucket}${debtOf}
local rates, at = tonumber(ARGV[4]), 5
local ticksPerUs, unitTicks, capacity = {}, {}, {}
for i = 1, rates do
  ticksPerUs[i], unitTicks[i], capacity[i] = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
end
local entries, fields, starts = 0, { '@' }, {}
while at <= #ARGV do
  entries = entries + 1
  fields[entries + 1], starts[entries] = ARGV[at], at + 1
  at = at + 3 + tonumber(ARGV[at + 2])
end

local got = redis.call('HMGET', key, unpack(fields))
readMeta(got[1])
local fenced = not trusted
if fenced then
  redis.call('UNLINK', key)
  fence, barrier, got = now, now, {}
end

local writes, n, reply, r, refused = { '@', '' }, 2, { now, fence }, 2, false
for i = 1, entries do
  local start = starts[i]
  local rate, checks = tonumber(ARGV[start]), tonumber(ARGV[start + 1])
  local S, T, C = ticksPerUs[rate], unitTicks[rate], capacity[rate]
  local debt = math.max(0, C - (now - fence) * S)
  if got[i + 1] then debt = math.max(debt, debtOf(got[i + 1], S)) end
  local changed = debt > C
  if changed then debt, barrier = C, now end
  for c = 1, checks do
    local after = debt + tonumber(ARGV[start + 1 + c]) * T
    r = r + 1
    if after <= C then
      debt, changed, reply[r] = after, true, after
    else
      refused, reply[r] = true, -1 - debt
    end
  end
  if changed then
    writes[n + 1], writes[n + 2] = fields[i + 1], tatOf(debt, S)
    n = n + 2
  end
end

if ARGV[3] == '1' and refused then n = 2 end
if n > 2 or fenced then
  writes[2] = meta()
  redis.call('HSET', key, unpack(writes, 1, n))
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
  return string.match(found, '/(%d+) ') == ARGV[2] and 1 or 2
end
if ARGV[3] == '1' then fence = now end
barrier = now
redis.call('HSET', key, '@', meta())
return 0
`);

/**
 * Takes charges back. ARGV: run_id, layout, the time of the charge, then field, ticksPerUs, ticks of each. What has drained
 * since the charge is not given back: without it the key may have been full for that long. Nothing is given back across a
 * fence, or once a changed policy has cut a debt. Answers how many were taken back.
 */
export const refundScript = defineScript(`${readBucket}${debtOf}
readMeta(redis.call('HGET', key, '@'))
local charged = tonumber(ARGV[3])
if not trusted or barrier >= charged then return 0 end
local refunded = 0
for at = 4, #ARGV, 3 do
  local field, S = ARGV[at], tonumber(ARGV[at + 1])
  local ticks = tonumber(ARGV[at + 2]) - (now - charged) * S
  local value = redis.call('HGET', key, field)
  if value and ticks > 0 then
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
  if found[i] ~= '@' and tonumber(string.sub(value, 1, 16)) < now then idle[#idle + 1] = found[i] end
end
for i = 1, #idle, 1000 do redis.call('HDEL', key, unpack(idle, i, math.min(i + 999, #idle))) end
if #idle > 0 then redis.call('HSET', key, '@', meta()) end
return { page[1], #found / 2, #idle }
`);
