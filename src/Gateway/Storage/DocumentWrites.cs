using System.Text;
using Gateway.Domain.Storage;

namespace Gateway.Storage;

/// <summary>What every implementation demands of the writes of one commit.</summary>
internal static class DocumentWrites
{
    /// <summary>Encodes names; throws on a lone surrogate, which would otherwise merge two keys into one.</summary>
    public static UTF8Encoding Utf8 { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Throws when a name is unusable or a key occurs twice.</summary>
    public static void Check(IReadOnlyList<DocumentWrite> writes)
    {
        for (var i = 0; i < writes.Count; i++)
        {
            CheckName(writes[i].Collection);
            CheckName(writes[i].Key);
            for (var j = 0; j < i; j++)
            {
                if (writes[i].Key == writes[j].Key && writes[i].Collection == writes[j].Collection)
                {
                    throw new ArgumentException($"The commit writes '{writes[i].Collection}/{writes[i].Key}' twice; merge the two writes.", nameof(writes));
                }
            }
        }
    }

    private static void CheckName(string name)
    {
        if (name.Length is 0 or > 1024 || name.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"'{name}' cannot name a document: use 1 to 1024 characters without NUL.", nameof(name));
        }

        _ = Utf8.GetByteCount(name);
    }
}
