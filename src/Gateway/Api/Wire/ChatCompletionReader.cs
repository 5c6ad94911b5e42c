using System.Text.Json;
using Gateway.Domain.Interactions;

namespace Gateway.Api.Wire;

/// <summary>
/// Turns the body of a chat completion into a <see cref="ChatCompletionRequest"/>: every property is either read, accepted as
/// a no-op, refused by name, or reported as ignored.
/// </summary>
internal sealed class ChatCompletionReader
{
    /// <summary>Most alternatives per token whose log-probabilities can be had.</summary>
    public const int MaximumAlternatives = 20;

    private readonly FieldReader _fields = new();
    private readonly InferenceFieldsReader _shared;
    private readonly ToolsReader _tools;
    private IReadOnlyList<ChatMessage>? _messages;
    private long? _maxTokens;
    private long? _maxCompletionTokens;
    private bool? _logprobs;
    private long? _topLogprobs;
    private bool? _store;
    private string? _chatTemplate;
    private Dictionary<string, JsonElement>? _variables;
    private string? _reasoningEffort;
    private bool? _addGenerationPrompt;

    public ChatCompletionReader() => (_shared, _tools) = (new InferenceFieldsReader(_fields), new ToolsReader(_fields));

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
            if (property.Value.ValueKind != JsonValueKind.Null && !_shared.TryRead(property.Name, property.Value))
            {
                ReadField(property.Name, property.Value);
            }
        }

        var request = _tools.ApplyTo((ChatCompletionRequest)_shared.ApplyTo(new ChatCompletionRequest { Model = "", Messages = _messages ?? [] }));
        CheckTogether(request);
        if (Error is not null)
        {
            return null;
        }

        if (_reasoningEffort is not null)
        {
            _variables ??= new(StringComparer.Ordinal);
            _variables.TryAdd("reasoning_effort", JsonSerializer.SerializeToElement(_reasoningEffort, WireJsonContext.Default.String));
        }

        return request with
        {
            MaxTokens = (int?)(_maxCompletionTokens ?? _maxTokens),
            Logprobs = _logprobs is true ? (int)(_topLogprobs ?? 0) : null,
            Store = _store ?? false,
            ChatTemplate = _chatTemplate,
            TemplateVariables = _variables,
            AddGenerationPrompt = _addGenerationPrompt ?? true,
        };
    }

    private void ReadField(string name, JsonElement value)
    {
        switch (name)
        {
            case "messages": _messages = new MessagesReader(_fields).Read(value); break;
            case "tools": _tools.ReadTools(value); break;
            case "functions": _tools.ReadFunctions(value); break;
            case "tool_choice" or "function_call": _tools.ReadChoice(name, value.Clone()); break;
            case "parallel_tool_calls": _tools.ReadParallel(value); break;
            case "max_tokens": _maxTokens = _fields.Integer(value, name, 1, int.MaxValue); break;
            case "max_completion_tokens": _maxCompletionTokens = _fields.Integer(value, name, 1, int.MaxValue); break;
            case "logprobs": _logprobs = _fields.Truth(value, name); break;
            case "top_logprobs": _topLogprobs = _fields.Integer(value, name, 0, MaximumAlternatives); break;
            case "store": _store = _fields.Truth(value, name); break;
            case "chat_template": _chatTemplate = _fields.Text(value, name); break;
            case "chat_template_kwargs": ReadVariables(value); break;
            case "reasoning_effort": _reasoningEffort = _fields.Text(value, name); break;
            case "add_generation_prompt": _addGenerationPrompt = _fields.Truth(value, name); break;
            default: _shared.ReadOther(name, value); break;
        }
    }

    private void CheckTogether(ChatCompletionRequest request)
    {
        if (_messages is null)
        {
            _fields.Fail(ApiError.MissingParameter("messages"));
        }

        if (_topLogprobs > 0 && _logprobs is not true)
        {
            _fields.Fail(ApiError.InvalidValue("top_logprobs", "allowed only together with 'logprobs': true."));
        }

        if (request is { ToolMode: ToolMode.Required, MinTokens: > 0 })
        {
            _fields.Fail(ApiError.InvalidValue("min_tokens", "a call that is required ends where its arguments end; leave the field out."));
        }

        if (_addGenerationPrompt is false && request.ToolMode == ToolMode.Required)
        {
            _fields.Fail(ApiError.InvalidValue("add_generation_prompt", "a call can be required only where the assistant begins to write."));
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
