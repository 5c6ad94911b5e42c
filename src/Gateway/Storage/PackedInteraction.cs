using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;

namespace Gateway.Storage;

/// <summary>An interaction as JSON, with the members that stores index by.</summary>
internal sealed record PackedInteraction(string Id, string Deployment, string? User, bool Flagged, byte[] Json)
{
    /// <summary>Serialises an interaction.</summary>
    public static PackedInteraction Pack(Interaction interaction) => new(
        interaction.Id,
        interaction.Deployment,
        UserOf(interaction),
        interaction.Flags.Count > 0,
        JsonSerializer.SerializeToUtf8Bytes(interaction, DomainJson.Default.Interaction));

    /// <summary>The user that stores list an interaction under, or null for none.</summary>
    public static string? UserOf(Interaction interaction) => string.IsNullOrEmpty(interaction.User) ? null : interaction.User;

    /// <summary>The interaction in <see cref="Json"/>.</summary>
    public static Interaction Unpack(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, DomainJson.Default.Interaction)
            ?? throw new JsonException("An interaction in the store is the JSON null; restore the data folder from a backup.");
}
