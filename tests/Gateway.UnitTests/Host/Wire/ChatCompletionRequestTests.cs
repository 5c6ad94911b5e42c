using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
using Xunit;

namespace Gateway.UnitTests.Host.Wire;

public sealed class ChatCompletionRequestTests
{
    private const string Minimal = "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]";

    [Fact]
    public void TryParse_EveryImplementedField_IsRead()
    {
        var request = Accepted("""
            {"model":"m","messages":[{"role":"developer","content":"be brief"},
              {"role":"user","name":"ann","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
              {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},
              {"role":"tool","tool_call_id":"call_1","content":"42"}],
             "tools":[{"type":"function","function":{"name":"f","parameters":{}}}],
             "temperature":0.5,"top_p":0.9,"top_k":40,"seed":-7,"stop":["x","y"],"max_tokens":5,"max_completion_tokens":9,
             "stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"ignore_eos":true,
             "user":"u","safety_identifier":"s","prompt_cache_key":"p","metadata":{"k":"v"},"store":true,
             "chat_template":"{{ messages }}","chat_template_kwargs":{"flag":true},"reasoning_effort":"low","add_generation_prompt":false}
            """);

        Assert.Equal("m", request.Model);
        Assert.Equal(["developer", "user", "assistant", "tool"], request.Messages.Select(m => m.Role));
        Assert.Equal("ab", request.Messages[1].Content);
        Assert.Equal("ann", request.Messages[1].Name);
        Assert.Equal(1, request.Messages[2].ToolCalls!.Value.GetArrayLength());
        Assert.Equal("call_1", request.Messages[3].ToolCallId);
        Assert.Equal(1, request.Tools!.Value.GetArrayLength());
        Assert.Equal((0.5, 0.9, 40, -7L), (request.Temperature, request.TopP, request.TopK, request.Seed));
        Assert.Equal(["x", "y"], request.Stop);
        Assert.Equal(9, request.MaxTokens);
        Assert.True(request.Stream && request.IncludeUsage && request.IgnoreEnd);
        Assert.Equal(("u", "s", "p"), (request.User, request.SafetyIdentifier, request.PromptCacheKey));
        Assert.Equal("v", request.Metadata!["k"]);
        Assert.Equal("{{ messages }}", request.ChatTemplate);
        Assert.True(request.TemplateVariables!["flag"].GetBoolean());
        Assert.Equal("low", request.TemplateVariables["reasoning_effort"].GetString());
        Assert.False(request.AddGenerationPrompt);
        Assert.Empty(request.IgnoredParameters);
    }

    [Fact]
    public void TryParse_NullFields_CountAsNotGiven()
    {
        var request = Accepted("{\"model\":\"m\"," + Minimal + ",\"temperature\":null,\"stop\":null,\"logprobs\":null,\"response_format\":null,\"stream_options\":null}");

        Assert.Null(request.Temperature);
        Assert.Empty(request.Stop);
        Assert.True(request.AddGenerationPrompt);
    }

    [Fact]
    public void TryParse_UnknownAndMeaninglessFields_AreReportedAsIgnored()
    {
        var request = Accepted("{\"model\":\"m\"," + Minimal + ",\"frobnicate\":1,\"web_search_options\":{},\"stream\":true,\"stream_options\":{\"x\":1}}");

        Assert.Equal(["frobnicate", "web_search_options", "stream_options.x"], request.IgnoredParameters);
    }

    [Theory]
    [InlineData("\"n\":1")]
    [InlineData("\"frequency_penalty\":0,\"presence_penalty\":0.0,\"repetition_penalty\":1")]
    [InlineData("\"logit_bias\":{},\"logprobs\":false,\"top_logprobs\":0")]
    [InlineData("\"response_format\":{\"type\":\"text\"}")]
    [InlineData("\"tools\":[],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,\"functions\":[]")]
    [InlineData("\"modalities\":[\"text\"],\"service_tier\":\"auto\",\"verbosity\":\"low\"")]
    [InlineData("\"min_p\":0,\"min_tokens\":0,\"stop_token_ids\":[],\"skip_special_tokens\":true,\"echo\":false,\"truncate_prompt_tokens\":-1")]
    public void TryParse_NoOpValueOfUnimplementedField_IsAccepted(string fields) =>
        Assert.Empty(Accepted("{\"model\":\"m\"," + Minimal + "," + fields + "}").IgnoredParameters);

    [Theory]
    [InlineData("modalities", "[\"audio\"]")]
    [InlineData("prompt_logprobs", "1")]
    [InlineData("allowed_token_ids", "[1]")]
    [InlineData("use_beam_search", "true")]
    [InlineData("adapter", "\"a\"")]
    public void TryParse_UnimplementedField_IsRefusedByName(string field, string value)
    {
        var error = Refused("{\"model\":\"m\"," + Minimal + ",\"" + field + "\":" + value + "}");

        Assert.Equal((400, "unsupported_parameter", field), (error.Status, error.Code, error.Param));
    }

    [Theory]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}", ReplyFormatKind.JsonObject, "response_format", "")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{\"type\":\"null\"}}}", ReplyFormatKind.JsonSchema, "response_format.json_schema.schema", "{\"type\":\"null\"}")]
    [InlineData("\"structured_outputs\":{\"json\":{\"type\":\"null\"},\"disable_fallback\":true}", ReplyFormatKind.JsonSchema, "structured_outputs.json", "{\"type\":\"null\"}")]
    [InlineData("\"structured_outputs\":{\"json\":\"{\\\"type\\\":\\\"null\\\"}\"}", ReplyFormatKind.JsonSchema, "structured_outputs.json", "{\"type\":\"null\"}")]
    [InlineData("\"structured_outputs\":{\"regex\":\"a+\"},\"response_format\":{\"type\":\"text\"}", ReplyFormatKind.Regex, "structured_outputs.regex", "a+")]
    [InlineData("\"structured_outputs\":{\"choice\":[\"a\",\"b\"],\"regex\":null}", ReplyFormatKind.Choice, "structured_outputs.choice", "[\"a\",\"b\"]")]
    [InlineData("\"structured_outputs\":{\"json_object\":true}", ReplyFormatKind.JsonObject, "structured_outputs.json_object", "")]
    public void TryParse_ReplyFormat_IsReadAndForwardedAsItCame(string field, ReplyFormatKind kind, string path, string source)
    {
        var format = Accepted("{\"model\":\"m\"," + Minimal + "," + field + "}").Format!;
        Assert.Equal(new ReplyFormat(kind, path, source), format);

        using var body = new MemoryStream();
        using (var writer = new Utf8JsonWriter(body))
        {
            writer.WriteStartObject();
            format.WriteTo(writer);
            writer.WriteEndObject();
        }

        Assert.Equal(format, Accepted("{\"model\":\"m\"," + Minimal + "," + Encoding.UTF8.GetString(body.ToArray())[1..]).Format);
    }

    [Theory]
    [InlineData("\"response_format\":{}", "missing_required_parameter", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"xml\"}", "unsupported_parameter", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\"}", "missing_required_parameter", "response_format.json_schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"}}", "missing_required_parameter", "response_format.json_schema.schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":7}}", "invalid_value", "response_format.json_schema.schema")]
    [InlineData("\"structured_outputs\":{\"grammar\":\"x\"}", "unsupported_parameter", "structured_outputs.grammar")]
    [InlineData("\"structured_outputs\":{\"choice\":[]}", "invalid_value", "structured_outputs.choice")]
    [InlineData("\"structured_outputs\":{\"choice\":[1]}", "invalid_value", "structured_outputs.choice")]
    [InlineData("\"structured_outputs\":{\"json\":\"{\"}", "invalid_value", "structured_outputs.json")]
    [InlineData("\"structured_outputs\":{\"regex\":\"a\",\"json_object\":true}", "invalid_value", "structured_outputs.json_object")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"},\"structured_outputs\":{\"regex\":\"a\"}", "invalid_value", "structured_outputs.regex")]
    public void TryParse_WrongReplyFormat_NamesTheField(string field, string code, string param)
    {
        var error = Refused("{\"model\":\"m\"," + Minimal + "," + field + "}");

        Assert.Equal((400, code, param), (error.Status, error.Code, error.Param));
    }

    [Theory]
    [InlineData("[]", "invalid_json", null)]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "missing_required_parameter", "model")]
    [InlineData("{\"model\":\"m\"}", "missing_required_parameter", "messages")]
    [InlineData("{\"model\":7,\"messages\":[]}", "invalid_value", "model")]
    [InlineData("{\"model\":\"m\",\"messages\":[]}", "invalid_value", "messages")]
    [InlineData("{\"model\":\"m\",\"messages\":[1]}", "invalid_value", "messages[0]")]
    [InlineData("{\"model\":\"m\",\"messages\":[{\"content\":\"x\"}]}", "missing_required_parameter", "messages[0].role")]
    [InlineData("{\"model\":\"m\",\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", "invalid_value", "messages[0].role")]
    [InlineData("{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "missing_required_parameter", "messages[0].content")]
    [InlineData("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":5}]}", "invalid_value", "messages[1].content")]
    [InlineData("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]}", "unsupported_content", "messages[0].content[0]")]
    [InlineData("{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"nope\",\"content\":\"x\"}]}", "invalid_value", "messages[0].tool_call_id")]
    public void TryParse_WrongMessages_NamesTheField(string body, string code, string? param)
    {
        var error = Refused(body);

        Assert.Equal((400, code, param), (error.Status, error.Code, error.Param));
    }

    [Theory]
    [InlineData("temperature", "2.1")]
    [InlineData("temperature", "\"hot\"")]
    [InlineData("temperature", "1e999")]
    [InlineData("top_p", "-0.1")]
    [InlineData("top_k", "1.5")]
    [InlineData("seed", "99999999999999999999")]
    [InlineData("max_tokens", "0")]
    [InlineData("stop", "\"\"")]
    [InlineData("stop", "[\"a\",\"b\",\"c\",\"d\",\"e\"]")]
    [InlineData("stream", "\"yes\"")]
    [InlineData("stream_options", "{\"include_usage\":true}")]
    [InlineData("metadata", "{\"k\":1}")]
    [InlineData("chat_template_kwargs", "[]")]
    public void TryParse_WrongTypeOrRange_NamesTheField(string field, string value)
    {
        var error = Refused("{\"model\":\"m\"," + Minimal + ",\"" + field + "\":" + value + "}");

        Assert.Equal((400, "invalid_value", field), (error.Status, error.Code, error.Param));
    }

    [Fact]
    public void Parse_BrokenBodies_GiveInvalidJson()
    {
        foreach (var text in new[] { "", "{", "{\"a\":\"\\ud800\"}", "{\"\\ud800\":1}" })
        {
            Assert.Equal("invalid_json", JsonBody.Parse(Encoding.UTF8.GetBytes(text)).Error?.Code);
        }

        Assert.Equal("invalid_json", JsonBody.Parse(new byte[] { (byte)'"', 0xC3, (byte)'"' }).Error?.Code);
    }

    [Fact]
    public void TryParse_RandomlyDamagedBodies_NeverThrow()
    {
        var original = Encoding.UTF8.GetBytes("{\"model\":\"m\"," + Minimal + ",\"temperature\":0.5,\"stop\":[\"a\"],\"stream\":true,\"stream_options\":{\"include_usage\":true},\"metadata\":{\"a\":\"b\"},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}");
        var alphabet = "{}[]\",:0-1eE.tfnull\\u\u00e9 "u8.ToArray();
        var random = new Random(1);
        for (var round = 0; round < 10_000; round++)
        {
            var damaged = original.ToArray();
            for (var hit = random.Next(1, 6); hit > 0; hit--)
            {
                damaged[random.Next(damaged.Length)] = alphabet[random.Next(alphabet.Length)];
            }

            using var document = JsonBody.Parse(damaged).Document;
            if (document is not null && !ChatCompletionRequest.TryParse(document.RootElement, out _, out var error))
            {
                Assert.InRange(error.Status, 400, 499);
            }
        }
    }

    private static ChatCompletionRequest Accepted(string json)
    {
        using var document = JsonBody.Parse(Encoding.UTF8.GetBytes(json)).Document;
        Assert.True(ChatCompletionRequest.TryParse(document!.RootElement, out var request, out var error), error?.Message);
        return request;
    }

    private static ApiError Refused(string json)
    {
        using var document = JsonBody.Parse(Encoding.UTF8.GetBytes(json)).Document;
        Assert.False(ChatCompletionRequest.TryParse(document!.RootElement, out _, out var error));
        return error;
    }
}
