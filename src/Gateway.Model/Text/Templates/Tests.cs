namespace Gateway.Model.Text.Templates;

/// <summary>What stands behind <c>is</c>.</summary>
internal delegate bool Test(Value value, Arguments arguments);

/// <summary>Jinja's tests.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Test> s_byName = new(StringComparer.Ordinal)
    {
        ["defined"] = (v, _) => v is not UndefinedValue,
        ["undefined"] = (v, _) => v is UndefinedValue,
        ["none"] = (v, _) => v is NoneValue,
        ["boolean"] = (v, _) => v is BoolValue,
        ["true"] = (v, _) => v is BoolValue { Content: true },
        ["false"] = (v, _) => v is BoolValue { Content: false },
        ["integer"] = (v, _) => v is IntegerValue,
        ["float"] = (v, _) => v is FloatValue,
        ["number"] = (v, _) => Operators.AsNumber(v) is not null,
        ["string"] = (v, _) => v is StringValue,
        ["mapping"] = (v, _) => v is DictionaryValue,
        ["sequence"] = (v, _) => v is StringValue or ListValue or DictionaryValue or UndefinedValue,
        ["iterable"] = (v, _) => v is StringValue or ListValue or DictionaryValue or UndefinedValue,
        ["callable"] = (v, _) => v is FunctionValue,
        ["odd"] = (v, _) => Operators.AsInteger(v) is { } n && n % 2 != 0,
        ["even"] = (v, _) => Operators.AsInteger(v) is { } n && n % 2 == 0,
        ["divisibleby"] = (v, a) => Operators.AsInteger(v) is { } n && Operators.AsInteger(a.Required(0, "num")) is { } by and not 0 && n % by == 0,
        ["lower"] = (v, _) => PythonText.Str(v).Text is var t && t.Any(char.IsLetter) && t == t.ToLowerInvariant(),
        ["upper"] = (v, _) => PythonText.Str(v).Text is var t && t.Any(char.IsLetter) && t == t.ToUpperInvariant(),
        ["sameas"] = (v, a) => v.GetType() == a.Required(0, "other").GetType() && v.Equals(a.Required(0, "other")),
        ["in"] = (v, a) => Operators.Contains(a.Required(0, "seq"), v),
        ["filter"] = (v, _) => Filters.Find(Methods.Text(v)) is not null,
        ["test"] = (v, _) => Find(Methods.Text(v)) is not null,
    };

    static Tests()
    {
        foreach (var (symbol, names) in new (string, string[])[]
        {
            ("==", ["equalto", "eq"]), ("!=", ["ne"]), ("<", ["lessthan", "lt"]), ("<=", ["le"]),
            (">", ["greaterthan", "gt"]), (">=", ["ge"]),
        })
        {
            foreach (var name in names.Append(symbol))
                s_byName[name] = (v, a) => Comparison.Holds(symbol, v, a.Required(0, "other"));
        }
    }

    public static Test? Find(string name) => s_byName.GetValueOrDefault(name);
}
