namespace Gateway.Model.Text;

/// <summary>A range of UTF-16 units of a text.</summary>
public readonly record struct TextSpan(int Start, int Length)
{
    /// <summary>The index behind the last unit.</summary>
    public int End => Start + Length;

    /// <summary>Whether this span shares at least one unit with [start, end).</summary>
    public bool Overlaps(int start, int end) => start < End && Start < end;
}
