using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Json;

namespace Gateway.Domain.Audit;

/// <summary>The first place where an audit trail does not hold together.</summary>
public sealed record AuditBreak(long Sequence, string Reason);

/// <summary>Links audit entries into a hash chain and checks the links.</summary>
public static class AuditChain
{
    /// <summary>The previous hash of the first entry.</summary>
    public static string Genesis { get; } = new('0', 64);

    /// <summary>The entry after <paramref name="previousHead"/> (null for an empty trail).</summary>
    public static AuditEntry Next(
        AuditEntry? previousHead, DateTimeOffset at, string actor, string action, string subject, string reason)
    {
        var entry = new AuditEntry
        {
            Sequence = (previousHead?.Sequence ?? 0) + 1,
            At = at,
            Actor = actor,
            Action = action,
            Subject = subject,
            Reason = reason,
            PreviousHash = previousHead?.Hash ?? Genesis,
            Hash = "",
        };
        return entry with { Hash = HashOf(entry) };
    }

    /// <summary>
    /// Walks <paramref name="entries"/> from the first one; null when every sequence, link and hash is right. A trail cut off
    /// at its end is found only by comparing its last hash with the stored head.
    /// </summary>
    public static AuditBreak? Verify(IEnumerable<AuditEntry> entries)
    {
        AuditEntry? previous = null;
        foreach (var entry in entries)
        {
            var expected = (previous?.Sequence ?? 0) + 1;
            if (entry.Sequence != expected)
            {
                return new(expected, $"entry {expected} is missing: the next one found is {entry.Sequence}");
            }

            if (entry.PreviousHash != (previous?.Hash ?? Genesis))
            {
                return new(entry.Sequence, $"entry {entry.Sequence} does not follow from the entry before it");
            }

            if (entry.Hash != HashOf(entry))
            {
                return new(entry.Sequence, $"entry {entry.Sequence} was changed after it was written");
            }

            previous = entry;
        }

        return null;
    }

    private static string HashOf(AuditEntry entry)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("sequence", entry.Sequence);
            writer.WriteString("at", entry.At.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
            writer.WriteString("actor", entry.Actor);
            writer.WriteString("action", entry.Action);
            writer.WriteString("subject", entry.Subject);
            writer.WriteString("reason", entry.Reason);
            writer.WriteString("previous_hash", entry.PreviousHash);
            writer.WriteEndObject();
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(CanonicalJson.Write(buffer.WrittenMemory))));
    }
}
