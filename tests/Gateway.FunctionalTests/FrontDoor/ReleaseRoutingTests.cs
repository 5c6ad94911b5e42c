using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

public sealed class ReleaseRoutingTests : IAsyncLifetime
{
    private GatewayUnderTest _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task The_contract_of_the_release_shapes_the_request_and_judges_the_reply()
    {
        await CreateContractAsync("""
            {"name":"triage","content":{"system_prompt":"Answer for {{product}}.","variables":{"type":"object","properties":{"product":{"type":"string"}}},
             "output_schema":{"type":"object","required":["intent"]},"sampling":{"temperature":0.5,"max_tokens":9,"stop":["END"]}}}
            """);
        await DeployAsync("triage", "triage@1", generation: null);

        using var response = await _gateway.ChatAsync("triage", ""","max_tokens":50,"stop":["a"],"variables":{"product":"tea"}""");
        await GatewayUnderTest.ReadAsync(response);

        Assert.True(_gateway.Worker.Requests.TryDequeue(out var sent));
        Assert.Equal("Answer for tea.", sent.GetProperty("messages")[0].GetProperty("content").GetString());
        Assert.Equal(0.5, sent.GetProperty("temperature").GetDouble());
        Assert.Equal(9, sent.GetProperty("max_completion_tokens").GetInt32());
        Assert.Equal(["a", "END"], sent.GetProperty("stop").EnumerateArray().Select(s => s.GetString()));
        Assert.Equal("triage@1", response.Headers.GetValues("x-contract-version").Single());
        var record = Assert.Single(await _gateway.InteractionsAsync());
        Assert.Equal("Hi", record.GetProperty("messages")[0].GetProperty("content").GetString());
        Assert.Equal("schema_violation", record.GetProperty("flags")[0].GetProperty("kind").GetString());

        using var missing = await _gateway.ChatAsync("triage");
        Assert.Equal("missing_variable", await GatewayUnderTest.ErrorCodeAsync(missing, 422));
    }

    [Fact]
    public async Task A_new_generation_reads_the_prompt_of_its_contract_before_it_takes_traffic()
    {
        await CreateContractAsync("""{"name":"triage","content":{"system_prompt":"Answer in one word."}}""");
        var generation = await _gateway.ImportAdapterAsync(1);

        await DeployAsync("triage", "triage@1", generation);

        var warmed = Assert.Single(_gateway.Worker.Warmed);
        Assert.Equal($"triage--{generation[..12]}", warmed.GetProperty("model").GetString());
        Assert.Equal("Answer in one word.", warmed.GetProperty("messages")[0].GetProperty("content").GetString());
        Assert.Empty(_gateway.Worker.Requests);
        Assert.Empty(await _gateway.InteractionsAsync());

        // A worker that refuses does not keep the deployment from moving.
        var next = await _gateway.ImportAdapterAsync(2);
        _gateway.Worker.Status = 500;
        await DeployAsync("other", "triage@1", next);
        Assert.Equal(2, _gateway.Worker.Warmed.Count);
    }

    [Fact]
    public async Task A_rollout_splits_units_stickily_as_the_assignment_says()
    {
        var stable = await DeployAsync("split", contract: null, await _gateway.ImportAdapterAsync(1));
        var candidate = await _gateway.CreateReleaseAsync(null, await _gateway.ImportAdapterAsync(2));
        var rollout = await StartRolloutAsync("split", stable, candidate);

        for (var unit = 0; unit < 12; unit++)
        {
            var expected = Assignment.ArmOf(rollout, $"c{unit}");
            for (var repeat = 0; repeat < 2; repeat++)
            {
                using var response = await _gateway.ChatAsync("split", conversation: $"c{unit}");
                await GatewayUnderTest.ReadAsync(response);
                Assert.Equal(expected.ToString().ToLowerInvariant(), response.Headers.GetValues("x-rollout-arm").Single());
            }
        }

        var records = await _gateway.InteractionsAsync();
        Assert.Equal(24, records.Count);
        Assert.All(records, record => Assert.Equal(record.GetProperty("arm").GetString() == "candidate" ? candidate : stable, record.GetProperty("release_id").GetString()));
        Assert.All(records, record => Assert.Equal(rollout.Id, record.GetProperty("rollout_id").GetString()));

        // One call takes the candidate's traffic away.
        using var rolledBack = await _gateway.PostAsync("/v1/deployments/split/rollback", "{}");
        await GatewayUnderTest.ReadAsync(rolledBack);
        for (var unit = 0; unit < 12; unit++)
        {
            using var response = await _gateway.ChatAsync("split", conversation: $"c{unit}");
            Assert.Equal("stable", response.Headers.GetValues("x-rollout-arm").Single());
        }

        Assert.Equal("rollback_hard", (await _gateway.GetAsync($"/v1/rollouts/{rollout.Id}")).GetProperty("verdict").GetString());
    }

    [Fact]
    public async Task A_rollback_is_in_effect_when_its_call_returns_and_is_safe_to_repeat()
    {
        var first = await _gateway.ImportAdapterAsync(1);
        var second = await _gateway.ImportAdapterAsync(2);
        var before = await DeployAsync("tuned", null, first);
        var after = await _gateway.CreateReleaseAsync(null, second);
        using (var moved = await _gateway.PutAsync("/v1/deployments/tuned", $$"""{"release_id":"{{after}}","expected_release_id":"{{before}}","reason":"better"}"""))
        {
            await GatewayUnderTest.ReadAsync(moved);
        }

        Assert.Equal(second, await GenerationAsync());
        for (var attempt = 0; attempt < 2; attempt++)
        {
            using var response = await _gateway.PostAsync("/v1/deployments/tuned/rollback", $$"""{"expected_release_id":"{{after}}","reason":"worse"}""");
            Assert.Equal(before, (await GatewayUnderTest.ReadAsync(response)).GetProperty("release_id").GetString());
            Assert.Equal(first, await GenerationAsync());
        }

        // Walking further back than the first release is refused and changes nothing.
        using var again = await _gateway.PostAsync("/v1/deployments/tuned/rollback", "");
        Assert.Equal("nothing_to_roll_back", await GatewayUnderTest.ErrorCodeAsync(again, 409));
        Assert.Equal("false", again.Headers.GetValues("x-should-retry").Single());

        var audit = await _gateway.GetAsync("/v1/audit");
        Assert.True(audit.GetProperty("verified").GetBoolean());
        Assert.Equal(1, audit.GetProperty("data").EnumerateArray().Count(entry => entry.GetProperty("action").GetString() == "deployment.rollback"));

        async Task<string?> GenerationAsync()
        {
            using var response = await _gateway.ChatAsync("tuned");
            return (await GatewayUnderTest.ReadAsync(response)).GetProperty("adapter_generation").GetString();
        }
    }

    [Fact]
    public async Task Everything_that_was_acknowledged_is_there_after_a_restart()
    {
        var generation = await _gateway.ImportAdapterAsync(1);
        await DeployAsync("tuned", null, generation);
        using (var response = await _gateway.ChatAsync("tuned"))
        {
            await GatewayUnderTest.ReadAsync(response);
        }

        await _gateway.RestartAsync();

        using var after = await _gateway.ChatAsync("tuned");
        Assert.Equal(generation, (await GatewayUnderTest.ReadAsync(after)).GetProperty("adapter_generation").GetString());
        Assert.Equal(2, (await _gateway.InteractionsAsync()).Count);
    }

    private async Task CreateContractAsync(string json)
    {
        using var response = await _gateway.PostAsync("/v1/contracts", json);
        await GatewayUnderTest.ReadAsync(response);
    }

    private Task<string> DeployAsync(string name, string? contract, string? generation) => _gateway.DeployAsync(name, contract, generation);

    private async Task<Rollout> StartRolloutAsync(string deployment, string stable, string candidate)
    {
        var rollout = Rollout.Start(
            "ro_1", deployment, candidate, stable, "salt", [Guardrail.Quality],
            new RolloutOptions { Ramp = [0.5] }, TimeProvider.System.GetUtcNow());
        var documents = _gateway.Service<IDocumentStore>();
        var document = (await documents.GetAsync(Collections.Deployments, deployment, TestContext.Current.CancellationToken))!;
        var changed = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Deployment)! with { RolloutId = rollout.Id };
        await documents.CommitAsync(
            [
                new(Collections.Rollouts, rollout.Id, 0, JsonSerializer.SerializeToUtf8Bytes(rollout, DomainJson.Default.Rollout)),
                new(Collections.Deployments, deployment, document.Version, JsonSerializer.SerializeToUtf8Bytes(changed, DomainJson.Default.Deployment)),
            ],
            TestContext.Current.CancellationToken);
        await _gateway.Service<RoutingState>().RefreshAsync(TestContext.Current.CancellationToken);
        return rollout;
    }
}
