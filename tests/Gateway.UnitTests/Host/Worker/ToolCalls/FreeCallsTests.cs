using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Engine.Grammars;
using Gateway.Model.Text;
using Gateway.UnitTests.Engine.Grammars;
using Gateway.Worker.ToolCalls;
using Xunit;

namespace Gateway.UnitTests.Host.Worker.ToolCalls;

/// <summary>Replies in which the model decides whether it calls: text is free, and calls that it begins obey their functions.</summary>
public sealed class FreeCallsTests
{
    private const string Weather = """{"type":"object","properties":{"city":{"enum":["Rome","Oslo"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false}""";
    private const string Note = """{"type":"object","properties":{"text":{"type":"string","maxLength":6},"to":{"type":"array","items":{"enum":["a","b"]},"minItems":1}},"required":["to"],"additionalProperties":false}""";
    private const string Rome = """{"city": "Rome", "days": 3}""";

    private static readonly ToolFunction[] s_functions =
    [
        new("weather", JsonDocument.Parse(Weather).RootElement, "/tools/0/function/parameters"),
        new("note", JsonDocument.Parse(Note).RootElement, "/tools/1/function/parameters"),
        new("now", null, "/tools/2/function/parameters"),
    ];

    public static TheoryData<string> Templates => ["<tool_call>", "[TOOL_CALLS]", "<|tool_call|>", "<|tool_list_start|>", "<｜tool▁calls▁begin｜>", ""];

    public static TheoryData<string, string> Accepted => new()
    {
        { "<tool_call>", "Just text, {\"name\": \"rm\"} too." },
        { "<tool_call>", "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + Rome + "}\n</tool_call>" },
        { "<tool_call>", "Let me see.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + Rome + "}\n</tool_call> Done." },
        { "<tool_call>", "<tool_call>{\"name\":\"weather\",\"arguments\":{\"city\":\"Oslo\",\"days\":1}}</tool_call>" },
        { "<tool_call>", "<tool_call>\n{\n  \"arguments\": " + Rome + ",\n  \"name\": \"weather\"\n}\n</tool_call>" },
        { "[TOOL_CALLS]", "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": " + Rome + "}, {\"name\": \"now\", \"arguments\": {}}]" },
        { "[TOOL_CALLS]", "[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {}}] and text [TOOL_CALLS][\n  {\"name\": \"now\", \"arguments\": {}}\n]" },
        { "<|tool_call|>", "<|tool_call|>[{\"name\": \"now\", \"arguments\": {}}]" },
        { "<|tool_list_start|>", "A moment.<|tool_call_start|>[{\"name\": \"now\", \"arguments\": {}}]<|tool_call_end|> Text." },
        { "<｜tool▁calls▁begin｜>", "hm</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n" + Rome + "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>" },
        { "", "Text with {\"name\": \"rm\"}" },
        { "", "{\"name\": \"weather\", \"parameters\": " + Rome + "}" },
        { "", "\n{\"type\": \"function\", \"name\": \"weather\", \"arguments\": " + Rome + "}; {\"name\": \"now\", \"parameters\": {}}" },
        { "", "<|python_tag|>{\"name\": \"weather\", \"parameters\": " + Rome + "}" },
    };

    public static TheoryData<string, string> Refused => new()
    {
        { "<tool_call>", "<tool_call>\n{\"name\": \"rm\", \"arguments\": {}}" },
        { "<tool_call>", "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"" },
        { "<tool_call>", "<tool_call>\n{\"arguments\": {}, \"name\": \"weather\"" },
        { "<tool_call>", "<tool_call> I think" },
        { "<tool_call>", "<tool_call>{\"name\": \"now\", \"arguments\": {}} and" },
        { "[TOOL_CALLS]", "[TOOL_CALLS][]" },
        { "[TOOL_CALLS]", "[TOOL_CALLS]{\"name\"" },
        { "<|tool_list_start|>", "<|tool_call_start|>[{\"name\": \"now\", \"arguments\": {}}] and" },
        { "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>rm" },
        { "", "{\"answer\": 42}" },
        { "", "{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"rm\"" },
        { "", "<|python_tag|>print" },
    };

    [Theory]
    [MemberData(nameof(Templates))]
    public void HoldsTo_OtherSpelling_OnlyStrictFunctions(string template)
    {
        var dialect = ToolDialect.Of(template);

        Assert.Equal(template != "<|tool_list_start|>", dialect.HoldsTo(s_functions));
        Assert.True(dialect.HoldsTo([.. s_functions, s_functions[0] with { Name = "strict", IsStrict = true }]));
    }

    [Theory]
    [MemberData(nameof(Accepted))]
    public void WhatModelsWrite_WithAndWithoutTokensForMarkers_IsAccepted(string template, string reply)
    {
        Assert.True(Accepts(template, reply, Vocabularies.ByteLevel));
        Assert.True(Accepts(template, reply, Vocabularies.Marked));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void CallsThatDoNotFit_AreRefused(string template, string reply)
    {
        Assert.False(Accepts(template, reply, Vocabularies.ByteLevel));
        Assert.False(Accepts(template, reply, Vocabularies.Marked));
    }

    [Theory]
    [MemberData(nameof(Templates))]
    public void QuotedOpening_WhereItHasAToken_IsText(string template)
    {
        var matcher = Matcher(template, Vocabularies.Marked, form: null);
        var opening = ToolDialect.Of(template).Opening;
        Assert.All(Vocabularies.Bytes("x" + opening + " is how calls begin"), token => Assert.True(matcher.TryAccept(token)));
        Assert.True(matcher.AllowedTokens().IsEmpty && matcher.CanEnd);
    }

    /// <summary>A model that says anything: every call that the parser finds in its replies is of a function, with arguments that fit.</summary>
    [Theory]
    [MemberData(nameof(Templates))]
    public void RandomModel_EveryCallFits(string template)
    {
        foreach (var vocabulary in new[] { Vocabularies.ByteLevel, Vocabularies.Marked })
        {
            var (whole, several, texts) = (0, 0, 0);
            for (var seed = 0; seed < 120; seed++)
            {
                var (ids, isWhole) = Walk(template, vocabulary, new Random(seed), form: null);
                var (calls, text) = Read(template, vocabulary, ids);
                foreach (var (index, call) in calls.Index())
                {
                    var isCut = !isWhole && index == calls.Count - 1;
                    AssertFits(call, isCut, $"{template} seed {seed}");
                    whole += isCut ? 0 : 1;
                }

                several += calls.Count > 1 ? 1 : 0;
                texts += text.Length > 0 ? 1 : 0;
            }

            Assert.True(whole > 20 && several > 2 && texts > 20, $"{template}: {whole} calls, {several} replies with several, {texts} with text");
        }
    }

    /// <summary>Beside a form a reply is the form or calls, and nothing else.</summary>
    [Theory]
    [MemberData(nameof(Templates))]
    public void RandomModel_WithAForm_IsTheFormOrCalls(string template)
    {
        var form = GrammarTests.Schema(Note);
        foreach (var vocabulary in new[] { Vocabularies.ByteLevel, Vocabularies.Marked })
        {
            var (forms, called) = (0, 0);
            for (var seed = 0; seed < 120; seed++)
            {
                var (ids, isWhole) = Walk(template, vocabulary, new Random(seed), new GrammarPart.Schema(Note, ""));
                var (calls, text) = Read(template, vocabulary, ids);
                if (!isWhole)
                {
                    continue;
                }

                Assert.All(calls, call => AssertFits(call, isCut: false, $"{template} seed {seed}"));
                Assert.True(calls.Count > 0 ? string.IsNullOrWhiteSpace(text) : form.ValidateText(text).Count == 0, $"{template} seed {seed}: {calls.Count} calls, {text}");
                forms += calls.Count == 0 ? 1 : 0;
                called += calls.Count > 0 ? 1 : 0;
            }

            Assert.True(forms > 2 && called > 5, $"{template}: {forms} forms, {called} with calls");
        }
    }

    private static GrammarMatcher Matcher(string template, TokenVocabulary vocabulary, GrammarPart? form) => new(
        Grammar.FromParts(ToolDialect.Of(template).FreeCalls(new CallGrammar(s_functions, vocabulary.Tokenizer), form)), vocabulary, [Vocabularies.End]);

    private static bool Accepts(string template, string reply, TokenVocabulary vocabulary)
    {
        var matcher = Matcher(template, vocabulary, form: null);
        return Array.TrueForAll(vocabulary.Tokenizer.Encode(reply), matcher.TryAccept) && matcher.CanEnd;
    }

    private static (List<int> Ids, bool IsWhole) Walk(string template, TokenVocabulary vocabulary, Random random, GrammarPart? form)
    {
        var matcher = Matcher(template, vocabulary, form);
        var opening = vocabulary.Tokenizer.Encode(ToolDialect.Of(template).Opening is { Length: > 0 } text ? text : random.Next(2) == 0 ? "{" : BareCalls.PythonTag);
        var ids = new List<int>();
        var pending = new Queue<int>();
        while (ids.Count < 400)
        {
            var mask = matcher.AllowedTokens().ToArray();
            var allowed = Enumerable.Range(0, vocabulary.Size).Where(token => mask.Length == 0 || (mask[token >> 6] >> token & 1) != 0).ToArray();
            Assert.NotEmpty(allowed);
            if (pending.Count == 0 && (ids.Count == 0 || matcher.CanEnd) && random.Next(3) == 0)
            {
                Array.ForEach(opening, pending.Enqueue);
            }

            int[] closing = [.. allowed.Where(token => token is '"' or '}' or ']' or ',' or ':')];
            var token = pending.TryDequeue(out var next) && allowed.Contains(next) ? next
                : matcher.CanEnd && random.Next(6) == 0 ? Vocabularies.End
                : closing.Length > 0 && random.Next(2) == 0 ? closing[random.Next(closing.Length)]
                : allowed[random.Next(allowed.Length)];
            Assert.True(matcher.TryAccept(token), $"{template}: token {token} after {string.Join(',', ids)}");
            if (token == Vocabularies.End)
            {
                return (ids, true);
            }

            ids.Add(token);
        }

        return (ids, false);
    }

    private static (List<(string Name, string Arguments)> Calls, string Text) Read(string template, TokenVocabulary vocabulary, List<int> ids)
    {
        var (dialect, tokenizer) = (ToolDialect.Of(template), vocabulary.Tokenizer);
        var markers = dialect.Markers.Select(tokenizer.TokenToId).OfType<int>().ToHashSet();
        var parser = dialect.CreateParser(
            dialect.Opening.Length > 0 && tokenizer.TokenToId(dialect.Opening) is not null, isRequired: false, parallel: true, [.. s_functions.Select(function => function.Name)]);
        var decoder = new StreamingDecoder(tokenizer, skipSpecialTokens: true, markers);
        var parts = new List<ReplyPart>();
        var (calls, text) = (new List<(string Name, string Arguments)>(), "");
        foreach (var id in ids.Where(id => id < tokenizer.VocabularySize))
        {
            parser.Append(decoder.Push(id), markers.Contains(id), parts);
            Take();
        }

        parser.Append(decoder.Flush(), isMarker: false, parts);
        Take();
        parser.Flush(parts);
        Take();
        return (calls, text);

        void Take()
        {
            foreach (var part in parts)
            {
                switch (part.Kind)
                {
                    case ReplyPartKind.Content:
                        text += part.Text;
                        break;
                    case ReplyPartKind.Call:
                        calls.Add((part.Text, ""));
                        break;
                    default:
                        calls[part.Call] = calls[part.Call] with { Arguments = calls[part.Call].Arguments + part.Text };
                        break;
                }
            }

            parts.Clear();
        }
    }

    private static void AssertFits((string Name, string Arguments) call, bool isCut, string place)
    {
        var function = Assert.Single(s_functions, function => function.Name == call.Name);
        if (!isCut)
        {
            var problems = GrammarTests.Schema(function.Parameters?.GetRawText() ?? """{"type":"object","additionalProperties":false}""").ValidateText(call.Arguments);
            Assert.True(problems.Count == 0, $"{place}: {call.Name} {call.Arguments}: {string.Join("; ", problems)}");
        }
    }
}
