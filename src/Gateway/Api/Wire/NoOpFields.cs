using System.Collections.Frozen;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>
/// Known fields of chat completions (OpenAI's and vLLM's) that change nothing here. A field whose value would change the reply
/// is refused by name; a value that asks for the default behaviour is accepted.
/// </summary>
internal static class NoOpFields
{
    private static readonly FrozenDictionary<string, Func<JsonElement, bool>> Accepted =
        new Dictionary<string, Func<JsonElement, bool>>(StringComparer.Ordinal)
        {
            // OpenAI
            ["n"] = IsNumber(1),
            ["frequency_penalty"] = IsNumber(0),
            ["presence_penalty"] = IsNumber(0),
            ["logit_bias"] = IsEmptyObject,
            ["logprobs"] = IsFalse,
            ["top_logprobs"] = IsNumber(0),
            ["tool_choice"] = value => IsText(value, "none") || IsText(value, "auto"),
            ["parallel_tool_calls"] = value => value.ValueKind == JsonValueKind.True,
            ["functions"] = IsEmptyArray,
            ["function_call"] = value => IsText(value, "none"),
            ["store"] = IsTruth,
            ["service_tier"] = IsString,
            ["verbosity"] = IsString,
            ["prediction"] = Never,
            ["modalities"] = value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => IsText(item, "text")),
            ["audio"] = Never,

            // vLLM
            ["min_p"] = IsNumber(0),
            ["repetition_penalty"] = IsNumber(1),
            ["min_tokens"] = IsNumber(0),
            ["stop_token_ids"] = IsEmptyArray,
            ["include_stop_str_in_output"] = IsFalse,
            ["bad_words"] = IsEmptyArray,
            ["allowed_token_ids"] = Never,
            ["logprob_token_ids"] = IsEmptyArray,
            ["prompt_logprobs"] = Never,
            ["return_token_ids"] = IsFalse,
            ["return_tokens_as_token_ids"] = IsFalse,
            ["truncate_prompt_tokens"] = IsNumber(-1),
            ["truncation_side"] = IsString,
            ["skip_special_tokens"] = value => value.ValueKind == JsonValueKind.True,
            ["spaces_between_special_tokens"] = value => value.ValueKind == JsonValueKind.True,
            ["continue_final_message"] = IsFalse,
            ["add_special_tokens"] = IsFalse,
            ["documents"] = IsEmptyArray,
            ["echo"] = IsFalse,
            ["priority"] = IsNumber(0),
            ["request_id"] = Never,
            ["session_id"] = IsString,
            ["use_beam_search"] = IsFalse,
            ["length_penalty"] = IsNumber(1),
            ["include_reasoning"] = value => value.ValueKind == JsonValueKind.True,
            ["thinking_token_budget"] = Never,

            // mistral.rs: selects an adapter; ignoring it would answer from the wrong weights
            ["adapter"] = Never,
        }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Fields that OpenAI's clients may send and that have no meaning for a text model; reported as ignored.</summary>
    private static readonly FrozenSet<string> Meaningless =
        FrozenSet.Create(StringComparer.Ordinal, "web_search_options", "moderation", "prompt_cache_options", "prompt_cache_retention");

    /// <summary>True when the field belongs to this table; <paramref name="isNoOp"/> tells whether its value can be accepted.</summary>
    public static bool Knows(string name, JsonElement value, out bool isNoOp)
    {
        isNoOp = Accepted.TryGetValue(name, out var test) && test(value);
        return test is not null;
    }

    /// <summary>True for a known field without meaning here.</summary>
    public static bool IsMeaningless(string name) => Meaningless.Contains(name);

    private static bool Never(JsonElement value) => false;

    private static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IsTruth(JsonElement value) => value.ValueKind is JsonValueKind.True or JsonValueKind.False;

    private static bool IsString(JsonElement value) => value.ValueKind == JsonValueKind.String;

    private static bool IsText(JsonElement value, string text) => IsString(value) && value.ValueEquals(text);

    private static bool IsEmptyArray(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    private static bool IsEmptyObject(JsonElement value) => value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any();

    private static Func<JsonElement, bool> IsNumber(double number) =>
        value => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var given) && given == number;
}
