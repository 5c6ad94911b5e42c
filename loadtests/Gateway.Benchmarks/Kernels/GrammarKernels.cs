using BenchmarkDotNet.Attributes;
using Gateway.Engine.Grammars;
using Gateway.Model.Text;

namespace Gateway.Benchmarks.Kernels;

/// <summary>One token under a grammar whose states have been met before: the mask, the step, and back.</summary>
public class GrammarKernels
{
    private const string Reply = """{"name": "Ada Lovelace", "age": """;

    private GrammarMatcher _matcher = null!;
    private int _next;

    [GlobalSetup]
    public void Setup()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(AppContext.BaseDirectory, "Starter"));
        var vocabulary = new TokenVocabulary(tokenizer, tokenizer.VocabularySize);
        Grammar grammar = Grammar.FromSchema("""{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}""");
        _matcher = new GrammarMatcher(grammar, vocabulary, [0]);
        int[] tokens = tokenizer.Encode(Reply);
        foreach (int token in tokens[..^1])
        {
            if (!_matcher.TryAccept(token))
            {
                throw new InvalidOperationException($"token {token} is refused.");
            }
        }

        _next = tokens[^1];
    }

    [Benchmark]
    public int MaskAndAccept()
    {
        int words = _matcher.AllowedTokens().Length;
        _matcher.TryAccept(_next);
        _matcher.Rollback(1);
        return words;
    }
}
