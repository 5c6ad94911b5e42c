using System.Text;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>Rewrites the possessive quantifiers ?+ *+ ++, which .NET lacks, as atomic groups: X?+ becomes (?>X?).</summary>
internal static class PossessiveQuantifiers
{
    public static string ToAtomicGroups(string pattern)
    {
        var result = new StringBuilder(pattern.Length);
        var groups = new Stack<int>();
        var atom = 0;
        for (var at = 0; at < pattern.Length;)
        {
            var start = at;
            switch (pattern[at])
            {
                case '(':
                    groups.Push(result.Length);
                    at++;
                    break;
                case ')' when groups.Count > 0:
                    atom = groups.Pop();
                    at++;
                    break;
                case '?' or '*' or '+' when at + 1 < pattern.Length && pattern[at + 1] == '+' && pattern[Math.Max(0, at - 1)] != '(':
                    result.Insert(atom, "(?>").Append(pattern[at]).Append(')');
                    at += 2;
                    continue;
                case '?' or '*' or '+':
                    at++;
                    break;
                case '{':
                    at = pattern.IndexOf('}', at) is >= 0 and var close ? close + 1 : at + 1;
                    break;
                default:
                    atom = result.Length;
                    at = AtomEnd(pattern, at);
                    break;
            }

            result.Append(pattern, start, at - start);
        }

        return result.ToString();
    }

    private static int AtomEnd(string pattern, int at)
    {
        if (pattern[at] == '\\')
            return EscapeEnd(pattern, at);
        if (pattern[at] != '[')
            return at + 1;
        for (at++; at < pattern.Length && pattern[at] != ']';)
            at = pattern[at] == '\\' ? EscapeEnd(pattern, at) : at + 1;
        return Math.Min(at + 1, pattern.Length);
    }

    private static int EscapeEnd(string pattern, int at)
    {
        var named = at + 2 < pattern.Length && pattern[at + 1] is 'p' or 'P' && pattern[at + 2] == '{';
        return named && pattern.IndexOf('}', at) is >= 0 and var close ? close + 1 : Math.Min(at + 2, pattern.Length);
    }
}
