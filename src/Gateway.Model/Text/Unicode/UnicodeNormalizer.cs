using System.Text;

namespace Gateway.Model.Text;

/// <summary>
/// Unicode normalization (UAX 15) on own tables, because <c>string.Normalize</c> silently does nothing
/// under invariant globalization. Thread-safe.
/// </summary>
/// <remarks>
/// Text is cut where no later code point can reorder or compose with an earlier one; each segment is decomposed,
/// ordered by combining class and composed on its own.
/// </remarks>
public static class UnicodeNormalizer
{
    private static readonly NormalizationData s_data = NormalizationData.Instance;

    /// <summary>The Unicode version of the tables.</summary>
    public static Version UnicodeVersion => s_data.Version;

    /// <summary>The text in the given form; the same instance when nothing changes. Unpaired surrogates are kept.</summary>
    public static string Normalize(string text, NormalizationForm form)
    {
        if (IsUnchangedByRange(text, form))
            return text;
        var result = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            var end = SegmentEnd(text, at);
            AppendSegment(text.AsSpan(at, end - at), form, result);
            at = end;
        }

        return result.ToString();
    }

    /// <summary>Whether every character lies below the first one that the form could change.</summary>
    internal static bool IsUnchangedByRange(ReadOnlySpan<char> text, NormalizationForm form)
    {
        var first = form switch
        {
            NormalizationForm.Nfc => '\u0300',
            NormalizationForm.Nfd => '\u00C0',
            _ => '\u00A0',
        };
        return text.IndexOfAnyInRange(first, '\uFFFF') < 0;
    }

    /// <summary>The end of the segment that starts at an index: the next code point that joins nothing before it.</summary>
    internal static int SegmentEnd(ReadOnlySpan<char> text, int start)
    {
        var at = start + ReadPoint(text, start, out _);
        while (at < text.Length)
        {
            var length = ReadPoint(text, at, out var point);
            if (!s_data.JoinsPrevious(point))
                break;
            at += length;
        }

        return at;
    }

    /// <summary>Appends the normalized form of one segment.</summary>
    internal static void AppendSegment(ReadOnlySpan<char> segment, NormalizationForm form, StringBuilder result)
    {
        var compatibility = form is NormalizationForm.Nfkc or NormalizationForm.Nfkd;
        var compose = form is NormalizationForm.Nfc or NormalizationForm.Nfkc;
        if (ReadPoint(segment, 0, out var only) == segment.Length && !s_data.ChangesAlone(only, compatibility, compose))
        {
            result.Append(segment);
            return;
        }

        var points = new List<int>(segment.Length);
        for (var at = 0; at < segment.Length;)
        {
            at += ReadPoint(segment, at, out var point);
            Decompose(point, compatibility, points);
        }

        Order(points);
        if (compose)
            Compose(points);
        foreach (var point in points)
        {
            if (point > 0xFFFF)
                result.Append((char)(0xD7C0 + (point >> 10))).Append((char)(0xDC00 + (point & 0x3FF)));
            else
                result.Append((char)point);
        }
    }

    private static int ReadPoint(ReadOnlySpan<char> text, int at, out int point)
    {
        if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
        {
            point = char.ConvertToUtf32(text[at], text[at + 1]);
            return 2;
        }

        point = text[at];
        return 1;
    }

    private static void Decompose(int point, bool compatibility, List<int> into)
    {
        if (Hangul.IsSyllable(point))
        {
            Hangul.Decompose(point, into);
        }
        else if (s_data.Decomposition(point, compatibility) is { } parts)
        {
            foreach (var part in parts)
                Decompose(part, compatibility, into);
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Stable insertion sort of every run of non-starters by combining class.</summary>
    private static void Order(List<int> points)
    {
        for (var i = 1; i < points.Count; i++)
        {
            var point = points[i];
            var combiningClass = s_data.CombiningClass(point);
            if (combiningClass == 0)
                continue;
            var j = i;
            for (; j > 0 && s_data.CombiningClass(points[j - 1]) > combiningClass; j--)
                points[j] = points[j - 1];
            points[j] = point;
        }
    }

    /// <summary>Joins each code point with the last starter unless one of equal or higher class stands between.</summary>
    private static void Compose(List<int> points)
    {
        var starter = -1;
        var lastClass = -1;
        var write = 0;
        foreach (var point in points.ToArray())
        {
            var combiningClass = s_data.CombiningClass(point);
            if (starter >= 0 && lastClass < combiningClass)
            {
                var composed = Hangul.Compose(points[starter], point);
                if (composed < 0)
                    composed = s_data.Compose(points[starter], point);
                if (composed >= 0)
                {
                    points[starter] = composed;
                    continue;
                }
            }

            if (combiningClass == 0)
            {
                starter = write;
                lastClass = -1;
            }
            else
            {
                lastClass = combiningClass;
            }

            points[write++] = point;
        }

        points.RemoveRange(write, points.Count - write);
    }
}
