namespace Gateway.Model.Text.Tokenizing;

/// <summary>The plain spans of an input, sorted, seen from a text that may have been rewritten since.</summary>
internal sealed class PlainSpans : IPlainRanges
{
    private readonly TextSpan[] _spans;
    private readonly AlignedText? _view;

    public PlainSpans(ReadOnlySpan<TextSpan> spans)
    {
        _spans = spans.ToArray();
        Array.Sort(_spans, static (a, b) => a.Start.CompareTo(b.Start));
    }

    private PlainSpans(TextSpan[] spans, AlignedText view)
    {
        _spans = spans;
        _view = view;
    }

    /// <summary>The same spans for positions of <paramref name="text"/>.</summary>
    public PlainSpans SeenFrom(AlignedText text) => new(_spans, text);

    public bool Overlaps(int start, int end)
    {
        if (_spans.Length == 0 || end <= start)
            return false;
        if (_view is not null)
            (start, end) = (_view.OriginalStart(start), _view.OriginalEnd(end - 1));
        // Spans may overlap each other, so every one that begins before the end is looked at.
        foreach (var span in _spans)
        {
            if (span.Start >= end)
                return false;
            if (span.Overlaps(start, end))
                return true;
        }

        return false;
    }
}
