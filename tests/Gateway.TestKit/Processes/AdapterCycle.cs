using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Gateway.TestKit.Processes;

/// <summary>How many adapters are cycled, over what and for how long.</summary>
public sealed record AdapterCycleOptions
{
    /// <summary>Distinct adapters.</summary>
    public required int Adapters { get; init; }

    /// <summary>Deployments that wander over them; fewer than adapters.</summary>
    public required int Deployments { get; init; }

    /// <summary>How long swaps go on.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Time between the beginnings of two swaps.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Clients, each with one chat under way, every second one streamed.</summary>
    public int Clients { get; init; } = 8;

    /// <summary>Rank of every adapter.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>The worker's memory for adapters in MiB; 1 holds 16 of rank 16 on the tiny model.</summary>
    public int AdapterMemory { get; init; } = 1;
}

/// <summary>What a cycle found.</summary>
/// <param name="Swaps">Swaps done.</param>
/// <param name="SlowestSwapMs">The slowest of them.</param>
/// <param name="Replies">Replies received.</param>
/// <param name="Failed">Of those, not whole.</param>
/// <param name="Mixed">Of those, of two generations, or unlike the lone reply of the generation they name.</param>
/// <param name="Generations">Generations that answered during the swaps.</param>
/// <param name="MostHeldBytes">The most that the worker held in adapters at a sample.</param>
/// <param name="FewestAway">The smallest number of named adapters that were not in memory at a sample.</param>
/// <param name="FirstProblem">The first failed or mixed reply, or null.</param>
public sealed record AdapterCycleReport(
    int Swaps, double SlowestSwapMs, int Replies, int Failed, int Mixed, int Generations, long MostHeldBytes, int FewestAway, string? FirstProblem)
{
    /// <summary>The worker's memory.</summary>
    public required ResidentMemory Worker { get; init; }

    /// <summary>The gateway's memory.</summary>
    public required ResidentMemory Gateway { get; init; }
}

/// <summary>
/// A gateway and a worker, each a process of its own, whose deployments move to the next of many adapters while clients chat
/// with all of them. The worker has memory for a part of the adapters. Every reply is compared with the one that its
/// generation gave when it was asked alone.
/// </summary>
/// <param name="options">The size.</param>
/// <param name="progress">Told about every tenth swap.</param>
public sealed class AdapterCycle(AdapterCycleOptions options, Action<string> progress) : IDisposable
{
    private const int MaxTokens = 24;
    private static readonly string[] Prompts = ["Hello", "the quick fox", "one two three", "why?"];

    private readonly TinyModel _model = new();
    private readonly TemporaryFolder _data = TestData.CreateFolder();
    private readonly ConcurrentDictionary<(string Generation, string Prompt), string> _alone = new();
    private readonly ConcurrentDictionary<string, byte> _answered = new(StringComparer.Ordinal);
    private string? _problem;
    private int _replies;
    private int _failed;
    private int _mixed;

    /// <summary>1 releases and their lone replies; 2 swaps under load; 3 what was seen.</summary>
    public async Task<AdapterCycleReport> RunAsync(CancellationToken cancellationToken)
    {
        string[] model = ["--model", _model.Path, "--name", "starter", "--weights", "f32"];
        using var worker = await GatewayProcess.StartWorkerAsync(
            GatewayProcess.FreePort(), cancellationToken, [.. model, "--threads", "1", "--adapter-memory", $"{options.AdapterMemory}"]);
        using var gateway = await GatewayProcess.StartAsync(_data.Path, cancellationToken, [.. model, "--worker", worker.Address.ToString()]);

        // 1 The lone replies.
        var releases = await ReleaseAllAsync(gateway.Http, cancellationToken);
        var served = new int[options.Deployments];
        for (var i = 0; i < options.Deployments; i++)
        {
            served[i] = i;
            await gateway.Http.CallAsync(
                HttpMethod.Post, "v1/deployments", new JsonObject { ["name"] = $"tuned-{i}", ["release_id"] = releases[i], ["learns"] = false }, cancellationToken);
        }

        // 2 Each swap moves the next deployment to the adapter that has been away for longest.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var clients = Enumerable.Range(0, options.Clients).Select(client => ChatOnAsync(gateway.Http, client, stop.Token)).ToList();
        var memory = (Worker: new ResidentMemory(worker.Id), Gateway: new ResidentMemory(gateway.Id));
        var (swaps, slowest, held, away) = (0, 0.0, 0L, int.MaxValue);
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < options.Duration)
        {
            var due = (options.Interval * (swaps + 1)) - Stopwatch.GetElapsedTime(started);
            await Task.Delay(due > TimeSpan.Zero ? due : TimeSpan.Zero, cancellationToken);
            var (deployment, next) = (swaps % options.Deployments, (swaps + options.Deployments) % options.Adapters);
            var before = Stopwatch.GetTimestamp();
            await gateway.Http.CallAsync(
                HttpMethod.Put,
                $"v1/deployments/tuned-{deployment}",
                new JsonObject { ["release_id"] = releases[next], ["expected_release_id"] = releases[served[deployment]] },
                cancellationToken);
            slowest = Math.Max(slowest, Stopwatch.GetElapsedTime(before).TotalMilliseconds);
            served[deployment] = next;
            swaps++;

            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            var (workerMemory, gatewayMemory) = (memory.Worker.Sample(seconds), memory.Gateway.Sample(seconds));
            var listing = await worker.Http.CallAsync(HttpMethod.Get, "v1/lora_adapters", null, cancellationToken);
            held = Math.Max(held, listing["held_bytes"]!.GetValue<long>());
            away = Math.Min(away, listing["data"]!.AsArray().Count(adapter => !adapter!["resident"]!.GetValue<bool>()));
            if (swaps % 10 == 0)
            {
                progress(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{swaps} swaps, {_replies} replies, {_failed} failed, {_mixed} mixed, resident worker {workerMemory:F0} MiB, gateway {gatewayMemory:F0} MiB, adapters {held >> 10} KiB"));
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(clients);

        // 3 The report.
        return new AdapterCycleReport(swaps, slowest, _replies, _failed, _mixed, _answered.Count, held, away, _problem) { Worker = memory.Worker, Gateway = memory.Gateway };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _data.Dispose();
        _model.Dispose();
    }

    /// <summary>Imports and releases every adapter and asks it alone, through a deployment that serves nothing else.</summary>
    private async Task<List<string>> ReleaseAllAsync(HttpClient http, CancellationToken cancellationToken)
    {
        var releases = new List<string>();
        for (var i = 0; i < options.Adapters; i++)
        {
            var folder = Path.Combine(_data.Path, "import", $"adapter-{i}");
            Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
            Directory.Move(_model.WriteAdapter(i + 1, options.Rank), folder);
            var imported = await http.CallAsync(HttpMethod.Post, "v1/adapters/import", new JsonObject { ["path"] = $"adapter-{i}" }, cancellationToken);
            var generation = imported["generation"]!.GetValue<string>();
            var release = await http.CallAsync(HttpMethod.Post, "v1/releases", new JsonObject { ["generation"] = generation }, cancellationToken);
            releases.Add(release["id"]!.GetValue<string>());
            await http.CallAsync(
                i == 0 ? HttpMethod.Post : HttpMethod.Put,
                i == 0 ? "v1/deployments" : "v1/deployments/alone",
                i == 0
                    ? new JsonObject { ["name"] = "alone", ["release_id"] = releases[0], ["learns"] = false }
                    : new JsonObject { ["release_id"] = releases[i], ["expected_release_id"] = releases[i - 1] },
                cancellationToken);
            foreach (var prompt in Prompts)
            {
                var reply = await http.ChatAsync("alone", prompt, MaxTokens, stream: false, key: null, cancellationToken);
                if (reply.Problem is not null || reply.Generation != generation)
                {
                    throw new InvalidOperationException($"Adapter {i} asked alone: generation {reply.Generation}, {reply.Problem}");
                }

                _alone[(generation, prompt)] = reply.Text;
            }
        }

        return _alone.Values.Distinct(StringComparer.Ordinal).Count() > options.Adapters
            ? releases
            : throw new InvalidOperationException("The adapters answer too much alike to tell their replies apart.");
    }

    private async Task ChatOnAsync(HttpClient http, int client, CancellationToken stop)
    {
        for (var i = client; !stop.IsCancellationRequested; i += options.Clients + 1)
        {
            var prompt = Prompts[i % Prompts.Length];
            string? problem;
            try
            {
                // A reply under way is read to its end.
                var reply = await http.ChatAsync($"tuned-{i % options.Deployments}", prompt, MaxTokens, stream: i % 2 == 0, key: null, CancellationToken.None);
                problem = reply.Problem is not null ? $"{(int)reply.Status}: {reply.Problem}" : null;
                if (problem?.Contains("generation", StringComparison.Ordinal) == true && reply.Status == System.Net.HttpStatusCode.OK)
                {
                    Interlocked.Increment(ref _mixed);
                }
                else if (problem is not null)
                {
                    Interlocked.Increment(ref _failed);
                }
                else if (!_alone.TryGetValue((reply.Generation!, prompt), out var text) || text != reply.Text)
                {
                    Interlocked.Increment(ref _mixed);
                    problem = $"generation {reply.Generation} answered '{prompt}' with '{reply.Text}', alone with '{text}'";
                }
                else
                {
                    _answered[reply.Generation!] = 1;
                }
            }
            catch (HttpRequestException failure)
            {
                Interlocked.Increment(ref _failed);
                problem = failure.Message;
            }

            Interlocked.Increment(ref _replies);
            if (problem is not null)
            {
                Interlocked.CompareExchange(ref _problem, problem, null);
            }
        }
    }
}
