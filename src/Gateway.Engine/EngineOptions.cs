namespace Gateway.Engine;

/// <summary>Limits of an engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Blocks of 16 tokens in the key/value cache.</summary>
    public int CacheBlocks { get; init; } = 512;

    /// <summary>
    /// Rows that one step may process; more than <see cref="MaximumRunning"/>, so that prefills always advance. While somebody
    /// else's reply is under way a prompt gets fewer, so that a step stays well within four times one without a prompt.
    /// </summary>
    public int TokenBudget { get; init; } = 256;

    /// <summary>Sequences that run at the same time.</summary>
    public int MaximumRunning { get; init; } = 64;

    /// <summary>Sequences that may wait.</summary>
    public int MaximumWaiting { get; init; } = 1024;

    /// <summary>True to share the cache blocks of equal beginnings, within one adapter generation and one salt.</summary>
    public bool SharePrefixes { get; init; } = true;

    /// <summary>Whether tokens are proposed from earlier text and verified several at a time; replies are the same in every case.</summary>
    public Speculate Speculation { get; init; } = Speculate.WhenItPays;

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

/// <summary>When to verify proposed tokens.</summary>
public enum Speculate
{
    /// <summary>One token per step.</summary>
    Never,

    /// <summary>Where the tokens gained outweigh what the rows cost, both measured.</summary>
    WhenItPays,

    /// <summary>Whenever earlier text proposes something: for tests and measurements.</summary>
    Always,
}

/// <summary>What an engine is doing: a reading, not a consistent cut.</summary>
public sealed record EngineStatistics
{
    /// <summary>Sequences that hold cache blocks.</summary>
    public required int Running { get; init; }

    /// <summary>Sequences that wait for room.</summary>
    public required int Waiting { get; init; }

    /// <summary>Cache blocks nobody holds, those that can still be found by their content included.</summary>
    public required int FreeBlocks { get; init; }

    /// <summary>All cache blocks.</summary>
    public required int TotalBlocks { get; init; }

    /// <summary>Steps since the start.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens sampled since the start.</summary>
    public required long SampledTokens { get; init; }

    /// <summary>Tokens proposed for verification since the start.</summary>
    public required long ProposedTokens { get; init; }

    /// <summary>Proposed tokens that were right.</summary>
    public required long AcceptedTokens { get; init; }

    /// <summary>Prompt tokens of the admitted requests since the start.</summary>
    public required long PromptTokens { get; init; }

    /// <summary>Those of them whose keys and values were found in the cache.</summary>
    public required long CachedPromptTokens { get; init; }

    /// <summary>Sequences that gave up their blocks and were computed again.</summary>
    public required long Preemptions { get; init; }
}
