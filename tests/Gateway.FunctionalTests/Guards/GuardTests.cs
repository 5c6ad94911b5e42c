using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Gateway.Domain.Guards;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Model.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Guards;

/// <summary>Guards on what goes in and out, by contract and for every deployment.</summary>
public sealed class GuardTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Blocked_messages_are_400_never_reach_a_worker_and_are_not_recorded()
    {
        await using var gateway = await StartAsync("""{"id":"words","kind":"words","words":["Hi"],"stage":"input"}""");
        using var response = await gateway.ChatAsync();
        Assert.Equal("content_filter", await GatewayUnderTest.ErrorCodeAsync(response, 400));
        Assert.Empty(gateway.Worker.Requests);
        var record = await gateway.SingleInteractionAsync();
        Assert.Equal(("refused", "<BLOCKED by words>"), (record.GetProperty("end").GetString(), record.GetProperty("messages")[0].GetProperty("content").GetString()));
        Assert.Contains("the guard 'words' blocked the messages", Reasons(record));
    }

    [Fact]
    public async Task Redacted_messages_go_on_and_are_recorded_as_they_went()
    {
        await using var gateway = await StartAsync("""{"id":"pii","kind":"pii","action":"redact","stage":"input"}""");
        using var response = await gateway.PostAsync("/v1/chat/completions", """{"model":"starter","messages":[{"role":"user","content":"I am ann@example.com"}]}""");
        await GatewayUnderTest.ReadAsync(response);
        Assert.True(gateway.Worker.Requests.TryDequeue(out var sent));
        Assert.Equal("I am <PII>", sent.GetProperty("messages")[0].GetProperty("content").GetString());
        Assert.Equal("I am <PII>", (await gateway.SingleInteractionAsync()).GetProperty("messages")[0].GetProperty("content").GetString());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_blocked_reply_ends_with_content_filter_before_any_of_the_find_has_left(bool stream)
    {
        await using var gateway = await StartAsync("""{"id":"code","kind":"pattern","pattern":"[A-Z]{3}-[0-9]{4}"}""", window: 10);
        gateway.Worker.Chunks = ["The code you asked for is ", "AB", "C-1", "2", "34, as ", "ever."];
        using var response = await gateway.ChatAsync(more: stream ? ""","stream":true""" : "");
        if (stream)
        {
            var events = await GatewayUnderTest.EventsAsync(response);
            Assert.Equal("[DONE]", events[^1]);
            var text = string.Concat(events.SkipLast(1).Select(Content));
            Assert.StartsWith("The code", text, StringComparison.Ordinal);
            Assert.DoesNotContain("AB", text, StringComparison.Ordinal);
            Assert.Equal("content_filter", Choice(events[^2]).GetProperty("finish_reason").GetString());
        }
        else
        {
            var choice = (await GatewayUnderTest.ReadAsync(response)).GetProperty("choices")[0];
            Assert.Equal("content_filter", choice.GetProperty("finish_reason").GetString());
            Assert.Equal("", choice.GetProperty("message").GetProperty("content").GetString());
        }

        var record = await gateway.SingleInteractionAsync();
        Assert.DoesNotContain("ABC", record.GetProperty("reply").GetString(), StringComparison.Ordinal);
        Assert.Contains("the guard 'code' blocked the reply", Reasons(record));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_redacted_reply_reads_the_same_streamed_and_whole(bool stream)
    {
        await using var gateway = await StartAsync("""{"id":"code","kind":"pattern","pattern":"[A-Z]{3}-[0-9]{4}","action":"redact"},{"id":"words","kind":"words","words":["ever"],"action":"flag"}""", window: 10);
        gateway.Worker.Chunks = ["The code you asked for is ", "AB", "C-1", "2", "34, as ", "ever."];
        using var response = await gateway.ChatAsync(more: stream ? ""","stream":true,"stream_options":{"include_usage":true}""" : "");
        string text;
        if (stream)
        {
            var events = await GatewayUnderTest.EventsAsync(response);
            text = string.Concat(events.SkipLast(1).Select(Content));
            Assert.Equal("[DONE]", events[^1]);
            Assert.Equal(7, JsonDocument.Parse(events[^2]).RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
            Assert.Contains(events.SkipLast(1), data => JsonDocument.Parse(data).RootElement.GetProperty("choices") is var choices && choices.GetArrayLength() > 0 && choices[0].GetProperty("finish_reason").ValueEquals("stop"));
        }
        else
        {
            text = (await GatewayUnderTest.ReadAsync(response)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        }

        Assert.Equal("The code you asked for is <CODE>, as ever.", text);
        var record = await gateway.SingleInteractionAsync();
        Assert.Equal(text, record.GetProperty("reply").GetString());
        Assert.Equal(["the guard 'code' redacted the reply", "the guard 'words' marked the reply"], Reasons(record));
        var metrics = await gateway.Client.GetStringAsync("/metrics", Token);
        Assert.Contains("gateway_guard_verdicts_total{guard=\"code\",stage=\"output\",action=\"redacted\"}", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_blocked_stream_stops_its_worker()
    {
        await using var gateway = await StartAsync("""{"id":"words","kind":"words","words":["Hello"]}""", window: 5);
        gateway.Worker.Chunks = ["Hello", " there", " and so on"];
        gateway.Worker.Ending = "hang";
        using var response = await gateway.ChatAsync(more: ""","stream":true""");
        var events = await GatewayUnderTest.EventsAsync(response);
        Assert.Equal("[DONE]", events[^1]);
        await gateway.Worker.Cancelled.Task.WaitAsync(Token);
    }

    [Theory]
    [InlineData("\"What a SECRET\"")]
    [InlineData("[\"fine\",\"What a SECRET\"]")]
    [InlineData("IDS")]
    [InlineData("[[5,6],IDS]")]
    public async Task Blocked_inputs_of_embeddings_are_400_never_reach_a_worker_and_are_counted(string input)
    {
        await using var gateway = await StartAsync("""{"id":"embedded","kind":"words","words":["secret"],"stage":"input"}""");
        using var response = await gateway.PostAsync("/v1/embeddings", $$"""{"model":"starter","input":{{WithIds(gateway, input, "What a SECRET")}}}""");
        Assert.Equal("content_filter", await GatewayUnderTest.ErrorCodeAsync(response, 400));
        Assert.Contains("\"param\":\"input\"", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Empty(gateway.Worker.Embedded);
        var metrics = await gateway.Client.GetStringAsync("/metrics", Token);
        Assert.Contains("gateway_guard_verdicts_total{guard=\"embedded\",stage=\"input\",action=\"blocked\"}", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redacted_inputs_of_embeddings_go_on_as_text_and_the_others_as_they_came()
    {
        await using var gateway = await StartAsync("""{"id":"pii","kind":"pii","action":"redact","stage":"input"}""");
        var input = WithIds(gateway, """["I am ann@example.com","a hat",[5,6],IDS]""", "bob@example.com is me");
        using var response = await gateway.PostAsync("/v1/embeddings", $$"""{"model":"starter","input":{{input}}}""");
        await GatewayUnderTest.ReadAsync(response);
        Assert.True(gateway.Worker.Embedded.TryDequeue(out var sent));
        Assert.Equal("""["I am <PII>","a hat",[5,6],"<PII> is me"]""", sent.GetProperty("input").GetRawText().Replace("\\u003C", "<", StringComparison.Ordinal).Replace("\\u003E", ">", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Token_ids_hide_nothing_from_the_guards_of_text_completions()
    {
        var everywhere = new GuardPolicy { Rules = [new() { Id = "all", Kind = GuardKind.Words, Words = ["secret"], Stage = GuardStage.Input }] };
        await using var gateway = await GatewayUnderTest.StartAsync(with: options => options with { Guards = everywhere });
        using var response = await gateway.PostAsync("/v1/completions", $$"""{"model":"starter","prompt":{{WithIds(gateway, "IDS", "What a SECRET")}}}""");
        Assert.Equal("content_filter", await GatewayUnderTest.ErrorCodeAsync(response, 400));
        Assert.Equal("<BLOCKED by all>", (await gateway.SingleInteractionAsync()).GetProperty("messages")[0].GetProperty("content").GetString());
    }

    [Fact]
    public async Task Guards_of_every_deployment_come_first()
    {
        var everywhere = new GuardPolicy { Rules = [new() { Id = "all", Kind = GuardKind.Words, Words = ["Hi"], Stage = GuardStage.Input }] };
        await using var gateway = await GatewayUnderTest.StartAsync(with: options => options with { Guards = everywhere });
        using var response = await gateway.ChatAsync();
        Assert.Equal("content_filter", await GatewayUnderTest.ErrorCodeAsync(response, 400));
    }

    [Theory]
    [InlineData("allow", HttpStatusCode.OK)]
    [InlineData("block", HttpStatusCode.BadRequest)]
    public async Task A_classifier_elsewhere_decides(string action, HttpStatusCode expected)
    {
        await using var classifier = await Classifier.StartAsync();
        classifier.Action = action;
        await using var gateway = await StartAsync(classifier.Rule(), addresses: [classifier.Address]);
        using var response = await gateway.ChatAsync();
        Assert.Equal(expected, response.StatusCode);
        Assert.True(classifier.Asked.TryDequeue(out var asked));
        Assert.Equal(("moderation", "input", "Hi"), (asked.GetProperty("guard").GetString(), asked.GetProperty("stage").GetString(), asked.GetProperty("text").GetString()));
        if (expected == HttpStatusCode.OK)
        {
            Assert.True(classifier.Asked.TryDequeue(out var reply));
            Assert.Equal(("output", "Hello"), (reply.GetProperty("stage").GetString(), reply.GetProperty("text").GetString()));
        }
    }

    [Fact]
    public async Task A_classifier_stops_a_stream_before_what_it_saw_has_left()
    {
        await using var classifier = await Classifier.StartAsync();
        classifier.BlockAt = "worse";
        await using var gateway = await StartAsync(classifier.Rule(), window: 8, addresses: [classifier.Address]);
        gateway.Worker.Chunks = ["all is good", " but it gets", " worse and worse", " and worse"];
        using var response = await gateway.ChatAsync(more: ""","stream":true""");
        var events = await GatewayUnderTest.EventsAsync(response);
        var text = string.Concat(events.SkipLast(1).Select(Content));
        Assert.StartsWith("all is good", text, StringComparison.Ordinal);
        Assert.DoesNotContain("worse", text, StringComparison.Ordinal);
        Assert.Equal("content_filter", Choice(events[^2]).GetProperty("finish_reason").GetString());
    }

    [Theory]
    [InlineData(true, true, HttpStatusCode.OK)]
    [InlineData(true, false, HttpStatusCode.BadRequest)]
    [InlineData(false, true, HttpStatusCode.OK)]
    [InlineData(false, false, HttpStatusCode.BadRequest)]
    public async Task A_classifier_that_is_silent_or_not_allowed_fails_as_its_rule_says(bool allowed, bool failOpen, HttpStatusCode expected)
    {
        await using var classifier = await Classifier.StartAsync();
        classifier.Action = "silence";
        await using var gateway = await StartAsync(classifier.Rule($""","deadline_ms":50,"fail_open":{(failOpen ? "true" : "false")}"""), addresses: allowed ? [classifier.Address] : []);
        using var response = await gateway.ChatAsync();
        Assert.Equal(expected, response.StatusCode);
        Assert.Equal(allowed, !classifier.Asked.IsEmpty);
    }

    [Theory]
    [InlineData("""{"id":"x","kind":"pattern","pattern":"("}""", "content.guards.rules.0")]
    [InlineData("""{"id":"x","kind":"pattern","acton":"block","pattern":"a"}""", "content.guards.rules[0].acton")]
    [InlineData("""{"id":"x","kind":"magic"}""", "content.guards.rules[0].kind")]
    public async Task A_contract_whose_guards_cannot_work_is_refused(string rule, string param)
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        using var response = await gateway.PostAsync("/v1/contracts", Contract(rule));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        using var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token));
        Assert.Equal(param, error.RootElement.GetProperty("error").GetProperty("param").GetString());
    }

    /// <summary>The input with the token ids of a text, in the tokenizer of the gateway's model, in place of IDS.</summary>
    private static string WithIds(GatewayUnderTest gateway, string input, string text) =>
        input.Replace("IDS", JsonSerializer.Serialize(Tokenizer.Load(gateway.Model.Path).Encode(text)), StringComparison.Ordinal);

    private static string Contract(string rules, string more = "") => "{\"name\":\"guarded\",\"content\":{\"guards\":{\"rules\":[" + rules + "]" + more + "}}}";

    private static JsonElement Choice(string data) => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0];

    private static string Content(string data) =>
        JsonDocument.Parse(data).RootElement.GetProperty("choices") is var choices && choices.GetArrayLength() > 0
            && choices[0].GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString()! : "";

    private static IEnumerable<string> Reasons(JsonElement record) =>
        record.GetProperty("flags").EnumerateArray().Where(flag => flag.GetProperty("kind").ValueEquals("guard_hit")).Select(flag => flag.GetProperty("reason").GetString()!);

    /// <summary>A gateway whose deployment "starter" has a contract with these guards.</summary>
    private static async Task<GatewayUnderTest> StartAsync(string rules, int? window = null, IReadOnlyList<Uri>? addresses = null)
    {
        var gateway = await GatewayUnderTest.StartAsync(with: options => options with { GuardAddresses = addresses ?? [] });
        var more = window is null ? "" : $",\"window\":{window}";
        using var created = await gateway.PostAsync("/v1/contracts", Contract(rules, more));
        await GatewayUnderTest.ReadAsync(created);
        var release = await gateway.CreateReleaseAsync("guarded@1", generation: null);
        var current = (await gateway.GetAsync("/v1/deployments/starter")).GetProperty("release_id").GetString();
        using var moved = await gateway.PutAsync("/v1/deployments/starter", $$"""{"release_id":"{{release}}","expected_release_id":"{{current}}"}""");
        await GatewayUnderTest.ReadAsync(moved);
        return gateway;
    }

    /// <summary>A classifier on a port of its own.</summary>
    private sealed class Classifier : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private Classifier(WebApplication app) => _app = app;

        public Uri Address { get; private set; } = null!;

        public string Action { get; set; } = "allow";

        public string? BlockAt { get; set; }

        public ConcurrentQueue<JsonElement> Asked { get; } = new();

        public static async Task<Classifier> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders();
            var classifier = new Classifier(builder.Build());
            classifier._app.MapPost("/classify", classifier.AnswerAsync);
            await classifier._app.StartAsync();
            classifier.Address = new Uri(classifier._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
            return classifier;
        }

        public string Rule(string more = ",\"deadline_ms\":20000") => $$"""{"id":"moderation","kind":"http","url":"{{new Uri(Address, "/classify")}}"{{more}}}""";

        public async ValueTask DisposeAsync()
        {
            using var now = new CancellationTokenSource();
            await now.CancelAsync();
            await _app.StopAsync(now.Token);
            await _app.DisposeAsync();
        }

        private async Task AnswerAsync(HttpContext context)
        {
            using var document = await JsonDocument.ParseAsync(context.Request.Body);
            var asked = document.RootElement.Clone();
            Asked.Enqueue(asked);
            if (Action == "silence")
            {
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            }

            var blocks = BlockAt is not null && asked.GetProperty("text").GetString()!.Contains(BlockAt, StringComparison.Ordinal);
            await context.Response.WriteAsJsonAsync(new { action = blocks ? "block" : Action });
        }
    }
}
