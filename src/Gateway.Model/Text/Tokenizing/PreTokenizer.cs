using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>One step that cuts a text into pieces inside which tokens are merged; immutable and thread-safe.</summary>
internal abstract class PreTokenizer
{
    public abstract void Split(in Piece piece, List<Piece> into);

    /// <summary>Reads a pre-tokenizer; <paramref name="byteLevel"/> says whether the pieces are then spelled as bytes.</summary>
    public static PreTokenizer? Read(JsonElement? element, out bool byteLevel)
    {
        byteLevel = false;
        if (element is not { } json)
            return null;
        if (json.Type() != "Sequence")
        {
            byteLevel = json.Type() == "ByteLevel";
            return ReadOne(json);
        }

        var steps = new List<PreTokenizer>();
        foreach (var step in json.Required("pretokenizers").EnumerateArray())
        {
            if (byteLevel)
                throw TokenizerException.Unsupported("a pre-tokenizer behind 'ByteLevel'");
            steps.Add(Read(step, out byteLevel)!);
        }

        return new SequencePreTokenizer([.. steps]);
    }

    private static PreTokenizer ReadOne(JsonElement json) => json.Type() switch
    {
        "Split" => new SplitPreTokenizer(PatternReader.Read(json), Behavior(json.String("behavior")), json.Flag("invert")),
        "ByteLevel" => new ByteLevelPreTokenizer(json.Flag("add_prefix_space", true), json.Flag("use_regex", true)),
        "Digits" => new SplitPreTokenizer(
            new ClassPattern(Digit), json.Flag("individual_digits") ? SplitBehavior.Isolated : SplitBehavior.Contiguous, false),
        "Metaspace" => MetaspacePreTokenizer.Read(json),
        "Whitespace" => new SplitPreTokenizer(SplitPattern.FromRegex(@"\w+|[^\w\s]+"), SplitBehavior.Removed, true),
        "WhitespaceSplit" => new SplitPreTokenizer(new ClassPattern(Space), SplitBehavior.Removed, false),
        "Punctuation" => new SplitPreTokenizer(
            new ClassPattern(Punctuation), Behavior(json.String("behavior") ?? "Isolated"), false),
        var other => throw TokenizerException.Unsupported($"the pre-tokenizer '{other}'"),
    };

    private static SplitBehavior Behavior(string? name) =>
        Enum.TryParse<SplitBehavior>(name, ignoreCase: false, out var behavior) && Enum.IsDefined(behavior)
            ? behavior
            : throw TokenizerException.Unsupported($"the split behavior '{name}'");

    private static (bool IsMember, int Length) Digit(ReadOnlySpan<char> text, int at) =>
        (CharacterClasses.At(text, at, out var length) == CharacterClass.Number, length);

    private static (bool IsMember, int Length) Space(ReadOnlySpan<char> text, int at) =>
        (CharacterClasses.At(text, at, out var length) == CharacterClass.Space, length);

    private static (bool IsMember, int Length) Punctuation(ReadOnlySpan<char> text, int at)
    {
        Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
        var isAsciiSymbol = rune.IsAscii && char.IsAscii(text[at]) && char.IsSymbol(text[at]);
        return (isAsciiSymbol || Rune.GetUnicodeCategory(rune)
            is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation, length);
    }
}

internal sealed class SequencePreTokenizer(PreTokenizer[] steps) : PreTokenizer
{
    public override void Split(in Piece piece, List<Piece> into)
    {
        var pieces = new List<Piece> { piece };
        for (var i = 0; i < steps.Length; i++)
        {
            var next = i == steps.Length - 1 ? into : new List<Piece>(pieces.Count);
            foreach (var part in pieces)
                steps[i].Split(part, next);
            pieces = next;
        }
    }
}

/// <summary>What happens to the matches of a split; the names are those of tokenizer.json.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

internal sealed class SplitPreTokenizer(SplitPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override void Split(in Piece piece, List<Piece> into)
    {
        if (pattern is Scanner scanner && behavior == SplitBehavior.Isolated)
        {
            SplitGapless(piece, scanner, into);
            return;
        }

        var parts = Cut(piece.Span);
        if (behavior == SplitBehavior.MergedWithNext)
            MergeWithNext(parts);
        else if (behavior is SplitBehavior.MergedWithPrevious or SplitBehavior.Contiguous)
            MergeWithPrevious(parts);
        foreach (var (start, end, isMatch) in parts)
        {
            if (!(isMatch && behavior == SplitBehavior.Removed))
                into.Add(piece.Part(start, end));
        }
    }

    /// <summary>The usual case without a list of matches.</summary>
    private static void SplitGapless(in Piece piece, Scanner scanner, List<Piece> into)
    {
        var text = piece.Span;
        for (int at = 0, end; at < text.Length; at = end)
        {
            end = scanner.End(text, at);
            into.Add(piece.Part(at, end));
        }
    }

    private List<(int Start, int End, bool IsMatch)> Cut(ReadOnlySpan<char> text)
    {
        var parts = new List<(int Start, int End, bool IsMatch)>();
        var at = 0;
        foreach (var (start, end) in pattern.Matches(text))
        {
            if (start > at)
                parts.Add((at, start, invert));
            parts.Add((start, end, !invert));
            at = end;
        }

        if (at < text.Length)
            parts.Add((at, text.Length, invert));
        return parts;
    }

    /// <summary>Joins a part to the one before it: a match to its predecessor, or equals to equals when contiguous.</summary>
    private void MergeWithPrevious(List<(int Start, int End, bool IsMatch)> parts)
    {
        var write = 0;
        bool? previous = behavior == SplitBehavior.Contiguous ? null : false;
        foreach (var part in parts.ToArray())
        {
            var join = behavior == SplitBehavior.Contiguous ? part.IsMatch == previous : part.IsMatch && previous == false;
            if (join && write > 0)
                parts[write - 1] = parts[write - 1] with { End = part.End };
            else
                parts[write++] = part;
            previous = part.IsMatch;
        }

        parts.RemoveRange(write, parts.Count - write);
    }

    private static void MergeWithNext(List<(int Start, int End, bool IsMatch)> parts)
    {
        var previous = false;
        var write = parts.Count;
        for (var read = parts.Count - 1; read >= 0; read--)
        {
            var part = parts[read];
            if (part.IsMatch && !previous && write < parts.Count)
                parts[write] = parts[write] with { Start = part.Start };
            else
                parts[--write] = part;
            previous = part.IsMatch;
        }

        parts.RemoveRange(0, write);
    }
}

internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : PreTokenizer
{
    private static readonly SplitPreTokenizer s_gpt2 = new(Gpt2Scanner.Instance, SplitBehavior.Isolated, false);

    public override void Split(in Piece piece, List<Piece> into)
    {
        var whole = piece;
        if (addPrefixSpace && piece.Length > 0 && piece.Span[0] != ' ')
        {
            var builder = new AlignedText.Builder(piece.Text);
            builder.Write(" ", piece.Start, piece.Start);
            builder.Keep(piece.Start, piece.Start + piece.Length);
            whole = new Piece(builder.ToText(), 0, piece.Length + 1);
        }

        if (useRegex)
            s_gpt2.Split(whole, into);
        else if (whole.Length > 0)
            into.Add(whole);
    }
}

internal sealed class MetaspacePreTokenizer(string replacement, string scheme, bool split) : PreTokenizer
{
    private readonly SplitPreTokenizer _split = new(new LiteralPattern(replacement), SplitBehavior.MergedWithNext, false);

    public static MetaspacePreTokenizer Read(JsonElement json) =>
        new(json.String("replacement") ?? "\u2581", Scheme(json), json.Flag("split", true));

    /// <summary>always, first or never; older files say add_prefix_space.</summary>
    public static string Scheme(JsonElement json)
    {
        var scheme = json.String("prepend_scheme") ?? (json.Flag("add_prefix_space", true) ? "always" : "never");
        return scheme is "always" or "first" or "never"
            ? scheme
            : throw TokenizerException.Unsupported($"the Metaspace prepend_scheme '{scheme}'");
    }

    public override void Split(in Piece piece, List<Piece> into)
    {
        if (piece.Length == 0)
            return;
        var builder = new AlignedText.Builder(piece.Text);
        var prepend = scheme == "always" || (scheme == "first" && piece.OriginalStart == 0);
        if (prepend && piece.Span[0] != ' ' && !piece.Span.StartsWith(replacement, StringComparison.Ordinal))
            builder.Write(replacement, piece.Start, piece.Start);
        for (var at = piece.Start; at < piece.Start + piece.Length; at++)
        {
            if (piece.Text.Text[at] == ' ')
                builder.Write(replacement, at, at + 1);
            else
                builder.Keep(at, at + 1);
        }

        var text = builder.ToText();
        var whole = new Piece(text, 0, text.Text.Length);
        if (split)
            _split.Split(whole, into);
        else
            into.Add(whole);
    }
}
