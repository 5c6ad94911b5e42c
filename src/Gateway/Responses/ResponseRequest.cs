using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>A checked body of <c>POST /v1/responses</c>. Null means that the caller did not give the field; elements are copies.</summary>
internal sealed record ResponseRequest
{
    /// <summary>The same request as a chat, still without messages.</summary>
    public required ChatCompletionRequest Chat { get; init; }

    /// <summary>The new items, as given; null when only a response is continued.</summary>
    public IReadOnlyList<ResponseItem> Input { get; init; } = [];

    /// <summary>The first message of this turn only.</summary>
    public string? Instructions { get; init; }

    /// <summary>The response that this one continues.</summary>
    public string? Previous { get; init; }

    /// <summary>True to keep the response.</summary>
    public bool Store { get; init; } = true;

    /// <summary>True to drop the oldest messages of a conversation that does not fit the context.</summary>
    public bool DropsOldest { get; init; }

    /// <summary>Echoed; counts built-in tools, which there are none of.</summary>
    public long? MaximumToolCalls { get; init; }

    /// <summary>Echoed.</summary>
    public bool ParallelCalls { get; init; } = true;

    /// <summary>Echoed.</summary>
    public int TopLogprobs { get; init; }

    /// <summary>True when the text's log-probabilities are wanted.</summary>
    public bool IncludesLogprobs { get; init; }

    /// <summary>The tools as an array in this API's form, with the <c>strict</c> that is in force.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>As given.</summary>
    public JsonElement? ToolChoice { get; init; }

    /// <summary><c>text.format</c> with the <c>strict</c> that is in force.</summary>
    public JsonElement? Format { get; init; }

    /// <summary>low, medium or high.</summary>
    public string Verbosity { get; init; } = "medium";

    /// <summary>The effort asked for.</summary>
    public string? Effort { get; init; }

    /// <summary>Checks every field of <paramref name="body"/>; <paramref name="error"/> names the first that is wrong.</summary>
    public static bool TryParse(JsonElement body, [NotNullWhen(true)] out ResponseRequest? request, [NotNullWhen(false)] out ApiError? error)
    {
        var reader = new ResponseRequestReader();
        request = reader.Read(body);
        error = reader.Error;
        return request is not null;
    }
}
