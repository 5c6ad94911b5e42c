using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;

namespace Gateway.FrontDoor;

/// <summary>
/// The request a worker gets: the caller's with the contract applied. Sampling values the caller gave win over the
/// contract's defaults, its cap on reply tokens wins over the caller's limit, and stop strings are joined.
/// </summary>
internal static class OutboundChatBody
{
    /// <summary>OpenAI's limit on stop strings, which workers enforce.</summary>
    public const int MaximumStopStrings = 4;

    /// <summary>The caller's and the contract's stop strings, each once.</summary>
    public static IReadOnlyList<string> StopStrings(ChatCompletionRequest request, ContractContent? contract) =>
        [.. request.Stop.Concat(contract?.Sampling.Stop ?? []).Distinct(StringComparer.Ordinal)];

    /// <summary>Writes the body as UTF-8 JSON.</summary>
    /// <param name="request">The caller's request.</param>
    /// <param name="model">The model name on the worker.</param>
    /// <param name="messages">The messages after the contract was applied.</param>
    /// <param name="contract">The contract's content, or null.</param>
    /// <param name="tenantSalt">What keeps the caller's owner apart in the worker's prefix cache; null for callers without a key.</param>
    public static byte[] Write(
        ChatCompletionRequest request, string model, IReadOnlyList<ChatMessage> messages, ContractContent? contract, string? tenantSalt = null)
    {
        using var body = new MemoryStream();
        using (var writer = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            var sampling = contract?.Sampling;
            writer.WriteStartObject();
            writer.WriteString("model", model);
            writer.WritePropertyName("messages");
            JsonSerializer.Serialize(writer, messages, DomainJson.Default.IReadOnlyListChatMessage);
            WriteElement(writer, "tools", request.Tools);
            WriteNumber(writer, "temperature", request.Temperature ?? sampling?.Temperature);
            WriteNumber(writer, "top_p", request.TopP ?? sampling?.TopP);
            WriteNumber(writer, "top_k", request.TopK ?? sampling?.TopK);
            WriteNumber(writer, "seed", request.Seed);
            WriteNumber(writer, "max_completion_tokens", Least(request.MaxTokens, sampling?.MaxTokens));
            WriteStop(writer, StopStrings(request, contract));
            if (request.IgnoreEnd)
            {
                writer.WriteBoolean("ignore_eos", true);
            }

            if (!request.AddGenerationPrompt)
            {
                writer.WriteBoolean("add_generation_prompt", false);
            }

            // The owner's salt comes first and the caller's own behind a mark, so that no caller can make the salt of another owner.
            if (tenantSalt is not null || request.CacheSalt is not null)
            {
                writer.WriteString("cache_salt", tenantSalt is null ? request.CacheSalt : $"{tenantSalt}/{request.CacheSalt}");
            }

            if (contract?.ChatTemplate is { } template)
            {
                writer.WriteString("chat_template", template);
            }

            WriteTemplateVariables(writer, request.TemplateVariables);
            request.Format?.WriteTo(writer);
            writer.WriteBoolean("stream", request.Stream);
            if (request.Stream)
            {
                writer.WriteStartObject("stream_options");
                writer.WriteBoolean("include_usage", true);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        return body.ToArray();
    }

    private static int? Least(int? asked, int? cap) => asked is null ? cap : cap is null ? asked : Math.Min(asked.Value, cap.Value);

    private static void WriteNumber(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private static void WriteNumber(Utf8JsonWriter writer, string name, long? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private static void WriteElement(Utf8JsonWriter writer, string name, JsonElement? value)
    {
        if (value is { } element)
        {
            writer.WritePropertyName(name);
            element.WriteTo(writer);
        }
    }

    private static void WriteStop(Utf8JsonWriter writer, IReadOnlyList<string> stop)
    {
        if (stop.Count == 0)
        {
            return;
        }

        writer.WriteStartArray("stop");
        foreach (var text in stop)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }

    private static void WriteTemplateVariables(Utf8JsonWriter writer, IReadOnlyDictionary<string, JsonElement>? variables)
    {
        if (variables is null)
        {
            return;
        }

        writer.WriteStartObject("chat_template_kwargs");
        foreach (var (name, value) in variables)
        {
            writer.WritePropertyName(name);
            value.WriteTo(writer);
        }

        writer.WriteEndObject();
    }
}
