using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>
/// Reads which functions the model may call: <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>, or their elders
/// <c>functions</c> and <c>function_call</c>, which are translated.
/// </summary>
internal sealed class ToolsReader(FieldReader fields)
{
    private const int MaximumTools = 128;

    private readonly List<(JsonElement Tool, ToolFunction Function)> _tools = [];
    private JsonElement? _choice;
    private string _choiceField = "tool_choice";
    private bool? _parallel;
    private bool _isLegacy;

    /// <summary><c>tools</c>.</summary>
    public void ReadTools(JsonElement value)
    {
        if (fields.OfKind(value, "tools", JsonValueKind.Array) is not { } array || !CheckCount(array, "tools"))
        {
            return;
        }

        foreach (var (index, tool) in array.EnumerateArray().Index())
        {
            var path = $"tools[{index}]";
            if (tool.ValueKind != JsonValueKind.Object || Given(tool, "type") is not { ValueKind: JsonValueKind.String } type)
            {
                fields.Fail(ApiError.InvalidValue(path, "expected an object with a 'type'."));
            }
            else if (!type.ValueEquals("function"))
            {
                fields.Fail(ApiError.UnsupportedParameter($"{path}.type", "Use tools of type 'function'."));
            }
            else if (Function(Given(tool, "function"), $"{path}.function", $"/tools/{index}/function/parameters") is { } function)
            {
                _tools.Add((tool.Clone(), function));
            }
        }
    }

    /// <summary><c>functions</c>, the elder of <c>tools</c>.</summary>
    public void ReadFunctions(JsonElement value)
    {
        if (fields.OfKind(value, "functions", JsonValueKind.Array) is not { } array || !CheckCount(array, "functions"))
        {
            return;
        }

        foreach (var (index, item) in array.EnumerateArray().Index())
        {
            if (Function(item, $"functions[{index}]", $"/functions/{index}/parameters") is { } function)
            {
                _isLegacy = true;
                _tools.Add((WireJson.Element(writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("type", "function");
                    writer.WritePropertyName("function");
                    item.WriteTo(writer);
                    writer.WriteEndObject();
                }), function));
            }
        }
    }

    /// <summary><c>tool_choice</c> or <c>function_call</c>.</summary>
    public void ReadChoice(string field, JsonElement value) => (_choiceField, _choice) = (field, value);

    /// <summary><c>parallel_tool_calls</c>.</summary>
    public void ReadParallel(JsonElement value) => _parallel = fields.Truth(value, "parallel_tool_calls");

    /// <summary>Puts the result into a request; what does not fit together is a failure.</summary>
    public ChatCompletionRequest ApplyTo(ChatCompletionRequest request)
    {
        if (_tools.GroupBy(tool => tool.Function.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            fields.Fail(ApiError.InvalidValue(_isLegacy ? "functions" : "tools", $"the function '{twice.Key}' is declared twice."));
        }

        var (mode, allowed) = Choice();
        if (mode == ToolMode.None || fields.Error is not null)
        {
            return request;
        }

        // Functions that may not be called are kept from the model; one that must be called is seen among the others.
        var isNamed = mode == ToolMode.Required && allowed is [_] && _choice is { } choice && IsNamed(choice);
        var shown = allowed is null || isNamed ? _tools : _tools.FindAll(tool => allowed.Contains(tool.Function.Name));
        return request with
        {
            Tools = WireJson.Element(writer =>
            {
                writer.WriteStartArray();
                shown.ForEach(tool => tool.Tool.WriteTo(writer));
                writer.WriteEndArray();
            }),
            Functions = [.. shown.Select(tool => tool.Function)],
            ToolMode = mode,
            RequiredFunction = isNamed ? allowed![0] : null,
            ParallelCalls = (_parallel ?? true) && !_isLegacy && !isNamed,
            UsesFunctionCall = _isLegacy,
        };
    }

    private (ToolMode Mode, IReadOnlyList<string>? Allowed) Choice()
    {
        if (_choice is not { } choice)
        {
            return (_tools.Count == 0 ? ToolMode.None : ToolMode.Auto, null);
        }

        if (choice.ValueKind == JsonValueKind.String)
        {
            return Mode(choice, _choiceField) is { } mode ? (Existing(mode), null) : (ToolMode.None, null);
        }

        var name = choice.ValueKind != JsonValueKind.Object ? null
            : _choiceField == "function_call" ? Given(choice, "name")
            : Text(choice, "type") == "function" ? Given(Given(choice, "function"), "name") : null;
        if (name is { ValueKind: JsonValueKind.String } named)
        {
            return (ToolMode.Required, Known([named.GetString()!], _choiceField + (_choiceField == "function_call" ? ".name" : ".function.name")));
        }

        return Text(choice, "type") == "allowed_tools" && Given(choice, "allowed_tools") is { ValueKind: JsonValueKind.Object } allowed ? Allowed(allowed) : Unknown();
    }

    private (ToolMode Mode, IReadOnlyList<string>? Allowed) Allowed(JsonElement allowed)
    {
        const string Path = "tool_choice.allowed_tools";
        if (Given(allowed, "mode") is not { ValueKind: JsonValueKind.String } given || Mode(given, Path + ".mode") is not { } mode || mode == ToolMode.None)
        {
            fields.Fail(ApiError.InvalidValue(Path + ".mode", "expected auto or required."));
            return (ToolMode.None, null);
        }

        var names = new List<string>();
        if (Given(allowed, "tools") is { ValueKind: JsonValueKind.Array } tools)
        {
            foreach (var tool in tools.EnumerateArray())
            {
                if (Given(Given(tool, "function"), "name") is not { ValueKind: JsonValueKind.String } name)
                {
                    fields.Fail(ApiError.InvalidValue(Path + ".tools", "expected functions as {\"type\":\"function\",\"function\":{\"name\":…}}."));
                    return (ToolMode.None, null);
                }

                names.Add(name.GetString()!);
            }
        }

        if (names.Count == 0)
        {
            fields.Fail(ApiError.InvalidValue(Path + ".tools", "expected at least one function."));
        }

        return (mode, Known(names, Path + ".tools"));
    }

    private (ToolMode Mode, IReadOnlyList<string>? Allowed) Unknown()
    {
        fields.Fail(ApiError.InvalidValue(_choiceField, _choiceField == "function_call"
            ? "expected none, auto or {\"name\":…}."
            : "expected none, auto, required, {\"type\":\"function\",\"function\":{\"name\":…}} or {\"type\":\"allowed_tools\",…}."));
        return (ToolMode.None, null);
    }

    private ToolMode? Mode(JsonElement value, string path)
    {
        switch (value.GetString())
        {
            case "none":
                return ToolMode.None;
            case "auto":
                return ToolMode.Auto;
            case "required" when _choiceField != "function_call":
                return ToolMode.Required;
            default:
                fields.Fail(ApiError.InvalidValue(path, "expected none, auto or required."));
                return null;
        }
    }

    /// <summary>Nothing can be called without tools; demanding a call then is an error.</summary>
    private ToolMode Existing(ToolMode mode)
    {
        if (_tools.Count == 0 && mode == ToolMode.Required)
        {
            fields.Fail(ApiError.InvalidValue(_choiceField, "a call is required, so 'tools' must name at least one function."));
        }

        return _tools.Count == 0 ? ToolMode.None : mode;
    }

    private IReadOnlyList<string> Known(IReadOnlyList<string> names, string path)
    {
        foreach (var name in names)
        {
            if (!_tools.Exists(tool => tool.Function.Name == name))
            {
                fields.Fail(ApiError.InvalidValue(path, $"no function '{name}' is declared."));
            }
        }

        return names;
    }

    private ToolFunction? Function(JsonElement? function, string path, string pointer)
    {
        if (Given(function, "name") is not { ValueKind: JsonValueKind.String } name || !IsName(name.GetString()!))
        {
            fields.Fail(ApiError.InvalidValue($"{path}.name", "expected 1 to 64 letters, digits, '_' or '-'."));
            return null;
        }

        var parameters = Given(function, "parameters");
        if (parameters is { ValueKind: not JsonValueKind.Object })
        {
            fields.Fail(ApiError.InvalidValue($"{path}.parameters", "expected a JSON Schema as an object."));
        }

        var strict = Given(function, "strict") is { } wish ? fields.Truth(wish, $"{path}.strict") : null;
        return new ToolFunction(name.GetString()!, parameters?.Clone(), pointer) { IsStrict = strict ?? false };
    }

    private bool CheckCount(JsonElement array, string field)
    {
        if (array.GetArrayLength() <= MaximumTools)
        {
            return true;
        }

        fields.Fail(ApiError.InvalidValue(field, $"expected at most {MaximumTools}."));
        return false;
    }

    private static bool IsNamed(JsonElement choice) => choice.ValueKind == JsonValueKind.Object && Given(choice, "allowed_tools") is null;

    private static bool IsName(string name) => name.Length is >= 1 and <= 64 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');

    private static string? Text(JsonElement item, string name) => Given(item, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static JsonElement? Given(JsonElement? item, string name) =>
        item is { ValueKind: JsonValueKind.Object } element && element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
