using Gateway.Domain.Storage;

namespace Gateway.Storage.Files;

/// <summary>
/// The log record of one commit: every document it put or deleted. Versions are absolute, so a commit is atomic by being
/// one record and replaying is plain overwriting.
/// </summary>
internal sealed class DocumentRecord
{
    private const byte Put = 1;
    private const byte Delete = 2;
    private readonly RecordWriter writer = new();

    /// <summary>The payload.</summary>
    public ReadOnlyMemory<byte> Payload => writer.Written;

    public void AddPut(Document document) =>
        writer.Byte(Put).String(document.Collection).String(document.Key).Int64(document.Version).Bytes(document.Json.Span);

    public void AddDelete(string collection, string key) => writer.Byte(Delete).String(collection).String(key);

    /// <summary>Does to <paramref name="documents"/> what the commit in <paramref name="payload"/> did.</summary>
    public static void Replay(ReadOnlySpan<byte> payload, Dictionary<(string Collection, string Key), Document> documents)
    {
        var reader = new RecordReader(payload);
        while (!reader.AtEnd)
        {
            var kind = reader.Byte();
            var name = (Collection: reader.String(), Key: reader.String());
            if (kind == Put)
            {
                documents[name] = new Document(name.Collection, name.Key, reader.Int64(), reader.Bytes().ToArray());
            }
            else
            {
                documents.Remove(name);
            }
        }
    }
}
