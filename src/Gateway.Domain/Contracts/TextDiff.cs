namespace Gateway.Domain.Contracts;

/// <summary>What happens to a line from one text to another.</summary>
public enum LineChange
{
    /// <summary>It is in both.</summary>
    Same,

    /// <summary>It is only in the first.</summary>
    Removed,

    /// <summary>It is only in the second.</summary>
    Added,
}

/// <summary>One line of a comparison.</summary>
public readonly record struct DiffLine(LineChange Change, string Text);

/// <summary>Compares texts line by line.</summary>
public static class TextDiff
{
    // Beyond it the middle of both texts is shown as replaced: a prompt of that size has changed as a whole.
    private const int MaximumCells = 4_000_000;

    /// <summary>
    /// The shortest way from <paramref name="before"/> to <paramref name="after"/> in removed and added lines, removed ones
    /// first where both change. A text that is null has no lines.
    /// </summary>
    public static IReadOnlyList<DiffLine> Compare(string? before, string? after)
    {
        var (old, next) = (Lines(before), Lines(after));
        var head = 0;
        while (head < old.Length && head < next.Length && old[head] == next[head])
        {
            head++;
        }

        var tail = 0;
        while (tail < old.Length - head && tail < next.Length - head && old[^(tail + 1)] == next[^(tail + 1)])
        {
            tail++;
        }

        var lines = new List<DiffLine>(old.Length + next.Length);
        lines.AddRange(old[..head].Select(line => new DiffLine(LineChange.Same, line)));
        CompareMiddle(old[head..^tail], next[head..^tail], lines);
        lines.AddRange(old[^tail..].Select(line => new DiffLine(LineChange.Same, line)));
        return lines;
    }

    private static void CompareMiddle(string[] old, string[] next, List<DiffLine> lines)
    {
        if ((long)old.Length * next.Length > MaximumCells)
        {
            lines.AddRange(old.Select(line => new DiffLine(LineChange.Removed, line)));
            lines.AddRange(next.Select(line => new DiffLine(LineChange.Added, line)));
            return;
        }

        // common[i, j]: length of the longest common subsequence of old from i and next from j.
        var common = new int[old.Length + 1, next.Length + 1];
        for (var i = old.Length - 1; i >= 0; i--)
        {
            for (var j = next.Length - 1; j >= 0; j--)
            {
                common[i, j] = old[i] == next[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        var (a, b) = (0, 0);
        while (a < old.Length || b < next.Length)
        {
            if (a < old.Length && b < next.Length && old[a] == next[b])
            {
                lines.Add(new(LineChange.Same, old[a++]));
                b++;
            }
            else if (a < old.Length && (b == next.Length || common[a + 1, b] >= common[a, b + 1]))
            {
                lines.Add(new(LineChange.Removed, old[a++]));
            }
            else
            {
                lines.Add(new(LineChange.Added, next[b++]));
            }
        }
    }

    private static string[] Lines(string? text) => text is null ? [] : text.Split('\n');
}
