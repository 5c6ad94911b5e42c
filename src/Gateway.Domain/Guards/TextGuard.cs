using System.Text;
using System.Text.RegularExpressions;
using Gateway.Domain.Privacy;

namespace Gateway.Domain.Guards;

/// <summary>A guard that finds places in a text, ready to be used. Matching takes time linear in the text. Immutable and thread-safe.</summary>
public sealed class TextGuard
{
    private const int DefaultThreshold = 2;
    private readonly Regex? _pattern;

    /// <summary>Compiles a checked rule of any kind but <see cref="GuardKind.Http"/>.</summary>
    public TextGuard(GuardRule rule)
    {
        Rule = rule;
        _pattern = rule.Kind switch
        {
            GuardKind.Pattern => Compile(rule.Pattern!),
            GuardKind.Words or GuardKind.Topic => new Regex(Alternatives(rule.Words!), RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant),
            _ => null,
        };
    }

    /// <summary>The rule.</summary>
    public GuardRule Rule { get; }

    /// <summary>What takes the place of what it finds.</summary>
    public string Placeholder => $"<{Rule.Id.ToUpperInvariant()}>";

    /// <summary>How many different finds it takes.</summary>
    public int Threshold => Rule.Kind == GuardKind.Topic ? Rule.Threshold ?? DefaultThreshold : 1;

    /// <summary>The first find at or after a place; a length of 0 says that there is none.</summary>
    public (int Start, int Length) Next(string text, int from)
    {
        if (_pattern is null)
        {
            return PiiRedactor.FindNext(text, from);
        }

        var match = _pattern.Match(text, from);
        return match.Success && match.Length > 0 ? (match.Index, match.Length) : (text.Length, 0);
    }

    /// <summary>Compiles an expression to be matched in linear time.</summary>
    /// <exception cref="ArgumentException">It is no regular expression.</exception>
    /// <exception cref="NotSupportedException">It needs back tracking.</exception>
    internal static Regex Compile(string pattern) => new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    // A word ends where letters end, but "C++" has no letter at its end.
    private static string Alternatives(IReadOnlyList<string> words)
    {
        var text = new StringBuilder();
        foreach (var word in words.Select(word => word.Trim()))
        {
            text.Append(text.Length == 0 ? "(?:" : "|")
                .Append(IsWord(word[0]) ? @"\b" : "").Append(Regex.Escape(word)).Append(IsWord(word[^1]) ? @"\b" : "");
        }

        return text.Append(')').ToString();

        static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';
    }
}
