using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>One normalization step of a tokenizer.json; immutable and thread-safe.</summary>
internal abstract class Normalizer
{
    public abstract AlignedText Apply(AlignedText text);

    public static Normalizer? Read(JsonElement? element)
    {
        if (element is not { } json)
            return null;
        return json.Type() switch
        {
            "Sequence" => new SequenceNormalizer([.. json.Required("normalizers").EnumerateArray().Select(e => Read(e)!)]),
            "NFC" => new UnicodeFormNormalizer(NormalizationForm.Nfc),
            "NFD" => new UnicodeFormNormalizer(NormalizationForm.Nfd),
            "NFKC" => new UnicodeFormNormalizer(NormalizationForm.Nfkc),
            "NFKD" => new UnicodeFormNormalizer(NormalizationForm.Nfkd),
            "Prepend" => new PrependNormalizer(json.String("prepend") ?? ""),
            "Replace" => new ReplaceNormalizer(PatternReader.Read(json), json.String("content") ?? ""),
            "Lowercase" => new RuneNormalizer(Lower),
            "StripAccents" => new RuneNormalizer(WithoutAccent),
            "Strip" => new StripNormalizer(json.Flag("strip_left", true), json.Flag("strip_right", true)),
            var other => throw TokenizerException.Unsupported($"the normalizer '{other}'"),
        };
    }

    /// <summary>Full lower-casing without context: only U+0130 becomes two code points.</summary>
    private static string Lower(Rune rune) => rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString();

    private static string WithoutAccent(Rune rune) =>
        Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark ? "" : rune.ToString();
}

internal sealed class SequenceNormalizer(Normalizer[] steps) : Normalizer
{
    public override AlignedText Apply(AlignedText text)
    {
        foreach (var step in steps)
            text = step.Apply(text);
        return text;
    }
}

internal sealed class UnicodeFormNormalizer(NormalizationForm form) : Normalizer
{
    public override AlignedText Apply(AlignedText text)
    {
        if (UnicodeNormalizer.IsUnchangedByRange(text.Text, form))
            return text;
        var builder = new AlignedText.Builder(text);
        var segmentText = new StringBuilder();
        var changed = false;
        for (var at = 0; at < text.Text.Length;)
        {
            var end = UnicodeNormalizer.SegmentEnd(text.Text, at);
            UnicodeNormalizer.AppendSegment(text.Text.AsSpan(at, end - at), form, segmentText.Clear());
            if (segmentText.Equals(text.Text.AsSpan(at, end - at)))
            {
                builder.Keep(at, end);
            }
            else
            {
                builder.Write(segmentText.ToString(), at, end);
                changed = true;
            }

            at = end;
        }

        return changed ? builder.ToText() : text;
    }
}

internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override AlignedText Apply(AlignedText text)
    {
        if (text.Text.Length == 0)
            return text;
        var builder = new AlignedText.Builder(text);
        builder.Write(prefix, 0, 0);
        builder.Keep(0, text.Text.Length);
        return builder.ToText();
    }
}

internal sealed class ReplaceNormalizer(SplitPattern pattern, string content) : Normalizer
{
    public override AlignedText Apply(AlignedText text)
    {
        var matches = pattern.Matches(text.Text);
        if (matches.Count == 0)
            return text;
        var builder = new AlignedText.Builder(text);
        var kept = 0;
        foreach (var (start, end) in matches)
        {
            builder.Keep(kept, start);
            builder.Write(content, start, end);
            kept = end;
        }

        builder.Keep(kept, text.Text.Length);
        return builder.ToText();
    }
}

internal sealed class RuneNormalizer(Func<Rune, string> map) : Normalizer
{
    public override AlignedText Apply(AlignedText text)
    {
        var builder = new AlignedText.Builder(text);
        var at = 0;
        foreach (var rune in text.Text.EnumerateRunes())
        {
            builder.Write(map(rune), at, at + rune.Utf16SequenceLength);
            at += rune.Utf16SequenceLength;
        }

        return builder.ToText();
    }
}

internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override AlignedText Apply(AlignedText text)
    {
        var start = left ? text.Text.Length - text.Text.AsSpan().TrimStart().Length : 0;
        var end = right ? Math.Max(start, text.Text.AsSpan().TrimEnd().Length) : text.Text.Length;
        return new Piece(text, start, end - start).ToText();
    }
}

/// <summary>Reads the pattern object {"String": …} or {"Regex": …}.</summary>
internal static class PatternReader
{
    public static SplitPattern Read(JsonElement owner)
    {
        var pattern = owner.Required("pattern");
        if (pattern.ValueKind == JsonValueKind.String)
            return new LiteralPattern(pattern.GetString()!);
        if (pattern.String("String") is { } literal)
            return new LiteralPattern(literal);
        return SplitPattern.FromRegex(pattern.String("Regex")
            ?? throw TokenizerException.Unsupported($"the pattern {pattern.GetRawText()}"));
    }
}
