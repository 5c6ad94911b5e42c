using System.Globalization;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;

namespace Gateway.FrontDoor;

/// <summary>The fields that workers get in chat and text completions alike. What is at its default is left out.</summary>
internal static class OutboundFields
{
    /// <summary>Writes them; the caller's values win over the contract's, whose cap on reply tokens wins over the caller's limit.</summary>
    /// <param name="writer">Inside the body's object.</param>
    /// <param name="request">The caller's request.</param>
    /// <param name="sampling">The contract's values, or null.</param>
    /// <param name="stop">The stop strings of both.</param>
    /// <param name="limitField">What the token limit is called.</param>
    public static void Write(Utf8JsonWriter writer, InferenceRequest request, SamplingDefaults? sampling, IReadOnlyList<string> stop, string limitField)
    {
        Number("temperature", request.Temperature ?? sampling?.Temperature);
        Number("top_p", request.TopP ?? sampling?.TopP);
        Integer("top_k", request.TopK ?? sampling?.TopK);
        Number("min_p", request.MinP);
        Integer("seed", request.Seed);
        Number("frequency_penalty", request.FrequencyPenalty);
        Number("presence_penalty", request.PresencePenalty);
        Number("repetition_penalty", request.RepetitionPenalty);
        Integer(limitField, Least(request.MaxTokens, sampling?.MaxTokens));
        Integer("n", request.N > 1 ? request.N : null);
        Integer("min_tokens", request.MinTokens > 0 ? request.MinTokens : null);
        if (request.LogitBias.Count > 0)
        {
            writer.WriteStartObject("logit_bias");
            foreach (var (token, bias) in request.LogitBias)
            {
                writer.WriteNumber(token.ToString(CultureInfo.InvariantCulture), bias);
            }

            writer.WriteEndObject();
        }

        if (stop.Count > 0)
        {
            writer.WriteStartArray("stop");
            foreach (var text in stop)
            {
                writer.WriteStringValue(text);
            }

            writer.WriteEndArray();
        }

        if (request.StopTokenIds.Count > 0)
        {
            writer.WriteStartArray("stop_token_ids");
            foreach (var id in request.StopTokenIds)
            {
                writer.WriteNumberValue(id);
            }

            writer.WriteEndArray();
        }

        Flag("include_stop_str_in_output", request.IncludesStop, true);
        Flag("ignore_eos", request.IgnoreEnd, true);
        Flag("skip_special_tokens", !request.SkipsSpecialTokens, false);
        if (request.CacheSalt is { } salt)
        {
            writer.WriteString("cache_salt", salt);
        }

        request.Format?.WriteTo(writer);
        writer.WriteBoolean("stream", request.Stream);
        if (request.Stream)
        {
            writer.WriteStartObject("stream_options");
            writer.WriteBoolean("include_usage", true);
            writer.WriteEndObject();
        }

        void Number(string name, double? value)
        {
            if (value is { } number)
            {
                writer.WriteNumber(name, number);
            }
        }

        void Integer(string name, long? value)
        {
            if (value is { } number)
            {
                writer.WriteNumber(name, number);
            }
        }

        void Flag(string name, bool isGiven, bool value)
        {
            if (isGiven)
            {
                writer.WriteBoolean(name, value);
            }
        }
    }

    private static int? Least(int? asked, int? cap) => asked is null ? cap : cap is null ? asked : Math.Min(asked.Value, cap.Value);
}
