using System.Globalization;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>Reads the fields that chat and text completions share.</summary>
internal sealed class InferenceFieldsReader(FieldReader fields)
{
    /// <summary>OpenAI's limit on replies to one request.</summary>
    public const int MaximumReplies = 128;

    private const int MaximumStopStrings = 4;
    private const int MaximumStopTokens = 64;
    private const int MaximumBiases = 1024;
    private const int MaximumMetadataPairs = 16;
    private readonly List<string> _ignored = [];
    private readonly ReplyFormatReader _format = new(fields);
    private string? _model;
    private long? _n;
    private double? _temperature;
    private double? _topP;
    private long? _topK;
    private double? _minP;
    private long? _seed;
    private double? _frequencyPenalty;
    private double? _presencePenalty;
    private double? _repetitionPenalty;
    private List<KeyValuePair<int, double>> _logitBias = [];
    private IReadOnlyList<string> _stop = [];
    private IReadOnlyList<int> _stopTokenIds = [];
    private bool? _includesStop;
    private long? _minTokens;
    private bool? _ignoreEnd;
    private bool? _skipsSpecialTokens;
    private string? _cacheSalt;
    private bool? _stream;
    private bool _streamOptionsGiven;
    private bool? _includeUsage;
    private string? _user;
    private string? _safetyIdentifier;
    private string? _promptCacheKey;
    private Dictionary<string, string>? _metadata;

    /// <summary>Fields accepted without effect.</summary>
    public List<string> Ignored => _ignored;

    /// <summary>Takes a field; false when it is not one of the shared ones.</summary>
    public bool TryRead(string name, JsonElement value)
    {
        switch (name)
        {
            case "model": _model = fields.Text(value, name); break;
            case "n": _n = fields.Integer(value, name, 1, MaximumReplies); break;
            case "temperature": _temperature = fields.Number(value, name, 0, 2); break;
            case "top_p": _topP = fields.Number(value, name, 0, 1); break;
            case "top_k": _topK = fields.Integer(value, name, -1, int.MaxValue); break;
            case "min_p": _minP = fields.Number(value, name, 0, 1); break;
            case "seed": _seed = fields.Integer(value, name, long.MinValue, long.MaxValue); break;
            case "frequency_penalty": _frequencyPenalty = fields.Number(value, name, -2, 2); break;
            case "presence_penalty": _presencePenalty = fields.Number(value, name, -2, 2); break;
            case "repetition_penalty": _repetitionPenalty = fields.Number(value, name, 0.01, 100); break;
            case "logit_bias": ReadLogitBias(value); break;
            case "stop": ReadStop(value); break;
            case "stop_token_ids": _stopTokenIds = fields.Integers(value, name, MaximumStopTokens) ?? []; break;
            case "include_stop_str_in_output": _includesStop = fields.Truth(value, name); break;
            case "min_tokens": _minTokens = fields.Integer(value, name, 0, int.MaxValue); break;
            case "ignore_eos": _ignoreEnd = fields.Truth(value, name); break;
            case "skip_special_tokens": _skipsSpecialTokens = fields.Truth(value, name); break;
            case "cache_salt": ReadCacheSalt(value); break;
            case "stream": _stream = fields.Truth(value, name); break;
            case "stream_options": ReadStreamOptions(value); break;
            case "user": _user = fields.Text(value, name); break;
            case "safety_identifier": _safetyIdentifier = fields.Text(value, name); break;
            case "prompt_cache_key": _promptCacheKey = fields.Text(value, name); break;
            case "metadata": _metadata = ReadMetadata(value, fields); break;
            case ReplyFormat.ResponseFormat: _format.ReadResponseFormat(value); break;
            case ReplyFormat.StructuredOutputs: _format.ReadStructuredOutputs(value); break;
            default: return false;
        }

        return true;
    }

    /// <summary>Takes a field that nothing else reads: accepted as a no-op, refused by name, or ignored.</summary>
    public void ReadOther(string name, JsonElement value)
    {
        if (!NoOpFields.Knows(name, value, out var isNoOp))
        {
            _ignored.Add(name);
        }
        else if (!isNoOp)
        {
            fields.Fail(ApiError.UnsupportedParameter(name));
        }
    }

    /// <summary>Puts what was read into a request; what does not fit together is a failure.</summary>
    public InferenceRequest ApplyTo(InferenceRequest request)
    {
        if (string.IsNullOrEmpty(_model))
        {
            fields.Fail(ApiError.MissingParameter("model"));
        }

        if (_streamOptionsGiven && _stream is not true)
        {
            fields.Fail(ApiError.InvalidValue("stream_options", "allowed only together with 'stream': true."));
        }

        if (_minTokens > 0 && _format.Format is not null)
        {
            fields.Fail(ApiError.InvalidValue("min_tokens", $"'{_format.Format.Field}' decides where the reply may end; leave one of them out."));
        }

        return request with
        {
            Model = _model ?? "",
            N = (int)(_n ?? 1),
            Temperature = _temperature,
            TopP = _topP,
            TopK = (int?)_topK,
            MinP = _minP,
            Seed = _seed,
            FrequencyPenalty = _frequencyPenalty,
            PresencePenalty = _presencePenalty,
            RepetitionPenalty = _repetitionPenalty,
            LogitBias = _logitBias,
            Stop = _stop,
            StopTokenIds = _stopTokenIds,
            IncludesStop = _includesStop ?? false,
            MinTokens = (int)(_minTokens ?? 0),
            IgnoreEnd = _ignoreEnd ?? false,
            SkipsSpecialTokens = _skipsSpecialTokens ?? true,
            CacheSalt = _cacheSalt,
            Format = _format.Format,
            Stream = _stream ?? false,
            IncludeUsage = _includeUsage ?? false,
            User = _user,
            SafetyIdentifier = _safetyIdentifier,
            PromptCacheKey = _promptCacheKey,
            Metadata = _metadata,
            IgnoredParameters = _ignored,
        };
    }

    /// <summary>Reads a <c>metadata</c> object.</summary>
    public static Dictionary<string, string>? ReadMetadata(JsonElement value, FieldReader fields)
    {
        if (fields.OfKind(value, "metadata", JsonValueKind.Object) is not { } pairs)
        {
            return null;
        }

        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in pairs.EnumerateObject())
        {
            if (pair.Name.Length is 0 or > 64 || pair.Value.ValueKind != JsonValueKind.String || pair.Value.GetString()!.Length > 512)
            {
                fields.Fail(ApiError.InvalidValue("metadata", "expected keys of 1 to 64 characters and string values of up to 512."));
                return null;
            }

            metadata[pair.Name] = pair.Value.GetString()!;
        }

        if (metadata.Count > MaximumMetadataPairs)
        {
            fields.Fail(ApiError.InvalidValue("metadata", $"expected at most {MaximumMetadataPairs} pairs."));
        }

        return metadata;
    }

    private void ReadLogitBias(JsonElement value)
    {
        if (fields.OfKind(value, "logit_bias", JsonValueKind.Object) is not { } biases)
        {
            return;
        }

        _logitBias = [];
        foreach (var bias in biases.EnumerateObject())
        {
            if (!int.TryParse(bias.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var token) || _logitBias.Count == MaximumBiases)
            {
                fields.Fail(ApiError.InvalidValue("logit_bias", $"expected token ids as keys, at most {MaximumBiases}."));
                return;
            }

            if (fields.Number(bias.Value, $"logit_bias.{bias.Name}", -100, 100) is { } number)
            {
                _logitBias.Add(new(token, number));
            }
        }
    }

    private void ReadStop(JsonElement value)
    {
        var strings = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
        if (strings.Count is 0 or > MaximumStopStrings || strings.Exists(s => s.ValueKind != JsonValueKind.String || s.ValueEquals("")))
        {
            fields.Fail(ApiError.InvalidValue("stop", $"expected a non-empty string or an array of 1 to {MaximumStopStrings} of them."));
            return;
        }

        _stop = [.. strings.Select(s => s.GetString()!)];
    }

    private void ReadCacheSalt(JsonElement value)
    {
        _cacheSalt = fields.Text(value, "cache_salt");
        if (_cacheSalt is "")
        {
            fields.Fail(ApiError.InvalidValue("cache_salt", "expected a string that is not empty."));
        }
    }

    private void ReadStreamOptions(JsonElement value)
    {
        _streamOptionsGiven = true;
        if (fields.OfKind(value, "stream_options", JsonValueKind.Object) is not { } options)
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
                case "include_usage": _includeUsage = fields.Truth(option.Value, path); break;
                case "include_obfuscation": fields.Truth(option.Value, path); break;
                case "continuous_usage_stats":
                    if (fields.Truth(option.Value, path) is true)
                    {
                        fields.Fail(ApiError.UnsupportedParameter(path, "Use 'include_usage' for usage at the end of the stream."));
                    }

                    break;
                default: _ignored.Add(path); break;
            }
        }
    }
}
