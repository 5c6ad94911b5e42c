namespace Gateway.Limits;

/// <summary>
/// The arithmetic of <see cref="Domain.Limits.LimitPolicy"/> as scripts, so that all replicas take from the same buckets in
/// one round trip. The server's clock counts. Needs Redis 5 or newer, where a script may read the clock and write.
/// </summary>
internal static class RedisLimitScripts
{
    /// <summary>
    /// KEYS: buckets, open reservations, then the budgets. ARGV: reservation id, requests per minute, tokens per minute,
    /// concurrent requests (0 for none of each), longest life of a reservation in ms, tokens to reserve, then per budget the
    /// amount, the limit and its life in seconds. Returns outcome, requests left, tokens left, ms to wait, budget, its rest.
    /// </summary>
    public const string Reserve = """
        local clock = redis.call('TIME')
        local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
        local perMinute, tokensPerMinute, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
        local life, tokens = tonumber(ARGV[5]), tonumber(ARGV[6])
        local found = redis.call('HMGET', KEYS[1], 'requests', 'tokens', 'at')
        local minutes = math.max(0, now - (tonumber(found[3]) or now)) / 60000
        local requestsLeft = math.min(perMinute, (tonumber(found[1]) or perMinute) + minutes * perMinute)
        local tokensLeft = math.min(tokensPerMinute, (tonumber(found[2]) or tokensPerMinute) + minutes * tokensPerMinute)
        local function answer(outcome, wait, budget, rest)
          return {outcome, string.format('%.6f', requestsLeft), string.format('%.6f', tokensLeft), math.ceil(wait), budget, string.format('%.9f', rest)}
        end
        redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
        if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return answer(0, 0, -1, 0) end
        if most > 0 and redis.call('ZCARD', KEYS[2]) >= most then return answer(3, 1000, -1, 0) end
        if perMinute > 0 and requestsLeft < 1 then return answer(1, (1 - requestsLeft) * 60000 / perMinute, -1, 0) end
        if tokensPerMinute > 0 and tokens > 0 and tokensLeft < tokens then return answer(2, (tokens - tokensLeft) * 60000 / tokensPerMinute, -1, 0) end
        for i = 3, #KEYS do
          local used = tonumber(redis.call('GET', KEYS[i])) or 0
          local limit = tonumber(ARGV[3 * i - 1])
          local amount = tonumber(ARGV[3 * i - 2])
          if amount > 0 and used + amount > limit then return answer(4, 0, i - 3, math.max(0, limit - used)) end
        end
        for i = 3, #KEYS do
          redis.call('INCRBYFLOAT', KEYS[i], ARGV[3 * i - 2])
          redis.call('EXPIRE', KEYS[i], ARGV[3 * i])
        end
        if perMinute > 0 then requestsLeft = requestsLeft - 1 end
        if tokensPerMinute > 0 then tokensLeft = tokensLeft - tokens end
        redis.call('HMSET', KEYS[1], 'requests', string.format('%.6f', requestsLeft), 'tokens', string.format('%.6f', tokensLeft), 'at', string.format('%d', now))
        redis.call('PEXPIRE', KEYS[1], 120000 + life)
        redis.call('ZADD', KEYS[2], string.format('%d', now + life), ARGV[1])
        redis.call('PEXPIRE', KEYS[2], life)
        return answer(0, 0, -1, 0)
        """;

    /// <summary>
    /// KEYS as above. ARGV: reservation id, tokens to give back (negative: to take), requests to give back, then per budget
    /// what to add. A reservation that is not open any more is settled already.
    /// </summary>
    public const string Settle = """
        if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return 0 end
        if redis.call('EXISTS', KEYS[1]) == 1 then
          redis.call('HINCRBYFLOAT', KEYS[1], 'tokens', ARGV[2])
          redis.call('HINCRBYFLOAT', KEYS[1], 'requests', ARGV[3])
        end
        for i = 3, #KEYS do
          if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('INCRBYFLOAT', KEYS[i], ARGV[i + 1]) end
        end
        return 1
        """;
}
