using System.Net.Http.Json;
using System.Text.Json;
using Gateway.Hosting;
using Gateway.TestKit;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Hosting;

/// <summary>The default mode: front door, engine and store in one process, on a tiny model.</summary>
public sealed class OneProcessTests : IAsyncLifetime
{
    private readonly TinyModel _model = new();
    private readonly TemporaryFolder _data = TestData.CreateFolder();
    private GatewayHost _host = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _host = await GatewayHost.StartAsync(
            new ServeOptions { Model = _model.Path, Data = _data.Path, Url = "http://127.0.0.1:0", Threads = 1 },
            builder => builder.Logging.ClearProviders(), TestContext.Current.CancellationToken);
        _client = new HttpClient { BaseAddress = _host.Address };
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _host.DisposeAsync();
        _model.Dispose();
        _data.Dispose();
    }

    [Fact]
    public async Task It_chats_in_both_modes_with_the_same_text()
    {
        var whole = await ChatAsync("starter");
        var text = whole.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
        using var response = await PostAsync("/v1/chat/completions", Body("starter", ""","stream":true"""));
        var streamed = string.Concat((await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))
            .Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line["data: ".Length..])
            .Where(data => data != "[DONE]")
            .SelectMany(data => JsonDocument.Parse(data).RootElement.GetProperty("choices").EnumerateArray())
            .Select(choice => choice.GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString() : ""));

        Assert.NotEqual("", text);
        Assert.Equal(text, streamed);
    }

    [Fact]
    public async Task A_to_B_to_A_answers_as_before()
    {
        var a = await DeployAsync("tuned", 1);
        var first = await ChatAsync("tuned");
        var b = await ReleaseAsync(2);
        using (var moved = await _client.PutAsJsonAsync("/v1/deployments/tuned", new { release_id = b, expected_release_id = a }, TestContext.Current.CancellationToken))
        {
            moved.EnsureSuccessStatusCode();
        }

        var second = await ChatAsync("tuned");
        using (var back = await PostAsync("/v1/deployments/tuned/rollback", "{}"))
        {
            back.EnsureSuccessStatusCode();
        }

        var third = await ChatAsync("tuned");
        Assert.NotEqual(Generation(first), Generation(second));
        Assert.Equal(Generation(first), Generation(third));
        Assert.NotEqual(Text(first), Text(second));
        Assert.Equal(Text(first), Text(third));

        static string? Generation(JsonElement reply) => reply.GetProperty("adapter_generation").GetString();
        static string? Text(JsonElement reply) => reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
    }

    [Fact]
    public async Task Too_long_a_prompt_is_refused_in_our_form()
    {
        using var response = await PostAsync("/v1/chat/completions", $$"""{"model":"starter","messages":[{"role":"user","content":"{{new string('x', 4000)}}"}]}""");
        Assert.Equal("context_length_exceeded", await FrontDoor.GatewayUnderTest.ErrorCodeAsync(response, 400));
    }

    private static string Body(string model, string more = "") =>
        $$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hello"}],"temperature":0,"max_tokens":12{{more}}}""";

    private async Task<JsonElement> ChatAsync(string model)
    {
        using var response = await PostAsync("/v1/chat/completions", Body(model));
        return await FrontDoor.GatewayUnderTest.ReadAsync(response);
    }

    private async Task<string> DeployAsync(string name, int seed)
    {
        var release = await ReleaseAsync(seed);
        using var response = await PostAsync("/v1/deployments", $$"""{"name":"{{name}}","release_id":"{{release}}"}""");
        await FrontDoor.GatewayUnderTest.ReadAsync(response);
        return release;
    }

    private async Task<string> ReleaseAsync(int seed)
    {
        var folder = Path.Combine(_data.Path, "import", $"adapter-{seed}");
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        Directory.Move(_model.WriteAdapter(seed), folder);
        using var imported = await PostAsync("/v1/adapters/import", $$"""{"path":"adapter-{{seed}}"}""");
        var generation = (await FrontDoor.GatewayUnderTest.ReadAsync(imported)).GetProperty("generation").GetString();
        using var release = await PostAsync("/v1/releases", $$"""{"generation":"{{generation}}"}""");
        return (await FrontDoor.GatewayUnderTest.ReadAsync(release)).GetProperty("id").GetString()!;
    }

    private Task<HttpResponseMessage> PostAsync(string path, string json) =>
        _client.PostAsync(path, new StringContent(json, System.Text.Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
}
