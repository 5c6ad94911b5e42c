using System.Globalization;
using Gateway.Security;

namespace Gateway.Responses;

/// <summary>
/// The ids of one response's items: the response's own digits and a number, so that an item leads to its response without an
/// index. Used by one request.
/// </summary>
internal sealed class ResponseItemIds(string responseId)
{
    /// <summary>What ids of messages begin with.</summary>
    public const string Message = "msg_";

    /// <summary>What ids of calls and of their outputs begin with.</summary>
    public const string Call = "fc_";

    private readonly string _digits = responseId[ResponseIdSigner.Response.Length..];
    private int _next;

    /// <summary>A fresh id.</summary>
    public string Next(string prefix) => string.Create(CultureInfo.InvariantCulture, $"{prefix}{_digits}{_next++}");

    /// <summary>The id of the response that an item belongs to, or null when it is none of ours. It is not checked.</summary>
    public static string? ResponseOf(string itemId)
    {
        var prefix = itemId.StartsWith(Message, StringComparison.Ordinal) ? Message : Call;
        return itemId.StartsWith(prefix, StringComparison.Ordinal) && itemId.Length > prefix.Length + ResponseIdSigner.Digits
            ? string.Concat(ResponseIdSigner.Response, itemId.AsSpan(prefix.Length, ResponseIdSigner.Digits))
            : null;
    }
}
