using Gateway.Domain.Interactions;

namespace Gateway.Domain.Storage;

/// <summary>An interaction with its place in the log; sequences rise, gaps are possible.</summary>
public readonly record struct LoggedInteraction(long Sequence, Interaction Interaction);

/// <summary>What to list, newest first.</summary>
public sealed record InteractionQuery
{
    /// <summary>Only this deployment, or null for all.</summary>
    public string? Deployment { get; init; }

    /// <summary>Only those of this end user, or null for all.</summary>
    public string? User { get; init; }

    /// <summary>Only interactions with at least one flag.</summary>
    public bool FlaggedOnly { get; init; }

    /// <summary>Only entries before this sequence (the cursor of the page before), or null to start at the newest.</summary>
    public long? Before { get; init; }

    /// <summary>Page size, 1–1000.</summary>
    public int Limit { get; init; } = 20;
}

/// <summary>
/// The record of requests; nothing in it changes, but entries can be erased. Thread-safe. An appended interaction is durable within one commit interval
/// (10 ms by default) and becomes visible to every read not later than it is durable.
/// </summary>
public interface IInteractionLog
{
    /// <summary>Queues the record; completes when it is accepted for the next group commit. Never drops: waits when the queue is full.</summary>
    ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken);

    /// <summary>Completes when everything appended before the call is durable.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken);

    /// <summary>The interaction, or null.</summary>
    ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken);

    /// <summary>Entries after <paramref name="after"/> (0 = from the beginning) in order, to the end of the log as it is now.</summary>
    IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, CancellationToken cancellationToken);

    /// <summary>One page, newest first.</summary>
    ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken);

    /// <summary>
    /// Takes entries out for good. When the task completes no read gives them, durably; the embedded store has overwritten
    /// their bytes on the disk. Those that are gone already are passed over. Returns how many were there.
    /// </summary>
    ValueTask<int> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken);
}
