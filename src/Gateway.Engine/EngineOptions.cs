namespace Gateway.Engine;

/// <summary>Limits of an engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Blocks of 16 tokens in the key/value cache.</summary>
    public int CacheBlocks { get; init; } = 512;

    /// <summary>Rows that one step may process; more than <see cref="MaximumRunning"/>, so that prefills always advance.</summary>
    public int TokenBudget { get; init; } = 256;

    /// <summary>Sequences that run at the same time.</summary>
    public int MaximumRunning { get; init; } = 64;

    /// <summary>Sequences that may wait.</summary>
    public int MaximumWaiting { get; init; } = 1024;

    /// <summary>Returns the options when they are consistent.</summary>
    /// <exception cref="ArgumentException">A limit contradicts another; the message says which.</exception>
    public EngineOptions Checked()
    {
        if (CacheBlocks < 1 || MaximumRunning < 1 || MaximumWaiting < 1)
        {
            throw new ArgumentException("CacheBlocks, MaximumRunning and MaximumWaiting must be at least 1.");
        }

        return TokenBudget > MaximumRunning
            ? this
            : throw new ArgumentException($"TokenBudget ({TokenBudget}) must be larger than MaximumRunning ({MaximumRunning}), or prefills could wait for ever.");
    }
}

/// <summary>What an engine is doing: a reading, not a consistent cut.</summary>
public sealed record EngineStatistics
{
    /// <summary>Sequences that hold cache blocks.</summary>
    public required int Running { get; init; }

    /// <summary>Sequences that wait for room.</summary>
    public required int Waiting { get; init; }

    /// <summary>Cache blocks nobody holds.</summary>
    public required int FreeBlocks { get; init; }

    /// <summary>All cache blocks.</summary>
    public required int TotalBlocks { get; init; }

    /// <summary>Steps since the start.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens sampled since the start.</summary>
    public required long SampledTokens { get; init; }

    /// <summary>Sequences that gave up their blocks and were computed again.</summary>
    public required long Preemptions { get; init; }
}
