using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Security;

/// <summary>
/// The text of an API key, <c>gw_</c>, its public id of 12 characters, <c>_</c>, and 32 random bytes in base64url. It is shown
/// once; the store keeps its SHA-256, which is enough because nobody guesses 256 random bits.
/// </summary>
internal static class KeySecret
{
    private const string Prefix = "gw_";
    private const int IdLength = 12;
    private const int RandomBytes = 32;
    private const int Length = 3 + IdLength + 1 + 43;
    private const string IdCharacters = "abcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>A fresh public id.</summary>
    public static string NewId() => RandomNumberGenerator.GetString(IdCharacters, IdLength);

    /// <summary>A fresh secret for a key.</summary>
    public static string New(string id) => $"{Prefix}{id}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes))}";

    /// <summary>The form in which the store keeps a secret.</summary>
    public static string Hash(string secret)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return TryHash(secret, hash) ? Convert.ToHexStringLower(hash) : throw new ArgumentException("The secret is too long.", nameof(secret));
    }

    /// <summary>Hashes what a caller sent; false when it is longer than any key.</summary>
    public static bool TryHash(ReadOnlySpan<char> secret, Span<byte> hash)
    {
        Span<byte> utf8 = stackalloc byte[512];
        if (!Encoding.UTF8.TryGetBytes(secret, utf8, out var count))
        {
            return false;
        }

        SHA256.HashData(utf8[..count], hash);
        return true;
    }

    /// <summary>The public id in what a caller sent, or an empty span when it is no key of this form.</summary>
    public static ReadOnlySpan<char> IdOf(ReadOnlySpan<char> secret) =>
        secret.Length == Length && secret.StartsWith(Prefix, StringComparison.Ordinal) && secret[Prefix.Length + IdLength] == '_'
            ? secret.Slice(Prefix.Length, IdLength)
            : default;
}
