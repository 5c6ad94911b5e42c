using System.Text;

namespace Gateway.Domain.Privacy;

/// <summary>A text with its personal data replaced, and how many of each kind were found.</summary>
public sealed record Redaction(string Text, IReadOnlyDictionary<string, int> Counts);

/// <summary>
/// Replaces e-mail addresses, phone numbers, payment cards, IBANs and IP addresses by placeholders such as
/// <c>&lt;EMAIL_ADDRESS&gt;</c>. The result holds nothing that a second pass would replace. A pass is linear in the text; there
/// is one more than passes that found something, two at most in ordinary text.
/// </summary>
/// <remarks>
/// Chosen errors. Cards and IBANs need their checksums, so a mistyped one stays; one in ten order numbers of 13–19 digits that
/// begins like a card passes Luhn and is replaced. A run of digits is a phone number only with a + in front, grouped as phones
/// are (not as dates), or after a word such as "phone" or "call": bare order numbers stay, bare local numbers too.
/// Four-part version numbers after "v" or "version" are not addresses. Only ASCII digits are read.
/// </remarks>
public static class PiiRedactor
{
    /// <summary>Version of the rules, recorded with a data set; a better detector calls for a rebuild.</summary>
    public const int Version = 1;

    private delegate int Recognizer(string text, int start, int floor);

    // Tried in this order at each place: the stricter check first.
    private static readonly (string Kind, Recognizer Match)[] Recognizers =
    [
        ("EMAIL_ADDRESS", PiiPatterns.Email),
        ("IBAN_CODE", PiiPatterns.Iban),
        ("CREDIT_CARD", PiiPatterns.Card),
        ("IP_ADDRESS", PiiPatterns.IpAddress),
        ("PHONE_NUMBER", PiiPatterns.Phone),
    ];

    /// <summary>Redacts <paramref name="text"/>.</summary>
    public static Redaction Redact(string text)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);

        // A placeholder can uncover what stood beside it, such as an address that ran into a phone number.
        while (Pass(text, counts) is { } redacted)
        {
            text = redacted;
        }

        return new(text, counts);
    }

    /// <summary>The first piece of personal data at or after <paramref name="from"/>, as place and length; a length of 0 says that there is none.</summary>
    public static (int Start, int Length) FindNext(string text, int from)
    {
        for (var i = from; i < text.Length; i++)
        {
            if (Find(text, i, from) is (not null, var length))
            {
                return (i, length);
            }
        }

        return (text.Length, 0);
    }

    // Null when nothing was found.
    private static string? Pass(string text, Dictionary<string, int> counts)
    {
        StringBuilder? redacted = null;
        var floor = 0;
        for (var i = 0; i < text.Length;)
        {
            var (kind, length) = Find(text, i, floor);
            if (kind is null)
            {
                i++;
                continue;
            }

            redacted = (redacted ?? new StringBuilder(text.Length)).Append(text, floor, i - floor).Append('<').Append(kind).Append('>');
            counts[kind] = counts.GetValueOrDefault(kind) + 1;
            floor = i += length;
        }

        return redacted?.Append(text, floor, text.Length - floor).ToString();
    }

    private static (string? Kind, int Length) Find(string text, int start, int floor)
    {
        foreach (var (kind, match) in Recognizers)
        {
            if (match(text, start, floor) is > 0 and var length)
            {
                return (kind, length);
            }
        }

        return (null, 0);
    }
}
