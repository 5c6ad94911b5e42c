using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine;
using Gateway.Engine.Adapters;

namespace Gateway.Worker;

/// <summary>Answers <c>POST /v1/embeddings</c>: the mean of the last hidden states of a text's tokens, scaled to length 1.</summary>
internal sealed class EmbeddingEndpoint(WorkerRuntime runtime)
{
    // Inputs in the engine at once; more would only make others wait.
    private const int MaximumAtOnce = 16;

    /// <summary>The road of a request: 1. read and check the body; 2. pin the adapter; 3. make ids; 4. have the engine read them; 5. answer.</summary>
    public async Task<IResult> AnswerAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, context.RequestAborted);
        using (body.Document)
        {
            if (body.Document is null)
            {
                return new ApiErrorResult(body.Error!);
            }

            if (!EmbeddingRequest.TryParse(body.Document.RootElement, out var request, out var error))
            {
                return new ApiErrorResult(error);
            }

            if (request.Dimensions is { } dimensions && dimensions != runtime.Config.HiddenSize)
            {
                return new ApiErrorResult(ApiError.UnsupportedParameter("dimensions", $"The model's embeddings have {runtime.Config.HiddenSize} dimensions: leave the field out."));
            }

            if (request.IgnoredParameters.Count > 0)
            {
                context.Response.Headers[IgnoredParameters.HeaderName] = IgnoredParameters.HeaderValue(request.IgnoredParameters);
            }

            var (lease, refusal) = await InferenceEndpoint.LeaseAsync(runtime, request.Model, context.RequestAborted);
            using (lease)
            {
                if (refusal is not null || !TryRead(request, out var inputs, out refusal))
                {
                    return new ApiErrorResult(refusal);
                }

                var vectors = new List<float[]>();
                foreach (var some in inputs.Chunk(MaximumAtOnce))
                {
                    if (await EmbedAsync(some, lease, vectors, context.RequestAborted) is { } failure)
                    {
                        return new ApiErrorResult(failure);
                    }
                }

                return Answer(request, vectors, inputs.Sum(input => input.Length), lease?.Generation);
            }
        }
    }

    private bool TryRead(EmbeddingRequest request, out List<int[]> inputs, [NotNullWhen(false)] out ApiError? error)
    {
        inputs = [];
        foreach (var input in request.Inputs)
        {
            if (!TextIds.TryRead(runtime, input, "input", out var ids, out error)
                || (error = InferenceEndpoint.Fit(runtime, ids.Length, 0, "input", out _)) is not null)
            {
                return false;
            }

            inputs.Add(ids);
        }

        error = null;
        return true;
    }

    /// <summary>Step 4, for as many inputs as go at once.</summary>
    private async Task<ApiError?> EmbedAsync(int[][] inputs, AdapterLease? lease, List<float[]> vectors, CancellationToken cancellation)
    {
        var requests = inputs.Select(ids => new GenerationRequest { Prompt = ids, MaximumTokens = 1, Embeds = true, Adapter = lease?.Share() }).ToList();
        if (runtime.Engine.Submit(requests, out var streams) != SubmitOutcome.Accepted)
        {
            requests.ForEach(request => request.Adapter?.Dispose());
            return ApiError.Overloaded(retryAfterSeconds: 1);
        }

        try
        {
            foreach (var stream in streams!)
            {
                var end = await stream.ReadAsync(cancellation);
                if (end.Finish != FinishReason.Stop)
                {
                    return ApiError.EngineFailed(end.Error ?? "the request was cancelled.");
                }

                vectors.Add(Normalized(stream.Embedding.Span));
            }
        }
        finally
        {
            foreach (var stream in streams!)
            {
                stream.Cancel();
            }
        }

        return vectors.TrueForAll(vector => Array.TrueForAll(vector, float.IsFinite))
            ? null
            : ApiError.EngineFailed("non_finite_state: the model or its adapter produced NaN or infinity; unload the adapter or check its weights.");
    }

    private static float[] Normalized(ReadOnlySpan<float> vector)
    {
        var length = 0.0;
        foreach (var value in vector)
        {
            length += (double)value * value;
        }

        var scale = length > 0 ? 1 / Math.Sqrt(length) : 0;
        var result = new float[vector.Length];
        for (var i = 0; i < result.Length; i++)
        {
            result[i] = (float)(vector[i] * scale);
        }

        return result;
    }

    private static JsonReply Answer(EmbeddingRequest request, List<float[]> vectors, int tokens, string? generation) => new(json =>
    {
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        for (var index = 0; index < vectors.Count; index++)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", index);
            WriteVector(json, vectors[index], request.Base64);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("model", request.Model);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", tokens);
        json.WriteNumber("total_tokens", tokens);
        json.WriteEndObject();
        json.WriteString("pooling", "mean");
        json.WriteBoolean("normalized", true);
        json.WriteString("adapter_generation", generation);
    });

    private static void WriteVector(Utf8JsonWriter json, float[] vector, bool base64)
    {
        if (base64)
        {
            var bytes = new byte[vector.Length * sizeof(float)];
            for (var i = 0; i < vector.Length; i++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
            }

            json.WriteBase64String("embedding", bytes);
            return;
        }

        json.WriteStartArray("embedding");
        foreach (var value in vector)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
