using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Gateway.Security;

/// <summary>
/// A DSSE envelope: a payload with signatures over its pre-authentication encoding, so that neither the payload's type nor its
/// borders can be argued about.
/// </summary>
public sealed class DsseEnvelope
{
    private readonly List<byte[]> _signatures = [];

    private DsseEnvelope(string payloadType, byte[] payload) => (PayloadType, Payload) = (payloadType, payload);

    /// <summary>What the payload is.</summary>
    public string PayloadType { get; }

    /// <summary>The signed bytes.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>Reads <c>{"payloadType","payload","signatures":[{"sig"}]}</c>; false when it is something else.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out DsseEnvelope? envelope)
    {
        envelope = null;
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var read = new DsseEnvelope(Text(root, "payloadType"), FromBase64(Text(root, "payload")));
            foreach (var signature in root.GetProperty("signatures").EnumerateArray())
            {
                read._signatures.Add(FromBase64(Text(signature, "sig")));
            }

            envelope = read;
            return true;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return false;
        }
    }

    /// <summary>The bytes that are signed: <c>DSSEv1 LEN(type) type LEN(payload) payload</c>, lengths in decimal, single spaces.</summary>
    public static byte[] PreAuthenticationEncoding(string payloadType, ReadOnlySpan<byte> payload)
    {
        var head = string.Create(CultureInfo.InvariantCulture, $"DSSEv1 {Encoding.UTF8.GetByteCount(payloadType)} {payloadType} {payload.Length} ");
        return [.. Encoding.UTF8.GetBytes(head), .. payload];
    }

    private static string Text(JsonElement value, string name) =>
        value.GetProperty(name).GetString() ?? throw new FormatException($"'{name}' is null.");

    // The standard lets signers choose between both alphabets.
    private static byte[] FromBase64(string text)
    {
        var standard = text.TrimEnd('=').Replace('-', '+').Replace('_', '/');
        return Convert.FromBase64String(standard.PadRight((standard.Length + 3) / 4 * 4, '='));
    }

    /// <summary>
    /// The first key that made one of the signatures (ECDSA, P-256, SHA-256; in DER or as two 32-byte numbers), or null. The
    /// envelope's key ids are hints that anybody can write, so they are not looked at.
    /// </summary>
    public ECDsa? SignedBy(IEnumerable<ECDsa> keys)
    {
        var signed = PreAuthenticationEncoding(PayloadType, Payload.Span);
        return keys.FirstOrDefault(key => _signatures.Exists(signature =>
            key.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)
            || (signature.Length == 64 && key.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation))));
    }
}
