namespace Gateway.Hosting;

/// <summary>How large and slow a request may be. JSON may be nested 64 levels deep.</summary>
public sealed record RequestLimits
{
    /// <summary>Largest request body in bytes; 413 beyond it.</summary>
    public long MaximumBodyBytes { get; init; } = 8 << 20;

    /// <summary>Largest sum of request headers in bytes; the server answers 431 beyond it.</summary>
    public int MaximumHeaderBytes { get; init; } = 32 << 10;

    /// <summary>Most request headers; the server answers 431 beyond it.</summary>
    public int MaximumHeaders { get; init; } = 100;

    /// <summary>Longest time in which the headers of a request must have arrived.</summary>
    public TimeSpan Headers { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time to connect to a worker.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time until a worker sends the first part of a streamed reply; 504 beyond it.</summary>
    public TimeSpan FirstToken { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Longest pause between two parts of a streamed reply; an error event beyond it.</summary>
    public TimeSpan BetweenTokens { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Longest time for a whole reply; 504, or an error event once it has begun.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromMinutes(10);
}
