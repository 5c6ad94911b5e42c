using StackExchange.Redis;

namespace Gateway.Storage.Redis;

/// <summary>Reads from the server how durable its acknowledgements are, and warns when that is less than promised.</summary>
internal static class RedisDurability
{
    /// <summary>Logs a warning with the remedy unless the append-only file is on and synced before every reply.</summary>
    public static async Task CheckAsync(RedisConnection connection, ILogger logger)
    {
        var (appendOnly, fsync) = (await ReadAsync(connection, "appendonly").ConfigureAwait(false), await ReadAsync(connection, "appendfsync").ConfigureAwait(false));
        if (appendOnly is null)
        {
            logger.LogWarning("Redis does not tell its settings: make sure that 'appendonly yes' and 'appendfsync always' are set.");
        }
        else if (appendOnly != "yes")
        {
            logger.LogWarning("Redis keeps no append-only file: a restart loses acknowledged data. Set 'appendonly yes' and 'appendfsync always'.");
        }
        else if (fsync != "always")
        {
            logger.LogWarning(
                "Redis has 'appendfsync {Setting}': a crash of the host, or of the server while its disk is slow, can lose the last seconds of acknowledged data. Set 'appendfsync always' to rule that out.",
                fsync);
        }
    }

    private static async Task<string?> ReadAsync(RedisConnection connection, string setting)
    {
        try
        {
            var reply = await connection.SendAsync(database => database.ExecuteAsync("CONFIG", "GET", setting), CancellationToken.None).ConfigureAwait(false);
            return (RedisResult[])reply! is [_, var value] ? (string?)value : null;
        }
        catch (StoreUnavailableException exception) when (exception.InnerException is RedisServerException)
        {
            return null;
        }
    }
}
