namespace Gateway.Domain.Interactions;

/// <summary>The kinds of feedback.</summary>
public enum FeedbackKind
{
    /// <summary>Thumbs up (true) or down (false).</summary>
    Thumbs,

    /// <summary>A number in [0, 1].</summary>
    Score,

    /// <summary>Free text.</summary>
    Comment,

    /// <summary>The answer that should have been given.</summary>
    Correction,
}

/// <summary>
/// Feedback on one interaction; idempotent by key, retractable by tombstone. Exactly one of the value members is set,
/// as <see cref="Kind"/> says.
/// </summary>
public sealed record Feedback
{
    /// <summary><c>fb_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The interaction it rates.</summary>
    public required string ResponseId { get; init; }

    /// <summary>The kind.</summary>
    public required FeedbackKind Kind { get; init; }

    /// <summary>Value of <see cref="FeedbackKind.Thumbs"/>.</summary>
    public bool? Thumbs { get; init; }

    /// <summary>Value of <see cref="FeedbackKind.Score"/>.</summary>
    public double? Score { get; init; }

    /// <summary>Value of <see cref="FeedbackKind.Comment"/> and <see cref="FeedbackKind.Correction"/>.</summary>
    public string? Text { get; init; }

    /// <summary>Caller's tags.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>Who gave it, if told.</summary>
    public string? User { get; init; }

    /// <summary>When it was recorded.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was retracted, or null.</summary>
    public DateTimeOffset? RetractedAt { get; init; }
}
