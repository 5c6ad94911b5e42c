using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.TestKit.Processes;

/// <summary>How long a kill loop goes on and when it strikes.</summary>
public sealed record KillLoopOptions
{
    /// <summary>Seed of the random points.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Kills while corrections come in, before a training run begins.</summary>
    public required int TrafficRounds { get; init; }

    /// <summary>Kills after that; while the run goes on they strike it, the gateway alone and together with its child in turn.</summary>
    public required int TrainingRounds { get; init; }

    /// <summary>A kill comes at a random point between this much time after the gateway is ready …</summary>
    public required TimeSpan Shortest { get; init; }

    /// <summary>… and this much.</summary>
    public required TimeSpan Longest { get; init; }

    /// <summary>Corrections to send; later feedback consists of comments. Enough for the trigger, with some to spare.</summary>
    public int Corrections { get; init; } = 80;

    /// <summary>More arguments of <c>gateway serve</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}

/// <summary>What a kill loop found.</summary>
/// <param name="Rounds">Kills.</param>
/// <param name="Feedback">Feedback acknowledged; none is missing.</param>
/// <param name="ControlChanges">Control changes acknowledged; none is missing.</param>
/// <param name="Interactions">Replies received whole.</param>
/// <param name="LostInteractions">Of those, not found after the restart.</param>
/// <param name="LongestLossWindowMs">Longest time between such a reply's end and the kill.</param>
/// <param name="LongestRecoveryMs">Longest time from start to ready.</param>
/// <param name="TrainingKills">Kills while a training run was under way.</param>
/// <param name="AdapterEqual">True when the interrupted run's adapter equals an uninterrupted one's, byte for byte; null without training rounds.</param>
public sealed record KillLoopReport(
    int Rounds, int Feedback, int ControlChanges, int Interactions, int LostInteractions, double LongestLossWindowMs, double LongestRecoveryMs,
    int TrainingKills, bool? AdapterEqual);

/// <summary>
/// Kills a gateway with SIGKILL at random points of traffic, feedback, control changes and training, restarts it on the same
/// data folder and checks that everything acknowledged is there; in the end lets the training run finish and repeats it
/// without interruption.
/// </summary>
/// <param name="options">When it strikes.</param>
/// <param name="progress">Told about every round.</param>
public sealed class KillLoop(KillLoopOptions options, Action<string> progress)
{
    private const int Users = 4;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(2);
    private static readonly string[] Labels = ["red", "green", "blue"];

    private readonly Random _random = new(options.Seed);
    private readonly ConcurrentDictionary<string, string> _feedback = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _replies = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<int> _versions = [];
    private int _message;
    private int _corrections;

    /// <summary>
    /// Runs the loop in <paramref name="data"/>, an empty folder: 1 rounds of traffic with corrections; 2 enough corrections
    /// for a training run to begin; 3 rounds with the run under way; 4 the run ends and is compared.
    /// </summary>
    /// <exception cref="InvalidOperationException">Something acknowledged is missing, or no run began.</exception>
    public async Task<KillLoopReport> RunAsync(string data, CancellationToken cancellationToken)
    {
        var (lost, window, recovery, trainingKills) = (0, 0.0, 0.0, 0);
        var gateway = await GatewayProcess.StartAsync(data, cancellationToken, [.. options.Arguments]);
        try
        {
            await CreateDeploymentAsync(gateway.Http, cancellationToken);
            for (var round = 1; round <= options.TrafficRounds + options.TrainingRounds; round++)
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                List<Task> users = [.. Enumerable.Range(0, Users).Select(_ => UseAsync(gateway.Http, stop.Token)), ChangeAsync(gateway.Http, stop.Token)];

                // 2 The trigger waits for quiet; traffic goes on meanwhile, its feedback without corrections.
                if (round == options.TrafficRounds + 1)
                {
                    await AwaitTrainingAsync(gateway, cancellationToken);
                }

                await Task.Delay(options.Shortest + ((options.Longest - options.Shortest) * _random.NextDouble()), cancellationToken);
                var training = await IsTrainingAsync(gateway.Http, cancellationToken);
                trainingKills += training ? 1 : 0;
                var killed = Stopwatch.GetTimestamp();
                await gateway.KillAsync(withChildren: round % 2 == 0);
                await stop.CancelAsync();
                await Task.WhenAll(users);
                gateway.Dispose();

                var restarted = Stopwatch.GetTimestamp();
                gateway = await GatewayProcess.StartAsync(data, cancellationToken, [.. options.Arguments]);
                var ready = Stopwatch.GetElapsedTime(restarted).TotalMilliseconds;
                recovery = Math.Max(recovery, ready);
                await CheckAcknowledgedAsync(gateway.Http, cancellationToken);
                foreach (var (id, ended) in _replies.ToArray())
                {
                    using var response = await gateway.Http.GetAsync($"v1/interactions/{id}", cancellationToken);
                    if (!response.IsSuccessStatusCode)
                    {
                        // A reply that ended during the kill counts as one that ended with it.
                        lost++;
                        window = Math.Max(window, Math.Max(0, Stopwatch.GetElapsedTime(ended, killed).TotalMilliseconds));
                        _replies.TryRemove(id, out _);
                    }
                }

                progress(string.Create(CultureInfo.InvariantCulture,
                    $"round {round}: {(training ? "training, " : "")}{_feedback.Count} feedback, {_versions.Count} versions, {_replies.Count} interactions kept, {lost} lost in {window:F1} ms, ready after {ready:F0} ms"));
            }

            bool? equal = options.TrainingRounds == 0 ? null : await CompareTrainingAsync(gateway.Http, data, cancellationToken);
            return new KillLoopReport(
                options.TrafficRounds + options.TrainingRounds, _feedback.Count, _versions.Count, _replies.Count + lost, lost, window, recovery, trainingKills, equal);
        }
        finally
        {
            gateway.Dispose();
        }
    }

    private static async Task AwaitTrainingAsync(GatewayProcess gateway, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (!await IsTrainingAsync(gateway.Http, cancellationToken))
        {
            if (Stopwatch.GetElapsedTime(started) > LongestWait)
            {
                throw new InvalidOperationException($"No training run began within {LongestWait}:\n{gateway.Output}");
            }

            await Task.Delay(100, cancellationToken);
        }
    }

    private static async Task CreateDeploymentAsync(HttpClient http, CancellationToken cancellationToken)
    {
        await PostAsync(http, "v1/contracts", ContractBody(0), null, cancellationToken);
        var release = await PostAsync(http, "v1/releases", new JsonObject { ["contract"] = "colours@1" }, null, cancellationToken);
        await PostAsync(
            http, "v1/deployments", new JsonObject { ["name"] = "colours", ["release_id"] = release["id"]!.GetValue<string>() }, null, cancellationToken);
    }

    private static JsonObject ContractBody(int salt) => new()
    {
        ["name"] = "colours",
        ["content"] = new JsonObject
        {
            ["system_prompt"] = $"Name a colour as JSON.{(salt > 0 ? $" {salt}" : "")}",
            ["sampling"] = new JsonObject { ["max_tokens"] = 8, ["temperature"] = 0 },
            ["output_schema"] = new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject { ["colour"] = new JsonObject { ["enum"] = new JsonArray([.. Labels.Select(label => (JsonNode)label)]) } },
                ["required"] = new JsonArray("colour"),
                ["additionalProperties"] = false,
            },
        },
    };

    /// <summary>A user chats and corrects until the server goes away; only what was acknowledged is remembered.</summary>
    private async Task UseAsync(HttpClient http, CancellationToken cancellationToken)
    {
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var number = Interlocked.Increment(ref _message);
                var label = Labels[number % Labels.Length];
                var reply = await PostAsync(
                    http,
                    "v1/chat/completions",
                    new JsonObject
                    {
                        ["model"] = "colours",
                        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = $"{Words(number)} is {label}" }),
                    },
                    null,
                    cancellationToken);
                var id = reply["id"]!.GetValue<string>();
                _replies[id] = Stopwatch.GetTimestamp();
                var (kind, value) = Interlocked.Increment(ref _corrections) <= options.Corrections
                    ? ("correction", $"{{\"colour\": \"{label}\"}}")
                    : ("comment", $"I meant {label}.");
                var feedback = await PostAsync(
                    http, "v1/feedback", new JsonObject { ["response_id"] = id, ["kind"] = kind, ["value"] = value }, $"key-{number}", cancellationToken);
                _feedback[feedback["id"]!.GetValue<string>()] = id;
                await Task.Delay(Pause, cancellationToken);
            }
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            // The server was killed; what was not acknowledged may or may not be there.
        }
    }

    private async Task ChangeAsync(HttpClient http, CancellationToken cancellationToken)
    {
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var contract = await PostAsync(http, "v1/contracts", ContractBody(Interlocked.Increment(ref _message)), null, cancellationToken);
                _versions.Add(contract["version"]!.GetValue<int>());
                await Task.Delay(Pause, cancellationToken);
            }
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            // As above.
        }
    }

    private async Task CheckAcknowledgedAsync(HttpClient http, CancellationToken cancellationToken)
    {
        foreach (var (id, responseId) in _feedback)
        {
            var list = JsonNode.Parse(await http.GetStringAsync($"v1/feedback?response_id={responseId}", cancellationToken))!;
            if (!list["data"]!.AsArray().Any(entry => entry!["id"]!.GetValue<string>() == id))
            {
                throw new InvalidOperationException($"Acknowledged feedback {id} is missing after a kill.");
            }
        }

        foreach (var version in _versions)
        {
            using var response = await http.GetAsync($"v1/contracts/colours/versions/{version}", cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                throw new InvalidOperationException($"Acknowledged contract version {version} is missing after a kill.");
            }
        }
    }

    private static async Task<bool> IsTrainingAsync(HttpClient http, CancellationToken cancellationToken) =>
        await JobAsync(http, cancellationToken) is { } job && job["status"]!.GetValue<string>() == "running";

    private static async Task<JsonNode?> JobAsync(HttpClient http, CancellationToken cancellationToken) =>
        JsonNode.Parse(await http.GetStringAsync("v1/jobs", cancellationToken))!["data"]!.AsArray().FirstOrDefault();

    /// <summary>Lets the run that was killed over and over finish, and repeats it from its snapshot in one go.</summary>
    private async Task<bool> CompareTrainingAsync(HttpClient http, string data, CancellationToken cancellationToken)
    {
        JsonNode job;
        while ((job = await JobAsync(http, cancellationToken) ?? throw new InvalidOperationException("The training job is gone."))["status"]!.GetValue<string>() is "queued" or "running")
        {
            await Task.Delay(500, cancellationToken);
        }

        progress($"the interrupted run ended: {job["status"]}; repeating it in one go");
        if (job["generation"] is null)
        {
            throw new InvalidOperationException($"The training run ended without an adapter: {job.ToJsonString()}");
        }

        var interrupted = Path.Combine(data, job["folder"]!.GetValue<string>());
        var repeated = Path.Combine(data, "repeated");
        Directory.CreateDirectory(repeated);
        foreach (var file in new[] { "request.json", "rows.jsonl", "general-prompts.jsonl" })
        {
            File.Copy(Path.Combine(interrupted, file), Path.Combine(repeated, file));
        }

        using var child = Process.Start(new ProcessStartInfo("dotnet", [GatewayProcess.Assembly, "train", "--job", repeated]) { RedirectStandardOutput = true })!;
        await child.StandardOutput.ReadToEndAsync(cancellationToken);
        await child.WaitForExitAsync(cancellationToken);
        const string Tensors = "adapter/adapter_model.safetensors";
        return File.ReadAllBytes(Path.Combine(interrupted, Tensors)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(repeated, Tensors)));
    }

    private static async Task<JsonNode> PostAsync(HttpClient http, string path, JsonNode body, string? key, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await http.SendAsync(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new InvalidOperationException($"{path} answered {(int)response.StatusCode}: {text}");
    }

    /// <summary>Distinct phrases, so that no row is a near duplicate of another.</summary>
    private static string Words(int number)
    {
        var words = new StringBuilder();
        foreach (var digit in number.ToString(CultureInfo.InvariantCulture))
        {
            words.Append(((string[])["oak", "river", "lamp", "stone", "glass", "bird", "cloud", "paper", "iron", "apple"])[digit - '0']).Append(number * 7919 % 97).Append(' ');
        }

        return words.ToString().TrimEnd();
    }
}
