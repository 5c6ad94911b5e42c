using System.Text.Json;
using Gateway.FrontDoor;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>Workers that share no folder with the gateway, as on other machines: what they are told about paths does not exist.</summary>
public sealed class AdapterFetchTests : IAsyncLifetime
{
    private const string Token = "between-us";
    private readonly TinyModel _model = new(contextLength: 8192);
    private readonly List<WorkerServer> _servers = [];
    private GatewayUnderTest _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _gateway = await GatewayUnderTest.StartAsync(workers: 0, with: options => options with { Model = _model.Path, WorkerToken = Token, Threads = 1 });
        for (var i = 0; i < 2; i++)
        {
            await StartWorkerAsync();
            using var added = await _gateway.PostAsync("/v1/workers", JsonSerializer.Serialize(new { url = _servers[i].Address, name = $"w{i}", adapter_root = "/nowhere" }));
            Assert.Equal("up", (await GatewayUnderTest.ReadAsync(added)).GetProperty("state").GetString());
        }

        using var drained = await _gateway.PostAsync("/v1/workers/built-in/drain", "");
        await GatewayUnderTest.ReadAsync(drained);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        _model.Dispose();
    }

    [Fact]
    public async Task Two_workers_converge_also_one_that_restarts_empty()
    {
        var (first, second) = (await _gateway.ImportAdapterAsync(1, _model), await _gateway.ImportAdapterAsync(2, _model));
        var before = await _gateway.DeployAsync("tuned", null, first);
        await _gateway.MoveAsync("tuned", before, second);
        Assert.All(_servers, server => Assert.Equal([first, second], Generations(server).OrderBy(generation => generation == second)));

        // Killed, and back on its port with nothing in memory or on disk.
        var address = _servers[1].Address;
        await _servers[1].DisposeAsync();
        _servers.RemoveAt(1);
        var state = _gateway.Service<WorkerPool>().All.Single(worker => worker.Name == "w1");
        await GatewayUnderTest.EventuallyAsync(() => !state.Healthy);
        await StartWorkerAsync(address.AbsoluteUri);
        await GatewayUnderTest.EventuallyAsync(() => state.Healthy);

        Assert.Equal([first, second], Generations(_servers[1]).OrderBy(generation => generation == second));
        for (var conversation = 0; conversation < 8; conversation++)
        {
            using var response = await _gateway.PostAsync(
                "/v1/chat/completions", $$"""{"model":"tuned","messages":[{"role":"user","content":"{{conversation}}"}],"max_tokens":3}""");
            Assert.Equal(second, (await GatewayUnderTest.ReadAsync(response)).GetProperty("adapter_generation").GetString());
        }
    }

    [Fact]
    public async Task A_worker_loads_only_what_has_the_hash_it_was_told()
    {
        var (wanted, other) = (await _gateway.ImportAdapterAsync(1, _model), await _gateway.ImportAdapterAsync(2, _model));
        var adapters = Path.Combine(_gateway.DataFolder, "adapters");
        File.Copy(Path.Combine(adapters, other, "adapter_model.safetensors"), Path.Combine(adapters, wanted, "adapter_model.safetensors"), overwrite: true);

        using var fetched = await LoadAsync("/nowhere", wanted);
        await WorkerServer.AssertErrorAsync(fetched, 502, "adapter_fetch_failed");
        using var local = await LoadAsync(Path.Combine(adapters, wanted), wanted);
        await WorkerServer.AssertErrorAsync(local, 422, "invalid_lora_adapter", "lora_path");
        using var unknown = await LoadAsync("/nowhere", new string('0', 64));
        await WorkerServer.AssertErrorAsync(unknown, 502, "adapter_fetch_failed");
        using var path = await LoadAsync("/nowhere", "../../etc");
        await WorkerServer.AssertErrorAsync(path, 400, "invalid_value", "adapter_generation");
        Assert.Empty(Generations(_servers[0]));
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(_servers[0].Model.Path, "adapter-cache")));
    }

    [Fact]
    public async Task Files_of_a_generation_are_listed_and_sent_and_nothing_else_is()
    {
        var generation = await _gateway.ImportAdapterAsync(1, _model);
        var list = await _gateway.GetAsync($"/v1/adapters/{generation}/files");
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors"], list.GetProperty("data").EnumerateArray().Select(file => file.GetProperty("name").GetString()));
        var bytes = await _gateway.Client.GetByteArrayAsync($"/v1/adapters/{generation}/files/adapter_model.safetensors", TestContext.Current.CancellationToken);
        Assert.Equal(list.GetProperty("data")[1].GetProperty("bytes").GetInt64(), bytes.Length);

        foreach (var missing in new[] { $"{generation}/files/secret.txt", $"{generation}/files/..%2F..%2Fdocuments.log", "..%2Fimport/files/adapter-1", $"{new string('0', 64)}/files/adapter_config.json" })
        {
            using var response = await _gateway.Client.GetAsync($"/v1/adapters/{missing}", TestContext.Current.CancellationToken);
            Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(response, 404));
        }
    }

    [Fact]
    public async Task A_worker_of_another_model_gets_no_traffic()
    {
        await using var stranger = await FakeWorker.StartAsync();
        stranger.Fingerprint = new string('f', 64);
        using var added = await _gateway.PostAsync("/v1/workers", JsonSerializer.Serialize(new { url = stranger.Address, name = "stranger" }));
        var worker = await GatewayUnderTest.ReadAsync(added);
        Assert.Equal("unfit", worker.GetProperty("state").GetString());
        Assert.Equal("it serves another base model", worker.GetProperty("problem").GetString());
    }

    private static IEnumerable<string> Generations(WorkerServer server) => server.Runtime.Adapters.List().Names.Select(name => name.Generation);

    private Task<HttpResponseMessage> LoadAsync(string path, string generation)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/load_lora_adapter")
        {
            Content = new StringContent(
                JsonSerializer.Serialize(new { lora_name = "x", lora_path = path, adapter_generation = generation }), System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", Token);
        return _servers[0].Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private async Task StartWorkerAsync(string url = "http://127.0.0.1:0")
    {
        var server = new WorkerServer { Url = url, Token = Token, Gateways = [_gateway.Host.Address] };
        await server.InitializeAsync();
        _servers.Add(server);
    }
}
