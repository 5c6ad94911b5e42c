namespace Gateway.Model.Text.Templates;

/// <summary>Jinja's filters for lists and dictionaries.</summary>
internal static class SequenceFilters
{
    private static readonly Dictionary<string, Filter> s_byName = new(StringComparer.Ordinal)
    {
        ["length"] = (_, v, _) => Value.Of(Sequences.Length(v)),
        ["count"] = (_, v, _) => Value.Of(Sequences.Length(v)),
        ["first"] = (_, v, _) => Sequences.Items(v) is [var first, ..] ? first : new UndefinedValue("the first item of an empty sequence is missing"),
        ["last"] = (_, v, _) => Sequences.Items(v) is [.., var last] ? last : new UndefinedValue("the last item of an empty sequence is missing"),
        ["list"] = (_, v, _) => new ListValue(Sequences.Items(v)),
        ["reverse"] = (_, v, _) => v is StringValue
            ? Members.Joined(Sequences.Items(v).Reverse())
            : new ListValue([.. Sequences.Items(v).Reverse()]),
        ["join"] = (s, v, a) => Join(s, v, a.AtMost(2, "d", "attribute")),
        ["map"] = (s, v, a) => Map(s, v, a),
        ["select"] = (_, v, a) => Select(v, a, keeps: true, hasAttribute: false),
        ["reject"] = (_, v, a) => Select(v, a, keeps: false, hasAttribute: false),
        ["selectattr"] = (_, v, a) => Select(v, a, keeps: true, hasAttribute: true),
        ["rejectattr"] = (_, v, a) => Select(v, a, keeps: false, hasAttribute: true),
        ["sort"] = (_, v, a) => Sort(v, a.AtMost(3, "reverse", "case_sensitive", "attribute")),
        ["unique"] = (_, v, a) => Unique(v, a.AtMost(2, "case_sensitive", "attribute")),
        ["dictsort"] = (_, v, a) => DictionarySort(v, a.AtMost(3, "case_sensitive", "by", "reverse")),
        ["groupby"] = (_, v, a) => GroupBy(v, a.AtMost(3, "attribute", "default", "case_sensitive")),
        ["sum"] = (s, v, a) => Sum(s, v, a.AtMost(2, "attribute", "start")),
        ["min"] = (_, v, a) => Extreme(v, a.AtMost(2, "case_sensitive", "attribute"), -1),
        ["max"] = (_, v, a) => Extreme(v, a.AtMost(2, "case_sensitive", "attribute"), 1),
        ["batch"] = (_, v, a) => Batch(v, a.AtMost(2, "linecount", "fill_with")),
    };

    public static Filter? Find(string name) => s_byName.GetValueOrDefault(name);

    private static StringValue Join(RenderState state, Value value, Arguments arguments)
    {
        var items = Sequences.Items(value);
        if (arguments.Find(1, "attribute") is { } attribute)
            items = [.. items.Select(item => ByPath(item, attribute))];
        return Methods.Join(items, arguments.Find(0, "d") is { } separator ? PythonText.Str(separator) : MarkedText.Empty, state);
    }

    private static ListValue Map(RenderState state, Value value, Arguments arguments)
    {
        if (arguments.Positional.Count == 0)
        {
            arguments.AtMost(0, "attribute", "default");
            var (path, otherwise) = (arguments.Required(0, "attribute"), arguments.Named.GetValueOrDefault("default"));
            return new ListValue([.. Sequences.Items(value).Select(item => OrElse(ByPath(item, path), otherwise))]);
        }

        var name = Methods.Text(arguments.Positional[0]);
        var filter = Filters.Find(name) ?? throw TemplateException.Runtime($"No filter named '{name}'; see the supported filters.");
        return new ListValue([.. Sequences.Items(value).Select(item => filter(state, item, arguments.Skip(1)))]);
    }

    private static ListValue Select(Value value, Arguments arguments, bool keeps, bool hasAttribute)
    {
        var path = hasAttribute ? arguments.Required(0, "attribute") : null;
        var rest = arguments.Skip(hasAttribute ? 1 : 0);
        var name = rest.Positional.Count > 0 ? Methods.Text(rest.Positional[0]) : null;
        var test = name is null
            ? (v, _) => v.IsTrue
            : Tests.Find(name) ?? throw TemplateException.Runtime($"No test named '{name}'; see the supported tests.");
        var testArguments = rest.Skip(1);
        return new ListValue([.. Sequences.Items(value).Where(item =>
            test(path is null ? item : ByPath(item, path), testArguments) == keeps)]);
    }

    private static ListValue Sort(Value value, Arguments arguments)
    {
        var key = Key(arguments.Find(1, "case_sensitive"), arguments.Find(2, "attribute"));
        var items = Sequences.Items(value);
        return new ListValue(IsTrue(arguments.Find(0, "reverse"))
            ? [.. items.OrderByDescending(key, Operators.Order)]
            : [.. items.OrderBy(key, Operators.Order)]);
    }

    private static ListValue Unique(Value value, Arguments arguments)
    {
        var key = Key(arguments.Find(0, "case_sensitive"), arguments.Find(1, "attribute"));
        var seen = new DictionaryValue();
        var kept = new List<Value>();
        foreach (var item in Sequences.Items(value))
        {
            var itemKey = key(item);
            if (seen.Get(itemKey) is not null)
                continue;
            seen.Set(itemKey, Value.True);
            kept.Add(item);
        }

        return new ListValue(kept);
    }

    private static ListValue DictionarySort(Value value, Arguments arguments)
    {
        var by = arguments.Find(1, "by") is { } given ? Methods.Text(given) : "key";
        if (by is not ("key" or "value"))
            throw TemplateException.Runtime("dictsort: by must be 'key' or 'value'.");
        var fold = Key(arguments.Find(0, "case_sensitive"), null);
        Value KeyOf(Value pair) => fold(((ListValue)pair).Items[by == "key" ? 0 : 1]);
        var items = Filters.Items(value, Arguments.None).Items;
        return new ListValue(IsTrue(arguments.Find(2, "reverse"))
            ? [.. items.OrderByDescending(KeyOf, Operators.Order)]
            : [.. items.OrderBy(KeyOf, Operators.Order)]);
    }

    /// <summary>Pairs of a grouper and its items, in the order of the groupers.</summary>
    private static ListValue GroupBy(Value value, Arguments arguments)
    {
        var (path, otherwise) = (arguments.Required(0, "attribute"), arguments.Find(1, "default"));
        Value Grouper(Value item) => OrElse(ByPath(item, path), otherwise);
        var fold = Key(arguments.Find(2, "case_sensitive"), null);
        var groups = new List<Value>();
        var sorted = Sequences.Items(value).OrderBy(item => fold(Grouper(item)), Operators.Order).ToList();
        for (var at = 0; at < sorted.Count;)
        {
            var key = fold(Grouper(sorted[at]));
            var members = sorted.Skip(at).TakeWhile(item => Operators.AreEqual(fold(Grouper(item)), key)).ToList();
            groups.Add(new ListValue([Grouper(members[0]), new ListValue(members)], IsTuple: true));
            at += members.Count;
        }

        return new ListValue(groups);
    }

    private static Value Sum(RenderState state, Value value, Arguments arguments)
    {
        var path = arguments.Find(0, "attribute") is { } given and not NoneValue ? given : null;
        return Sequences.Items(value).Aggregate(
            arguments.Find(1, "start") ?? Value.Of(0),
            (sum, item) => Operators.Apply("+", sum, path is null ? item : ByPath(item, path), state));
    }

    private static Value Extreme(Value value, Arguments arguments, int sign)
    {
        var key = Key(arguments.Find(0, "case_sensitive"), arguments.Find(1, "attribute"));
        Value? best = null;
        foreach (var item in Sequences.Items(value))
        {
            if (best is null || Math.Sign(Operators.Compare(key(item), key(best))) == sign)
                best = item;
        }

        return best ?? new UndefinedValue("no aggregated item, the sequence was empty");
    }

    private static ListValue Batch(Value value, Arguments arguments)
    {
        var size = Operators.AsInteger(arguments.Required(0, "linecount")) is > 0 and < int.MaxValue and var count
            ? (int)count
            : throw TemplateException.Runtime("batch needs a positive number of items.");
        var rows = Sequences.Items(value).Chunk(size).Select(row => row.ToList()).ToList();
        if (rows.Count > 0 && rows[^1].Count < size && arguments.Find(1, "fill_with") is { } fill and not NoneValue)
            rows[^1].AddRange(Enumerable.Repeat(fill, Math.Min(size - rows[^1].Count, 100_000)));
        return new ListValue([.. rows.Select(row => new ListValue(row))]);
    }

    /// <summary>The sort key: lower case unless case matters, of an attribute when one is named.</summary>
    private static Func<Value, Value> Key(Value? caseSensitive, Value? attribute)
    {
        var folds = !IsTrue(caseSensitive);
        var path = attribute is NoneValue ? null : attribute;
        return item =>
        {
            var value = path is null ? item : ByPath(item, path);
            return folds && value is StringValue text ? Value.Of(text.Text.ToLowerInvariant()) : value;
        };
    }

    private static bool IsTrue(Value? value) => value?.IsTrue ?? false;

    private static Value OrElse(Value value, Value? otherwise) => value is UndefinedValue && otherwise is not null ? otherwise : value;

    /// <summary>a.b.0 reads attribute a, its b, and its first item.</summary>
    private static Value ByPath(Value item, Value path)
    {
        if (path is not StringValue text)
            return Members.Item(item, path);
        foreach (var part in text.Text.Split('.'))
        {
            Value key = long.TryParse(part, System.Globalization.CultureInfo.InvariantCulture, out var index) ? Value.Of(index) : Value.Of(part);
            item = Members.Item(item, key);
        }

        return item;
    }
}
