using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Gateway.Domain.Privacy;

/// <summary>
/// The recognisers: each gives the length of the match that starts at a place, or 0. Each reads a bounded number of characters
/// or starts only where a run of its characters begins, so a pass over a text is linear. None looks before the floor: that is
/// the end of the last match, where the redacted text has a placeholder.
/// </summary>
internal static class PiiPatterns
{
    private const int ContextLength = 40;

    private static readonly string[] PhoneWords = ["phone", "tel", "call", "mobile", "cell", "fax", "whatsapp", "sms", "reach me"];

    // A number or an earlier placeholder between the word and the digits takes the word for itself.
    private static readonly SearchValues<char> Interruptions = SearchValues.Create("0123456789<>");

    // Lengths by country, from the IBAN registry (SWIFT, ISO 13616).
    private static readonly Dictionary<string, int> IbanLengths =
        """
        AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18
        FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
        LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19
        SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
        """.Split([' ', '\n']).ToDictionary(entry => entry[..2], entry => int.Parse(entry.AsSpan(2), CultureInfo.InvariantCulture), StringComparer.Ordinal);

    public static int Email(string text, int start, int floor)
    {
        if (!IsLocal(text[start]) || (start > floor && IsLocal(text[start - 1])))
        {
            return 0;
        }

        var at = start;
        while (at < text.Length && IsLocal(text[at]))
        {
            at++;
        }

        if (at >= text.Length || text[at] != '@')
        {
            return 0;
        }

        var end = at + 1;
        while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] is '.' or '-'))
        {
            end++;
        }

        // The domain ends with the last label that begins with two letters or more and no digit after them; what follows, a full
        // stop for example, belongs to the sentence.
        for (var dot = end - 1; dot > at + 1; dot--)
        {
            if (text[dot] != '.' || text[dot - 1] == '.')
            {
                continue;
            }

            var label = dot + 1;
            while (label < end && char.IsLetter(text[label]))
            {
                label++;
            }

            if (label - dot > 2 && (label == end || !char.IsDigit(text[label])))
            {
                return label - start;
            }
        }

        return 0;

        static bool IsLocal(char c) => char.IsLetterOrDigit(c) || c is '.' or '_' or '%' or '+' or '-';
    }

    public static int Iban(string text, int start, int floor)
    {
        if (!IsStart(text, start, floor) || start + 4 > text.Length || !char.IsAsciiLetter(text[start]) || !char.IsAsciiLetter(text[start + 1])
            || !char.IsAsciiDigit(text[start + 2]) || !char.IsAsciiDigit(text[start + 3])
            || !IbanLengths.TryGetValue(text.Substring(start, 2).ToUpperInvariant(), out var length))
        {
            return 0;
        }

        Span<char> code = stackalloc char[length];
        var (position, count) = (start, 0);
        while (count < length && position < text.Length)
        {
            if (char.IsAsciiLetterOrDigit(text[position]))
            {
                code[count++] = char.ToUpperInvariant(text[position]);
            }
            else if (text[position] != ' ' || text[position - 1] == ' ')
            {
                return 0;
            }

            position++;
        }

        return count == length && IsEnd(text, position) && Mod97(code) == 1 ? position - start : 0;
    }

    public static int Card(string text, int start, int floor)
    {
        if (!IsStart(text, start, floor) || text[start] is not (>= '2' and <= '6'))
        {
            return 0;
        }

        return LongestRun(text, start, " -", maximum: 19, (digits, _, _) => digits.Length >= 13 && IsIssuer(digits) && Luhn(digits));
    }

    public static int IpAddress(string text, int start, int floor)
    {
        if (!IsStart(text, start, floor) || (start > floor && text[start - 1] is '.' or ':') || !(char.IsAsciiHexDigit(text[start]) || text[start] == ':'))
        {
            return 0;
        }

        var end = start;
        while (end < text.Length && end - start <= 46 && (char.IsAsciiHexDigit(text[end]) || text[end] is '.' or ':'))
        {
            end++;
        }

        // A full stop at the end belongs to the sentence, as a single colon does.
        while (end > start && (text[end - 1] == '.' || (text[end - 1] == ':' && (end - start < 2 || text[end - 2] != ':'))))
        {
            end--;
        }

        var candidate = text.AsSpan(start, end - start);
        if (!IsEnd(text, end))
        {
            return 0;
        }

        // "a:1.2.3.4" and "1.2.3.4:80" are a label or a port around an IPv4 address.
        var colon = candidate.IndexOf(':');
        if (colon > 0 && candidate[..colon].Count('.') == 3)
        {
            candidate = candidate[..colon];
        }

        var isAddress = candidate.Contains(':')
            ? candidate.IndexOfAnyInRange('0', '9') >= 0 && IPAddress.TryParse(candidate, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            : IsDottedQuad(candidate) && !IsVersion(text.AsSpan(floor, start - floor));
        return isAddress ? candidate.Length : 0;
    }

    public static int Phone(string text, int start, int floor)
    {
        if (!(char.IsAsciiDigit(text[start]) || text[start] is '+' or '(') || !IsStart(text, start, floor)
            || (start > floor && text[start - 1] is '+' or '#' or '.' or '-' or '/' or '$' or '€' or '£'))
        {
            return 0;
        }

        var known = text[start] == '+' || FollowsPhoneWord(text.AsSpan(floor, start - floor));
        return LongestRun(text, start, " -./()", maximum: 15, (digits, groups, parenthesis) =>
            digits.Length >= 7 && (known || IsGroupedAsPhone(digits, groups, parenthesis)));
    }

    // (555) 123-4567, 555-123-4567, 030 1234567, 06 12 34 56 78; not 2024-01-15, 05/01/2024 10, 1 000 000.
    private static bool IsGroupedAsPhone(ReadOnlySpan<char> digits, ReadOnlySpan<int> groups, bool parenthesis)
    {
        var northAmerican = groups is [3, 3, 4] or [1, 3, 3, 4];
        var trunkPrefix = digits[0] == '0' && digits.Length >= 8 && groups.Length >= 2 && groups is not [2, 2, 4, ..];
        return northAmerican || trunkPrefix || (parenthesis && groups.Length is (2 or 3));
    }

    private static bool FollowsPhoneWord(ReadOnlySpan<char> before)
    {
        before = before[Math.Max(0, before.Length - ContextLength)..];
        before = before[(before.LastIndexOfAny(Interruptions) + 1)..];
        foreach (var word in PhoneWords)
        {
            var place = before.LastIndexOf(word, StringComparison.OrdinalIgnoreCase);
            if (place >= 0 && (place == 0 || !char.IsLetter(before[place - 1])))
            {
                return true;
            }
        }

        return false;
    }

    private delegate bool RunTest(ReadOnlySpan<char> digits, ReadOnlySpan<int> groups, bool parenthesis);

    // Groups of digits with at most two separators between them: the length up to the end of the last group at which all digits
    // so far pass the test, or 0.
    private static int LongestRun(string text, int start, string separators, int maximum, RunTest passes)
    {
        Span<char> digits = stackalloc char[maximum];
        Span<int> groups = stackalloc int[maximum];
        var (count, groupCount, gap, parenthesis, longest) = (0, 0, 0, false, 0);
        var i = text[start] == '+' ? start + 1 : start;
        while (i < text.Length)
        {
            var first = count;
            for (; i < text.Length && char.IsAsciiDigit(text[i]); i++)
            {
                if (count == maximum)
                {
                    return longest;
                }

                digits[count++] = text[i];
            }

            if (count > first)
            {
                if (!IsEnd(text, i))
                {
                    return longest;
                }

                groups[groupCount++] = count - first;
                gap = 0;
                longest = passes(digits[..count], groups[..groupCount], parenthesis) ? i - start : longest;
            }
            else if (separators.Contains(text[i], StringComparison.Ordinal) && ++gap <= 2)
            {
                parenthesis |= text[i++] == '(';
            }
            else
            {
                return longest;
            }
        }

        return longest;
    }

    private static bool IsStart(string text, int start, int floor) => start == floor || !char.IsLetterOrDigit(text[start - 1]);

    private static bool IsEnd(string text, int end) => end >= text.Length || !char.IsLetterOrDigit(text[end]);

    private static bool Luhn(ReadOnlySpan<char> digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var digit = digits[digits.Length - 1 - i] - '0';
            sum += i % 2 == 0 ? digit : digit > 4 ? (2 * digit) - 9 : 2 * digit;
        }

        return sum % 10 == 0;
    }

    private static bool IsIssuer(ReadOnlySpan<char> digits)
    {
        var two = ((digits[0] - '0') * 10) + digits[1] - '0';
        return two is 30 or 34 or 35 or 36 or 37 or 38 or 39 or (>= 22 and <= 27) or (>= 40 and <= 69);
    }

    // The first four characters go to the end, letters count 10–35 (ISO 7064).
    private static int Mod97(ReadOnlySpan<char> code)
    {
        var remainder = 0;
        for (var i = 0; i < code.Length; i++)
        {
            var c = code[(i + 4) % code.Length];
            remainder = char.IsAsciiDigit(c) ? ((remainder * 10) + c - '0') % 97 : ((remainder * 100) + c - 'A' + 10) % 97;
        }

        return remainder;
    }

    private static bool IsDottedQuad(ReadOnlySpan<char> candidate)
    {
        var parts = 0;
        foreach (var range in candidate.Split('.'))
        {
            var part = candidate[range];
            if (++parts > 4 || part.Length is 0 or > 3 || part.IndexOfAnyExceptInRange('0', '9') >= 0 || int.Parse(part, CultureInfo.InvariantCulture) > 255)
            {
                return false;
            }
        }

        return parts == 4;
    }

    private static bool IsVersion(ReadOnlySpan<char> before)
    {
        before = before.TrimEnd(' ');
        return before.EndsWith("version", StringComparison.OrdinalIgnoreCase) || before.EndsWith("release", StringComparison.OrdinalIgnoreCase);
    }
}
