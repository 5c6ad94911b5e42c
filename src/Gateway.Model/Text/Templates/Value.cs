using System.Text.Json;

namespace Gateway.Model.Text.Templates;

/// <summary>A value of a template, with the meaning Python gives it.</summary>
internal abstract record Value
{
    public static readonly Value None = new NoneValue();
    public static readonly Value True = new BoolValue(true);
    public static readonly Value False = new BoolValue(false);

    /// <summary>The type's name in Python, for messages.</summary>
    public abstract string TypeName { get; }

    public abstract bool IsTrue { get; }

    public static Value Of(bool value) => value ? True : False;

    public static Value Of(long value) => new IntegerValue(value);

    public static Value Of(string text, Origin origin = Origin.Template) => new StringValue(MarkedText.Of(text, origin));

    /// <summary>A value of the caller: every string and key in it is marked as theirs.</summary>
    public static Value FromCaller(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => None,
        JsonValueKind.True => True,
        JsonValueKind.False => False,
        JsonValueKind.String => Of(CallerString(json), Origin.Caller),
        JsonValueKind.Number => CallerNumber(json),
        JsonValueKind.Array => new ListValue([.. json.EnumerateArray().Select(FromCaller)]),
        _ => CallerObject(json),
    };

    private static Value CallerNumber(JsonElement json)
    {
        var raw = json.GetRawText();
        if (raw.AsSpan().IndexOfAny('.', 'e', 'E') >= 0)
            return new FloatValue(json.GetDouble());
        return json.TryGetInt64(out var integer)
            ? Of(integer)
            : throw TemplateException.Runtime($"the integer {raw} does not fit 64 bits; pass it as a string.");
    }

    private static DictionaryValue CallerObject(JsonElement json)
    {
        var dictionary = new DictionaryValue();
        foreach (var property in json.EnumerateObject())
            dictionary.Set(Of(property.Name, Origin.Caller), FromCaller(property.Value));
        return dictionary;
    }

    private static string CallerString(JsonElement json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw TemplateException.Runtime("a string holds half of a surrogate pair; send valid Unicode.");
        }
    }
}

internal sealed record UndefinedValue(string Name) : Value
{
    public override string TypeName => "Undefined";

    public override bool IsTrue => false;

    public bool Equals(UndefinedValue? other) => other is not null;

    public override int GetHashCode() => 0;

    public TemplateException Error() => TemplateException.Runtime(
        Name.Contains(' ', StringComparison.Ordinal)
            ? $"{Name}; test it with 'is defined'."
            : $"'{Name}' is undefined; pass it, or test it with 'is defined'.");
}

internal sealed record NoneValue : Value
{
    public override string TypeName => "NoneType";

    public override bool IsTrue => false;
}

internal sealed record BoolValue(bool Content) : Value
{
    public override string TypeName => "bool";

    public override bool IsTrue => Content;
}

internal sealed record IntegerValue(long Content) : Value
{
    public override string TypeName => "int";

    public override bool IsTrue => Content != 0;
}

internal sealed record FloatValue(double Content) : Value
{
    public override string TypeName => "float";

    public override bool IsTrue => Content != 0;
}

internal sealed record StringValue(MarkedText Content) : Value
{
    public string Text => Content.Text;

    public override string TypeName => "str";

    public override bool IsTrue => Text.Length > 0;

    public bool Equals(StringValue? other) => other is not null && string.Equals(Text, other.Text, StringComparison.Ordinal);

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);
}

/// <summary>A list, or a tuple, which prints otherwise. Templates cannot change it.</summary>
internal sealed record ListValue(IReadOnlyList<Value> Items, bool IsTuple = false) : Value
{
    public override string TypeName => IsTuple ? "tuple" : "list";

    public override bool IsTrue => Items.Count > 0;

    public bool Equals(ListValue? other) =>
        other is not null && IsTuple == other.IsTuple && Items.Count == other.Items.Count
        && Items.Zip(other.Items).All(pair => Operators.AreEqual(pair.First, pair.Second));

    public override int GetHashCode() => Items.Count;
}

/// <summary>A dictionary in insertion order. Templates cannot change it.</summary>
internal sealed record DictionaryValue : Value
{
    private readonly OrderedDictionary<Value, Value> _items = new(KeyComparer.Instance);

    public override string TypeName => "dict";

    public override bool IsTrue => _items.Count > 0;

    public int Count => _items.Count;

    public IEnumerable<KeyValuePair<Value, Value>> Items => _items;

    public IEnumerable<Value> Keys => _items.Keys;

    public Value? Get(Value key) => _items.TryGetValue(key, out var value) ? value : null;

    public void Set(Value key, Value value) => _items[key] = value;

    public bool Equals(DictionaryValue? other) =>
        other is not null && Count == other.Count
        && _items.All(item => other.Get(item.Key) is { } value && Operators.AreEqual(item.Value, value));

    public override int GetHashCode() => Count;

    private sealed class KeyComparer : IEqualityComparer<Value>
    {
        public static readonly KeyComparer Instance = new();

        public bool Equals(Value? x, Value? y) => x is not null && y is not null && Operators.AreEqual(x, y);

        public int GetHashCode(Value value) => value switch
        {
            StringValue text => text.GetHashCode(),
            BoolValue flag => (flag.Content ? 1d : 0d).GetHashCode(),
            IntegerValue number => ((double)number.Content).GetHashCode(),
            FloatValue number => number.Content.GetHashCode(),
            ListValue { IsTuple: true } => 1,
            NoneValue => 2,
            _ => throw TemplateException.Runtime($"unhashable type: '{value.TypeName}'; use a string or number as key."),
        };
    }
}

/// <summary>The only value that a template can assign to: <c>namespace()</c>.</summary>
internal sealed record NamespaceValue(Dictionary<string, Value> Fields) : Value
{
    public override string TypeName => "Namespace";

    public override bool IsTrue => true;

    public bool Equals(NamespaceValue? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

/// <summary>The arguments of a call.</summary>
internal sealed record Arguments(IReadOnlyList<Value> Positional, IReadOnlyDictionary<string, Value> Named)
{
    public static readonly Arguments None = new([], new Dictionary<string, Value>(StringComparer.Ordinal));

    /// <summary>The argument at a position or of a name, or null.</summary>
    public Value? Find(int position, string name) =>
        position < Positional.Count ? Positional[position] : Named.GetValueOrDefault(name);

    /// <summary>The argument at a position or of a name.</summary>
    public Value Required(int position, string name) =>
        Find(position, name) ?? throw TemplateException.Runtime($"the argument '{name}' is missing.");

    /// <summary>Refuses arguments that nobody reads.</summary>
    public Arguments AtMost(int positional, params ReadOnlySpan<string> names)
    {
        if (Positional.Count > positional)
            throw TemplateException.Runtime($"takes at most {positional} arguments, not {Positional.Count}.");
        foreach (var name in Named.Keys)
        {
            if (!names.Contains(name))
                throw TemplateException.Runtime($"the argument '{name}' is not supported.");
        }

        return this;
    }

    public Arguments Skip(int count) => this with { Positional = [.. Positional.Skip(count)] };
}

/// <summary>A macro, a global function or a bound method.</summary>
internal sealed record FunctionValue(string Name, Func<RenderState, Arguments, Value> Call) : Value
{
    public override string TypeName => "function";

    public override bool IsTrue => true;

    public bool Equals(FunctionValue? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);
}

/// <summary>The <c>loop</c> variable of a for statement.</summary>
internal sealed record LoopValue(IReadOnlyList<Value> Items, int Depth) : Value
{
    private Value? _lastChanged;

    public int Index { get; set; }

    public override string TypeName => "LoopContext";

    public override bool IsTrue => true;

    public bool Equals(LoopValue? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => 0;

    public Value? Get(string name) => name switch
    {
        "index" => Of(Index + 1),
        "index0" => Of(Index),
        "revindex" => Of(Items.Count - Index),
        "revindex0" => Of(Items.Count - Index - 1),
        "first" => Of(Index == 0),
        "last" => Of(Index == Items.Count - 1),
        "length" => Of(Items.Count),
        "depth" => Of(Depth),
        "depth0" => Of(Depth - 1),
        "previtem" => Index > 0 ? Items[Index - 1] : new UndefinedValue("there is no previous item"),
        "nextitem" => Index + 1 < Items.Count ? Items[Index + 1] : new UndefinedValue("there is no next item"),
        "cycle" => new FunctionValue("cycle", (_, arguments) => arguments.Positional.Count > 0
            ? arguments.Positional[Index % arguments.Positional.Count]
            : throw TemplateException.Runtime("loop.cycle needs at least one item.")),
        "changed" => new FunctionValue("changed", (_, arguments) => Changed(new ListValue(arguments.Positional))),
        _ => null,
    };

    private Value Changed(Value now)
    {
        var changed = _lastChanged is null || !Operators.AreEqual(now, _lastChanged);
        _lastChanged = now;
        return Of(changed);
    }
}
