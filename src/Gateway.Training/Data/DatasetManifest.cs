namespace Gateway.Training.Data;

/// <summary>The manifest of the curate stage: what went in, what was left out and why, what came out.</summary>
public sealed record DatasetManifest
{
    /// <summary>Rows in the snapshot.</summary>
    public required int RowsIn { get; init; }

    /// <summary>Rows left out, by reason.</summary>
    public required IReadOnlyDictionary<string, int> Dropped { get; init; }

    /// <summary>Pieces of personal data replaced, by kind.</summary>
    public required IReadOnlyDictionary<string, int> Redacted { get; init; }

    /// <summary>Rows trained on, replay not counted.</summary>
    public required int Train { get; init; }

    /// <summary>Rows for early stopping.</summary>
    public required int Validation { get; init; }

    /// <summary>Rows of the frozen test set.</summary>
    public required int Test { get; init; }

    /// <summary>SHA-256 over the sorted row ids and targets: the dataset's identity, whatever the order.</summary>
    public required string Digest { get; init; }
}
