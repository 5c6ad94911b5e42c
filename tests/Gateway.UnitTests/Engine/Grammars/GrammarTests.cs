using System.Text;
using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Engine.Grammars;
using Xunit;

namespace Gateway.UnitTests.Engine.Grammars;

public sealed class GrammarTests
{
    private const string Person = """
        {"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
        "tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":2}},"required":["name","age"],"additionalProperties":false}
        """;

    private const string Tree = """
        {"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":["number","null"]},
        "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}}}
        """;

    [Theory]
    [InlineData(Person, """{"name":"Ada","age":36}""", true)]
    [InlineData(Person, """{"name": "Ada", "age": 36, "tags": ["a", "b"]}""", true)]
    [InlineData(Person, """{"name":"A\"\u00e9\ud83d\ude00é中😀","age":0,"tags":[]}""", true)]
    [InlineData(Person, """{"name":"Ada","age":151}""", false)]
    [InlineData(Person, """{"name":"Ada","age":-1}""", false)]
    [InlineData(Person, """{"age":36,"name":"Ada"}""", false)]
    [InlineData(Person, """{"name":"Ada"}""", false)]
    [InlineData(Person, """{"name":"Ada","age":36,"tags":["a","b","a"]}""", false)]
    [InlineData(Person, """{"name":"Ada","age":36,"more":1}""", false)]
    [InlineData(Person, """{"name":  "Ada","age":36}""", false)]
    [InlineData(Person, """{ "name":"Ada","age":36}""", false)]
    [InlineData(Person, "{\"name\":\"\n\",\"age\":36}", false)]
    [InlineData(Person, """{"name":"\ud83d","age":36}""", false)]
    [InlineData(Person, """{"name":"\x","age":36}""", false)]
    [InlineData(Tree, """{"value":-1.5e3,"next":{"value":null,"next":null}}""", true)]
    [InlineData(Tree, """{"value":1,"next":1}""", false)]
    [InlineData("""{"type":"object"}""", """{"a":{"b":[1,"x",{}]},"c":null}""", true)]
    [InlineData("""{"type":"object"}""", """{"a":1,"a":2}""", false)]
    [InlineData("""{"type":"object"}""", """[]""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"null"}}}""", """{"a":null,"b":1}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"null"}}}""", """{"b":1,"a":null}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"null"}}}""", """{"ab":1}""", true)]
    [InlineData("""{"type":"object","properties":{"a":false},"required":["b"],"additionalProperties":{"type":"integer"}}""", """{"b":1,"c":2}""", true)]
    [InlineData("""{"type":"object","properties":{"a":false},"required":["b"],"additionalProperties":{"type":"integer"}}""", """{"b":1,"a":2}""", false)]
    [InlineData("""{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"type":"object","properties":{"a":{"minLength":2}},"additionalProperties":false}]}""", """{"a":"xy"}""", true)]
    [InlineData("""{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"type":"object","properties":{"a":{"minLength":2}},"additionalProperties":false}]}""", """{"a":"x"}""", false)]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"},"type":"array","minItems":1,"maxItems":3}""", """[1,"a",null]""", true)]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"},"type":"array","minItems":1,"maxItems":3}""", """[]""", false)]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"},"type":"array","minItems":1,"maxItems":3}""", """[1,null]""", false)]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,"type":"array"}""", """[1,"",null]""", false)]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"}},"required":["kind"]},{"type":"object","properties":{"kind":{"const":"b"},"x":{"type":"integer"}},"required":["kind","x"]}]}""", """{"kind":"b","x":1}""", true)]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"}},"required":["kind"]},{"type":"object","properties":{"kind":{"const":"b"},"x":{"type":"integer"}},"required":["kind","x"]}]}""", """{"kind":"b"}""", false)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"é😀\"", true)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"\\ud83d\\ude00\\n中\"", true)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"a\"", false)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"abcd\"", false)]
    [InlineData("""{"type":"string","pattern":"^[a-z]{2,4}$"}""", "\"abcd\"", true)]
    [InlineData("""{"type":"string","pattern":"^[a-z]{2,4}$"}""", "\"abcde\"", false)]
    [InlineData("""{"type":"string","pattern":"b+\"$"}""", "\"aabb\\\"\"", true)]
    [InlineData("""{"type":"string","pattern":"b+$"}""", "\"ab\\n\"", false)]
    [InlineData("""{"type":"string","pattern":"^..$"}""", "\"😀\"", true)]
    [InlineData("""{"type":"string","pattern":"^..$"}""", "\"é中\"", true)]
    [InlineData("""{"type":"string","pattern":"^.{1,3}$"}""", "\"a😀\"", true)]
    [InlineData("""{"type":"string","pattern":"^.{1,3}$"}""", "\"😀😀\"", false)]
    [InlineData("""{"type":"string","format":"date"}""", "\"2024-02-29\"", true)]
    [InlineData("""{"type":"string","format":"date"}""", "\"2023-02-29\"", false)]
    [InlineData("""{"type":"string","format":"date-time"}""", "\"2023-02-28T23:59:59.5+01:00\"", true)]
    [InlineData("""{"type":"string","format":"ipv6"}""", "\"fe80::1\"", true)]
    [InlineData("""{"type":"string","format":"uuid"}""", "\"123e4567-e89b-12d3-a456-426614174000\"", true)]
    [InlineData("""{"type":"string","format":"duration"}""", "\"P1DT2H\"", true)]
    [InlineData("""{"type":"string","format":"email"}""", "\"a.b@example.org\"", true)]
    [InlineData("""{"type":"integer","exclusiveMinimum":-3,"exclusiveMaximum":12}""", "-2", true)]
    [InlineData("""{"type":"integer","exclusiveMinimum":-3,"exclusiveMaximum":12}""", "11", true)]
    [InlineData("""{"type":"integer","exclusiveMinimum":-3,"exclusiveMaximum":12}""", "12", false)]
    [InlineData("""{"type":"integer","exclusiveMinimum":-3,"exclusiveMaximum":12}""", "-3", false)]
    [InlineData("""{"type":"number","minimum":0.25,"maximum":10}""", "0.25", true)]
    [InlineData("""{"type":"number","minimum":0.25,"maximum":10}""", "0.2499", false)]
    [InlineData("""{"type":"number","minimum":0.25,"maximum":10}""", "10.00", true)]
    [InlineData("""{"type":"number","minimum":0.25,"maximum":10}""", "10.01", false)]
    [InlineData("""{"type":"number","minimum":0.25,"maximum":10}""", "9.99", true)]
    [InlineData("""{"type":"number","multipleOf":0.25}""", "-1.75", true)]
    [InlineData("""{"type":"number","multipleOf":0.25}""", "1.7", false)]
    [InlineData("""{"type":"integer","multipleOf":7}""", "49", true)]
    [InlineData("""{"type":"integer","multipleOf":7}""", "50", false)]
    [InlineData("""{"enum":[1,"a",null,{"x":[1,"é"]},1.50]}""", """{"x":[1,"é"]}""", true)]
    [InlineData("""{"enum":[1,"a",null,2.0],"type":["integer","string"],"minLength":2}""", "2", true)]
    [InlineData("""{"enum":[1,"a",null,2.0],"type":["integer","string"],"minLength":2}""", "\"a\"", false)]
    [InlineData("true", "[1,[2,[]]]", true)]
    public void Accepts_what_the_schema_allows(string schema, string text, bool expected)
    {
        Assert.Equal(expected, Accepts(Grammar.FromSchema(schema), text));
        Assert.True(!expected || Schema(schema).ValidateText(text).Count == 0);
    }

    [Theory]
    [InlineData("a|bc", "bc", true)]
    [InlineData("a|bc", "b", false)]
    [InlineData("[0-9]{3}-\\w+", "123-a_B", true)]
    [InlineData("(ab)*", "", true)]
    [InlineData("(ab)*", "abab", true)]
    [InlineData("[^a]\\s\\S", "é z", true)]
    [InlineData("\\p{L}+", "éÅ中", true)]
    [InlineData("\\p{Lu}", "a", false)]
    [InlineData("(?:x(?<n>y))?z{2,}", "xyzzz", true)]
    [InlineData("x+?y??", "xx", true)]
    [InlineData(".*", "\"quoted\" 😀\t", true)]
    public void Regular_expressions_match_whole_replies(string pattern, string text, bool expected) =>
        Assert.Equal(expected, Accepts(Grammar.FromRegex(pattern), text));

    [Fact]
    public void Choices_are_literal_and_may_begin_each_other()
    {
        var grammar = Grammar.FromChoice(["yes", "yes, sir", "no.*"]);
        Assert.True(Accepts(grammar, "yes"));
        Assert.True(Accepts(grammar, "yes, sir"));
        Assert.True(Accepts(grammar, "no.*"));
        Assert.False(Accepts(grammar, "no!"));
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a~/b":{"not":{}}}}""", "/properties/a~0~1b/not")]
    [InlineData("""{"type":"object","patternProperties":{}}""", "/patternProperties")]
    [InlineData("""{"type":"strin"}""", "/type")]
    [InlineData("""{"items":{"type":"string","pattern":"(?=a)"}}""", "/items/pattern")]
    [InlineData("""{"items":{"type":"string","pattern":"\\bx"}}""", "/items/pattern")]
    [InlineData("""{"anyOf":[{"$ref":"#/anyOf/1"},{"$ref":"#/anyOf/0"}]}""", "")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "/$ref")]
    [InlineData("""{"properties":{"a":{"oneOf":[{"type":"integer"},{"type":"number"}]}}}""", "/properties/a/oneOf")]
    [InlineData("""{"oneOf":[{"type":"string","format":"date"},{"type":"string","format":"uuid"}]}""", "/oneOf")]
    [InlineData("""{"type":"integer","multipleOf":0}""", "/multipleOf")]
    [InlineData("""{"type":"object","required":["a"],"properties":{"a":false}}""", "")]
    [InlineData("""{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["n"],"properties":{"n":{"$ref":"#/$defs/n"}}}}}""", "")]
    [InlineData("""{"type":"string","pattern":"^([a-z]{1,900}[0-9]{1,900}){1,90}$"}""", "/pattern")]
    [InlineData("""{"type":""", "")]
    [InlineData("""{"enum":[[1]],"minItems":1}""", "")]
    public void Refusals_name_the_place(string schema, string pointer) =>
        Assert.Equal(pointer, Assert.Throws<GrammarException>(() => Grammar.FromSchema(schema)).Pointer);

    [Theory]
    [InlineData("(a?){4000}a{4000}")]
    [InlineData("((((((a{9}){9}){9}){9}){9}){9}){9}")]
    [InlineData("(a|b)*a(a|b){20}")]
    [InlineData("(\\p{L}{1,30}x){1,300}")]
    public void Hostile_patterns_are_refused_by_their_cost(string pattern) =>
        Assert.Contains("states", Assert.Throws<GrammarException>(() => Grammar.FromRegex(pattern)).Problem, StringComparison.Ordinal);

    [Fact]
    public void Hostile_schemas_are_refused_by_their_cost()
    {
        var choices = string.Join(',', Enumerable.Repeat("""{"anyOf":[{"minLength":1},{"minLength":2},{"minLength":3},{"minLength":4}]}""", 12));
        Assert.Throws<GrammarException>(() => Grammar.FromSchema($$"""{"allOf":[{{choices}}]}"""));
        var references = string.Join(',', Enumerable.Range(0, 400).Select(i => $$$"""{"properties":{"p{{{i}}}":{"$ref":"#"}},"required":["p{{{i}}}"]}"""));
        Assert.Throws<GrammarException>(() => Grammar.FromSchema($$"""{"type":"object","oneOf":[{{references}}]}"""));
    }

    [Fact]
    public void Objects_and_arrays_nest_as_deep_as_readers_take_and_no_deeper()
    {
        var grammar = Grammar.FromSchema("true");
        var deepest = new string('[', 64) + new string(']', 64);
        Assert.True(Accepts(grammar, deepest));
        JsonDocument.Parse(deepest).Dispose();
        Assert.False(Accepts(grammar, $"[{deepest}]"));

        var matcher = new GrammarMatcher(Grammar.JsonObject(), Vocabularies.ByteLevel, []);
        foreach (var token in Vocabularies.Bytes(string.Concat(Enumerable.Repeat("{\"a\":", 64))))
        {
            Assert.True(matcher.TryAccept(token));
        }

        Assert.False(Allows(matcher, '{'));
        Assert.False(Allows(matcher, '['));
        Assert.True(Allows(matcher, '1'));
    }

    [Fact]
    public void A_recursive_schema_can_always_be_finished()
    {
        var grammar = Grammar.FromSchema("""{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}""");
        var matcher = new GrammarMatcher(grammar, Vocabularies.ByteLevel, []);
        foreach (var token in Vocabularies.Bytes(string.Concat(Enumerable.Repeat("{\"a\":", 63)) + "{"))
        {
            Assert.True(matcher.TryAccept(token));
        }

        Assert.False(Allows(matcher, '"'));
        Assert.True(Allows(matcher, '}'));
    }

    [Fact]
    public void Ambiguous_recursion_stays_small()
    {
        var grammar = Grammar.FromSchema("""
            {"$ref":"#/$defs/t","$defs":{"t":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":3},
            {"type":"array","items":{"$ref":"#/$defs/t"},"minItems":1},{"type":"integer"}]}}}
            """);
        Assert.True(Accepts(grammar, new string('[', 40) + "1,[2,3,4,5]" + new string(']', 40)));
        var automaton = grammar.Automaton(Vocabularies.ByteLevel);
        Assert.False(automaton.IsFull);
    }

    [Fact]
    public void End_tokens_are_allowed_only_where_the_reply_may_end()
    {
        var matcher = new GrammarMatcher(Grammar.FromSchema("""{"type":"integer"}"""), Vocabularies.ByteLevel, [Vocabularies.End]);
        Assert.False(Allows(matcher, Vocabularies.End));
        Assert.False(matcher.TryAccept(Vocabularies.End));
        Assert.True(matcher.TryAccept('1'));
        Assert.True(matcher.CanEnd);
        Assert.False(matcher.IsComplete);
        Assert.True(Allows(matcher, Vocabularies.End));
        Assert.True(matcher.TryAccept(Vocabularies.End));
        Assert.True(matcher.IsComplete);
        Assert.Equal(0, matcher.AllowedTokens().ToArray().Sum(word => (double)word));
        Assert.False(matcher.TryAccept('1'));
        matcher.Rollback(1);
        Assert.True(matcher.TryAccept('2'));
    }

    [Fact]
    public void A_reply_is_complete_when_only_the_end_can_follow()
    {
        var matcher = new GrammarMatcher(Grammar.FromChoice(["no"]), Vocabularies.ByteLevel, [Vocabularies.End]);
        Assert.True(matcher.TryAccept('n') && matcher.TryAccept('o'));
        Assert.True(matcher.CanEnd && matcher.IsComplete);
        Assert.True(Allows(matcher, Vocabularies.End));
    }

    internal static JsonSchema Schema(string schema)
    {
        Assert.True(JsonSchema.TryParse(JsonDocument.Parse(schema).RootElement, out var compiled, out var problems), string.Join("; ", problems));
        return compiled;
    }

    internal static bool Accepts(Grammar grammar, string text)
    {
        var matcher = new GrammarMatcher(grammar, Vocabularies.ByteLevel, []);
        return Array.TrueForAll(Vocabularies.Bytes(text), matcher.TryAccept) && matcher.CanEnd;
    }

    internal static bool Allows(GrammarMatcher matcher, int token) => (matcher.AllowedTokens()[token >> 6] >> (token & 63) & 1) != 0;
}
