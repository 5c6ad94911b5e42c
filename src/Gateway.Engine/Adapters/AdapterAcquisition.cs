namespace Gateway.Engine.Adapters;

/// <summary>How asking for an adapter ended.</summary>
public enum AdapterAcquireOutcome
{
    /// <summary>The generation is in memory and leased.</summary>
    Leased,

    /// <summary>No such name, or it was unloaded while the caller waited.</summary>
    UnknownName,

    /// <summary>The generation had left memory and its folder does not hold it any more.</summary>
    Lost,

    /// <summary>Pinned generations leave no room for it, now or later.</summary>
    NoRoom,
}

/// <summary>The result of asking for an adapter.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Lease">The lease, unless the outcome is another than <see cref="AdapterAcquireOutcome.Leased"/>.</param>
/// <param name="Reason">What is wrong and what to do, for <see cref="AdapterAcquireOutcome.Lost"/>.</param>
public readonly record struct AdapterAcquisition(AdapterAcquireOutcome Outcome, AdapterLease? Lease = null, string? Reason = null);
