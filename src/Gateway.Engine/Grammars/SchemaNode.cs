using System.Text.Json;

namespace Gateway.Engine.Grammars;

/// <summary>The JSON types a schema allows; a whole number is also a number.</summary>
[Flags]
internal enum SchemaTypes
{
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Fraction = 8,
    String = 16,
    Array = 32,
    Object = 64,
    Number = Integer | Fraction,
    All = 127,
}

/// <summary>One schema as read; members that are null or empty do not constrain.</summary>
internal sealed class SchemaNode(int id, string pointer)
{
    /// <summary>Number of the node within its grammar.</summary>
    public int Id => id;

    /// <summary>Where in the document.</summary>
    public string Pointer => pointer;

    public bool Never { get; set; }

    public SchemaTypes Types { get; set; } = SchemaTypes.All;

    /// <summary>The values of enum or const.</summary>
    public IReadOnlyList<JsonElement>? Values { get; set; }

    public List<(string Name, SchemaNode Schema)> Properties { get; } = [];

    public string[] Required { get; set; } = [];

    public SchemaNode? AdditionalProperties { get; set; }

    public SchemaNode? Items { get; set; }

    public List<SchemaNode> PrefixItems { get; } = [];

    public int MinItems { get; set; }

    public int MaxItems { get; set; } = int.MaxValue;

    public int MinLength { get; set; }

    public int MaxLength { get; set; } = int.MaxValue;

    /// <summary>The pattern of a string, with the pointer of its keyword.</summary>
    public (Pattern Pattern, string Pointer)? Pattern { get; set; }

    /// <summary>The pattern of the string's format. Validators take formats as annotations.</summary>
    public (Pattern Pattern, string Pointer)? Format { get; set; }

    public NumberBounds Bounds { get; set; } = NumberBounds.None;

    public SchemaNode? Reference { get; set; }

    public List<SchemaNode> AnyOf { get; } = [];

    public List<SchemaNode> OneOf { get; } = [];

    public List<SchemaNode> AllOf { get; } = [];

    /// <summary>Schemas applied to the same value as this one.</summary>
    public IEnumerable<SchemaNode> InPlace => [.. AnyOf, .. OneOf, .. AllOf, .. Reference is null ? [] : new[] { Reference }];
}
