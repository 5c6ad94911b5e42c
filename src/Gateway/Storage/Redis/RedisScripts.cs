namespace Gateway.Storage.Redis;

/// <summary>The Lua scripts; each runs atomically on the server.</summary>
internal static class RedisScripts
{
    /// <summary>
    /// KEYS: commit marker, then per write the hash and the key set of its collection. ARGV: channel, marker lifetime in
    /// seconds, then per write collection, key, expected version or '', '1' to put or '0' to delete, json.
    /// Returns 0 when done (now or by an earlier sending), else the 1-based number of the first conflicting write.
    /// </summary>
    public const string Commit = """
        if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
        local writes = (#KEYS - 1) / 2
        local versions = {}
        for i = 1, writes do
          local found = redis.call('HGET', KEYS[2 * i], ARGV[5 * i - 1])
          versions[i] = found and tonumber(string.match(found, '^%d+')) or 0
          local expected = ARGV[5 * i]
          if expected ~= '' and tonumber(expected) ~= versions[i] then return i end
        end
        for i = 1, writes do
          local collection, key = ARGV[5 * i - 2], ARGV[5 * i - 1]
          if ARGV[5 * i + 1] == '1' then
            redis.call('HSET', KEYS[2 * i], key, string.format('%d\n', versions[i] + 1) .. ARGV[5 * i + 2])
            redis.call('ZADD', KEYS[2 * i + 1], 0, key)
          else
            redis.call('HDEL', KEYS[2 * i], key)
            redis.call('ZREM', KEYS[2 * i + 1], key)
          end
          redis.call('PUBLISH', ARGV[1], collection .. '\0' .. key)
        end
        redis.call('SET', KEYS[1], '1', 'EX', ARGV[2])
        return 0
        """;

    /// <summary>
    /// KEYS: stream, ids, counter, erased users, then per record the sets of its deployment, of all flagged, of the deployment's
    /// flagged and of its user. ARGV per record: id, '1' when flagged, its user's name or '', when it began in milliseconds, json.
    /// A known id is skipped, so sending again is harmless. Returns how many were refused because their user was erased since.
    /// </summary>
    public const string Append = """
        local refused = 0
        for i = 1, #ARGV / 5 do
          local id, user = ARGV[5 * i - 4], ARGV[5 * i - 2]
          local erased = user ~= '' and redis.call('HGET', KEYS[4], user)
          if erased and tonumber(ARGV[5 * i - 1]) <= tonumber(erased) then
            refused = refused + 1
          elseif redis.call('HEXISTS', KEYS[2], id) == 0 then
            local sequence = string.format('%d', redis.call('INCR', KEYS[3]))
            redis.call('XADD', KEYS[1], sequence .. '-0', 'json', ARGV[5 * i])
            redis.call('HSET', KEYS[2], id, sequence)
            redis.call('ZADD', KEYS[4 * i + 1], sequence, sequence)
            if ARGV[5 * i - 3] == '1' then
              redis.call('ZADD', KEYS[4 * i + 2], sequence, sequence)
              redis.call('ZADD', KEYS[4 * i + 3], sequence, sequence)
            end
            if user ~= '' then
              redis.call('ZADD', KEYS[4 * i + 4], sequence, sequence)
            end
          end
        end
        return refused
        """;

    /// <summary>
    /// KEYS: erased users, ids. ARGV: a user's name, up to when its interactions are erased in milliseconds, then ids that are
    /// not to be taken in any more: they become known, at a sequence that no entry has.
    /// </summary>
    public const string Forget = """
        local known = redis.call('HGET', KEYS[1], ARGV[1])
        if not known or tonumber(known) < tonumber(ARGV[2]) then
          redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        end
        for i = 3, #ARGV do
          redis.call('HSETNX', KEYS[2], ARGV[i], '0')
        end
        return 0
        """;

    /// <summary>
    /// KEYS: stream, ids, then per record its four sets as in <see cref="Append"/>. ARGV: ids. Returns how many were there. A
    /// stream gives back the memory of a node, about a hundred entries, with the last entry of it.
    /// </summary>
    public const string Erase = """
        local erased = 0
        for i = 1, #ARGV do
          local sequence = redis.call('HGET', KEYS[2], ARGV[i])
          if sequence then
            redis.call('XDEL', KEYS[1], sequence .. '-0')
            redis.call('HDEL', KEYS[2], ARGV[i])
            for k = 4 * i - 1, 4 * i + 2 do
              redis.call('ZREM', KEYS[k], sequence)
            end
            erased = erased + 1
          end
        end
        return erased
        """;

    /// <summary>KEYS: stream, ids. ARGV: id. Returns the json or nil.</summary>
    public const string Find = """
        local sequence = redis.call('HGET', KEYS[2], ARGV[1])
        if not sequence then return false end
        local found = redis.call('XRANGE', KEYS[1], sequence .. '-0', sequence .. '-0')[1]
        return found and found[2][2]
        """;

    /// <summary>KEYS: stream. ARGV: first and last sequence, limit. Returns entry id, json, entry id, json …, oldest first.</summary>
    public const string Range = """
        local result = {}
        for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1] .. '-0', ARGV[2] .. '-0', 'COUNT', ARGV[3])) do
          table.insert(result, entry[1])
          table.insert(result, entry[2][2])
        end
        return result
        """;

    /// <summary>KEYS: stream. ARGV: last sequence, limit. Like <see cref="Range"/>, newest first.</summary>
    public const string Newest = """
        local result = {}
        for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1] .. '-0', '-', 'COUNT', ARGV[2])) do
          table.insert(result, entry[1])
          table.insert(result, entry[2][2])
        end
        return result
        """;

    /// <summary>KEYS: stream, a set of sequences. ARGV: last sequence, limit. Like <see cref="Newest"/>, of that set only.</summary>
    public const string NewestOf = """
        local result = {}
        for _, sequence in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[1], '-inf', 'LIMIT', 0, ARGV[2])) do
          local entry = redis.call('XRANGE', KEYS[1], sequence .. '-0', sequence .. '-0')[1]
          if entry then
            table.insert(result, entry[1])
            table.insert(result, entry[2][2])
          end
        end
        return result
        """;
}
