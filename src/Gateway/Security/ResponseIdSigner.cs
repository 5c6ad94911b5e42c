using System.Security.Cryptography;
using System.Text;

namespace Gateway.Security;

/// <summary>
/// Issues and checks response ids: <c>chatcmpl-</c>, <c>cmpl-</c> or <c>resp_</c>, 24 random hex digits and 16 hex digits of an HMAC-SHA-256 over them.
/// An id that verifies was issued by this installation, so feedback on it is worth keeping even before its record is
/// visible; any other id is refused without a look-up. Immutable and thread-safe.
/// </summary>
public sealed class ResponseIdSigner(ReadOnlyMemory<byte> secret)
{
    /// <summary>What ids of chat completions begin with.</summary>
    public const string Chat = "chatcmpl-";

    /// <summary>What ids of text completions begin with.</summary>
    public const string Completion = "cmpl-";

    /// <summary>What ids of responses begin with.</summary>
    public const string Response = "resp_";

    /// <summary>Digits behind the prefix.</summary>
    public const int Digits = NonceDigits + SignatureDigits;

    private const int NonceDigits = 24;
    private const int SignatureDigits = 16;

    /// <summary>A fresh signed id.</summary>
    public string Issue(string prefix = Chat)
    {
        var nonce = RandomNumberGenerator.GetHexString(NonceDigits, lowercase: true);
        return prefix + nonce + Sign(nonce);
    }

    /// <summary>True when <paramref name="id"/> was issued with this secret.</summary>
    public bool Verify(string? id)
    {
        var prefix = id?.StartsWith(Chat, StringComparison.Ordinal) == true ? Chat
            : id?.StartsWith(Response, StringComparison.Ordinal) == true ? Response : Completion;
        if (id is null || id.Length != prefix.Length + Digits || !id.StartsWith(prefix, StringComparison.Ordinal))
        {
            return false;
        }

        var nonce = id.Substring(prefix.Length, NonceDigits);
        var signature = id[(prefix.Length + NonceDigits)..];
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(signature), Encoding.UTF8.GetBytes(Sign(nonce)));
    }

    private string Sign(string nonce) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(secret.Span, Encoding.UTF8.GetBytes(nonce)).AsSpan(0, SignatureDigits / 2));
}
