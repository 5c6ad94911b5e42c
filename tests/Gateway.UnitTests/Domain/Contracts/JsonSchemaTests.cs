using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Domain.Contracts;
using Xunit;

namespace Gateway.UnitTests.Domain.Contracts;

public class JsonSchemaTests
{
    [Theory]
    [InlineData("""{"type":"integer"}""", "1.0", "1.5")]
    [InlineData("""{"type":"integer"}""", "1e3", "\"1\"")]
    [InlineData("""{"type":["string","null"]}""", "null", "0")]
    [InlineData("""{"type":"boolean"}""", "false", "null")]
    [InlineData("""{"enum":[1,"a",{"b":[2]}]}""", """{"b":[2.0]}""", """{"b":[3]}""")]
    [InlineData("""{"const":null}""", "null", "false")]
    [InlineData("""{"properties":{"a":{"type":"string"}}}""", """{"b":1}""", """{"a":1}""")]
    [InlineData("""{"required":["a"]}""", """{"a":null}""", "{}")]
    [InlineData("""{"required":["a"]}""", "[]", """{"A":1}""")]
    [InlineData("""{"properties":{"a":true},"additionalProperties":false}""", """{"a":1}""", """{"a":1,"b":1}""")]
    [InlineData("""{"additionalProperties":{"type":"number"}}""", """{"b":1}""", """{"b":"1"}""")]
    [InlineData("""{"items":{"type":"string"},"minItems":1,"maxItems":2}""", """["a"]""", "[]")]
    [InlineData("""{"items":{"type":"string"},"maxItems":2}""", """["a","b"]""", """["a","b","c"]""")]
    [InlineData("""{"prefixItems":[{"type":"string"}],"items":false}""", """["a"]""", """["a",1]""")]
    [InlineData("""{"prefixItems":[{"type":"string"}],"items":{"type":"number"}}""", """["a",1]""", """["a","b"]""")]
    [InlineData("""{"minLength":2,"maxLength":2}""", "\"😀😀\"", "\"😀\"")]
    [InlineData("""{"pattern":"^\\d{2}$"}""", "\"12\"", "\"12\\n\"")]
    [InlineData("""{"pattern":"^[\\d_]+$"}""", "\"1_2\"", "\"١\"")]
    [InlineData("""{"pattern":"b"}""", "\"abc\"", "\"ac\"")]
    [InlineData("""{"minimum":1,"exclusiveMaximum":2}""", "1", "2")]
    [InlineData("""{"exclusiveMinimum":1,"maximum":2}""", "2", "1")]
    [InlineData("""{"maximum":2}""", "-1e300", "1e300")]
    [InlineData("""{"multipleOf":0.01}""", "0.07", "0.075")]
    [InlineData("""{"anyOf":[{"type":"string"},{"minimum":5}]}""", "5", "4")]
    [InlineData("""{"oneOf":[{"multipleOf":2},{"multipleOf":3}]}""", "4", "6")]
    [InlineData("""{"allOf":[{"minimum":1},{"maximum":2}]}""", "1.5", "3")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}""", "\"x\"", "1")]
    [InlineData("""{"properties":{"next":{"$ref":"#"},"v":{"type":"number"}}}""", """{"next":{"next":{"v":1}}}""", """{"next":{"next":{"v":"1"}}}""")]
    [InlineData("""{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"null"}}}""", "null", "1")]
    [InlineData("true", "{}", null)]
    [InlineData("false", null, "{}")]
    [InlineData("""{"title":"t","description":"d","default":1,"format":"email","examples":[1]}""", "\"not an address\"", null)]
    public void Validate_Keyword(string schema, string? valid, string? invalid)
    {
        var compiled = Compile(schema);
        if (valid is not null)
        {
            Assert.Empty(compiled.ValidateText(valid));
        }

        if (invalid is not null)
        {
            Assert.NotEmpty(compiled.ValidateText(invalid));
        }
    }

    [Theory]
    [InlineData("""{"not":{}}""", "/not")]
    [InlineData("""{"properties":{"a/b":{"patternProperties":{}}}}""", "/properties/a~1b/patternProperties")]
    [InlineData("""{"anyOf":[{},{"if":{}}]}""", "/anyOf/1/if")]
    [InlineData("""{"nullable":true}""", "/nullable")]
    [InlineData("""{"type":"float"}""", "/type")]
    [InlineData("""{"enum":[]}""", "/enum")]
    [InlineData("""{"required":"a"}""", "/required")]
    [InlineData("""{"minItems":-1}""", "/minItems")]
    [InlineData("""{"multipleOf":0}""", "/multipleOf")]
    [InlineData("""{"pattern":"(?=a)"}""", "/pattern")]
    [InlineData("""{"pattern":"("}""", "/pattern")]
    [InlineData("""{"$ref":"https://example.com/a"}""", "/$ref")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "/$ref")]
    [InlineData("""{"$ref":"#"}""", "")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"$ref":"#/$defs/a"}}}""", "")]
    [InlineData("""{"items":3}""", "/items")]
    [InlineData("3", "")]
    public void TryParse_WrongOrUnsupported_IsRefusedByPointer(string schema, string pointer)
    {
        Assert.False(JsonSchema.TryParse(JsonElement.Parse(schema), out _, out var problems));
        Assert.Equal(pointer, problems[0].Pointer);
    }

    [Fact]
    public void Validate_NamesThePlaceOfEveryProblem()
    {
        var schema = Compile("""{"type":"object","required":["intent","tags"],"properties":{"tags":{"items":{"enum":["a","b"]}}}}""");
        var problems = schema.ValidateText("""{"tags":["a","c"]}""");
        Assert.Equal(["(root): lacks the required property 'intent'", "/tags/1: must be one of \"a\", \"b\""], problems.Select(p => p.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"a\":1} extra")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{'a':1}")]
    [InlineData(null)]
    public void ValidateText_NotOneValue_IsAProblem(string? text) => Assert.StartsWith("is not JSON", Compile("{}").ValidateText(text)[0].Message, StringComparison.Ordinal);

    [Fact]
    public void Validate_HalfASurrogatePair_IsAProblem() =>
        Assert.Contains("Unicode", Compile("""{"minLength":1}""").ValidateText("\"\\ud800\"")[0].Message, StringComparison.Ordinal);

    [Fact]
    public void Validate_MultiplyingAlternatives_StopsAndSaysSo()
    {
        var definitions = string.Join(",", Enumerable.Range(0, 40).Select(i =>
            $$"""
            "d{{i}}":{"anyOf":[{"$ref":"#/$defs/d{{i + 1}}"},{"$ref":"#/$defs/d{{i + 1}}"}]}
            """));
        var schema = Compile("""{"$ref":"#/$defs/d0","$defs":{""" + definitions + """,  "d40":{"type":"null"}}}""");
        Assert.Contains(schema.ValidateText("1"), p => p.Message.Contains("too complex", StringComparison.Ordinal));
    }

    [Fact]
    public void TryParse_TooManySubschemas_IsRefused()
    {
        var schema = """{"properties":{""" + string.Join(",", Enumerable.Range(0, 3000).Select(i => $"\"p{i}\":{{}}")) + "}}";
        Assert.False(JsonSchema.TryParse(JsonElement.Parse(schema), out _, out var problems));
        Assert.InRange(problems.Count, 1, 20);
    }

    [Fact]
    public void Validate_AnyText_NeverThrows()
    {
        var schema = Compile("""{"type":"object","properties":{"a":{"type":"string","pattern":"^x*$"}},"additionalProperties":false}""");
        Prop.ForAll<string, byte[]>((text, bytes) =>
        {
            _ = schema.ValidateText(text);
            _ = schema.ValidateText($$"""{"a":{{JsonSerializer.Serialize(text)}}}""");
            _ = schema.ValidateText(Encoding.UTF8.GetString(bytes ?? []));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void ContractValidation_PointsIntoTheContract()
    {
        var content = new ContractContent
        {
            SystemPrompt = "{{shop}} {{town}}",
            Variables = JsonElement.Parse("""{"type":"object","properties":{"shop":{"type":"string"}}}"""),
            OutputSchema = JsonElement.Parse("""{"not":{}}"""),
            Sampling = new SamplingDefaults { Temperature = 3, MaxTokens = 0 },
        };
        Assert.Equal(
            ["/output_schema/not", "/sampling/temperature", "/sampling/max_tokens", "/system_prompt"],
            ContractValidation.Check(content).Select(p => p.Pointer));
        Assert.Empty(ContractValidation.Check(new ContractContent()));
    }

    [Fact]
    public void ContractApplication_IllTypedVariable_IsRefused()
    {
        var content = new ContractContent
        {
            SystemPrompt = "{{n}}",
            Variables = JsonElement.Parse("""{"type":"object","properties":{"n":{"type":"integer"}}}"""),
        };
        var refusal = ContractApplication.Apply(content, [], JsonElement.Parse("""{"n":"3"}""")).Refusal!;
        Assert.Equal(("invalid_variable", "variables.n"), (refusal.Code, refusal.Parameter));
    }

    private static JsonSchema Compile(string schema)
    {
        Assert.True(JsonSchema.TryParse(JsonElement.Parse(schema), out var compiled, out var problems), string.Join("; ", problems));
        return compiled;
    }
}
