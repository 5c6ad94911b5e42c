using Gateway.Domain.Interactions;
using Gateway.Domain.Json;

namespace Gateway.Storage.Files;

/// <summary>
/// The log record of one interaction: sequence, marks, id, deployment, user (where the marks say so), json. An erased one has
/// the sequence only, and zeros.
/// </summary>
internal readonly ref struct InteractionRecord
{
    private const byte FlaggedMark = 1;
    private const byte UserMark = 2;
    private const byte WrittenMark = 4;

    private InteractionRecord(long sequence, byte marks, string id, string deployment, string? user, ReadOnlySpan<byte> json)
    {
        Sequence = sequence;
        Flagged = (marks & FlaggedMark) != 0;
        Id = id;
        Deployment = deployment;
        User = user;
        Json = json;
    }

    public long Sequence { get; }

    public bool Flagged { get; }

    public string Id { get; }

    public string Deployment { get; }

    public string? User { get; }

    public ReadOnlySpan<byte> Json { get; }

    public bool IsErased => Id.Length == 0;

    /// <summary>Writes the record of a new interaction.</summary>
    public static void Write(RecordWriter writer, long sequence, Interaction interaction)
    {
        var user = PackedInteraction.UserOf(interaction);
        writer
            .Int64(sequence)
            .Byte((byte)(WrittenMark | (interaction.Flags.Count > 0 ? FlaggedMark : 0) | (user is null ? 0 : UserMark)))
            .String(interaction.Id)
            .String(interaction.Deployment);
        (user is null ? writer : writer.String(user)).Json(interaction, DomainJson.Default.Interaction);
    }

    /// <summary>Reads a record; those of earlier versions have their user in the json only.</summary>
    public static InteractionRecord Read(ReadOnlySpan<byte> payload)
    {
        var reader = new RecordReader(payload);
        var (sequence, marks) = (reader.Int64(), reader.Byte());
        var (id, deployment) = (reader.String(), reader.String());
        var user = (marks & UserMark) != 0 ? reader.String() : null;
        var json = reader.Bytes();
        if ((marks & WrittenMark) == 0 && id.Length > 0)
        {
            user = PackedInteraction.Unpack(json).User;
        }

        return new InteractionRecord(sequence, marks, id, deployment, user, json);
    }
}
