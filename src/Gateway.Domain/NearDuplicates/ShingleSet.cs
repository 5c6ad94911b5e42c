using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Domain.Json;

namespace Gateway.Domain.NearDuplicates;

/// <summary>
/// The set of 64-bit shingle hashes of a text: word 5-grams of its normalised form, character 5-grams when it has fewer than
/// five words. Immutable; the hashes never change with the runtime, so sets may be stored. In JSON it is one base64 string.
/// </summary>
[JsonConverter(typeof(Converter))]
public sealed class ShingleSet
{
    private const int Length = 5;
    private const string Accented = "àáâãäåçèéêëìíîïñòóôõöøùúûüýÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıĵķĺļľŀłńņňōŏőŕŗřśŝşšţťŧũūŭůűųŵŷźżž";
    private const string Plain = "aaaaaaceeeeiiiinoooooouuuuyyaaaccccddeeeeegggghhiiiiijklllllnnnooorrrsssstttuuuuuuwyzzz";

    private readonly ulong[] _hashes;

    /// <summary>A set of these hashes.</summary>
    internal ShingleSet(IEnumerable<ulong> hashes) => _hashes = [.. hashes.Distinct().Order()];

    /// <summary>The hashes, rising; empty only for a text without letters and digits.</summary>
    public ReadOnlySpan<ulong> Hashes => _hashes;

    /// <summary>The buckets of the set's signature, computed at first use; a race computes the same twice.</summary>
    internal ulong[] BandKeys => field ??= MinHash.BandKeys(MinHash.Signature(this));

    /// <summary>The shingles of <paramref name="text"/>.</summary>
    public static ShingleSet Of(string text)
    {
        var words = Normalize(text).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length >= Length)
        {
            return new(Enumerable.Range(0, words.Length - Length + 1).Select(i => Hash(string.Join(' ', words, i, Length))));
        }

        var joined = string.Join(' ', words);
        return joined.Length <= Length
            ? new(joined.Length == 0 ? [] : [Hash(joined)])
            : new(Enumerable.Range(0, joined.Length - Length + 1).Select(i => Hash(joined.AsSpan(i, Length))));
    }

    /// <summary>Lower case without punctuation and diacritics, digits as 0, runs of white space as one space.</summary>
    public static string Normalize(string text)
    {
        var normal = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var lower = Rune.ToLowerInvariant(rune);
            if (Rune.IsDigit(lower))
            {
                normal.Append('0');
            }
            else if (Rune.IsLetter(lower))
            {
                var place = lower.IsBmp ? Accented.IndexOf((char)lower.Value, StringComparison.Ordinal) : -1;
                normal.Append(place >= 0 ? Plain[place].ToString() : lower.ToString());
            }
            else if (Rune.IsWhiteSpace(lower) && normal.Length > 0 && normal[^1] != ' ')
            {
                normal.Append(' ');
            }
            else if (Rune.GetUnicodeCategory(lower) is UnicodeCategory.OtherLetter or UnicodeCategory.OtherNumber)
            {
                normal.Append(lower.ToString());
            }
        }

        return normal.ToString().TrimEnd(' ');
    }

    /// <summary>Shared shingles over all shingles, 0–1; two empty sets are equal.</summary>
    public double Jaccard(ShingleSet other)
    {
        int i = 0, j = 0, shared = 0;
        while (i < _hashes.Length && j < other._hashes.Length)
        {
            var order = _hashes[i].CompareTo(other._hashes[j]);
            shared += order == 0 ? 1 : 0;
            i += order <= 0 ? 1 : 0;
            j += order >= 0 ? 1 : 0;
        }

        var all = _hashes.Length + other._hashes.Length - shared;
        return all == 0 ? 1 : shared / (double)all;
    }

    // FNV-1a over UTF-16 code units, its weak upper bits mixed at the end.
    private static ulong Hash(ReadOnlySpan<char> shingle)
    {
        var hash = 0xCBF29CE484222325UL;
        foreach (var c in shingle)
        {
            hash = (hash ^ c) * 0x100000001B3UL;
        }

        hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDUL;
        return hash ^ (hash >> 33);
    }

    internal sealed class Converter : JsonConverter<ShingleSet>
    {
        public override ShingleSet Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(PackedHashes.Read(ref reader));

        public override void Write(Utf8JsonWriter writer, ShingleSet value, JsonSerializerOptions options) =>
            PackedHashes.Write(writer, value._hashes);
    }
}
