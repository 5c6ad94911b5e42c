using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Hosting;

namespace Gateway.Security;

/// <summary>The outcome of a check: who signed, or the error that keeps the adapter out; neither when it need not be signed.</summary>
public readonly record struct SignatureCheck(string? SignedBy, ApiError? Error);

/// <summary>
/// Checks the signatures on adapters: a DSSE envelope <see cref="FileName"/> beside the files, whose payload is an in-toto
/// statement of the model-signing predicate. Every file of the adapter must be listed there with its SHA-256. Thread-safe.
/// </summary>
public sealed class AdapterSignatures : IDisposable
{
    /// <summary>The envelope's file.</summary>
    public const string FileName = "adapter.dsse.json";

    private const string PayloadType = "application/vnd.in-toto+json";
    private const string PredicateType = "https://model_signing/signature/v1.0";
    private readonly List<ECDsa> _keys;
    private readonly bool _required;

    private AdapterSignatures(List<ECDsa> keys, bool required) => (_keys, _required) = (keys, required);

    /// <summary>Reads the trusted public keys.</summary>
    /// <exception cref="StartRefusedException">A file is not the PEM of a P-256 public key, or signatures are required without one.</exception>
    public static AdapterSignatures Load(IReadOnlyList<string> keyFiles, bool required)
    {
        if (required && keyFiles.Count == 0)
        {
            throw new StartRefusedException("signed adapters are required but no key is trusted: pass --trusted-adapter-key with a PEM file");
        }

        var keys = new List<ECDsa>();
        foreach (var file in keyFiles)
        {
            var key = ECDsa.Create();
            keys.Add(key);
            try
            {
                key.ImportFromPem(File.ReadAllText(file));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
            {
                throw new StartRefusedException($"the adapter key {file} cannot be used ({failure.Message}): pass the PEM of a P-256 public key", failure);
            }

            if (key.KeySize != 256)
            {
                throw new StartRefusedException($"the adapter key {file} has {key.KeySize} bits: pass the PEM of a P-256 public key");
            }
        }

        return new(keys, required);
    }

    /// <summary>
    /// Checks the adapter in <paramref name="folder"/>. Without trusted keys nothing is checked. With them, a signature that is
    /// there must be good, and where signatures are required it must be there.
    /// </summary>
    public SignatureCheck Check(string folder, IReadOnlyList<string> files)
    {
        if (_keys.Count == 0)
        {
            return default;
        }

        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return new(null, _required ? ApiError.AdapterNotSigned($"it has no {FileName}.") : null);
        }

        if (!DsseEnvelope.TryParse(File.ReadAllBytes(path), out var envelope) || envelope.PayloadType != PayloadType)
        {
            return new(null, ApiError.AdapterNotSigned($"{FileName} is no DSSE envelope with the payload type {PayloadType}."));
        }

        if (envelope.SignedBy(_keys) is not { } signer)
        {
            return new(null, ApiError.AdapterNotSigned("no trusted key made its signature."));
        }

        return Uncovered(envelope, folder, files) is { } file
            ? new(null, ApiError.AdapterNotSigned($"its signature does not cover {file} as it is."))
            : new(KeyId(signer), null);
    }

    /// <summary>A short name of a public key: 16 hex digits of the SHA-256 of its SubjectPublicKeyInfo.</summary>
    public static string KeyId(ECDsa key) => Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()))[..16];

    /// <inheritdoc/>
    public void Dispose() => _keys.ForEach(key => key.Dispose());

    /// <summary>The first file that the statement does not list with its digest, or null.</summary>
    private static string? Uncovered(DsseEnvelope envelope, string folder, IReadOnlyList<string> files)
    {
        var listed = Digests(envelope);
        return files.FirstOrDefault(file =>
        {
            using var stream = File.OpenRead(Path.Combine(folder, file));
            return listed.GetValueOrDefault(file) != Convert.ToHexStringLower(SHA256.HashData(stream));
        });
    }

    /// <summary>SHA-256 by file name; empty for a statement of another kind.</summary>
    private static Dictionary<string, string?> Digests(DsseEnvelope envelope)
    {
        var digests = new Dictionary<string, string?>(StringComparer.Ordinal);
        try
        {
            using var statement = JsonDocument.Parse(envelope.Payload);
            var root = statement.RootElement;
            if (root.GetProperty("predicateType").GetString() != PredicateType)
            {
                return digests;
            }

            foreach (var resource in root.GetProperty("predicate").GetProperty("resources").EnumerateArray())
            {
                if (!resource.TryGetProperty("algorithm", out var algorithm) || algorithm.GetString() == "sha256")
                {
                    digests[resource.GetProperty("name").GetString()!] = resource.GetProperty("digest").GetString();
                }
            }
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            digests.Clear();
        }

        return digests;
    }
}
