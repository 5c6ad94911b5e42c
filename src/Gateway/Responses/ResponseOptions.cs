namespace Gateway.Responses;

/// <summary>How long responses are kept and how long a conversation of them may grow.</summary>
public sealed record ResponseOptions
{
    /// <summary>How long a response is kept after it or a later one of its conversation was made, rounded up to a whole day; retention of its deployment's records may end it earlier.</summary>
    public TimeSpan KeepFor { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Most responses that one may continue, one after the other.</summary>
    public int MaximumAncestors { get; init; } = 1000;

    /// <summary>Most bytes of items in a conversation.</summary>
    public long MaximumChainBytes { get; init; } = 10 << 20;

    /// <summary>Time between two looks for responses whose time is over.</summary>
    public TimeSpan SweepInterval { get; init; } = TimeSpan.FromMinutes(10);
}
