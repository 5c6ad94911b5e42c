using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Api.Wire;

/// <summary>Source-generated JSON for the wire types.</summary>
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, JsonElement>))]
internal sealed partial class WireJsonContext : JsonSerializerContext;
