using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>Where a part of a text comes from.</summary>
[Flags]
internal enum Origin : byte
{
    /// <summary>Written in the template.</summary>
    Template = 0,

    /// <summary>Taken from a value of the caller.</summary>
    Caller = 1,

    /// <summary>Written inside a generation block.</summary>
    Generation = 2,
}

/// <summary>A span of a text and its origin.</summary>
internal readonly record struct Mark(int Start, int Length, Origin Origin)
{
    public int End => Start + Length;
}

/// <summary>
/// An immutable text that remembers which of its parts come from the caller, through slicing and joining; marks
/// ascend, do not overlap and leave template text out.
/// </summary>
internal sealed class MarkedText
{
    public static readonly MarkedText Empty = new("", []);

    private MarkedText(string text, Mark[] marks)
    {
        Text = text;
        Marks = marks;
    }

    public string Text { get; }

    public IReadOnlyList<Mark> Marks { get; }

    public static MarkedText Of(string text, Origin origin = Origin.Template) =>
        new(text, origin == Origin.Template || text.Length == 0 ? [] : [new Mark(0, text.Length, origin)]);

    /// <summary>The text a transformation made of this one: caller text as a whole if any part was.</summary>
    public MarkedText Rewritten(string text) => Of(text, Origins);

    /// <summary>The union of the origins of all parts.</summary>
    public Origin Origins => Marks.Aggregate(Origin.Template, (all, mark) => all | mark.Origin);

    public MarkedText Slice(int start, int length)
    {
        if (start == 0 && length == Text.Length)
            return this;
        var builder = new MarkedTextBuilder();
        builder.Append(this, start, length);
        return builder.ToText();
    }

    public static MarkedText operator +(MarkedText left, MarkedText right)
    {
        var builder = new MarkedTextBuilder();
        builder.Append(left);
        builder.Append(right);
        return builder.ToText();
    }

    public override string ToString() => Text;

    internal static MarkedText Create(string text, Mark[] marks) => new(text, marks);
}

/// <summary>Writes a marked text; neighbouring parts of one origin become one mark.</summary>
internal sealed class MarkedTextBuilder
{
    private readonly StringBuilder _text = new();
    private readonly List<Mark> _marks = [];

    public int Length => _text.Length;

    public void Append(string text, Origin origin = Origin.Template)
    {
        AddMark(_text.Length, text.Length, origin);
        _text.Append(text);
    }

    public void Append(MarkedText text, Origin extra = Origin.Template) => Append(text, 0, text.Text.Length, extra);

    /// <summary>Appends a slice; <paramref name="extra"/> is added to the origin of every part of it.</summary>
    public void Append(MarkedText text, int start, int length, Origin extra = Origin.Template)
    {
        var (at, end, offset) = (start, start + length, _text.Length - start);
        foreach (var mark in text.Marks)
        {
            var (from, to) = (Math.Max(mark.Start, at), Math.Min(mark.End, end));
            if (from >= to)
                continue;
            AddMark(at + offset, from - at, extra);
            AddMark(from + offset, to - from, mark.Origin | extra);
            at = to;
        }

        AddMark(at + offset, end - at, extra);
        _text.Append(text.Text, start, length);
    }

    public MarkedText ToText() => MarkedText.Create(_text.ToString(), [.. _marks]);

    private void AddMark(int start, int length, Origin origin)
    {
        if (origin == Origin.Template || length <= 0)
            return;
        if (_marks.Count > 0 && _marks[^1].End == start && _marks[^1].Origin == origin)
            _marks[^1] = _marks[^1] with { Length = _marks[^1].Length + length };
        else
            _marks.Add(new Mark(start, length, origin));
    }
}
