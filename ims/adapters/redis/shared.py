"""Leases, rates, caps and open breakers on Redis.

Each is one key and one Lua script, so it is atomic on a cluster too. The server's clock counts, so clocks of pods may differ;
where a replica that takes over has another, a bucket refills once by the difference, never beyond its burst. `until` of a
breaker travels as the time that is left. What a failover or a flush forgets: a lease may be held twice until the first renewal
(the work is safe to do twice), a counter begins again, and a bucket begins empty, so nothing is sent over an account's rate.
"""

from __future__ import annotations

from ims.adapters.redis.connection import TIME_LIMIT_S, RedisConnection, Script
from ims.ports.clock import Clock

_DAY_MS = 86_400_000
_OPEN_MOST = 2_000  # breakers that are open at once: more is a fault of ours, not of two thousand peers

_LEASE = Script("""
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

# A bucket that is not there is new or was lost. It begins full only where the whole want is asked for at once (a customer's
# own limit, which it must not be refused by), else empty: a flushed Redis must not hand out a second burst. Kept for a day.
_DRAW = Script("""
local want, rate, burst, whole = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = whole and burst or 0
if stored[1] then tokens = math.min(burst, stored[1] + math.max(0, now - stored[2]) / 1000 * rate) end
local got = math.max(0, math.min(want, math.floor(tokens)))
if whole then got = tokens >= math.min(want, burst) and want or 0 end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - got), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return got
""")

_SPEND = Script("""
local stored = redis.call('HMGET', KEYS[1], 'day', 'count')
local spent = stored[1] == ARGV[1] and tonumber(stored[2]) or 0
local sum = spent + tonumber(ARGV[2])
if sum > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'day', ARGV[1], 'count', string.format('%.0f', sum))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")

_ANNOUNCE = Script("""
local left = tonumber(ARGV[2])
if left <= 0 then return redis.call('HDEL', KEYS[1], ARGV[1]) end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local time = redis.call('TIME')
local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) + left
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', until_ms))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")

_OPEN = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, open, over = redis.call('HGETALL', KEYS[1]), {}, {}
for i = 1, #all, 2 do
  local left = tonumber(all[i + 1]) - now
  if left > 0 then
    open[#open + 1] = all[i]
    open[#open + 1] = left
  else
    over[#over + 1] = all[i]
  end
end
for i = 1, #over do redis.call('HDEL', KEYS[1], over[i]) end
return open
""")


class RedisShared:
    """ims.ports.shared.Shared."""

    def __init__(self, url: str, clock: Clock, *, ca_file: str = "", prefix: str = "ims", time_limit_s: float = TIME_LIMIT_S) -> None:
        self._redis = RedisConnection(url, ca_file=ca_file, time_limit_s=time_limit_s)
        self._clock = clock
        self._prefix = prefix

    async def lease(self, name: str, owner: str, ttl_s: float) -> bool:
        return bool(await self._redis.run(_LEASE, f"{self._prefix}:lease:{name}", owner, int(ttl_s * 1000)))

    async def draw(self, bucket: str, want: int, rate_per_s: float, burst: int, *, whole: bool = False) -> int:
        keep = _DAY_MS + int(burst / rate_per_s * 1000)
        return int(await self._redis.run(_DRAW, f"{self._prefix}:bucket:{bucket}", want, rate_per_s, burst, int(whole), keep))

    async def spend(self, counter: str, day: str, want: int, cap: int) -> bool:
        return bool(await self._redis.run(_SPEND, f"{self._prefix}:count:{counter}", day, want, cap, 2 * _DAY_MS))

    async def announce_breaker(self, name: str, until: int) -> None:
        left = until - self._clock() if until else 0
        await self._redis.run(_ANNOUNCE, f"{self._prefix}:breakers", name, left, _OPEN_MOST, _DAY_MS)

    async def open_breakers(self) -> dict[str, int]:
        pairs = await self._redis.run(_OPEN, f"{self._prefix}:breakers")
        now = self._clock()
        return {name: now + int(left) for name, left in zip(pairs[::2], pairs[1::2], strict=True)}

    async def close(self) -> None:
        """Let go of connections."""
        await self._redis.close()
