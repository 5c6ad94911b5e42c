using System.Collections.Frozen;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>
/// Turns the body of a response's creation into a <see cref="ResponseRequest"/>: every property is either read, accepted as a
/// no-op, refused by name, or reported as ignored. Names of the chat API are refused with the place that took over.
/// </summary>
internal sealed class ResponseRequestReader
{
    private const string IncludesLogprobs = "message.output_text.logprobs";
    private const int MaximumIdentifierLength = 64;

    private static readonly FrozenDictionary<string, string> ChatNames = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["messages"] = "Send 'input'.",
        ["response_format"] = "Send 'text.format'.",
        ["max_tokens"] = "Send 'max_output_tokens'.",
        ["max_completion_tokens"] = "Send 'max_output_tokens'.",
        ["functions"] = "Send 'tools'.",
        ["function_call"] = "Send 'tool_choice'.",
        ["logprobs"] = $"Send \"{IncludesLogprobs}\" in 'include'.",
        ["reasoning_effort"] = "Send 'reasoning.effort'.",
        ["n"] = "A response has one reply: send several requests.",
        ["verbosity"] = "Send 'text.verbosity'.",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenSet<string> OtherIncludes = FrozenSet.Create(
        StringComparer.Ordinal, "file_search_call.results", "web_search_call.results", "web_search_call.action.sources", "message.input_image.image_url",
        "computer_call_output.output.image_url", "code_interpreter_call.outputs", "reasoning.encrypted_content");

    private readonly FieldReader _fields = new();
    private readonly InferenceFieldsReader _shared;
    private readonly ResponseToolsReader _tools;
    private readonly ResponseTextReader _text;
    private readonly Dictionary<string, JsonElement> _variables = new(StringComparer.Ordinal);
    private IReadOnlyList<ResponseItem>? _input;
    private string? _instructions;
    private string? _previous;
    private bool? _store;
    private bool _dropsOldest;
    private long? _maxOutputTokens;
    private long? _maxToolCalls;
    private long? _topLogprobs;
    private bool _includesLogprobs;
    private string? _effort;
    private string? _chatTemplate;
    private bool? _addGenerationPrompt;

    public ResponseRequestReader()
    {
        _shared = new InferenceFieldsReader(_fields);
        _tools = new ResponseToolsReader(_fields, _shared.Ignored);
        _text = new ResponseTextReader(_fields, _shared.Ignored);
    }

    /// <summary>The first failure, or null.</summary>
    public ApiError? Error => _fields.Error;

    /// <summary>The checked request, or null when <see cref="Error"/> is set.</summary>
    public ResponseRequest? Read(JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object)
        {
            _fields.Fail(ApiError.InvalidJson("the body is not an object."));
            return null;
        }

        foreach (var property in body.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Null && !TryReadOwn(property.Name, property.Value) && !_shared.TryRead(property.Name, property.Value))
            {
                _shared.ReadOther(property.Name, property.Value);
            }
        }

        var chat = _tools.ApplyTo((ChatCompletionRequest)_shared.ApplyTo(new ChatCompletionRequest { Model = "", Messages = [] }));
        CheckTogether(chat);
        if (Error is not null)
        {
            return null;
        }

        Variable("reasoning_effort", _effort);
        Variable("verbosity", _text.Verbosity);
        return new ResponseRequest
        {
            Chat = chat with
            {
                MaxTokens = (int?)_maxOutputTokens,
                Logprobs = _includesLogprobs ? (int)(_topLogprobs ?? 0) : null,
                Format = _text.Format ?? chat.Format,
                ChatTemplate = _chatTemplate,
                TemplateVariables = _variables.Count == 0 ? null : _variables,
                AddGenerationPrompt = _addGenerationPrompt ?? true,
            },
            Input = _input ?? [],
            Instructions = _instructions,
            Previous = _previous,
            Store = _store ?? true,
            DropsOldest = _dropsOldest,
            MaximumToolCalls = _maxToolCalls,
            ParallelCalls = _tools.ParallelCalls,
            TopLogprobs = (int)(_topLogprobs ?? 0),
            IncludesLogprobs = _includesLogprobs,
            Tools = _tools.Echo,
            ToolChoice = _tools.Choice,
            Format = _text.Echo,
            Verbosity = _text.Verbosity ?? "medium",
            Effort = _effort,
        };
    }

    private bool TryReadOwn(string name, JsonElement value)
    {
        if (ChatNames.TryGetValue(name, out var hint))
        {
            RefuseChatName(name, value, hint);
            return true;
        }

        switch (name)
        {
            case "input": _input = new ResponseItemReader(_fields).ReadInput(value); break;
            case "instructions": _instructions = _fields.Text(value, name); break;
            case "previous_response_id": _previous = _fields.Text(value, name); break;
            case "store": _store = _fields.Truth(value, name); break;
            case "max_output_tokens": _maxOutputTokens = _fields.Integer(value, name, 1, int.MaxValue); break;
            case "max_tool_calls": _maxToolCalls = _fields.Integer(value, name, 1, int.MaxValue); break;
            case "top_logprobs": _topLogprobs = _fields.Integer(value, name, 0, ChatCompletionReader.MaximumAlternatives); break;
            case "include": ReadInclude(value); break;
            case "tools": _tools.ReadTools(value); break;
            case "tool_choice": _tools.ReadChoice(value); break;
            case "parallel_tool_calls": _tools.ReadParallel(value); break;
            case "text": _text.Read(value); break;
            case "truncation": ReadTruncation(value); break;
            case "reasoning": ReadReasoning(value); break;
            case "background":
                if (_fields.Truth(value, name) is true)
                {
                    _fields.Fail(ApiError.UnsupportedParameter(name, "Leave it out and wait for the reply, or stream it."));
                }

                break;
            case "conversation": _fields.Fail(ApiError.UnsupportedParameter(name, "Continue a response with 'previous_response_id'.")); break;
            case "prompt": _fields.Fail(ApiError.UnsupportedParameter(name, "Send 'model' and 'input', or use a deployment with a contract.")); break;
            case "context_management": _fields.Fail(ApiError.UnsupportedParameter(name, "Set 'truncation' to 'auto'.")); break;
            case "chat_template": _chatTemplate = _fields.Text(value, name); break;
            case "chat_template_kwargs": ReadVariables(value); break;
            case "add_generation_prompt": _addGenerationPrompt = _fields.Truth(value, name); break;
            default: return false;
        }

        return true;
    }

    /// <summary>Dropping one silently would change the reply; values that ask for nothing pass.</summary>
    private void RefuseChatName(string name, JsonElement value, string hint)
    {
        var isNoOp = name switch
        {
            "n" => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) && n == 1,
            "logprobs" => value.ValueKind == JsonValueKind.False,
            "response_format" => value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out var type)
                && type.ValueKind == JsonValueKind.String && type.ValueEquals("text"),
            _ => false,
        };
        if (!isNoOp)
        {
            _fields.Fail(ApiError.UnsupportedParameter(name, $"It belongs to /v1/chat/completions. {hint}"));
        }
    }

    private void CheckTogether(ChatCompletionRequest chat)
    {
        if (_input is null && _previous is null)
        {
            _fields.Fail(ApiError.MissingParameter("input"));
        }

        if (chat.SafetyIdentifier?.Length > MaximumIdentifierLength)
        {
            _fields.Fail(ApiError.InvalidValue("safety_identifier", $"expected at most {MaximumIdentifierLength} characters."));
        }

        if (_text.Format is { } format && chat.Format is { } other)
        {
            _fields.Fail(ApiError.InvalidValue(format.Field, $"only one constraint can be enforced, and '{other.Field}' is given, too."));
        }

        if (chat.MinTokens > 0 && (_text.Format is not null || chat.ToolMode == ToolMode.Required))
        {
            _fields.Fail(ApiError.InvalidValue("min_tokens", "the form that is asked for decides where the reply may end; leave one of them out."));
        }

        if (_addGenerationPrompt is false && chat.ToolMode == ToolMode.Required)
        {
            _fields.Fail(ApiError.InvalidValue("add_generation_prompt", "a call can be required only where the assistant begins to write."));
        }
    }

    private void ReadInclude(JsonElement value)
    {
        if (_fields.OfKind(value, "include", JsonValueKind.Array) is not { } wanted)
        {
            return;
        }

        foreach (var (index, item) in wanted.EnumerateArray().Index())
        {
            var path = $"include[{index}]";
            if (_fields.Text(item, path) is not { } name)
            {
                return;
            }

            if (name == IncludesLogprobs)
            {
                _includesLogprobs = true;
            }
            else if (OtherIncludes.Contains(name))
            {
                _shared.Ignored.Add(path);
            }
            else
            {
                _fields.Fail(ApiError.InvalidValue(path, $"expected \"{IncludesLogprobs}\"."));
            }
        }
    }

    private void ReadTruncation(JsonElement value)
    {
        var given = _fields.Text(value, "truncation");
        _dropsOldest = given == "auto";
        if (given is not (null or "auto" or "disabled"))
        {
            _fields.Fail(ApiError.InvalidValue("truncation", "expected auto or disabled."));
        }
    }

    private void ReadReasoning(JsonElement value)
    {
        if (_fields.OfKind(value, "reasoning", JsonValueKind.Object) is not { } reasoning)
        {
            return;
        }

        foreach (var member in reasoning.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            if (member.Name == "effort")
            {
                _effort = _fields.Text(member.Value, "reasoning.effort");
            }
            else
            {
                _shared.Ignored.Add($"reasoning.{member.Name}");
            }
        }
    }

    private void ReadVariables(JsonElement value)
    {
        if (_fields.OfKind(value, "chat_template_kwargs", JsonValueKind.Object) is { } variables)
        {
            foreach (var variable in variables.EnumerateObject())
            {
                _variables[variable.Name] = variable.Value.Clone();
            }
        }
    }

    private void Variable(string name, string? value)
    {
        if (value is not null)
        {
            _variables.TryAdd(name, JsonSerializer.SerializeToElement(value, WireJsonContext.Default.String));
        }
    }
}
