namespace Gateway.Domain.Interactions;

/// <summary>What an interaction is to training.</summary>
public enum TargetKind
{
    /// <summary>Nobody said anything about it.</summary>
    None,

    /// <summary>A correction is the target.</summary>
    Correction,

    /// <summary>The reply itself is the target: somebody liked it.</summary>
    ThumbsUp,

    /// <summary>Flagged or disliked, and nobody said what would have been right: waits for review, never trained on.</summary>
    NoTarget,

    /// <summary>The caller opted out.</summary>
    OptOut,
}

/// <summary>The training target of an interaction; text and weight are set for corrections and liked replies only.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The answer to learn.</param>
/// <param name="Weight">Weight of the row's loss.</param>
/// <param name="FeedbackId">The feedback it rests on.</param>
/// <param name="At">When that feedback was recorded.</param>
public sealed record TrainingTarget(TargetKind Kind, string? Text = null, double Weight = 0, string? FeedbackId = null, DateTimeOffset? At = null)
{
    /// <summary>True when it makes a training row.</summary>
    public bool Usable => Kind is TargetKind.Correction or TargetKind.ThumbsUp;
}

/// <summary>Decides what an interaction and the feedback on it teach.</summary>
public static class TargetPolicy
{
    /// <summary>Weight of a liked reply: the model's own words are weaker evidence than a person's.</summary>
    public const double ThumbsUpWeight = 0.5;

    /// <summary>
    /// The target. Retracted feedback is ignored, the newest correction wins over older ones and over thumbs, the newest
    /// thumbs over older ones; a liked reply that is flagged or broke off is no target. A slow reply is as good as a fast one.
    /// </summary>
    public static TrainingTarget Decide(Interaction interaction, IReadOnlyList<Feedback> feedback)
    {
        if (interaction.OptOut)
        {
            return new(TargetKind.OptOut);
        }

        if (interaction.Kind != InteractionKind.Chat)
        {
            return new(TargetKind.None);
        }

        // The id breaks ties, so the order in which feedback is read does not matter.
        var standing = feedback
            .Where(f => f.ResponseId == interaction.Id && f.RetractedAt is null)
            .OrderBy(f => f.CreatedAt).ThenBy(f => f.Id, StringComparer.Ordinal)
            .ToList();
        if (standing.FindLast(f => f.Kind == FeedbackKind.Correction && !string.IsNullOrWhiteSpace(f.Text)) is { } correction)
        {
            return new(TargetKind.Correction, correction.Text, 1, correction.Id, correction.CreatedAt);
        }

        var thumbs = standing.FindLast(f => f.Kind == FeedbackKind.Thumbs);
        if (interaction.Flags.Any(flag => flag.Kind != FlagKind.OverSlo) || thumbs?.Thumbs == false)
        {
            return new(TargetKind.NoTarget);
        }

        if (thumbs?.Thumbs != true)
        {
            return new(TargetKind.None);
        }

        // A call is not the text of a reply.
        return interaction.End == EndReason.Stop && interaction.ToolCalls is null && !string.IsNullOrWhiteSpace(interaction.Reply)
            ? new(TargetKind.ThumbsUp, interaction.Reply, ThumbsUpWeight, thumbs.Id, thumbs.CreatedAt)
            : new(TargetKind.NoTarget);
    }
}
