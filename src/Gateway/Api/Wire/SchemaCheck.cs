using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Engine.Grammars;

namespace Gateway.Api.Wire;

/// <summary>
/// Tells whether decoding can be held to a schema, which the echoed <c>strict</c> depends on. Clients send the same schemas
/// again and again, so answers are remembered. Thread-safe.
/// </summary>
internal static class SchemaCheck
{
    private const int MaximumAnswers = 256;
    private static readonly ConcurrentDictionary<string, GrammarException?> Answers = new(StringComparer.Ordinal);

    /// <summary>What stands against it, or null.</summary>
    public static GrammarException? ProblemOf(JsonElement schema)
    {
        var text = schema.GetRawText();
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        if (Answers.TryGetValue(key, out var known))
        {
            return known;
        }

        if (Answers.Count >= MaximumAnswers)
        {
            Answers.Clear();
        }

        return Answers.GetOrAdd(key, Compile(text));
    }

    private static GrammarException? Compile(string schema)
    {
        try
        {
            _ = Grammar.FromSchema(schema);
            return null;
        }
        catch (GrammarException problem)
        {
            return problem;
        }
    }
}
