using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Domain.Json;

namespace Gateway.Domain.Rollouts;

/// <summary>
/// An immutable set of units by the first 64 bits of their hash (two of 10,000 units coincide with probability 3·10⁻¹²). In
/// JSON it is one base64 string of 8 bytes per unit, sorted.
/// </summary>
[JsonConverter(typeof(UnitSetConverter))]
public sealed class UnitSet
{
    private readonly ImmutableHashSet<ulong> _keys;

    private UnitSet(ImmutableHashSet<ulong> keys) => _keys = keys;

    /// <summary>The set without units.</summary>
    public static UnitSet Empty { get; } = new([]);

    /// <summary>Number of units.</summary>
    public int Count => _keys.Count;

    /// <summary>True when the unit is in the set.</summary>
    public bool Contains(string unitHash) => _keys.Contains(Key(unitHash));

    /// <summary>The set with the unit; the same object when it is already there.</summary>
    public UnitSet Add(string unitHash)
    {
        var keys = _keys.Add(Key(unitHash));
        return ReferenceEquals(keys, _keys) ? this : new(keys);
    }

    /// <summary>The set without the unit; the same object when it is not there.</summary>
    public UnitSet Remove(string unitHash)
    {
        var keys = _keys.Remove(Key(unitHash));
        return ReferenceEquals(keys, _keys) ? this : new(keys);
    }

    private static ulong Key(string unitHash) =>
        unitHash.Length >= 16 && ulong.TryParse(unitHash.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var key)
            ? key
            : throw new ArgumentException($"A unit hash has at least 16 hex digits, as Assignment.UnitHash gives it; got '{unitHash}'.", nameof(unitHash));

    internal sealed class UnitSetConverter : JsonConverter<UnitSet>
    {
        public override UnitSet Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new([.. PackedHashes.Read(ref reader)]);

        public override void Write(Utf8JsonWriter writer, UnitSet value, JsonSerializerOptions options) =>
            PackedHashes.Write(writer, value._keys.Order().ToArray());
    }
}
