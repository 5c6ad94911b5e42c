using System.Net;
using System.Text.Json.Nodes;
using Gateway.TestKit.Storage;

namespace Gateway.TestKit.Processes;

/// <summary>Two gateways and two workers on one Redis, each a process of its own that can be killed and comes back on its port.</summary>
public sealed class GatewayFleet : IDisposable
{
    private const int Size = 2;
    private readonly TinyModel _model = new();
    private readonly TemporaryFolder _data = TestData.CreateFolder();
    private readonly GatewayProcess[] _workers = new GatewayProcess[Size];
    private readonly GatewayProcess[] _gateways = new GatewayProcess[Size];

    /// <summary>The store of all.</summary>
    public RedisServer Redis { get; } = new();

    /// <summary>The gateways as they run now.</summary>
    public IReadOnlyList<GatewayProcess> Gateways => _gateways;

    /// <summary>The secret of the operator.</summary>
    public string Operator { get; private set; } = "";

    /// <summary>Starts everything and makes the operator's key.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Redis.StartAsync(cancellationToken);
        for (var i = 0; i < Size; i++)
        {
            _workers[i] = await StartWorkerAsync(GatewayProcess.FreePort(), cancellationToken);
        }

        for (var i = 0; i < Size; i++)
        {
            _gateways[i] = await StartGatewayAsync(cancellationToken);
        }

        Operator = await KeyAsync(new JsonObject { ["scopes"] = new JsonArray("operator") }, cancellationToken);
    }

    /// <summary>Makes a key that every gateway knows when this returns, and returns its secret.</summary>
    public async Task<string> KeyAsync(JsonObject body, CancellationToken cancellationToken)
    {
        var made = await _gateways[0].Http.CallAsync(HttpMethod.Post, "v1/keys", body, cancellationToken, Operator.Length > 0 ? Operator : null);
        var secret = made["secret"]!.GetValue<string>();

        // Operators may list keys, others may not; who is unknown is told so.
        var known = Operator.Length > 0 ? HttpStatusCode.Forbidden : HttpStatusCode.OK;
        foreach (var gateway in _gateways)
        {
            while (true)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, "v1/keys") { Headers = { { "Authorization", $"Bearer {secret}" } } };
                using var response = await gateway.Http.SendAsync(request, cancellationToken);
                if (response.StatusCode == known)
                {
                    break;
                }

                await Task.Delay(20, cancellationToken);
            }
        }

        return secret;
    }

    /// <summary>kill -9 of the first worker.</summary>
    public Task KillWorkerAsync() => _workers[0].KillAsync();

    /// <summary>Starts the first worker again, on its port.</summary>
    public async Task RestartWorkerAsync(CancellationToken cancellationToken)
    {
        var port = _workers[0].Address.Port;
        _workers[0].Dispose();
        _workers[0] = await StartWorkerAsync(port, cancellationToken);
    }

    /// <summary>kill -9 of the first gateway; its clients see broken connections.</summary>
    public Task KillGatewayAsync() => _gateways[0].KillAsync();

    /// <summary>Starts the first gateway again, on another port.</summary>
    public async Task RestartGatewayAsync(CancellationToken cancellationToken)
    {
        var killed = _gateways[0];
        _gateways[0] = await StartGatewayAsync(cancellationToken);
        killed.Dispose();
    }

    private string[] Model => ["--model", _model.Path, "--name", "starter", "--weights", "f32"];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var process in (GatewayProcess?[])[.. _gateways, .. _workers])
        {
            process?.Dispose();
        }

        Redis.Dispose();
        _data.Dispose();
        _model.Dispose();
    }

    private Task<GatewayProcess> StartWorkerAsync(int port, CancellationToken cancellationToken) =>
        GatewayProcess.StartWorkerAsync(port, cancellationToken, [.. Model, "--threads", "1", "--data", Path.Combine(_data.Path, "worker")]);

    private Task<GatewayProcess> StartGatewayAsync(CancellationToken cancellationToken) => GatewayProcess.StartAsync(
        _data.Path,
        cancellationToken,
        [.. Model, "--redis", Redis.Address, .. _workers.SelectMany(worker => (string[])["--worker", worker.Address.ToString()])]);
}
