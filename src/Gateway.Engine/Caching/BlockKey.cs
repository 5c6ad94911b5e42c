using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Engine.Caching;

/// <summary>
/// Identity of a full block of the key/value cache: the first 128 bits of SHA-256 over the parent's key and the block's
/// tokens. Equal keys mean equal keys and values, because the chain starts at everything else they depend on.
/// </summary>
public readonly record struct BlockKey
{
    private const int Bytes = 16;
    private readonly UInt128 _hash;

    private BlockKey(UInt128 hash) => _hash = hash;

    /// <summary>True for the default value, which is the key of no block.</summary>
    public bool IsNone => _hash == UInt128.Zero;

    /// <summary>Where the chain of a sequence starts.</summary>
    /// <param name="baseModel">Fingerprint and weight format of the base model.</param>
    /// <param name="generation">The adapter generation, or null for the base model: adapters change keys and values of the same text.</param>
    /// <param name="salt">Separates callers who must not find out about each other's prompts; null shares with all who have none.</param>
    public static BlockKey Root(string baseModel, string? generation, string? salt)
    {
        // Every part carries its length, so that no two lists of parts give the same bytes.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[sizeof(int)];
        foreach (var part in (string?[])[baseModel, generation, salt])
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, part is null ? -1 : Encoding.UTF8.GetByteCount(part));
            hash.AppendData(length);
            hash.AppendData(Encoding.UTF8.GetBytes(part ?? ""));
        }

        return new BlockKey(BinaryPrimitives.ReadUInt128LittleEndian(hash.GetHashAndReset()));
    }

    /// <summary>The key of the block of <paramref name="tokens"/> that follows this one; allocates nothing.</summary>
    public BlockKey Next(ReadOnlySpan<int> tokens)
    {
        Span<byte> input = stackalloc byte[Bytes + (tokens.Length * sizeof(int))];
        BinaryPrimitives.WriteUInt128LittleEndian(input, _hash);
        MemoryMarshal.AsBytes(tokens).CopyTo(input[Bytes..]);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, digest);
        return new BlockKey(BinaryPrimitives.ReadUInt128LittleEndian(digest));
    }

    /// <inheritdoc/>
    public override int GetHashCode() => (int)(ulong)_hash;
}
