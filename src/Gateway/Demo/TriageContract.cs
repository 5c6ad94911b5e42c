using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.Demo;

/// <summary>The demo's contract: sort a message into one of the intents and answer with JSON. It validates, it does not enforce.</summary>
public static class TriageContract
{
    /// <summary>Name of the contract and of the deployment.</summary>
    public const string Name = "triage";

    /// <summary>Reply tokens allowed: a little more than the longest right answer.</summary>
    public const int MaxTokens = 32;

    /// <summary>The body of <c>POST /v1/contracts</c>.</summary>
    public static JsonObject Body(IReadOnlyList<string> intents) => new()
    {
        ["name"] = Name,
        ["message"] = "demo",
        ["content"] = new JsonObject
        {
            ["system_prompt"] = "Sort the message. Reply with JSON: {\"intent\": \"...\"}",
            ["output_schema"] = new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject
                {
                    ["intent"] = new JsonObject { ["enum"] = new JsonArray([.. intents.Select(intent => (JsonNode)intent)]) },
                },
                ["required"] = new JsonArray("intent"),
                ["additionalProperties"] = false,
            },
            ["output_mode"] = "validate",
            ["sampling"] = new JsonObject { ["temperature"] = 0, ["max_tokens"] = MaxTokens },
        },
    };

    /// <summary>The right answer for <paramref name="intent"/>.</summary>
    public static string Answer(string intent) => $"{{\"intent\": {JsonSerializer.Serialize(intent)}}}";

    /// <summary>The intent of a reply that satisfies the schema, or null.</summary>
    public static string? IntentOf(string reply, IReadOnlySet<string> intents)
    {
        try
        {
            using var json = JsonDocument.Parse(reply);
            var root = json.RootElement;
            return root.ValueKind == JsonValueKind.Object
                && root.EnumerateObject().Count() == 1
                && root.TryGetProperty("intent", out var value)
                && value.ValueKind == JsonValueKind.String
                && intents.Contains(value.GetString()!)
                ? value.GetString()
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
