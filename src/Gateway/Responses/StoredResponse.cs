using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Responses;

/// <summary>A response that is kept. Only <see cref="ExpiresAt"/> ever changes, when a later response continues it.</summary>
internal sealed record StoredResponse
{
    /// <summary><c>resp_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Whose key asked, or null.</summary>
    public string? Owner { get; init; }

    /// <summary>The deployment that answered.</summary>
    public required string Deployment { get; init; }

    /// <summary>When it was asked for.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it is gone.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>The response it continues, or null.</summary>
    public string? Previous { get; init; }

    /// <summary>The first response of its conversation; its own id when it is that one.</summary>
    public required string Root { get; init; }

    /// <summary>How many responses stand before it.</summary>
    public int Depth { get; init; }

    /// <summary>Bytes of the items up to and with its own.</summary>
    public long ChainBytes { get; init; }

    /// <summary>The randomisation unit of its conversation.</summary>
    public required string Unit { get; init; }

    /// <summary>The rule that gave the unit.</summary>
    public required string UnitSource { get; init; }

    /// <summary>Its own input items, in normal form.</summary>
    public required JsonElement Input { get; init; }

    /// <summary>The response object as the client got it.</summary>
    public required JsonElement Reply { get; init; }

    /// <summary>completed, incomplete, failed or cancelled.</summary>
    [JsonIgnore]
    public string Status => Reply.GetProperty("status").GetString()!;

    /// <summary>True when a response may continue it.</summary>
    [JsonIgnore]
    public bool MayBeContinued => Status is "completed" or "incomplete";

    /// <summary>Its own items: what came in and what went out.</summary>
    public IEnumerable<ResponseItem> Items() => ResponseItemReader.ReadStored(Input).Concat(ResponseItemReader.ReadStored(Reply.GetProperty("output")));
}

/// <summary>Source-generated JSON of <see cref="StoredResponse"/>; schemas in it may be as deep as a body allows.</summary>
[JsonSerializable(typeof(StoredResponse))]
internal sealed partial class StoredResponseJson : JsonSerializerContext
{
    /// <summary>The form in the store.</summary>
    public static StoredResponseJson Stored { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = 256,
    });
}
