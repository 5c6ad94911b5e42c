using System.Text.Json;

namespace Gateway.FrontDoor;

/// <summary>What a worker's model list says about it.</summary>
/// <param name="BaseModel">The id its base model goes by.</param>
/// <param name="Fingerprint">Its base model's fingerprint; null for a worker that does not tell, such as vLLM.</param>
/// <param name="Weights">The format of its weights, or null.</param>
/// <param name="Adapters">The adapters it has, by name.</param>
public sealed record WorkerFacts(string BaseModel, string? Fingerprint, string? Weights, IReadOnlyList<string> Adapters)
{
    /// <summary>True for a worker of this program, which takes adapters by hash; others take folders only.</summary>
    public bool IsOurs => Fingerprint is not null;

    /// <summary>Reads a model list; null when it has no base model (the first card without a parent).</summary>
    /// <exception cref="InvalidOperationException">It is no model list.</exception>
    /// <exception cref="KeyNotFoundException">It is no model list.</exception>
    public static WorkerFacts? Read(JsonElement list)
    {
        WorkerFacts? facts = null;
        var adapters = new List<string>();
        foreach (var card in list.GetProperty("data").EnumerateArray())
        {
            var id = card.GetProperty("id").GetString()!;
            if (Text(card, "parent") is not null)
            {
                adapters.Add(id);
            }
            else
            {
                facts ??= new(id, Text(card, "base_fingerprint"), Text(card, "weights"), adapters);
            }
        }

        return facts;
    }

    private static string? Text(JsonElement card, string name) =>
        card.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
