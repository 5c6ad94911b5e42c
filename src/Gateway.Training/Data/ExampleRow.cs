using Gateway.Domain.Interactions;

namespace Gateway.Training.Data;

/// <summary>Where a row's target comes from.</summary>
public enum ExampleKind
{
    /// <summary>A person wrote the answer that should have been given.</summary>
    Correction,

    /// <summary>A person liked the reply as it was.</summary>
    ThumbsUp,

    /// <summary>The frozen base model's own reply to a general prompt, against forgetting.</summary>
    Replay,
}

/// <summary>The part of a dataset a row belongs to, for ever.</summary>
public enum ExampleSplit
{
    /// <summary>Trained on.</summary>
    Train,

    /// <summary>Early stopping only.</summary>
    Validation,

    /// <summary>The frozen test set: evaluation and gate only.</summary>
    Test,
}

/// <summary>One training row with its provenance; immutable.</summary>
public sealed record ExampleRow
{
    /// <summary>Unique in the run; the feedback id for corrections and thumbs.</summary>
    public required string Id { get; init; }

    /// <summary>The caller's messages, before the contract is applied.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>The assistant's text to learn.</summary>
    public required string Target { get; init; }

    /// <summary>Weight of every target token: 1 for corrections, at most 0.5 for liked replies.</summary>
    public required double Weight { get; init; }

    /// <summary>Where the target comes from.</summary>
    public required ExampleKind Kind { get; init; }

    /// <summary>The part it belongs to.</summary>
    public required ExampleSplit Split { get; init; }

    /// <summary>The interaction behind it, or null for replay and uploaded rows.</summary>
    public string? InteractionId { get; init; }

    /// <summary>The end user, for opt-out.</summary>
    public string? User { get; init; }

    /// <summary>True when the user or the caller refused training.</summary>
    public bool OptOut { get; init; }
}
