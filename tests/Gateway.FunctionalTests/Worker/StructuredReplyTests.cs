using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Domain.Contracts;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>Replies of a model with random weights, which only the grammar can keep in shape.</summary>
public sealed class StructuredReplyTests(WorkerServer server) : IClassFixture<WorkerServer>
{
    private const string Schema = """
        {"type":"object","properties":{"kind":{"enum":["fox","dog"]},"age":{"type":"integer","minimum":0,"maximum":99},
        "names":{"type":"array","items":{"type":"string","maxLength":5},"minItems":1,"maxItems":2}},"required":["kind","age","names"],"additionalProperties":false}
        """;

    [Theory]
    [InlineData("\"temperature\":0")]
    [InlineData("\"temperature\":1,\"seed\":3")]
    [InlineData("\"temperature\":2,\"seed\":4")]
    public async Task A_schema_is_obeyed_whole_and_streamed(string sampling)
    {
        var fields = sampling + ""","max_tokens":200,"response_format":{"type":"json_schema","json_schema":{"name":"animal","strict":true,"schema":""" + Schema + "}}";
        var choice = (await server.ChatAsync(fields)).GetProperty("choices")[0];
        var text = choice.GetProperty("message").GetProperty("content").GetString()!;

        Assert.True(JsonSchema.TryParse(JsonDocument.Parse(Schema).RootElement, out var schema, out _));
        Assert.True(schema.ValidateText(text).Count == 0, text);
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());

        var pieces = (await server.StreamAsync(fields))[..^1].Select(item => JsonDocument.Parse(item).RootElement.GetProperty("choices")[0].GetProperty("delta"));
        Assert.Equal(text, string.Concat(pieces.Select(delta => delta.TryGetProperty("content", out var piece) ? piece.GetString() : "")));
    }

    [Fact]
    public async Task A_pattern_and_a_choice_are_obeyed()
    {
        var matched = Text(await server.ChatAsync("\"seed\":1,\"max_tokens\":50,\"structured_outputs\":{\"regex\":\"[A-C]{3}-[0-9]{2,4}\"}"));
        Assert.Matches(new Regex("^[A-C]{3}-[0-9]{2,4}$"), matched);
        var chosen = Text(await server.ChatAsync("\"seed\":2,\"max_tokens\":50,\"structured_outputs\":{\"choice\":[\"a quick fox\",\"a lazy dog\"]}"));
        Assert.Contains(chosen, new[] { "a quick fox", "a lazy dog" });
    }

    [Fact]
    public async Task A_reply_cut_by_the_token_limit_says_length()
    {
        var choice = (await server.ChatAsync("\"temperature\":0,\"max_tokens\":3,\"structured_outputs\":{\"json\":" + Schema + "}")).GetProperty("choices")[0];
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        Assert.StartsWith("{", choice.GetProperty("message").GetProperty("content").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"json":{"properties":{"a":{"not":{}}}}}""", "unsupported_schema", "structured_outputs.json", "/properties/a/not")]
    [InlineData("""{"regex":"(?=a)"}""", "invalid_value", "structured_outputs.regex", "(?")]
    [InlineData("""{"choice":["a",""]}""", "invalid_value", "structured_outputs.choice.1", "empty")]
    public async Task What_cannot_be_enforced_is_refused_by_place(string constraint, string code, string param, string named)
    {
        using var response = await server.PostAsync("/v1/chat/completions", WorkerServer.Body("\"structured_outputs\":" + constraint));
        await WorkerServer.AssertErrorAsync(response, 400, code, param);
        Assert.Contains(named, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private static string Text(JsonElement reply) => reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
