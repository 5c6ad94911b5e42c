using System.Globalization;
using System.Text.Json;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Reads a JSON Schema: the subset that the product's validator reads, too, refused in the same places, so that a schema that can
/// be checked can be enforced.
/// </summary>
internal sealed class SchemaReader
{
    private const int MaximumNodes = 2000;

    private readonly JsonElement _root;
    private readonly CompileBudget _budget;
    private readonly int _firstId;
    private readonly string _prefix;
    private readonly Dictionary<string, SchemaNode> _nodes = new(StringComparer.Ordinal);

    private SchemaReader(JsonElement root, CompileBudget budget, int firstId, string prefix) =>
        (_root, _budget, _firstId, _prefix) = (root, budget, firstId, prefix);

    /// <summary>Reads one of several schemas; ids start behind those of the others, pointers behind a prefix.</summary>
    /// <exception cref="GrammarException">The schema is not JSON, wrong, or outside the subset.</exception>
    public static SchemaNode Read(string schema, CompileBudget budget, ref int nextId, string prefix)
    {
        try
        {
            var root = Read(schema, budget, nextId, prefix, out var nodes);
            nextId += nodes;
            return root;
        }
        catch (GrammarException failure)
        {
            throw new GrammarException(prefix + failure.Pointer, failure.Problem);
        }
    }

    private static SchemaNode Read(string schema, CompileBudget budget, int firstId, string prefix, out int nodes)
    {
        try
        {
            using var document = JsonDocument.Parse(schema, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var reader = new SchemaReader(document.RootElement.Clone(), budget, firstId, prefix);
            var root = reader.Node(reader._root, "");
            reader.RefuseEndlessReferences();
            nodes = reader._nodes.Count;
            return root;
        }
        catch (JsonException error)
        {
            throw new GrammarException("", $"is not JSON: {error.Message}");
        }
        catch (InvalidOperationException)
        {
            // The reader defers the check of escaped surrogates to the moment a string is read.
            throw new GrammarException("", "contains a string that is not valid Unicode: remove the unpaired surrogate");
        }
    }

    private SchemaNode Node(JsonElement schema, string pointer)
    {
        if (_nodes.TryGetValue(pointer, out var known))
        {
            return known;
        }

        _budget.Pointer = pointer;
        _budget.Spend(1);
        if (_nodes.Count >= MaximumNodes)
        {
            throw new GrammarException(pointer, $"is one subschema too many: a schema may hold at most {MaximumNodes}");
        }

        // Registered before its members are read, so that a schema may refer to itself.
        var node = new SchemaNode(_firstId + _nodes.Count, _prefix + pointer);
        _nodes.Add(pointer, node);
        switch (schema.ValueKind)
        {
            case JsonValueKind.True:
                break;
            case JsonValueKind.False:
                node.Never = true;
                break;
            case JsonValueKind.Object:
                foreach (var member in schema.EnumerateObject())
                {
                    Keyword(node, member.Name, member.Value, Append(pointer, member.Name));
                }

                break;
            default:
                throw new GrammarException(pointer, "must be a schema: an object, true or false");
        }

        return node;
    }

    private void Keyword(SchemaNode node, string name, JsonElement value, string pointer)
    {
        switch (name)
        {
            case "type": node.Types = Types(value, pointer); break;
            case "enum": Allow(node, [.. Items(value, pointer)]); break;
            case "const": Allow(node, [value]); break;
            case "properties": Members(value, pointer, (key, child) => node.Properties.Add((key, child))); break;
            case "required": node.Required = Names(value, pointer); break;
            case "additionalProperties": node.AdditionalProperties = Node(value, pointer); break;
            case "items": node.Items = Node(value, pointer); break;
            case "prefixItems": Nodes(value, pointer, node.PrefixItems); break;
            case "anyOf": Nodes(value, pointer, node.AnyOf); break;
            case "oneOf": Nodes(value, pointer, node.OneOf); break;
            case "allOf": Nodes(value, pointer, node.AllOf); break;
            case "$ref": node.Reference = Reference(value, pointer); break;
            case "$defs" or "definitions": Members(value, pointer, (_, _) => { }); break;
            case "minItems": node.MinItems = Count(value, pointer); break;
            case "maxItems": node.MaxItems = Count(value, pointer); break;
            case "minLength": node.MinLength = Count(value, pointer); break;
            case "maxLength": node.MaxLength = Count(value, pointer); break;
            case "pattern": node.Pattern = (ReadPattern(value, pointer), pointer); break;
            case "format": AddFormat(node, value, pointer); break;
            case "minimum": Bound(node, pointer, lower: Number(value, pointer)); break;
            case "maximum": Bound(node, pointer, upper: Number(value, pointer)); break;
            case "exclusiveMinimum": Bound(node, pointer, lower: Number(value, pointer), isExclusive: true); break;
            case "exclusiveMaximum": Bound(node, pointer, upper: Number(value, pointer), isExclusive: true); break;
            case "multipleOf": Bound(node, pointer, unit: Unit(value, pointer)); break;
            case "title" or "description" or "default" or "examples" or "deprecated" or "readOnly" or "writeOnly"
                or "$schema" or "$id" or "$comment":
                break;
            default:
                throw new GrammarException(pointer, $"'{name}' is not supported: remove it or express it with the supported keywords");
        }
    }

    private static SchemaTypes Types(JsonElement value, string pointer)
    {
        var names = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value];
        SchemaTypes types = 0;
        foreach (var name in names)
        {
            types |= (name.ValueKind == JsonValueKind.String ? name.GetString() : null) switch
            {
                "null" => SchemaTypes.Null,
                "boolean" => SchemaTypes.Boolean,
                "integer" => SchemaTypes.Integer,
                "number" => SchemaTypes.Number,
                "string" => SchemaTypes.String,
                "array" => SchemaTypes.Array,
                "object" => SchemaTypes.Object,
                _ => throw new GrammarException(pointer, "must be null, boolean, integer, number, string, array or object, or a list of these"),
            };
        }

        return types;
    }

    /// <summary>A node with both enum and const allows what is in both.</summary>
    private static void Allow(SchemaNode node, JsonElement[] values) =>
        node.Values = node.Values is null ? values : Common(node.Values, values);

    /// <summary>The values that stand in both lists.</summary>
    internal static IReadOnlyList<JsonElement> Common(IReadOnlyList<JsonElement> left, IReadOnlyList<JsonElement> right) =>
        [.. left.Where(value => right.Any(other => JsonElement.DeepEquals(value, other)))];

    private void Members(JsonElement value, string pointer, Action<string, SchemaNode> add)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw new GrammarException(pointer, "must be an object of schemas");
        }

        foreach (var member in value.EnumerateObject())
        {
            add(member.Name, Node(member.Value, Append(pointer, member.Name)));
        }
    }

    private static IEnumerable<JsonElement> Items(JsonElement value, string pointer) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0
            ? value.EnumerateArray()
            : throw new GrammarException(pointer, "must be a list with at least one entry");

    private void Nodes(JsonElement value, string pointer, List<SchemaNode> nodes)
    {
        foreach (var (index, item) in Items(value, pointer).Index())
        {
            nodes.Add(Node(item, Append(pointer, index.ToString(CultureInfo.InvariantCulture))));
        }
    }

    private static string[] Names(JsonElement value, string pointer) =>
        value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(item => item.GetString()!)]
            : throw new GrammarException(pointer, "must be a list of property names");

    private static int Count(JsonElement value, string pointer) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count >= 0
            ? count
            : throw new GrammarException(pointer, "must be a whole number, 0 or more");

    private static decimal Number(JsonElement value, string pointer) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number)
            ? number
            : throw new GrammarException(pointer, "must be a number of at most 28 digits");

    private static decimal Unit(JsonElement value, string pointer) =>
        Number(value, pointer) is var unit and > 0 ? unit : throw new GrammarException(pointer, "must be above 0");

    private static void Bound(
        SchemaNode node, string pointer, decimal? lower = null, decimal? upper = null, decimal? unit = null, bool isExclusive = false) =>
        node.Bounds = node.Bounds.And(new NumberBounds(
            lower is { } least ? new NumberBound(least, isExclusive) : null,
            upper is { } most ? new NumberBound(most, isExclusive) : null,
            unit,
            pointer));

    private Pattern ReadPattern(JsonElement value, string pointer)
    {
        _budget.Pointer = pointer;
        return value.ValueKind == JsonValueKind.String
            ? PatternParser.Parse(value.GetString()!, _budget)
            : throw new GrammarException(pointer, "must be a regular expression");
    }

    private void AddFormat(SchemaNode node, JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.String && Formats.Pattern(value.GetString()!) is { } pattern)
        {
            node.Format = (PatternParser.Parse(pattern, _budget), pointer);
        }
    }

    private SchemaNode Reference(JsonElement value, string pointer)
    {
        var target = value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        if (target is not "#" && !target.StartsWith("#/", StringComparison.Ordinal))
        {
            throw new GrammarException(pointer, "only references within the document are supported, such as #/$defs/name");
        }

        // Pointers are normalised by the walk, so every spelling of one place is one node.
        var (element, path) = (_root, "");
        foreach (var token in target.Split('/').Skip(1))
        {
            var name = Uri.UnescapeDataString(token).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            JsonElement? next = element.ValueKind switch
            {
                JsonValueKind.Object when element.TryGetProperty(name, out var member) => member,
                JsonValueKind.Array when int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                    && index < element.GetArrayLength() => element[index],
                _ => null,
            };
            if (next is null)
            {
                throw new GrammarException(pointer, $"'{target}' points at nothing");
            }

            (element, path) = (next.Value, Append(path, name));
        }

        return Node(element, path);
    }

    // A reference that comes back to its own schema without consuming a value would never end.
    private void RefuseEndlessReferences()
    {
        var finished = new HashSet<SchemaNode>();
        var open = new HashSet<SchemaNode>();
        foreach (var (pointer, node) in _nodes)
        {
            if (Loops(node))
            {
                throw new GrammarException(pointer, "refers to itself without a property or item in between");
            }
        }

        bool Loops(SchemaNode node)
        {
            if (finished.Contains(node))
            {
                return false;
            }

            if (!open.Add(node) || node.InPlace.Any(Loops))
            {
                return true;
            }

            open.Remove(node);
            finished.Add(node);
            return false;
        }
    }

    /// <summary>The pointer to member or index <paramref name="token"/> below <paramref name="pointer"/>.</summary>
    private static string Append(string pointer, string token) =>
        $"{pointer}/{token.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";
}
