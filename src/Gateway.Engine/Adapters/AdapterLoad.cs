namespace Gateway.Engine.Adapters;

/// <summary>How loading an adapter ended.</summary>
public enum AdapterLoadOutcome
{
    /// <summary>The name points to the generation.</summary>
    Loaded,

    /// <summary>The name is taken and replacement was not asked for.</summary>
    NameTaken,

    /// <summary>Another load is under way; loads do not queue.</summary>
    Busy,

    /// <summary>The folder or one of its files does not exist.</summary>
    PathNotFound,

    /// <summary>The files cannot be served on this base model.</summary>
    Invalid,

    /// <summary>The name does not point to the expected generation.</summary>
    GenerationMismatch,

    /// <summary>No room for another generation.</summary>
    LimitExceeded,
}

/// <summary>The result of a load. Unless the outcome is <see cref="AdapterLoadOutcome.Loaded"/> nothing changed.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Generation">The generation the name points to now; null when the name is unknown.</param>
/// <param name="Previous">The generation it pointed to before, or null.</param>
/// <param name="Rank">Largest rank of the loaded generation.</param>
/// <param name="Bytes">Native memory of the loaded generation.</param>
/// <param name="Reason">What is wrong and what to do, for <see cref="AdapterLoadOutcome.Invalid"/>.</param>
public sealed record AdapterLoad(AdapterLoadOutcome Outcome, string? Generation, string? Previous, int Rank = 0, long Bytes = 0, string? Reason = null);

/// <summary>How unloading an adapter ended.</summary>
public enum AdapterUnload
{
    /// <summary>The name is gone; sequences under way finish on their generation.</summary>
    Unloaded,

    /// <summary>No such name.</summary>
    NotFound,

    /// <summary>The name does not point to the expected generation.</summary>
    GenerationMismatch,
}
