using System.Text.Json.Serialization;

namespace Gateway.Api.Wire;

/// <summary>Source-generated JSON for the wire types.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class WireJsonContext : JsonSerializerContext;
