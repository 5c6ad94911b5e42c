namespace Gateway.Model.Text.Templates;

/// <summary>Attributes, items and slices: <c>a.b</c> prefers methods, <c>a['b']</c> prefers items, as in Jinja.</summary>
internal static class Members
{
    public static Value Attribute(Value owner, string name)
    {
        if (owner is UndefinedValue undefined)
            throw undefined.Error();
        return Methods.Find(owner, name) ?? Field(owner, Value.Of(name)) ?? Missing(owner, name);
    }

    public static Value Item(Value owner, Value key)
    {
        if (owner is UndefinedValue undefined)
            throw undefined.Error();
        if (Field(owner, key) is { } item)
            return item;
        return key is StringValue name
            ? Methods.Find(owner, name.Text) ?? Missing(owner, name.Text)
            : Missing(owner, PythonText.Str(key).Text);
    }

    /// <summary>Python's slice with its defaults and negative indices.</summary>
    public static Value Slice(Value owner, long? start, long? stop, long? step)
    {
        if (owner is UndefinedValue undefined)
            throw undefined.Error();
        if (owner is not (StringValue or ListValue))
            throw TemplateException.Runtime($"'{owner.TypeName}' object cannot be sliced.");
        var by = step ?? 1;
        if (by == 0)
            throw TemplateException.Runtime("slice step cannot be zero.");
        var length = Sequences.Length(owner);
        var from = Clamp(start, by > 0 ? 0 : length - 1, length, by);
        var to = Clamp(stop, by > 0 ? length : -1, length, by);
        if (owner is StringValue text && by == 1)
        {
            var first = Sequences.UnitIndex(text.Text, from);
            var last = Sequences.UnitIndex(text.Text, Math.Max(from, to));
            return new StringValue(text.Content.Slice(first, last - first));
        }

        var items = Sequences.Items(owner);
        var kept = new List<Value>();
        for (var at = from; by > 0 ? at < to : at > to; at += by)
            kept.Add(items[(int)at]);
        return owner is StringValue ? Joined(kept) : new ListValue(kept, ((ListValue)owner).IsTuple);
    }

    public static StringValue Joined(IEnumerable<Value> parts)
    {
        var builder = new MarkedTextBuilder();
        foreach (var part in parts)
            builder.Append(PythonText.Str(part));
        return new StringValue(builder.ToText());
    }

    private static long Clamp(long? bound, long otherwise, long length, long step)
    {
        if (bound is not { } index)
            return otherwise;
        if (index < 0)
            index += length;
        return step > 0 ? Math.Clamp(index, 0, length) : Math.Clamp(index, -1, length - 1);
    }

    private static Value? Field(Value owner, Value key)
    {
        switch (owner)
        {
            case DictionaryValue dictionary:
                return dictionary.Get(key);
            case NamespaceValue fields when key is StringValue name:
                return fields.Fields.GetValueOrDefault(name.Text);
            case LoopValue loop when key is StringValue name:
                return loop.Get(name.Text);
            case ListValue or StringValue when Operators.AsInteger(key) is { } index:
                var items = Sequences.Items(owner);
                index = index < 0 ? index + items.Count : index;
                return index >= 0 && index < items.Count ? items[(int)index] : null;
            default:
                return null;
        }
    }

    private static UndefinedValue Missing(Value owner, string name) => new($"{owner.TypeName} object has no attribute '{name}'");
}
