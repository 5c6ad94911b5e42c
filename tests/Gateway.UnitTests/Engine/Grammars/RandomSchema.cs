using System.Text.Json.Nodes;

namespace Gateway.UnitTests.Engine.Grammars;

/// <summary>Random schemas over the supported keywords, and random documents that most of them fit.</summary>
internal sealed class RandomSchema(int seed)
{
    private static readonly string[] s_names = ["name", "names", "id", "a", "é\"", "", "next", "kind"];
    private static readonly string[] s_patterns = ["^[a-z]{1,4}$", "ab", "^x?\\d+$", "^.{2,3}$", "[^\"]$", "^(a|bc)*\\n?$", "\\\\"];
    private static readonly string[] s_formats = ["date", "uuid", "email", "unknown"];
    private static readonly string[] s_texts = ["", "a", "name", "é中😀", "\"\\\n\u0001", "abab", "x12"];

    private readonly Random _random = new(seed);

    /// <summary>A document; its definition may refer to itself.</summary>
    public JsonObject Document()
    {
        var root = Schema(3);
        root["$defs"] = new JsonObject { ["node"] = Object(2) };
        return root;
    }

    private JsonObject Schema(int depth)
    {
        switch (_random.Next(depth > 0 ? 14 : 8))
        {
            case 0: return new JsonObject { ["type"] = "null" };
            case 1: return new JsonObject { ["type"] = "boolean" };
            case 2: return Number();
            case 3 or 4: return Text();
            case 5: return new JsonObject { ["enum"] = Values() };
            case 6: return new JsonObject { ["type"] = new JsonArray("string", "null"), ["maxLength"] = _random.Next(1, 5) };
            case 7: return [];
            case 8 or 9: return Array(depth - 1);
            case 10: return new JsonObject { [_random.Next(4) == 0 ? "oneOf" : "anyOf"] = new JsonArray(Schema(depth - 1), Schema(depth - 1)) };
            case 11: return new JsonObject { ["allOf"] = new JsonArray(Object(depth - 1), Object(depth - 1)) };
            case 12: return new JsonObject { ["$ref"] = "#/$defs/node" };
            default: return Object(depth - 1);
        }
    }

    private JsonObject Number()
    {
        var schema = new JsonObject { ["type"] = _random.Next(2) == 0 ? "integer" : "number" };
        if (_random.Next(2) == 0)
        {
            schema[_random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = Decimal();
        }

        if (_random.Next(2) == 0)
        {
            schema[_random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = Decimal();
        }

        if (_random.Next(4) == 0)
        {
            schema["multipleOf"] = new[] { 0.01m, 0.5m, 3m, 2.5m, 10m }[_random.Next(5)];
        }

        return schema;
    }

    /// <summary>Without trailing zeros, which no compact document has; the division takes them off.</summary>
    private decimal Decimal() =>
        Math.Round((decimal)(_random.NextDouble() - 0.5) * (decimal)Math.Pow(10, _random.Next(1, 6)), _random.Next(4)) / 1.0000000000000000000000000000m;

    private JsonObject Text()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (_random.Next(5))
        {
            case 0: schema["pattern"] = s_patterns[_random.Next(s_patterns.Length)]; break;
            case 1: schema["format"] = s_formats[_random.Next(s_formats.Length)]; break;
        }

        if (_random.Next(3) == 0)
        {
            schema["minLength"] = _random.Next(4);
        }

        if (_random.Next(3) == 0)
        {
            schema["maxLength"] = _random.Next(2, 7);
        }

        return schema;
    }

    private JsonArray Values()
    {
        var values = new JsonArray();
        for (var i = _random.Next(1, 4); i > 0; i--)
        {
            values.Add(Value(1));
        }

        return values;
    }

    private JsonObject Array(int depth)
    {
        var schema = new JsonObject { ["type"] = "array" };
        if (_random.Next(3) > 0)
        {
            schema["items"] = Schema(depth);
        }

        if (_random.Next(3) == 0)
        {
            schema["prefixItems"] = new JsonArray(Schema(depth), Schema(depth));
        }

        if (_random.Next(2) == 0)
        {
            schema["minItems"] = _random.Next(3);
        }

        if (_random.Next(2) == 0)
        {
            schema["maxItems"] = _random.Next(2, 4);
        }

        return schema;
    }

    private JsonObject Object(int depth)
    {
        var schema = new JsonObject { ["type"] = "object" };
        var (properties, required) = (new JsonObject(), new JsonArray());
        for (var i = _random.Next(4); i > 0; i--)
        {
            var name = s_names[_random.Next(s_names.Length)];
            properties[name] = depth <= 0 ? Text() : Schema(depth - 1);
            if (_random.Next(2) == 0 && !required.Any(other => (string?)other == name))
            {
                required.Add(name);
            }
        }

        schema["properties"] = properties;
        schema["required"] = required;
        switch (_random.Next(3))
        {
            case 0: schema["additionalProperties"] = false; break;
            case 1: schema["additionalProperties"] = Text(); break;
        }

        return schema;
    }

    private JsonNode? Value(int depth)
    {
        switch (_random.Next(depth > 0 ? 7 : 5))
        {
            case 0: return null;
            case 1: return _random.Next(2) == 0;
            case 2: return Decimal();
            case 3 or 4: return s_texts[_random.Next(s_texts.Length)];
            case 5:
                return new JsonArray([.. Enumerable.Range(0, _random.Next(3)).Select(_ => Value(depth - 1))]);
            default:
                return new JsonObject(Enumerable.Range(0, _random.Next(3)).Select(i => KeyValuePair.Create(s_names[i], Value(depth - 1))));
        }
    }

    /// <summary>A value made after a schema: it fits often, not always.</summary>
    public JsonNode? DocumentFor(JsonObject schema)
    {
        if (schema.ContainsKey("$ref"))
        {
            // Deep recursion is cut off by a value that does not fit.
            return _random.Next(4) == 0 ? null : DocumentFor(schema.Root["$defs"]!["node"]!.AsObject());
        }

        if (schema["enum"] is JsonArray values)
        {
            return values[_random.Next(values.Count)]?.DeepClone();
        }

        if ((schema["anyOf"] ?? schema["oneOf"]) is JsonArray parts)
        {
            return DocumentFor(parts[_random.Next(parts.Count)]!.AsObject());
        }

        var type = schema["type"] is JsonArray types ? (string?)types[_random.Next(types.Count)] : (string?)schema["type"];
        switch (type)
        {
            case "null": return null;
            case "boolean": return _random.Next(2) == 0;
            case "integer": return Math.Round(Decimal());
            case "number": return Decimal();
            case "string": return s_texts[_random.Next(s_texts.Length)];
            case "array":
                return new JsonArray([.. Enumerable.Range(0, _random.Next(4)).Select(_ => schema["items"] is JsonObject items ? DocumentFor(items) : Value(1))]);
            case "object":
                var members = schema["properties"]!.AsObject()
                    .Where(member => _random.Next(3) > 0 || schema["required"]!.AsArray().Any(name => (string?)name == member.Key))
                    .Select(member => KeyValuePair.Create(member.Key, DocumentFor(member.Value!.AsObject())))
                    .ToList();
                if (schema["additionalProperties"] is not JsonValue && _random.Next(3) == 0)
                {
                    members.Add(KeyValuePair.Create("more", schema["additionalProperties"] is JsonObject ? s_texts[_random.Next(s_texts.Length)] : Value(1)));
                }

                return new JsonObject(members);
            default:
                return Value(2);
        }
    }
}
