namespace Gateway.Training.Evaluation;

/// <summary>One suite item answered by stable and candidate.</summary>
public sealed record EvaluatedItem(
    string Id, string Expected, string Stable, string Candidate, bool StableCorrect, bool CandidateCorrect, bool StableValid, bool CandidateValid);

/// <summary>
/// Candidate against stable on the same frozen items, paired. Rates carry Wilson intervals; differences carry bootstrap
/// intervals over items.
/// </summary>
public sealed record EvaluationReport
{
    /// <summary>Share of replies equal to the target (as JSON values when a schema is given), stable release.</summary>
    public required Interval StableAccuracy { get; init; }

    /// <summary>The same for the candidate.</summary>
    public required Interval CandidateAccuracy { get; init; }

    /// <summary>Candidate minus stable accuracy.</summary>
    public required Interval AccuracyGain { get; init; }

    /// <summary>Share of schema-valid replies, stable; 1 for all when the contract has no schema.</summary>
    public required Interval StableValid { get; init; }

    /// <summary>The same for the candidate.</summary>
    public required Interval CandidateValid { get; init; }

    /// <summary>Candidate minus stable validity.</summary>
    public required Interval ValidGain { get; init; }

    /// <summary>Increase of the mean loss on general prompts, candidate minus frozen base, nats per token, per prompt.</summary>
    public required Interval Forgetting { get; init; }

    /// <summary>Every item.</summary>
    public required IReadOnlyList<EvaluatedItem> Items { get; init; }
}
