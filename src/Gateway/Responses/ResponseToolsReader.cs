using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>Reads which functions the model may call, in this API's flat form, and gives the chat form that workers know.</summary>
internal sealed class ResponseToolsReader(FieldReader fields, List<string> ignored)
{
    private const int MaximumTools = 128;
    private const string ChoicePath = "tool_choice";

    private static readonly JsonElement NoParameters = WireJson.Element(json =>
    {
        json.WriteStartObject();
        json.WriteString("type", "object");
        json.WriteStartObject("properties");
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private readonly List<(JsonElement Tool, ToolFunction Function)> _tools = [];
    private readonly List<JsonElement> _echo = [];
    private bool? _parallel;

    /// <summary>The tools as they are echoed, or null for none.</summary>
    public JsonElement? Echo => _echo.Count == 0 ? null : WireJson.Element(json =>
    {
        json.WriteStartArray();
        _echo.ForEach(tool => tool.WriteTo(json));
        json.WriteEndArray();
    });

    /// <summary><c>parallel_tool_calls</c> as given, true by default.</summary>
    public bool ParallelCalls => _parallel ?? true;

    /// <summary><c>tool_choice</c> as given, or null.</summary>
    public JsonElement? Choice { get; private set; }

    /// <summary><c>tools</c>.</summary>
    public void ReadTools(JsonElement value)
    {
        if (fields.OfKind(value, "tools", JsonValueKind.Array) is not { } array)
        {
            return;
        }

        if (array.GetArrayLength() > MaximumTools)
        {
            fields.Fail(ApiError.InvalidValue("tools", $"expected at most {MaximumTools}."));
            return;
        }

        foreach (var (index, tool) in array.EnumerateArray().Index())
        {
            ReadTool(tool, $"tools[{index}]", index);
            if (fields.Error is not null)
            {
                return;
            }
        }
    }

    /// <summary><c>tool_choice</c>.</summary>
    public void ReadChoice(JsonElement value) => Choice = value.Clone();

    /// <summary><c>parallel_tool_calls</c>.</summary>
    public void ReadParallel(JsonElement value) => _parallel = fields.Truth(value, "parallel_tool_calls");

    /// <summary>Puts the result into a request; what does not fit together is a failure.</summary>
    public ChatCompletionRequest ApplyTo(ChatCompletionRequest request)
    {
        if (_tools.GroupBy(tool => tool.Function.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            fields.Fail(ApiError.InvalidValue("tools", $"the function '{twice.Key}' is declared twice."));
        }

        var (mode, allowed, isNamed) = Chosen();
        request = request with { ParallelCalls = ParallelCalls };
        if (mode == ToolMode.None || _tools.Count == 0 || fields.Error is not null)
        {
            return request;
        }

        // Functions that may not be called are kept from the model; one that must be called is seen among the others.
        var shown = allowed is null || isNamed ? _tools : _tools.FindAll(tool => allowed.Contains(tool.Function.Name));
        return request with
        {
            Tools = WireJson.Element(json =>
            {
                json.WriteStartArray();
                shown.ForEach(tool => tool.Tool.WriteTo(json));
                json.WriteEndArray();
            }),
            Functions = [.. shown.Select(tool => tool.Function)],
            ToolMode = mode,
            RequiredFunction = isNamed ? allowed![0] : null,
            ParallelCalls = request.ParallelCalls && !isNamed,
        };
    }

    /// <summary>True for a name that OpenAI's APIs take for functions and formats.</summary>
    public static bool IsName(string name) => name.Length is >= 1 and <= 64 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');

    private void ReadTool(JsonElement tool, string path, int index)
    {
        if (fields.OfKind(tool, path, JsonValueKind.Object) is null)
        {
            return;
        }

        if (Text(tool, "type") is not { } type)
        {
            fields.Fail(ApiError.MissingParameter($"{path}.type"));
        }
        else if (type != "function")
        {
            fields.Fail(ApiError.UnsupportedTool($"{path}.type", type));
        }
        else if (Given(tool, "function") is not null)
        {
            fields.Fail(ApiError.UnsupportedParameter($"{path}.function", "Tools are flat here: put 'name', 'description' and 'parameters' beside 'type'."));
        }
        else if (Text(tool, "name") is not { } name || !IsName(name))
        {
            fields.Fail(ApiError.InvalidValue($"{path}.name", "expected 1 to 64 letters, digits, '_' or '-'."));
        }
        else
        {
            Take(tool, path, index, name);
        }
    }

    private void Take(JsonElement tool, string path, int index, string name)
    {
        var parameters = Given(tool, "parameters") is { } given ? fields.OfKind(given, $"{path}.parameters", JsonValueKind.Object) : null;
        parameters = parameters is { } schema && schema.EnumerateObject().Any() ? schema.Clone() : NoParameters;
        var description = Given(tool, "description") is { } words ? fields.Text(words, $"{path}.description") : null;
        var strict = Given(tool, "strict") is { } wish ? fields.Truth(wish, $"{path}.strict") : null;
        if (fields.Error is not null)
        {
            return;
        }

        var problem = SchemaCheck.ProblemOf(parameters.Value);
        if (strict is true && problem is not null)
        {
            fields.Fail(ApiError.UnsupportedSchema($"{path}.parameters", problem.Pointer, problem.Problem));
        }

        foreach (var member in tool.EnumerateObject())
        {
            if (member.Name is not ("type" or "name" or "description" or "parameters" or "strict") && member.Value.ValueKind != JsonValueKind.Null)
            {
                ignored.Add($"{path}.{member.Name}");
            }
        }

        _echo.Add(WireJson.Element(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteString("name", name);
            json.WriteString("description", description);
            json.WritePropertyName("parameters");
            parameters.Value.WriteTo(json);
            json.WriteBoolean("strict", strict ?? problem is null);
            json.WriteEndObject();
        }));
        _tools.Add((Nested(tool, parameters.Value), new ToolFunction(name, parameters, $"/tools/{index}/parameters") { IsStrict = strict is true }));
    }

    /// <summary>The chat form, with the members in the caller's order: templates show tools as they are written.</summary>
    private static JsonElement Nested(JsonElement tool, JsonElement parameters) => WireJson.Element(json =>
    {
        var hasParameters = false;
        json.WriteStartObject();
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        foreach (var member in tool.EnumerateObject())
        {
            if (member.Name == "parameters")
            {
                hasParameters = true;
                json.WritePropertyName(member.Name);
                parameters.WriteTo(json);
            }
            else if (member.Name is "name" or "description" or "strict" && member.Value.ValueKind != JsonValueKind.Null)
            {
                member.WriteTo(json);
            }
        }

        if (!hasParameters)
        {
            json.WritePropertyName("parameters");
            parameters.WriteTo(json);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    });

    private (ToolMode Mode, IReadOnlyList<string>? Allowed, bool IsNamed) Chosen()
    {
        if (Choice is not { } choice)
        {
            return (ToolMode.Auto, null, false);
        }

        if (choice.ValueKind == JsonValueKind.String)
        {
            return (ModeOf(choice.GetString(), ChoicePath, mayBeNone: true), null, false);
        }

        switch (choice.ValueKind == JsonValueKind.Object ? Text(choice, "type") : null)
        {
            case "function" when Given(choice, "function") is not null:
                fields.Fail(ApiError.UnsupportedParameter($"{ChoicePath}.function", "The choice is flat here: {\"type\":\"function\",\"name\":…}."));
                break;
            case "function" when Text(choice, "name") is { } name:
                return (ToolMode.Required, Known([name], $"{ChoicePath}.name"), true);
            case "function":
                fields.Fail(ApiError.MissingParameter($"{ChoicePath}.name"));
                break;
            case "allowed_tools":
                return (ModeOf(Text(choice, "mode"), $"{ChoicePath}.mode", mayBeNone: false), Known(NamesIn(choice), $"{ChoicePath}.tools"), false);
            case { } type:
                fields.Fail(ApiError.UnsupportedTool($"{ChoicePath}.type", type));
                break;
            default:
                fields.Fail(ApiError.InvalidValue(ChoicePath, "expected none, auto, required, {\"type\":\"function\",\"name\":…} or {\"type\":\"allowed_tools\",…}."));
                break;
        }

        return default;
    }

    private ToolMode ModeOf(string? mode, string path, bool mayBeNone)
    {
        switch (mode)
        {
            case "none" when mayBeNone:
                return ToolMode.None;
            case "auto":
                return ToolMode.Auto;
            case "required":
                if (_tools.Count == 0)
                {
                    fields.Fail(ApiError.InvalidValue(ChoicePath, "a call is required, so 'tools' must name at least one function."));
                }

                return ToolMode.Required;
            default:
                fields.Fail(ApiError.InvalidValue(path, mayBeNone ? "expected none, auto or required." : "expected auto or required."));
                return ToolMode.None;
        }
    }

    private List<string> NamesIn(JsonElement choice)
    {
        var names = new List<string>();
        foreach (var tool in Given(choice, "tools") is { ValueKind: JsonValueKind.Array } tools ? tools.EnumerateArray() : default)
        {
            if (tool.ValueKind != JsonValueKind.Object || Text(tool, "type") is "function" or null && Text(tool, "name") is null)
            {
                fields.Fail(ApiError.InvalidValue($"{ChoicePath}.tools", "expected functions as {\"type\":\"function\",\"name\":…}."));
            }
            else if (Text(tool, "type") is { } type and not "function")
            {
                fields.Fail(ApiError.UnsupportedTool($"{ChoicePath}.tools", type));
            }
            else
            {
                names.Add(Text(tool, "name")!);
            }
        }

        if (names.Count == 0)
        {
            fields.Fail(ApiError.InvalidValue($"{ChoicePath}.tools", "expected at least one function."));
        }

        return names;
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

    private static string? Text(JsonElement item, string name) => Given(item, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static JsonElement? Given(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
