using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>
/// Turns the body of a chat completion into a <see cref="ChatCompletionRequest"/>: every property is either read, accepted as
/// a no-op, refused by name, or reported as ignored.
/// </summary>
internal sealed class ChatCompletionReader
{
    private const int MaximumStopStrings = 4;
    private const int MaximumMetadataPairs = 16;
    private const int MaximumSaltLength = 512;
    private readonly FieldReader _fields = new();
    private readonly List<string> _ignored = [];
    private string? _model;
    private IReadOnlyList<ChatMessage>? _messages;
    private JsonElement? _tools;
    private double? _temperature;
    private double? _topP;
    private long? _topK;
    private long? _seed;
    private IReadOnlyList<string> _stop = [];
    private long? _maxTokens;
    private long? _maxCompletionTokens;
    private bool? _ignoreEnd;
    private bool? _stream;
    private bool _streamOptionsGiven;
    private bool? _includeUsage;
    private string? _user;
    private string? _safetyIdentifier;
    private string? _promptCacheKey;
    private string? _cacheSalt;
    private Dictionary<string, string>? _metadata;
    private string? _chatTemplate;
    private Dictionary<string, JsonElement>? _variables;
    private string? _reasoningEffort;
    private bool? _addGenerationPrompt;
    private readonly ReplyFormatReader _format;

    public ChatCompletionReader() => _format = new ReplyFormatReader(_fields);

    /// <summary>The first failure, or null.</summary>
    public ApiError? Error => _fields.Error;

    /// <summary>The checked request, or null when <see cref="Error"/> is set.</summary>
    public ChatCompletionRequest? Read(JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object)
        {
            _fields.Fail(ApiError.InvalidJson("the body is not an object."));
            return null;
        }

        foreach (var property in body.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Null)
            {
                ReadField(property.Name, property.Value);
            }
        }

        CheckTogether();
        if (Error is not null)
        {
            return null;
        }

        if (_reasoningEffort is not null)
        {
            _variables ??= new(StringComparer.Ordinal);
            _variables.TryAdd("reasoning_effort", JsonSerializer.SerializeToElement(_reasoningEffort, WireJsonContext.Default.String));
        }

        return new ChatCompletionRequest
        {
            Model = _model!,
            Messages = _messages!,
            Tools = _tools,
            Temperature = _temperature,
            TopP = _topP,
            TopK = (int?)_topK,
            Seed = _seed,
            Stop = _stop,
            MaxTokens = (int?)(_maxCompletionTokens ?? _maxTokens),
            IgnoreEnd = _ignoreEnd ?? false,
            Stream = _stream ?? false,
            IncludeUsage = _includeUsage ?? false,
            User = _user,
            SafetyIdentifier = _safetyIdentifier,
            PromptCacheKey = _promptCacheKey,
            CacheSalt = _cacheSalt,
            Metadata = _metadata,
            ChatTemplate = _chatTemplate,
            TemplateVariables = _variables,
            Format = _format.Format,
            AddGenerationPrompt = _addGenerationPrompt ?? true,
            IgnoredParameters = _ignored,
        };
    }

    private void ReadField(string name, JsonElement value)
    {
        switch (name)
        {
            case "model": _model = _fields.Text(value, name); break;
            case "messages": _messages = new MessagesReader(_fields).Read(value); break;
            case "tools": ReadTools(value); break;
            case "temperature": _temperature = _fields.Number(value, name, 0, 2); break;
            case "top_p": _topP = _fields.Number(value, name, 0, 1); break;
            case "top_k": _topK = _fields.Integer(value, name, -1, int.MaxValue); break;
            case "seed": _seed = _fields.Integer(value, name, long.MinValue, long.MaxValue); break;
            case "stop": ReadStop(value); break;
            case "max_tokens": _maxTokens = _fields.Integer(value, name, 1, int.MaxValue); break;
            case "max_completion_tokens": _maxCompletionTokens = _fields.Integer(value, name, 1, int.MaxValue); break;
            case "ignore_eos": _ignoreEnd = _fields.Truth(value, name); break;
            case "stream": _stream = _fields.Truth(value, name); break;
            case "stream_options": ReadStreamOptions(value); break;
            case "user": _user = _fields.Text(value, name); break;
            case "safety_identifier": _safetyIdentifier = _fields.Text(value, name); break;
            case "prompt_cache_key": _promptCacheKey = _fields.Text(value, name); break;
            case "cache_salt": ReadCacheSalt(value); break;
            case "metadata": ReadMetadata(value); break;
            case "chat_template": _chatTemplate = _fields.Text(value, name); break;
            case "chat_template_kwargs": ReadVariables(value); break;
            case "reasoning_effort": _reasoningEffort = _fields.Text(value, name); break;
            case "add_generation_prompt": _addGenerationPrompt = _fields.Truth(value, name); break;
            case ReplyFormat.ResponseFormat: _format.ReadResponseFormat(value); break;
            case ReplyFormat.StructuredOutputs: _format.ReadStructuredOutputs(value); break;
            default: ReadOther(name, value); break;
        }
    }

    private void ReadOther(string name, JsonElement value)
    {
        if (!NoOpFields.Knows(name, value, out var isNoOp))
        {
            _ignored.Add(name);
        }
        else if (!isNoOp)
        {
            _fields.Fail(ApiError.UnsupportedParameter(name));
        }
    }

    private void CheckTogether()
    {
        if (string.IsNullOrEmpty(_model))
        {
            _fields.Fail(ApiError.MissingParameter("model"));
        }

        if (_messages is null)
        {
            _fields.Fail(ApiError.MissingParameter("messages"));
        }

        if (_streamOptionsGiven && _stream is not true)
        {
            _fields.Fail(ApiError.InvalidValue("stream_options", "allowed only together with 'stream': true."));
        }
    }

    private void ReadTools(JsonElement value)
    {
        if (_fields.OfKind(value, "tools", JsonValueKind.Array) is not { } array)
        {
            return;
        }

        var index = 0;
        foreach (var tool in array.EnumerateArray())
        {
            var path = $"tools[{index++}]";
            if (tool.ValueKind != JsonValueKind.Object || !tool.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
            {
                _fields.Fail(ApiError.InvalidValue(path, "expected an object with a 'type'."));
            }
            else if (!type.ValueEquals("function"))
            {
                _fields.Fail(ApiError.UnsupportedParameter($"{path}.type", "Use tools of type 'function'."));
            }
            else if (!tool.TryGetProperty("function", out var function) || function.ValueKind != JsonValueKind.Object
                || !function.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String || !IsToolName(name.GetString()!))
            {
                _fields.Fail(ApiError.InvalidValue($"{path}.function.name", "expected 1 to 64 letters, digits, '_' or '-'."));
            }
        }

        _tools = index == 0 ? null : array.Clone();
    }

    private static bool IsToolName(string name) =>
        name.Length is >= 1 and <= 64 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');

    private void ReadStop(JsonElement value)
    {
        var strings = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
        if (strings.Count is 0 or > MaximumStopStrings || strings.Exists(s => s.ValueKind != JsonValueKind.String || s.ValueEquals("")))
        {
            _fields.Fail(ApiError.InvalidValue("stop", $"expected a non-empty string or an array of 1 to {MaximumStopStrings} of them."));
            return;
        }

        _stop = [.. strings.Select(s => s.GetString()!)];
    }

    private void ReadStreamOptions(JsonElement value)
    {
        _streamOptionsGiven = true;
        if (_fields.OfKind(value, "stream_options", JsonValueKind.Object) is not { } options)
        {
            return;
        }

        foreach (var option in options.EnumerateObject())
        {
            var path = $"stream_options.{option.Name}";
            if (option.Value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            switch (option.Name)
            {
                case "include_usage": _includeUsage = _fields.Truth(option.Value, path); break;
                case "include_obfuscation": _fields.Truth(option.Value, path); break;
                case "continuous_usage_stats":
                    if (_fields.Truth(option.Value, path) is true)
                    {
                        _fields.Fail(ApiError.UnsupportedParameter(path, "Use 'include_usage' for usage at the end of the stream."));
                    }

                    break;
                default: _ignored.Add(path); break;
            }
        }
    }

    private void ReadCacheSalt(JsonElement value)
    {
        _cacheSalt = _fields.Text(value, "cache_salt");
        if (_cacheSalt?.Length is 0 or > MaximumSaltLength)
        {
            _fields.Fail(ApiError.InvalidValue("cache_salt", $"expected 1 to {MaximumSaltLength} characters."));
        }
    }

    private void ReadMetadata(JsonElement value)
    {
        if (_fields.OfKind(value, "metadata", JsonValueKind.Object) is not { } pairs)
        {
            return;
        }

        _metadata = new(StringComparer.Ordinal);
        foreach (var pair in pairs.EnumerateObject())
        {
            if (pair.Name.Length is 0 or > 64 || pair.Value.ValueKind != JsonValueKind.String || pair.Value.GetString()!.Length > 512)
            {
                _fields.Fail(ApiError.InvalidValue("metadata", "expected keys of 1 to 64 characters and string values of up to 512."));
                return;
            }

            _metadata[pair.Name] = pair.Value.GetString()!;
        }

        if (_metadata.Count > MaximumMetadataPairs)
        {
            _fields.Fail(ApiError.InvalidValue("metadata", $"expected at most {MaximumMetadataPairs} pairs."));
        }
    }

    private void ReadVariables(JsonElement value)
    {
        if (_fields.OfKind(value, "chat_template_kwargs", JsonValueKind.Object) is { } variables)
        {
            _variables = new(StringComparer.Ordinal);
            foreach (var variable in variables.EnumerateObject())
            {
                _variables[variable.Name] = variable.Value.Clone();
            }
        }
    }
}
