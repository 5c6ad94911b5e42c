using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Gateway.TestKit.Storage;
using StackExchange.Redis;
using Xunit;

namespace Gateway.FunctionalTests.Durability;

/// <summary>Two gateways and two workers on one Redis, each a process of its own.</summary>
public sealed class SharedStoreTests : IDisposable
{
    private readonly TinyModel _model = new();
    private readonly TemporaryFolder _data = TestData.CreateFolder();
    private readonly RedisServer _redis = new();
    private readonly List<GatewayProcess> _processes = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _processes.ForEach(process => process.Dispose());
        _redis.Dispose();
        _data.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task A_rollback_on_one_gateway_is_in_force_on_the_other_within_a_second()
    {
        var (one, two) = await StartAsync();
        var releases = new List<string>();
        foreach (var prompt in (string[])["First.", "Second."])
        {
            var contract = await PostAsync(one, "v1/contracts", new { name = "shared", content = new { system_prompt = prompt } });
            var release = await PostAsync(one, "v1/releases", new { contract = $"shared@{contract.GetProperty("version").GetInt32()}" });
            releases.Add(release.GetProperty("id").GetString()!);
        }

        await PostAsync(one, "v1/deployments", new { name = "shared", release_id = releases[0] });
        await AwaitContractAsync(two, "shared@1");
        using var moved = await two.Http.PutAsJsonAsync(
            "v1/deployments/shared", new { release_id = releases[1], expected_release_id = releases[0] }, Token);
        Assert.True(moved.IsSuccessStatusCode, await moved.Content.ReadAsStringAsync(Token));
        await AwaitContractAsync(one, "shared@2");

        await PostAsync(one, "v1/deployments/shared/rollback", new { reason = "test" });
        var rolledBack = Stopwatch.GetTimestamp();
        await AwaitContractAsync(two, "shared@1");
        Assert.InRange(Stopwatch.GetElapsedTime(rolledBack).TotalSeconds, 0, 1);
    }

    [Fact]
    public async Task A_rollout_goes_on_when_its_leader_is_killed_and_no_step_is_taken_twice()
    {
        var (one, two) = await StartAsync("--rollout-hold", "00:00:01", "--attribution-window", "00:00:01");
        Directory.CreateDirectory(Path.Combine(_data.Path, "import"));
        Directory.Move(_model.WriteAdapter(1), Path.Combine(_data.Path, "import", "candidate"));
        var adapter = await PostAsync(one, "v1/adapters/import", new { path = "candidate" });
        var rollout = await PostAsync(one, "v1/rollouts", new
        {
            deployment = "starter",
            generation = adapter.GetProperty("generation").GetString(),
            reason = "test",
            override_gate = true,
            force = true,
        });
        var id = rollout.GetProperty("id").GetString()!;

        // Traffic goes to whoever is alive; a request that a kill tears is the killed process's.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var traffic = Enumerable.Range(0, 8).Select(client => ChatOnAsync([one, two], client, stop.Token)).ToList();
        await AwaitStepsAsync(one, id, 2);
        var leader = await LeaderAsync(id) == one.Id ? one : two;
        var heir = leader == one ? two : one;
        var before = await StepsAsync(heir, id);
        await leader.KillAsync();
        await AwaitStepsAsync(heir, id, before + 1);
        await stop.CancelAsync();
        await Task.WhenAll(traffic);

        Assert.Equal(heir.Id, await LeaderAsync(id));
        var audit = await heir.Http.GetFromJsonAsync<JsonElement>("v1/audit?limit=1000", Token);
        Assert.True(audit.GetProperty("verified").GetBoolean());
        var taken = audit.GetProperty("data").EnumerateArray()
            .Where(entry => entry.GetProperty("action").GetString() == "rollout.step" && entry.GetProperty("subject").GetString() == id)
            .Select(entry => JsonDocument.Parse(entry.GetProperty("reason").GetString()!).RootElement.GetProperty("steps").GetArrayLength())
            .ToList();
        Assert.Equal(taken.Distinct(), taken);
        Assert.True(taken.Count >= before, string.Join(", ", taken));
    }

    private async Task<(GatewayProcess One, GatewayProcess Two)> StartAsync(params string[] options)
    {
        await _redis.StartAsync(Token);
        string[] model = ["--model", _model.Path, "--weights", "f32"];
        var workers = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            var worker = await GatewayProcess.StartWorkerAsync(GatewayProcess.FreePort(), Token, [.. model, "--name", "starter", "--threads", "1"]);
            _processes.Add(worker);
            workers.AddRange(["--worker", worker.Address.ToString()]);
        }

        for (var i = 0; i < 2; i++)
        {
            _processes.Add(await GatewayProcess.StartAsync(
                _data.Path, Token, [.. model, "--name", "starter", "--redis", _redis.Address, .. workers, .. options]));
        }

        return (_processes[2], _processes[3]);
    }

    private static async Task ChatOnAsync(GatewayProcess[] gateways, int client, CancellationToken stop)
    {
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
                {
                    Content = JsonContent.Create(new { model = "starter", messages = new[] { new { role = "user", content = "Hi" } }, max_tokens = 1 }),
                };
                request.Headers.Add("x-conversation-id", $"{client}-{i}");
                using var response = await gateways[i % gateways.Length].Http.SendAsync(request, stop);
                await response.Content.ReadAsByteArrayAsync(stop);
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException or OperationCanceledException)
            {
            }
        }
    }

    private async Task<int> LeaderAsync(string rollout)
    {
        using var redis = await ConnectionMultiplexer.ConnectAsync(_redis.Address);
        var lease = (string)(await redis.GetDatabase().HashGetAsync("{gateway}:documents:leases", $"rollout/{rollout}"))!;
        using var json = JsonDocument.Parse(lease[(lease.IndexOf('\n', StringComparison.Ordinal) + 1)..]);
        return int.Parse(json.RootElement.GetProperty("owner").GetString()!.Split('/')[^2]);
    }

    private static async Task<int> StepsAsync(GatewayProcess gateway, string id) =>
        (await gateway.Http.GetFromJsonAsync<JsonElement>($"v1/rollouts/{id}", Token)).GetProperty("steps").GetArrayLength();

    private static async Task AwaitStepsAsync(GatewayProcess gateway, string id, int steps)
    {
        while (await StepsAsync(gateway, id) < steps)
        {
            await Task.Delay(50, Token);
        }
    }

    private static async Task AwaitContractAsync(GatewayProcess gateway, string contract)
    {
        while (true)
        {
            using var response = await gateway.Http.PostAsJsonAsync(
                "v1/chat/completions", new { model = "shared", messages = new[] { new { role = "user", content = "Hi" } }, max_tokens = 1 }, Token);
            if (response.Headers.TryGetValues("x-contract-version", out var values) && values.Single() == contract)
            {
                return;
            }

            await Task.Delay(5, Token);
        }
    }

    private static async Task<JsonElement> PostAsync<T>(GatewayProcess gateway, string path, T body)
    {
        using var response = await gateway.Http.PostAsJsonAsync(path, body, Token);
        var text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, $"{path} answered {(int)response.StatusCode}: {text}");
        return JsonDocument.Parse(text).RootElement.Clone();
    }
}
