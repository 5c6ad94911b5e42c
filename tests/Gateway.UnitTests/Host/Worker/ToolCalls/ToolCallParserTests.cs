using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine.Grammars;
using Gateway.TestKit;
using Gateway.UnitTests.Engine.Grammars;
using Gateway.Worker.ToolCalls;
using Xunit;

namespace Gateway.UnitTests.Host.Worker.ToolCalls;

/// <summary>What each template family's replies are parsed to, in pieces of every size.</summary>
public sealed class ToolCallParserTests
{
    private const string Weather = "{\"city\": \"Z\u00FCrich \\\"1\\\"\", \"days\": [1, {\"a\": \"}\"}]}";

    private static readonly string[] s_names = ["weather", "now", "rm", "a", "b"];

    public static TheoryData<string, string, string[]> Replies => new()
    {
        { "Qwen-Qwen2.5-7B-Instruct", $"<tool_call>\n{{\"name\": \"weather\", \"arguments\": {Weather}}}\n</tool_call>", [$"weather {Weather}"] },
        { "Qwen-Qwen3-0.6B", $"<think>\nhm\n</think>\n\n<tool_call>\n{{\"arguments\": {Weather}, \"name\": \"weather\"}}\n</tool_call>\n<tool_call>\n{{\"name\": \"now\", \"arguments\": {{}}}}\n</tool_call>", ["<think>\nhm\n</think>", $"weather {Weather}", "now {}"] },
        { "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "Let me see. <tool_call>\n{\"name\": \"now\"}\n</tool_call> Done.", ["Let me see.", "now {}", " Done."] },
        { "mistralai-Mistral-Nemo-Instruct-2407", $"[TOOL_CALLS][{{\"name\": \"weather\", \"arguments\": {Weather}}}, {{\"name\": \"now\", \"arguments\": {{}}, \"id\": \"abcdefghi\"}}]", [$"weather {Weather}", "now {}"] },
        { "mistralai-Mistral-Nemo-Instruct-2407", "[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}] Done. [TOOL_CALLS][{\"name\": \"a\", \"arguments\": {}}]", ["now {}", " Done.", "a {}"] },
        { "ibm-granite-granite-3.3-2B-Instruct", $"<|tool_call|>[{{\"name\": \"weather\", \"arguments\": {Weather}}}]", [$"weather {Weather}"] },
        { "ibm-granite-granite-3.3-2B-Instruct", "<|tool_call|>{\"name\": \"now\", \"arguments\": null}", ["now {}"] },
        { "LFM2-8B-A1B", "<|tool_call_start|>[weather(city=\"Bonn\", days=[1, 2.5], deep={'k': None}, ok=True), now()]<|tool_call_end|>One moment.", ["weather {\"city\":\"Bonn\",\"days\":[1,2.5],\"deep\":{\"k\":null},\"ok\":true}", "now {}", "One moment."] },
        { "LFM2-8B-A1B", $"<|tool_call_start|>[{{\"name\": \"weather\", \"arguments\": {Weather}}}]<|tool_call_end|>", [$"weather {Weather}"] },
        { "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", $"hm</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{Weather}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{{}}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", ["hm</think>", $"weather {Weather}", "now {}"] },
        { "meta-llama-Llama-3.1-8B-Instruct", $"{{\"name\": \"weather\", \"parameters\": {Weather}}}", [$"weather {Weather}"] },
        { "meta-llama-Llama-3.2-3B-Instruct", "<|python_tag|>{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"now\", \"parameters\": \"{\\\"a\\\": 1}\"}", ["now {}", "now {\"a\": 1}"] },

        // No calls.
        { "Qwen-Qwen2.5-7B-Instruct", "a <tool_bar> and a <tool_call", ["a <tool_bar> and a <tool_call"] },
        { "Qwen-Qwen2.5-7B-Instruct", "<tool_call>\nnot json</tool_call>", ["<tool_call>\nnot json</tool_call>"] },
        { "Qwen-Qwen2.5-7B-Instruct", "{\"name\": \"now\", \"arguments\": {}}", ["{\"name\": \"now\", \"arguments\": {}}"] },
        { "mistralai-Mistral-Nemo-Instruct-2407", "[TOOL_CALLS] none", ["[TOOL_CALLS] none"] },
        { "meta-llama-Llama-3.1-8B-Instruct", "I would call {\"name\": \"now\"}", ["I would call {\"name\": \"now\"}"] },
        { "meta-llama-Llama-3.1-8B-Instruct", "{\"answer\": 42}", ["{\"answer\": 42}"] },
        { "meta-llama-Llama-3.1-8B-Instruct", "{\"name\": \"Ada\", \"arguments\": {}}", ["{\"name\": \"Ada\", \"arguments\": {}}"] },
        { "meta-llama-Llama-3.1-8B-Instruct", "<b>{\"name\": \"now\"}", ["<b>{\"name\": \"now\"}"] },
        { "LFM2-8B-A1B", "<|tool_call_start|>[now(1)]<|tool_call_end|>", ["<|tool_call_start|>[now(1)]<|tool_call_end|>"] },
        { "google-gemma-2-2b-it", "  plain text \n", ["  plain text \n"] },
    };

    [Theory]
    [MemberData(nameof(Replies))]
    public void Append_ReplyOfAFamily_InPiecesOfEverySize_GivesTextAndCalls(string family, string reply, string[] expected)
    {
        var dialect = ToolDialect.Of(File.ReadAllText(Path.Combine(TestData.Require("oracles/chat-templates/" + family), "template.jinja")));
        for (var size = 1; size <= reply.Length; size += 1 + (size / 4))
        {
            Assert.Equal(expected, Parse(dialect.CreateParser(openingIsToken: false, isRequired: false, parallel: true, s_names), Pieces(reply, size)));
        }
    }

    [Fact]
    public void Append_OpeningSpelledWithoutItsToken_IsText()
    {
        var dialect = ToolDialect.Of("<tool_call>");
        const string call = "\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>";

        Assert.Equal(["<tool_call>" + call], Parse(dialect.CreateParser(openingIsToken: true, isRequired: false, parallel: true, s_names), Pieces("<tool_call>" + call, 5)));
        Assert.Equal(["rm {}"], Parse(dialect.CreateParser(openingIsToken: true, isRequired: false, parallel: true, s_names), [("<tool_call>", true), .. Pieces(call, 5)]));
    }

    [Fact]
    public void Append_OneCallWanted_IsOverWithIt()
    {
        var parser = ToolDialect.Of("[TOOL_CALLS]").CreateParser(openingIsToken: false, isRequired: false, parallel: false, s_names);

        var parts = Parse(parser, Pieces("[TOOL_CALLS][{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {}}]", 3));

        Assert.True(parser.IsOver);
        Assert.Equal(["a {}"], parts);
    }

    /// <summary>What the grammar of required calls lets through is what the family's parser reads, with arguments that fit.</summary>
    [Theory]
    [InlineData("<tool_call>")]
    [InlineData("[TOOL_CALLS]")]
    [InlineData("<|tool_call|>")]
    [InlineData("<|tool_list_start|>")]
    [InlineData("<｜tool▁calls▁begin｜>")]
    [InlineData("")]
    public void RequiredCalls_RandomRepliesOfTheGrammar_AreParsedToCallsThatFit(string template)
    {
        var dialect = ToolDialect.Of(template);
        ToolFunction[] functions =
        [
            new("weather", JsonDocument.Parse("""{"type":"object","properties":{"city":{"enum":["Rome","Oslo"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false}""").RootElement, "/tools/0/function/parameters"),
            new("now", null, "/tools/1/function/parameters"),
        ];
        var grammar = Grammar.FromParts(dialect.RequiredCalls(functions, parallel: true));
        var random = new Random(1);
        var most = 0;
        for (var i = 0; i < 40; i++)
        {
            var reply = Walk(grammar, random);
            var parts = Parse(dialect.CreateParser(openingIsToken: true, isRequired: true, parallel: true, s_names), Pieces(reply, 1 + random.Next(9)));
            Assert.NotEmpty(parts);
            Assert.All(parts, part => Assert.Matches("^(now \\{ ?\\}|weather \\{\"city\": ?\"(Rome|Oslo)\", ?\"days\": ?[1-9]\\})$", part));
            most = Math.Max(most, parts.Count);
        }

        Assert.True(most is >= 1 and <= 8, $"{most} calls");
    }

    private static string Walk(Grammar grammar, Random random)
    {
        var matcher = new GrammarMatcher(grammar, Vocabularies.ByteLevel, [Vocabularies.End]);
        var ids = new List<int>();
        while (!matcher.IsComplete && !(matcher.CanEnd && random.Next(2) == 0))
        {
            var mask = matcher.AllowedTokens().ToArray();
            var allowed = Enumerable.Range(0, 256).Where(id => (mask[id >> 6] >> id & 1) != 0).ToArray();
            Assert.NotEmpty(allowed);
            ids.Add(allowed[random.Next(allowed.Length)]);
            Assert.True(matcher.TryAccept(ids[^1]));
        }

        return System.Text.Encoding.UTF8.GetString([.. ids.Select(id => (byte)id)]);
    }

    private static IEnumerable<(string Text, bool IsMarker)> Pieces(string text, int size) =>
        text.Chunk(size).Select(piece => (new string(piece), false));

    /// <summary>Content as it is, calls as name, space, arguments.</summary>
    private static List<string> Parse(ToolCallParser parser, IEnumerable<(string Text, bool IsMarker)> pieces)
    {
        var parts = new List<ReplyPart>();
        var result = new List<string>();
        foreach (var (text, isMarker) in pieces)
        {
            parser.Append(text, isMarker, parts);
            Take();
        }

        parser.Flush(parts);
        Take();
        return result;

        void Take()
        {
            foreach (var part in parts)
            {
                var continues = result.Count > 0 && (part.Kind == ReplyPartKind.Arguments || (part.Kind == ReplyPartKind.Content && _lastKind == ReplyPartKind.Content));
                var text = part.Kind == ReplyPartKind.Call ? part.Text + " " : part.Text;
                if (continues)
                {
                    result[^1] += text;
                }
                else
                {
                    result.Add(text);
                }

                _lastKind = part.Kind;
            }

            parts.Clear();
        }
    }

    [ThreadStatic]
    private static ReplyPartKind _lastKind;
}
