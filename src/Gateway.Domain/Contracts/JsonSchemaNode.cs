using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.Domain.Contracts;

/// <summary>The JSON types a schema allows; integer is number restricted to whole values.</summary>
[Flags]
internal enum JsonTypes
{
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Number = 8,
    String = 16,
    Array = 32,
    Object = 64,
}

/// <summary>One compiled schema; members that are null or empty do not constrain.</summary>
internal sealed class JsonSchemaNode
{
    public bool Never { get; set; }

    public JsonTypes? Types { get; set; }

    public JsonElement[]? Enum { get; set; }

    public JsonElement? Const { get; set; }

    public Dictionary<string, JsonSchemaNode> Properties { get; } = new(StringComparer.Ordinal);

    public string[] Required { get; set; } = [];

    public JsonSchemaNode? AdditionalProperties { get; set; }

    public JsonSchemaNode? Items { get; set; }

    public List<JsonSchemaNode> PrefixItems { get; } = [];

    public int? MinItems { get; set; }

    public int? MaxItems { get; set; }

    public int? MinLength { get; set; }

    public int? MaxLength { get; set; }

    public Regex? Pattern { get; set; }

    public decimal? Minimum { get; set; }

    public decimal? Maximum { get; set; }

    public decimal? ExclusiveMinimum { get; set; }

    public decimal? ExclusiveMaximum { get; set; }

    public decimal? MultipleOf { get; set; }

    public JsonSchemaNode? Reference { get; set; }

    public List<JsonSchemaNode> AnyOf { get; } = [];

    public List<JsonSchemaNode> OneOf { get; } = [];

    public List<JsonSchemaNode> AllOf { get; } = [];

    /// <summary>Schemas applied to the same value as this one.</summary>
    public IEnumerable<JsonSchemaNode> InPlace => [.. AnyOf, .. OneOf, .. AllOf, .. Reference is null ? [] : new[] { Reference }];
}
