using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.FrontDoor;

namespace Gateway.Responses;

/// <summary>The sampling that was in force.</summary>
/// <param name="Temperature">0 is greedy.</param>
/// <param name="TopP">Nucleus mass.</param>
internal readonly record struct EffectiveSampling(double Temperature, double TopP);

/// <summary>Where a response stands.</summary>
/// <param name="Status">in_progress, completed, incomplete, failed or cancelled.</param>
/// <param name="IncompleteReason">Why it is incomplete, or null.</param>
/// <param name="Error">Why it failed, or null.</param>
/// <param name="CompletedAt">When it was completed, or null.</param>
/// <param name="Usage">Token counts, or null while they are not known.</param>
/// <param name="CachedTokens">Prompt tokens that the worker had read before.</param>
internal sealed record ResponseState(
    string Status, string? IncompleteReason = null, string? Error = null, DateTimeOffset? CompletedAt = null, TokenUsage? Usage = null, int CachedTokens = 0);

/// <summary>Writes the response object: every member, always.</summary>
internal sealed class ResponseWriter(Exchange exchange, ResponseRequest request)
{
    /// <summary>The sampling that was in force.</summary>
    public EffectiveSampling Sampling { get; set; } = new(request.Chat.Temperature ?? 1, request.Chat.TopP ?? 1);

    /// <summary>Writes the object.</summary>
    /// <param name="json">Where a value may stand.</param>
    /// <param name="state">Where it stands.</param>
    /// <param name="output">Its items, or null for none.</param>
    /// <param name="text">Changes what was said, for the store.</param>
    public void Write(Utf8JsonWriter json, ResponseState state, ResponseOutput? output, Func<string, string>? text = null)
    {
        text ??= given => given;
        json.WriteStartObject();
        json.WriteString("id", exchange.Id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", exchange.Created);
        Number(json, "completed_at", state.CompletedAt?.ToUnixTimeSeconds());
        json.WriteString("status", state.Status);
        json.WriteBoolean("background", false);
        WriteOutcome(json, state);
        json.WriteString("instructions", request.Instructions is { } instructions ? text(instructions) : null);
        Number(json, "max_output_tokens", request.Chat.MaxTokens);
        Number(json, "max_tool_calls", request.MaximumToolCalls);
        json.WriteString("model", exchange.Request.Model);
        if (output is null)
        {
            json.WriteStartArray("output");
            json.WriteEndArray();
        }
        else
        {
            output.WriteTo(json, text);
        }

        json.WriteBoolean("parallel_tool_calls", request.ParallelCalls);
        json.WriteString("previous_response_id", request.Previous);
        json.WriteString("prompt_cache_key", request.Chat.PromptCacheKey);
        json.WriteStartObject("reasoning");
        json.WriteString("effort", request.Effort);
        json.WriteNull("summary");
        json.WriteEndObject();
        json.WriteString("safety_identifier", request.Chat.SafetyIdentifier);
        json.WriteString("service_tier", "default");
        json.WriteBoolean("store", request.Store);
        json.WriteNumber("temperature", Sampling.Temperature);
        WriteText(json);
        WriteTools(json);
        json.WriteNumber("top_logprobs", request.TopLogprobs);
        json.WriteNumber("top_p", Sampling.TopP);
        json.WriteString("truncation", request.DropsOldest ? "auto" : "disabled");
        WriteUsage(json, state);
        json.WriteString("user", request.Chat.User);
        json.WriteStartObject("metadata");
        foreach (var (name, value) in request.Chat.Metadata ?? new Dictionary<string, string>(StringComparer.Ordinal))
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteString("adapter_generation", exchange.Assigned.Release.Release.Generation);
        json.WriteString("contract", exchange.Contract);
        json.WriteEndObject();
    }

    private static void WriteOutcome(Utf8JsonWriter json, ResponseState state)
    {
        if (state.Error is null)
        {
            json.WriteNull("error");
        }
        else
        {
            json.WriteStartObject("error");
            json.WriteString("code", "server_error");
            json.WriteString("message", state.Error);
            json.WriteEndObject();
        }

        if (state.IncompleteReason is null)
        {
            json.WriteNull("incomplete_details");
        }
        else
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", state.IncompleteReason);
            json.WriteEndObject();
        }
    }

    private void WriteText(Utf8JsonWriter json)
    {
        json.WriteStartObject("text");
        if (request.Format is { } format)
        {
            json.WritePropertyName("format");
            format.WriteTo(json);
        }
        else
        {
            json.WriteStartObject("format");
            json.WriteString("type", "text");
            json.WriteEndObject();
        }

        json.WriteString("verbosity", request.Verbosity);
        json.WriteEndObject();
    }

    private void WriteTools(Utf8JsonWriter json)
    {
        if (request.ToolChoice is { } choice)
        {
            json.WritePropertyName("tool_choice");
            choice.WriteTo(json);
        }
        else
        {
            json.WriteString("tool_choice", "auto");
        }

        json.WritePropertyName("tools");
        if (request.Tools is { } tools)
        {
            tools.WriteTo(json);
        }
        else
        {
            json.WriteStartArray();
            json.WriteEndArray();
        }
    }

    private static void WriteUsage(Utf8JsonWriter json, ResponseState state)
    {
        if (state.Usage is not { } usage)
        {
            json.WriteNull("usage");
            return;
        }

        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", usage.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", state.CachedTokens);
        json.WriteNumber("cache_write_tokens", 0);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", 0);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", usage.PromptTokens + usage.CompletionTokens);
        json.WriteEndObject();
    }

    private static void Number(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
