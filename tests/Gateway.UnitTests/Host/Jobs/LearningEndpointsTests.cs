using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Api;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Jobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.UnitTests.Host.Jobs;

/// <summary>The operators' endpoints of the learning loop over HTTP, on the fixture's services.</summary>
public sealed class LearningEndpointsTests : IAsyncLifetime
{
    private readonly LearningFixture _loop = new();
    private WebApplication _app = null!;
    private HttpClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IDocumentStore>(_loop.Store);
        builder.Services.AddSingleton<IInteractionLog>(_loop.Store);
        builder.Services.AddSingleton<TimeProvider>(_loop.Clock);
        builder.Services.AddSingleton(_loop.Feedback);
        builder.Services.AddSingleton(_loop.Jobs);
        builder.Services.AddSingleton(_loop.Rollouts);
        builder.Services.AddSingleton(_loop.Starter);
        _app = builder.Build();
        _app.MapJobs();
        _app.MapRollouts();
        await _app.StartAsync(Token);
        _client = new HttpClient { BaseAddress = new Uri(_app.Urls.First()) };
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
        await _loop.DisposeAsync();
    }

    [Fact]
    public async Task An_operator_starts_a_rollout_against_the_gate_and_aborts_it()
    {
        _loop.Launcher.Passes = false;
        await _loop.CreateDeploymentAsync();
        await _loop.CorrectAsync(60);
        await _loop.WorkAsync();
        var generation = (await _loop.JobsAsync())[0].Generation!;

        Assert.Equal("missing_required_parameter", await ErrorAsync("v1/rollouts", $$"""{"deployment":"triage","generation":"{{generation}}"}""", 400));
        Assert.Equal("not_found", await ErrorAsync("v1/rollouts", """{"deployment":"triage","generation":"none","reason":"x"}""", 404));
        Assert.Equal("gate_not_passed", await ErrorAsync("v1/rollouts", $$"""{"deployment":"triage","generation":"{{generation}}","reason":"x"}""", 422));
        var (status, rollout) = await PostAsync("v1/rollouts", $$"""{"deployment":"triage","generation":"{{generation}}","reason":"x","override_gate":true}""");
        Assert.Equal((HttpStatusCode.Created, 0.5, "running"), (status, (double)rollout["share"]!, (string)rollout["verdict"]!));

        var id = (string)rollout["id"]!;
        var listed = (await GetAsync("v1/rollouts?deployment=triage"))["data"]!.AsArray();
        Assert.Equal(id, (string)Assert.Single(listed)!["id"]!);
        Assert.Empty((await GetAsync("v1/rollouts?deployment=other"))["data"]!.AsArray());
        Assert.Equal(3, (await GetAsync($"v1/rollouts/{id}"))["guardrails"]!.AsArray().Count);

        (status, rollout) = await PostAsync($"v1/rollouts/{id}/abort", """{"reason":"seen enough"}""");
        Assert.Equal((HttpStatusCode.OK, "rollback_hard", 0.0), (status, (string)rollout["verdict"]!, (double)rollout["share"]!));
        Assert.Null((await _loop.DeploymentAsync()).RolloutId);
        Assert.Equal("rollout_ended", await ErrorAsync($"v1/rollouts/{id}/abort", "{}", 409));
        Assert.Equal("not_found", await ErrorAsync("v1/rollouts/none/abort", "{}", 404));
    }

    [Fact]
    public async Task An_operator_trains_on_rows_of_their_own()
    {
        await _loop.CreateDeploymentAsync();
        const string Good = """{"messages":[{"role":"user","content":"hello"}],"target":"hi"}""";
        Assert.Equal("invalid_value", await ErrorAsync("v1/jobs", """{"deployment":"triage","reason":"x","rows":[]}""", 400));
        Assert.Equal("missing_required_parameter", await ErrorAsync("v1/jobs", $$"""{"deployment":"triage","reason":"x","rows":[{{Good}},{"messages":[]}]}""", 400));
        Assert.Equal("invalid_value", await ErrorAsync("v1/jobs", """{"deployment":"triage","reason":"x","rows":[{"messages":[{"role":"king","content":"a"}],"target":"b"}]}""", 400));
        Assert.Equal("not_found", await ErrorAsync("v1/jobs", $$"""{"deployment":"other","reason":"x","rows":[{{Good}}]}""", 404));

        var (status, job) = await PostAsync("v1/jobs", $$"""{"deployment":"triage","reason":"x","rows":[{{Good}},{{Good}}]}""");
        Assert.Equal((HttpStatusCode.Accepted, "queued", 2), (status, (string)job["status"]!, (int)job["uploaded_rows"]!));
        Assert.Equal("job_running", await ErrorAsync("v1/jobs", $$"""{"deployment":"triage","reason":"x","rows":[{{Good}}]}""", 409));
        Assert.True(File.Exists(Path.Combine(_loop.Data.Root, (string)job["folder"]!, TrainingJobs.UploadedRows)));
        Assert.Equal((string)job["id"]!, (string)(await GetAsync($"v1/jobs/{job["id"]}"))["id"]!);
        Assert.Single((await GetAsync("v1/jobs"))["data"]!.AsArray());
    }

    [Fact]
    public async Task The_review_queue_is_read_in_pages()
    {
        await _loop.CreateDeploymentAsync();
        for (var i = 0; i < 5; i++)
        {
            await _loop.ChatAsync($"message {i}", interaction => interaction with { Flags = [new Flag(FlagKind.Empty, "empty")] });
        }

        await _loop.Store.FlushAsync(Token);
        var first = await GetAsync("v1/jobs/review?limit=3");
        Assert.True((bool)first["has_more"]!);
        var second = await GetAsync($"v1/jobs/review?limit=3&before={first["before"]}");
        Assert.False((bool)second["has_more"]!);
        Assert.Equal(5, first["data"]!.AsArray().Concat(second["data"]!.AsArray()).Select(item => (string)item!["id"]!).Distinct(StringComparer.Ordinal).Count());
    }

    private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _client.GetStringAsync(path, Token))!;

    private async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await _client.PostAsync(path, content, Token);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!);
    }

    private async Task<string> ErrorAsync(string path, string body, int expected)
    {
        var (status, reply) = await PostAsync(path, body);
        Assert.Equal(expected, (int)status);
        return (string)reply["error"]!["code"]!;
    }
}
