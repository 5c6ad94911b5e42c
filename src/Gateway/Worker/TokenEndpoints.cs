using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Worker;

/// <summary>vLLM's <c>/tokenize</c> and <c>/detokenize</c>.</summary>
internal sealed class TokenEndpoints(WorkerRuntime runtime)
{
    /// <summary><c>POST /tokenize</c>: the ids of a <c>prompt</c>, or of <c>messages</c> as a chat completion would render them.</summary>
    public async Task<IResult> TokenizeAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, context.RequestAborted);
        using (body.Document)
        {
            if (body.Document is null || body.Document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return new ApiErrorResult(body.Error ?? ApiError.InvalidJson("the body is not an object."));
            }

            var fields = new FieldReader();
            var (root, addSpecialTokens, withText) = (body.Document.RootElement, true, false);
            var ids = root.TryGetProperty("messages", out _) ? Rendered(root, fields) : Encoded();
            return fields.Error is { } error ? new ApiErrorResult(error) : Describe(ids, withText);

            int[] Encoded()
            {
                addSpecialTokens = Truth(root, "add_special_tokens", fields) ?? true;
                withText = Truth(root, "return_token_strs", fields) ?? false;
                if (!root.TryGetProperty("prompt", out var prompt))
                {
                    fields.Fail(ApiError.MissingParameter("prompt"));
                    return [];
                }

                return fields.Text(prompt, "prompt") is { } text ? runtime.Tokenizer.Encode(text, addSpecialTokens) : [];
            }
        }
    }

    /// <summary><c>POST /detokenize</c>: the text of <c>tokens</c>.</summary>
    public async Task<IResult> DetokenizeAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context.Request, runtime.Options.MaximumBodyBytes, context.RequestAborted);
        using (body.Document)
        {
            if (body.Document is null || body.Document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return new ApiErrorResult(body.Error ?? ApiError.InvalidJson("the body is not an object."));
            }

            var fields = new FieldReader();
            if (!body.Document.RootElement.TryGetProperty("tokens", out var tokens))
            {
                return new ApiErrorResult(ApiError.MissingParameter("tokens"));
            }

            return fields.Integers(tokens, "tokens", int.MaxValue) is { } ids
                ? new JsonReply(json => json.WriteString("prompt", runtime.Tokenizer.Decode([.. ids], skipSpecialTokens: false)))
                : new ApiErrorResult(fields.Error!);
        }
    }

    private int[] Rendered(JsonElement root, FieldReader fields)
    {
        if (ChatCompletionRequest.TryParse(root, out var request, out var error) && runtime.Prompts.TryRender(request, out var prompt, out _, out error))
        {
            return prompt.Ids;
        }

        fields.Fail(error!);
        return [];
    }

    private JsonReply Describe(int[] ids, bool withText) => new(json =>
    {
        json.WriteNumber("count", ids.Length);
        json.WriteNumber("max_model_len", runtime.Engine.MaximumSequenceLength);
        json.WriteStartArray("tokens");
        Array.ForEach(ids, json.WriteNumberValue);
        json.WriteEndArray();
        if (withText)
        {
            json.WriteStartArray("token_strs");
            Array.ForEach(ids, id => json.WriteStringValue(runtime.Tokenizer.IdToToken(id)));
            json.WriteEndArray();
        }
    });

    private static bool? Truth(JsonElement root, string name, FieldReader fields) =>
        root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? fields.Truth(value, name) : null;
}
