using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.FrontDoor;

/// <summary>The text completion a worker gets: the caller's, under the worker's model name. No contract is applied.</summary>
internal static class OutboundCompletionBody
{
    /// <summary>Writes the body as UTF-8 JSON.</summary>
    public static byte[] Write(CompletionRequest request, string model)
    {
        using var body = new PooledBuffer();
        using (var writer = new Utf8JsonWriter(body, WireJson.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("model", model);
            WritePrompts(writer, request.Prompts, "prompt");
            OutboundFields.Write(writer, request, sampling: null, request.Stop, "max_tokens");
            if (request.Logprobs is { } alternatives)
            {
                writer.WriteNumber("logprobs", alternatives);
            }

            if (request.Echo)
            {
                writer.WriteBoolean("echo", true);
            }

            if (request.BestOf > request.N)
            {
                writer.WriteNumber("best_of", request.BestOf);
            }

            writer.WriteEndObject();
        }

        return body.Written.ToArray();
    }

    /// <summary>Writes one prompt as it came, several as an array.</summary>
    public static void WritePrompts(Utf8JsonWriter writer, IReadOnlyList<TextPrompt> prompts, string field)
    {
        writer.WritePropertyName(field);
        if (prompts is [var only])
        {
            only.WriteTo(writer);
            return;
        }

        writer.WriteStartArray();
        foreach (var prompt in prompts)
        {
            prompt.WriteTo(writer);
        }

        writer.WriteEndArray();
    }
}
