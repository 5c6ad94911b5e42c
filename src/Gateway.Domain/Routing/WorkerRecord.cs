namespace Gateway.Domain.Routing;

/// <summary>
/// A worker that operators added while the gateway runs, or an order to drain one; every front door on the store follows it.
/// </summary>
public sealed record WorkerRecord
{
    /// <summary>The name in records and calls; by default the address's host and port.</summary>
    public required string Name { get; init; }

    /// <summary>Where it listens.</summary>
    public required Uri Url { get; init; }

    /// <summary>True while it gets no new requests.</summary>
    public bool Draining { get; init; }

    /// <summary>The folder under which a vLLM worker sees the adapters; null when it is the gateway's own.</summary>
    public string? AdapterRoot { get; init; }

    /// <summary>When the record was first made.</summary>
    public required DateTimeOffset AddedAt { get; init; }
}
