using System.Globalization;
using System.Text.Json;
using Gateway.Model.Text;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Text;

/// <summary>Published chat templates render byte for byte as the reference implementation renders them.</summary>
public sealed class ChatTemplateOracleTests
{
    public static TheoryData<string> Templates =>
    [
        "HuggingFaceTB-SmolLM3-3B", "LFM2-8B-A1B", "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "Qwen-Qwen2.5-7B-Instruct",
        "Qwen-Qwen3-0.6B", "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "google-gemma-2-2b-it",
        "ibm-granite-granite-3.3-2B-Instruct", "meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.2-3B-Instruct",
        "microsoft-Phi-3.5-mini-instruct", "mistralai-Mistral-Nemo-Instruct-2407",
    ];

    [Theory]
    [MemberData(nameof(Templates))]
    public void Every_case_renders_the_expected_text_or_error(string name)
    {
        var oracle = new Oracle(TestData.Require(Path.Combine("oracles/chat-templates", name)));
        var count = 0;
        foreach (var row in oracle.Rows("cases.jsonl").Concat(oracle.Rows("cases_jinja2_only.jsonl")))
        {
            var title = $"{name}: {row.GetProperty("name").GetString()}";
            count++;
            if (row.TryGetProperty("expected", out var expected))
            {
                var rendered = oracle.Render(row);
                Assert.True(expected.GetString() == rendered.Text, $"{title}\n--- expected\n{expected.GetString()}\n--- rendered\n{rendered.Text}");
                Assert.All(rendered.CallerSpans, span => Assert.InRange(span.End, span.Start + 1, rendered.Text.Length));
                continue;
            }

            var error = Assert.Throws<TemplateException>(() => oracle.Render(row));
            if (row.TryGetProperty("error_message", out var message))
                Assert.Equal((TemplateErrorKind.Raised, message.GetString()), (error.Kind, error.Message));
        }

        Assert.True(count > 10, $"{name} has {count} cases");
    }

    /// <summary>Where the references fail with a type error of their own, an error or a lenient text is fine, a crash is not.</summary>
    [Theory]
    [MemberData(nameof(Templates))]
    public void Runtime_error_cases_give_a_template_error_or_text(string name)
    {
        var oracle = new Oracle(TestData.Require(Path.Combine("oracles/chat-templates", name)));
        foreach (var row in oracle.Rows("cases_runtime_errors.jsonl"))
        {
            if (Record.Exception(() => oracle.Render(row)) is { } problem)
                Assert.Equal(TemplateErrorKind.Runtime, Assert.IsType<TemplateException>(problem).Kind);
        }
    }

    private sealed class Oracle(string directory)
    {
        private readonly ChatTemplate _template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(directory, "template.jinja")));
        private readonly JsonElement _meta = Parse(File.ReadAllText(Path.Combine(directory, "meta.json")));

        public IEnumerable<JsonElement> Rows(string file)
        {
            var path = Path.Combine(directory, file);
            return File.Exists(path) ? File.ReadLines(path).Select(Parse) : [];
        }

        public RenderedTemplate Render(JsonElement row)
        {
            var variables = new Dictionary<string, JsonElement>
            {
                ["messages"] = row.GetProperty("messages"),
                ["tools"] = row.TryGetProperty("tools", out var tools) ? tools : default,
                ["documents"] = default,
                ["add_generation_prompt"] = row.GetProperty("add_generation_prompt"),
            };
            if (row.TryGetProperty("template_kwargs", out var extra) && extra.ValueKind == JsonValueKind.Object)
            {
                foreach (var variable in extra.EnumerateObject())
                    variables[variable.Name] = variable.Value;
            }

            var now = DateTimeOffset.Parse(_meta.GetProperty("now").GetString()!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
            return _template.Render(
                variables,
                new Dictionary<string, string?> { ["bos_token"] = Meta("bos_token"), ["eos_token"] = Meta("eos_token") },
                now);
        }

        private string? Meta(string name) => _meta.GetProperty(name).GetString();

        private static JsonElement Parse(string json)
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.Clone();
        }
    }
}
