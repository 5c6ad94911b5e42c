namespace Gateway.Storage.Redis;

/// <summary>Settings of the Redis store.</summary>
public sealed record RedisStoreOptions
{
    /// <summary>First part of every key; a hash tag, so that all keys share one cluster slot and scripts may touch several.</summary>
    public string KeyPrefix { get; init; } = "gateway";

    /// <summary>How long a call goes on trying while the server does not answer.</summary>
    public TimeSpan RetryFor { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Where interactions go while the server does not answer, until it has them; null lets appends fail instead.</summary>
    public string? SpillFolder { get; init; }

    /// <summary>How long one command may wait for its reply before it is tried again.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
