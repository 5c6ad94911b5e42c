using System.Diagnostics;
using System.IO.Compression;
using Gateway.Engine.Grammars;
using Gateway.Model.Text;

namespace Gateway.Benchmarks;

/// <summary>
/// What a grammar costs per token at the vocabulary of 151,936, with the tokenizer of Qwen2: masks of a grammar just compiled,
/// of one that has seen the reply before, and the bytes allocated then.
/// </summary>
internal static class GrammarBenchmark
{
    private const int VocabularySize = 151_936;
    private const string Notes = "The quick brown fox, said to be \\\"quick\\\", jumps over the lazy dog; \\u00e9t\\u00e9 2024.\\nIt rests in the afternoon sun.";

    private static readonly (string Name, string Schema, string Reply)[] s_cases =
    [
        ("record", """
            {"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"notes":{"type":"string"},
            "tags":{"type":"array","items":{"enum":["red","green","blue"]}}},"required":["name","age","notes","tags"],"additionalProperties":false}
            """,
            """{"name": "Ada Lovelace", "age": 36, "notes": "NOTES", "tags": ["red", "blue"]}"""),
        ("bounded", """
            {"type":"object","properties":{"title":{"type":"string","minLength":1,"maxLength":200},"code":{"type":"string","pattern":"^[A-Z]{2,8}-[0-9]{1,6}$"},
            "body":{"type":"string","maxLength":400},"on":{"type":"string","format":"date-time"}},"required":["title","code","body","on"],"additionalProperties":false}
            """,
            """{"title":"An ordinary title of ordinary length","code":"ABC-1234","body":"NOTES","on":"2024-02-29T12:30:00Z"}"""),
        ("tree", """
            {"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"label":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/n"}}},
            "required":["label","children"],"additionalProperties":false}}}
            """,
            """{"label":"root of the tree","children":[{"label":"first child","children":[{"label":"a grandchild, NOTES","children":[]}]},{"label":"second","children":[]}]}"""),
        ("json_object", """{"type":"object"}""",
            """{"customer": {"first name": "Ada", "last name": "Lovelace", "orders": [{"id": 1, "total": 12.5, "items": ["tea", "cake"]}, {"id": 2}]}, "notes": "NOTES"}"""),
    ];

    public static void Run()
    {
        var tokenizer = LoadTokenizer();
        var vocabulary = new TokenVocabulary(tokenizer, VocabularySize);

        // The terminals that all grammars share are met once per process.
        var watch = Stopwatch.StartNew();
        Walk(Grammar.JsonObject(), vocabulary, Tokens(tokenizer, s_cases[^1].Reply), []);
        Console.WriteLine($"first reply of the process, compiled code and shared masks included: {watch.Elapsed.TotalMilliseconds:F0} ms");
        foreach (var (name, schema, reply) in s_cases)
        {
            var tokens = Tokens(tokenizer, reply);
            var (compile, prepare, cold, warm, allocated) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), 0L);
            for (var repetition = 0; repetition < 30; repetition++)
            {
                watch.Restart();
                var grammar = Grammar.FromSchema(schema);
                compile.Add(watch.Elapsed.TotalMicroseconds);
                watch.Restart();
                grammar.Prepare(vocabulary);
                prepare.Add(watch.Elapsed.TotalMicroseconds);
                Walk(grammar, vocabulary, tokens, cold);
                allocated = Walk(grammar, vocabulary, tokens, warm);
            }

            Console.WriteLine($"{name,-12} compile {Quantile(compile, 0.5),5:F0} us, prepare {Quantile(prepare, 0.5),5:F0} us   mask cold median {Quantile(cold, 0.5),6:F1} p99 {Quantile(cold, 0.99),7:F1} max {cold.Max(),7:F0} us   "
                + $"warm median {Quantile(warm, 0.5),5:F1} p99 {Quantile(warm, 0.99),6:F1} us   {tokens.Length} tokens, {allocated} B allocated warm");
        }
    }

    /// <summary>One reply token by token: accept, then the next mask; returns the bytes allocated.</summary>
    private static long Walk(Grammar grammar, TokenVocabulary vocabulary, int[] tokens, List<double> microseconds)
    {
        var matcher = new GrammarMatcher(grammar, vocabulary, [151_643], tokens.Length + 1);
        microseconds.EnsureCapacity(microseconds.Count + tokens.Length + 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var token in tokens)
        {
            var start = Stopwatch.GetTimestamp();
            var mask = matcher.AllowedTokens();
            var isAllowed = (mask[token >> 6] >> token & 1) != 0 && matcher.TryAccept(token);
            microseconds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            if (!isAllowed)
            {
                throw new InvalidOperationException($"token {token} is refused.");
            }
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static int[] Tokens(Tokenizer tokenizer, string reply) => tokenizer.Encode(reply.Replace("NOTES", Notes, StringComparison.Ordinal));

    private static Tokenizer LoadTokenizer()
    {
        var folder = Environment.GetEnvironmentVariable("GATEWAY_TEST_DATA") ?? throw new InvalidOperationException("GATEWAY_TEST_DATA is not set; point it at the test data folder.");
        using var gzip = new GZipStream(File.OpenRead(Path.Combine(folder, "oracles/tokenizers/qwen2/tokenizer.json.gz")), CompressionMode.Decompress);
        using var json = new MemoryStream();
        gzip.CopyTo(json);
        return Tokenizer.Parse(json.ToArray(), TokenizerSettings.Empty);
    }

    private static double Quantile(List<double> values, double share) => values.Order().ElementAt((int)(share * (values.Count - 1)));
}
