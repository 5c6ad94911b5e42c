using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>Turns the body of a text completion into a <see cref="CompletionRequest"/>.</summary>
internal sealed class CompletionReader
{
    private const int MaximumPrompts = 128;
    private const int MaximumBestOf = 20;

    // A request that asks for more sequences than an engine runs would never be admitted whole.
    private const int MaximumSequences = 256;

    private readonly FieldReader _fields = new();
    private readonly InferenceFieldsReader _shared;
    private IReadOnlyList<TextPrompt>? _prompts;
    private bool? _echo;
    private long? _bestOf;
    private long? _logprobs;
    private long? _maxTokens;

    public CompletionReader() => _shared = new InferenceFieldsReader(_fields);

    /// <summary>The first failure, or null.</summary>
    public ApiError? Error => _fields.Error;

    /// <summary>The checked request, or null when <see cref="Error"/> is set.</summary>
    public CompletionRequest? Read(JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object)
        {
            _fields.Fail(ApiError.InvalidJson("the body is not an object."));
            return null;
        }

        foreach (var property in body.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Null && !_shared.TryRead(property.Name, property.Value))
            {
                ReadField(property.Name, property.Value);
            }
        }

        var request = (CompletionRequest)_shared.ApplyTo(new CompletionRequest { Model = "", Prompts = _prompts ?? [] });
        request = request with
        {
            Echo = _echo ?? false,
            BestOf = (int)(_bestOf ?? request.N),
            Logprobs = (int?)_logprobs,
            MaxTokens = (int)(_maxTokens ?? CompletionRequest.DefaultMaxTokens),
        };
        CheckTogether(request);
        return Error is null ? request : null;
    }

    private void ReadField(string name, JsonElement value)
    {
        switch (name)
        {
            case "prompt": _prompts = TextPrompt.ReadAll(_fields, value, name, MaximumPrompts); break;
            case "echo": _echo = _fields.Truth(value, name); break;
            case "best_of": _bestOf = _fields.Integer(value, name, 1, MaximumBestOf); break;
            case "logprobs": _logprobs = _fields.Integer(value, name, 0, ChatCompletionReader.MaximumAlternatives); break;
            case "max_tokens": _maxTokens = _fields.Integer(value, name, 0, int.MaxValue); break;
            case "suffix":
                if (value.ValueKind != JsonValueKind.String || !value.ValueEquals(""))
                {
                    _fields.Fail(ApiError.UnsupportedParameter(name, "Text is continued at its end only: remove the field."));
                }

                break;
            default: _shared.ReadOther(name, value); break;
        }
    }

    private void CheckTogether(CompletionRequest request)
    {
        if (_prompts is null)
        {
            _fields.Fail(ApiError.MissingParameter("prompt"));
        }

        if (request.BestOf < request.N)
        {
            _fields.Fail(ApiError.InvalidValue("best_of", "expected at least as many as 'n'."));
        }

        if (request.Stream && request.BestOf > request.N)
        {
            _fields.Fail(ApiError.InvalidValue("best_of", "which replies are best is known at their end: leave the field out or do not stream."));
        }

        if (request is { MaxTokens: 0, Echo: false })
        {
            _fields.Fail(ApiError.InvalidValue("max_tokens", "0 is allowed only together with 'echo': true."));
        }

        if (request is { MaxTokens: 0, Format: not null })
        {
            _fields.Fail(ApiError.InvalidValue("max_tokens", $"'{request.Format.Field}' needs at least one token."));
        }

        if (request.Prompts.Count * request.BestOf > MaximumSequences)
        {
            _fields.Fail(ApiError.InvalidValue("prompt", $"expected at most {MaximumSequences} replies in one request; send fewer prompts or lower 'n'."));
        }
    }
}
