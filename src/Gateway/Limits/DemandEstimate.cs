using System.Text;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Limits;

namespace Gateway.Limits;

/// <summary>
/// What a chat request may use, before anybody has counted its tokens: a token per three bytes of text, which most text stays
/// below, and the whole reply it allows. The truth replaces it when the reply ends.
/// </summary>
internal static class DemandEstimate
{
    private const int BytesPerToken = 3;
    private const int TokensPerMessage = 8;

    /// <summary>The estimate for a request.</summary>
    /// <param name="messages">The caller's messages.</param>
    /// <param name="contract">The contract that applies, or null.</param>
    /// <param name="maximumTokens">The reply's limit that the caller gave, or null.</param>
    /// <param name="contextLength">What prompt and reply may have together.</param>
    public static TokenDemand Of(IReadOnlyList<ChatMessage> messages, ContractContent? contract, int? maximumTokens, int contextLength)
    {
        var input = TokensIn(contract?.SystemPrompt);
        foreach (var message in messages)
        {
            input += TokensPerMessage + TokensIn(message.Content);
        }

        var room = Math.Max(1, contextLength - input);
        var reply = Math.Min(Math.Min(maximumTokens ?? room, contract?.Sampling.MaxTokens ?? room), room);
        return new(Math.Min(input, contextLength), reply);
    }

    /// <summary>What a request has used whose worker told no counts: its prompt, and the text of the reply that came.</summary>
    public static TokenDemand OfPartialReply(TokenDemand estimate, string? reply) =>
        string.IsNullOrEmpty(reply) ? new(estimate.Input, 0) : new(estimate.Input, Math.Min(estimate.Output, TokensIn(reply)));

    private static int TokensIn(string? text) =>
        text is null ? 0 : (Encoding.UTF8.GetByteCount(text) + BytesPerToken - 1) / BytesPerToken;
}
