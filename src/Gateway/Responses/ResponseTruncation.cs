using Gateway.Api.Wire;
using Gateway.Domain.Interactions;

namespace Gateway.Responses;

/// <summary>
/// Drops the oldest messages of a conversation until it fits: never the system's first ones, never what came from the last
/// message of the user on, and a call only together with its outputs. Pure.
/// </summary>
internal static class ResponseTruncation
{
    /// <summary>The request with as few messages dropped as fit, or with as many as may be; a worker then says that it is too long.</summary>
    /// <param name="request">The request under its contract.</param>
    /// <param name="keepsFirst">True when the leading message of the system is instructions or a contract's.</param>
    /// <param name="promptTokens">Counts the tokens of a prompt; null when it cannot be rendered.</param>
    /// <param name="room">Tokens that a prompt may have.</param>
    /// <param name="dropped">How many messages went.</param>
    public static ChatCompletionRequest Fit(
        ChatCompletionRequest request, bool keepsFirst, Func<ChatCompletionRequest, int?> promptTokens, int room, out int dropped)
    {
        dropped = 0;
        var cuts = Cuts(request.Messages, keepsFirst ? 1 : 0);
        if (cuts.Count == 0 || promptTokens(request) is not { } whole || whole <= room)
        {
            return request;
        }

        // Fewer messages are fewer tokens, so the least cut that fits is found by halves.
        var (low, high) = (0, cuts.Count - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = promptTokens(Without(middle)) <= room ? (low, middle) : (middle + 1, high);
        }

        dropped = cuts[low] - (keepsFirst ? 1 : 0);
        return Without(low);

        ChatCompletionRequest Without(int cut) => request with
        {
            Messages = [.. request.Messages.Take(keepsFirst ? 1 : 0), .. request.Messages.Skip(cuts[cut])],
        };
    }

    /// <summary>Where the kept rest may begin, behind <paramref name="first"/>: not at an output, and not behind the last turn's beginning.</summary>
    private static List<int> Cuts(IReadOnlyList<ChatMessage> messages, int first)
    {
        var last = messages.Count - 1;
        while (last >= 0 && messages[last].Role != "user")
        {
            last--;
        }

        return [.. Enumerable.Range(first + 1, Math.Max(0, last - first)).Where(index => messages[index].Role != "tool")];
    }
}
