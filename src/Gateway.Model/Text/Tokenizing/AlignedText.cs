using System.Text;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>A text on its way through normalization that knows, for each unit, which units of the input it came from.</summary>
internal sealed class AlignedText
{
    private readonly int _origin;
    private readonly int[]? _starts;
    private readonly int[]? _ends;

    private AlignedText(string text, int origin, int[]? starts, int[]? ends)
    {
        Text = text;
        _origin = origin;
        _starts = starts;
        _ends = ends;
    }

    public string Text { get; }

    /// <summary>Unchanged text that begins at <paramref name="origin"/> in the input.</summary>
    public static AlignedText Unchanged(string text, int origin) => new(text, origin, null, null);

    public int OriginalStart(int index) => _starts is null ? _origin + index : _starts[index];

    public int OriginalEnd(int index) => _ends is null ? _origin + index + 1 : _ends[index];

    /// <summary>Collects the units of a rewritten text with their origins.</summary>
    internal sealed class Builder(AlignedText source)
    {
        private readonly StringBuilder _text = new(source.Text.Length + 8);
        private readonly List<int> _starts = new(source.Text.Length + 8);
        private readonly List<int> _ends = new(source.Text.Length + 8);

        /// <summary>Takes over a range of the source as it is.</summary>
        public void Keep(int start, int end)
        {
            _text.Append(source.Text, start, end - start);
            for (var i = start; i < end; i++)
            {
                _starts.Add(source.OriginalStart(i));
                _ends.Add(source.OriginalEnd(i));
            }
        }

        /// <summary>Writes other text for a range of the source, which may be empty for an insertion.</summary>
        public void Write(ReadOnlySpan<char> text, int start, int end)
        {
            var from = start < source.Text.Length
                ? source.OriginalStart(start)
                : source.Text.Length == 0 ? source._origin : source.OriginalEnd(source.Text.Length - 1);
            var to = end > start ? source.OriginalEnd(end - 1) : from;
            _text.Append(text);
            for (var i = 0; i < text.Length; i++)
            {
                _starts.Add(from);
                _ends.Add(to);
            }
        }

        public AlignedText ToText() => new(_text.ToString(), source._origin, [.. _starts], [.. _ends]);
    }
}

/// <summary>A range of an aligned text that later stages may cut further.</summary>
internal readonly record struct Piece(AlignedText Text, int Start, int Length)
{
    public ReadOnlySpan<char> Span => Text.Text.AsSpan(Start, Length);

    public int OriginalStart => Text.OriginalStart(Start);

    public Piece Part(int start, int end) => new(Text, Start + start, end - start);

    public AlignedText ToText() => Start == 0 && Length == Text.Text.Length ? Text : Cut();

    private AlignedText Cut()
    {
        var builder = new AlignedText.Builder(Text);
        builder.Keep(Start, Start + Length);
        return builder.ToText();
    }
}
