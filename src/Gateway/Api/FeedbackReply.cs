using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api;

/// <summary>Feedback as clients see it. <c>status</c> is "recorded", or "pending" while its interaction is not visible.</summary>
internal sealed record FeedbackReply
{
    public required string Id { get; init; }

    public required string Object { get; init; }

    public required long Created { get; init; }

    public required string Status { get; init; }

    public required string ResponseId { get; init; }

    public required string Kind { get; init; }

    public bool? Thumbs { get; init; }

    public double? Score { get; init; }

    public string? Text { get; init; }

    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    public string? User { get; init; }

    public long? Retracted { get; init; }

    /// <summary>The reply for an item whose interaction is visible or not.</summary>
    public static FeedbackReply Of(Feedback item, bool interactionIsKnown) => new()
    {
        Id = item.Id,
        Object = "feedback",
        Created = item.CreatedAt.ToUnixTimeSeconds(),
        Status = item.RetractedAt is not null ? "retracted" : interactionIsKnown ? "recorded" : "pending",
        ResponseId = item.ResponseId,
        Kind = JsonNamingPolicy.SnakeCaseLower.ConvertName(item.Kind.ToString()),
        Thumbs = item.Thumbs,
        Score = item.Score,
        Text = item.Text,
        Tags = item.Tags,
        User = item.User,
        Retracted = item.RetractedAt?.ToUnixTimeSeconds(),
    };
}
