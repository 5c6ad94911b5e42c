using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.Domain.Contracts;

/// <summary>Compiles a JSON Schema and collects everything in it that is wrong or unsupported.</summary>
internal sealed class JsonSchemaParser
{
    private const int MaximumNodes = 2000;
    private const int MaximumProblems = 20;

    private readonly JsonElement _root;
    private readonly List<JsonProblem> _problems = [];
    private readonly Dictionary<string, JsonSchemaNode> _nodes = new(StringComparer.Ordinal);

    private JsonSchemaParser(JsonElement root) => _root = root;

    public static JsonSchemaNode Parse(JsonElement root, out IReadOnlyList<JsonProblem> problems)
    {
        var parser = new JsonSchemaParser(root);
        var node = new JsonSchemaNode();
        try
        {
            node = parser.Node(root, "");
            parser.RefuseEndlessReferences();
        }
        catch (InvalidOperationException)
        {
            // The reader defers the check of escaped surrogates to the moment a string is read.
            parser.Refuse("", "contains a string that is not valid Unicode");
        }

        problems = parser._problems;
        return node;
    }

    private JsonSchemaNode Node(JsonElement schema, string pointer)
    {
        if (_nodes.TryGetValue(pointer, out var known))
        {
            return known;
        }

        var node = new JsonSchemaNode();
        if (_nodes.Count >= MaximumNodes)
        {
            Refuse(pointer, $"a schema may hold at most {MaximumNodes} subschemas");
            return node;
        }

        // Registered before its members are read, so that a schema may refer to itself.
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
                    Keyword(node, member.Name, member.Value, JsonProblem.Append(pointer, member.Name));
                }

                break;
            default:
                Refuse(pointer, "a schema is an object, true or false");
                break;
        }

        return node;
    }

    private void Keyword(JsonSchemaNode node, string name, JsonElement value, string pointer)
    {
        switch (name)
        {
            case "type": node.Types = Types(value, pointer); break;
            case "enum": node.Enum = [.. Items(value, pointer)]; break;
            case "const": node.Const = value; break;
            case "properties": Members(value, pointer, (key, child) => node.Properties[key] = child); break;
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
            case "pattern": node.Pattern = Pattern(value, pointer); break;
            case "minimum": node.Minimum = Number(value, pointer); break;
            case "maximum": node.Maximum = Number(value, pointer); break;
            case "exclusiveMinimum": node.ExclusiveMinimum = Number(value, pointer); break;
            case "exclusiveMaximum": node.ExclusiveMaximum = Number(value, pointer); break;
            case "multipleOf":
                node.MultipleOf = Number(value, pointer);
                if (node.MultipleOf <= 0)
                {
                    Refuse(pointer, "must be above 0");
                }

                break;
            case "title" or "description" or "default" or "examples" or "format" or "deprecated" or "readOnly" or "writeOnly"
                or "$schema" or "$id" or "$comment":
                break;
            default:
                Refuse(pointer, $"'{name}' is not supported: remove it or express it with the supported keywords");
                break;
        }
    }

    private JsonTypes? Types(JsonElement value, string pointer)
    {
        var names = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value];
        JsonTypes types = 0;
        foreach (var name in names)
        {
            JsonTypes? type = name.ValueKind != JsonValueKind.String ? null : name.GetString() switch
            {
                "null" => JsonTypes.Null,
                "boolean" => JsonTypes.Boolean,
                "integer" => JsonTypes.Integer,
                "number" => JsonTypes.Number,
                "string" => JsonTypes.String,
                "array" => JsonTypes.Array,
                "object" => JsonTypes.Object,
                _ => null,
            };
            if (type is null)
            {
                Refuse(pointer, "must be null, boolean, integer, number, string, array or object, or a list of these");
            }

            types |= type ?? 0;
        }

        return types;
    }

    private void Members(JsonElement value, string pointer, Action<string, JsonSchemaNode> add)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            Refuse(pointer, "must be an object of schemas");
            return;
        }

        foreach (var member in value.EnumerateObject())
        {
            add(member.Name, Node(member.Value, JsonProblem.Append(pointer, member.Name)));
        }
    }

    private JsonElement[] Items(JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0)
        {
            return [.. value.EnumerateArray()];
        }

        Refuse(pointer, "must be a list with at least one entry");
        return [];
    }

    private void Nodes(JsonElement value, string pointer, List<JsonSchemaNode> nodes) =>
        nodes.AddRange(Items(value, pointer).Select((item, i) => Node(item, JsonProblem.Append(pointer, i.ToString(CultureInfo.InvariantCulture)))));

    private string[] Names(JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String))
        {
            return [.. value.EnumerateArray().Select(item => item.GetString()!)];
        }

        Refuse(pointer, "must be a list of property names");
        return [];
    }

    private int? Count(JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count >= 0)
        {
            return count;
        }

        Refuse(pointer, "must be a whole number, 0 or more");
        return null;
    }

    private decimal? Number(JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number))
        {
            return number;
        }

        Refuse(pointer, "must be a number of at most 28 digits");
        return null;
    }

    private Regex? Pattern(JsonElement value, string pointer)
    {
        try
        {
            if (value.ValueKind == JsonValueKind.String)
            {
                return new Regex(ToDotNet(value.GetString()!), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            }

            Refuse(pointer, "must be a regular expression");
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            Refuse(pointer, $"is not a supported regular expression (no look-around, no back-references): {error.Message}");
        }

        return null;
    }

    // JSON Schema patterns are ECMA-262: \d and \w are ASCII, and $ is the very end, not the place before a last line feed.
    private static string ToDotNet(string pattern)
    {
        var text = new StringBuilder(pattern.Length + 8);
        var inClass = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            var c = pattern[i];
            if (c == '\\' && i + 1 < pattern.Length)
            {
                i++;
                text.Append((pattern[i], inClass) switch
                {
                    ('d', true) => "0-9",
                    ('d', false) => "[0-9]",
                    ('w', true) => "A-Za-z0-9_",
                    ('w', false) => "[A-Za-z0-9_]",
                    ('D', false) => "[^0-9]",
                    ('W', false) => "[^A-Za-z0-9_]",
                    ('/', _) => "/",
                    var (other, _) => "\\" + other,
                });
                continue;
            }

            inClass = c == '[' ? true : c == ']' ? false : inClass;
            text.Append(c == '$' && !inClass ? "\\z" : c.ToString());
        }

        return text.ToString();
    }

    private JsonSchemaNode? Reference(JsonElement value, string pointer)
    {
        var target = value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        if (target is not "#" && !target.StartsWith("#/", StringComparison.Ordinal))
        {
            Refuse(pointer, "only references within the document are supported, such as #/$defs/name");
            return null;
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
                Refuse(pointer, $"'{target}' points at nothing");
                return null;
            }

            (element, path) = (next.Value, JsonProblem.Append(path, name));
        }

        return Node(element, path);
    }

    // A reference that comes back to its own schema without consuming a value would never end.
    private void RefuseEndlessReferences()
    {
        var finished = new HashSet<JsonSchemaNode>();
        var open = new HashSet<JsonSchemaNode>();
        foreach (var (pointer, node) in _nodes)
        {
            if (Loops(node))
            {
                Refuse(pointer, "refers to itself without a property or item in between");
                return;
            }
        }

        bool Loops(JsonSchemaNode node)
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

    private void Refuse(string pointer, string message)
    {
        if (_problems.Count < MaximumProblems)
        {
            _problems.Add(new(pointer, message));
        }
    }
}
