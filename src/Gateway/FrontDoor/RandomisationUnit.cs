using Gateway.Api.Wire;
using Gateway.Domain.Rollouts;

namespace Gateway.FrontDoor;

/// <summary>What a rollout randomises and analyses: a conversation or a user, or the request itself where neither is named.</summary>
/// <param name="Value">The unit's own text.</param>
/// <param name="Source">The rule that gave it: header, safety_identifier, user, prompt_cache_key or request.</param>
public readonly record struct RandomisationUnit(string Value, string Source)
{
    /// <summary>The request header that names a conversation.</summary>
    public const string Header = "x-conversation-id";

    /// <summary>The form in which it is recorded.</summary>
    public string Hash => Assignment.UnitHash(Value);

    /// <summary>The first rule that applies; <paramref name="responseId"/> is fresh per request, so the last one promises no stickiness.</summary>
    public static RandomisationUnit Of(string? conversation, InferenceRequest request, string responseId) =>
        !string.IsNullOrEmpty(conversation) ? new(conversation, "header")
        : !string.IsNullOrEmpty(request.SafetyIdentifier) ? new(request.SafetyIdentifier, "safety_identifier")
        : !string.IsNullOrEmpty(request.User) ? new(request.User, "user")
        : !string.IsNullOrEmpty(request.PromptCacheKey) ? new(request.PromptCacheKey, "prompt_cache_key")
        : new(responseId, "request");
}
