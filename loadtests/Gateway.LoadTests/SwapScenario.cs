using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Gateway.Hosting;
using Gateway.TestKit;
using Gateway.Worker;
using Microsoft.Extensions.Logging;

namespace Gateway.LoadTests;

/// <summary>
/// A whole gateway whose deployment moves between two adapters every second while chats go on: no reply fails or mixes
/// versions, each generation answers as it does alone, and nothing is held afterwards.
/// </summary>
internal sealed class SwapScenario : IDisposable
{
    private const int Chats = 8;
    private const long AllowedGrowth = 256L << 20;
    private static readonly string[] Prompts = ["Hello", "the quick fox", "one two three", "tell me more", "why?", "a b c d e f g", "go on", "the end"];

    private readonly TinyModel _model = new();
    private readonly TemporaryFolder _data = TestData.CreateFolder();
    private readonly Dictionary<(string Generation, string Prompt), string> _cold = [];
    private readonly HttpClient _http;
    private int _replies;

    private SwapScenario(HttpClient http) => _http = http;

    /// <summary>Runs for <paramref name="duration"/>; throws when a reply is wrong or something is left.</summary>
    public static async Task RunAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        using var scenario = new SwapScenario(http);
        await scenario.SoakAsync(duration, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _model.Dispose();
        _data.Dispose();
    }

    /// <summary>1 two releases and their cold answers; 2 swaps under load; 3 what is left; 4 the cold answers again.</summary>
    private async Task SoakAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        await using var worker = await BuiltInWorker.StartAsync(
            new WorkerOptions { ModelDirectory = _model.Path, ModelName = "starter" }, url: null, TimeProvider.System, cancellationToken);
        await using var host = await GatewayHost.StartAsync(
            new ServeOptions { Model = _model.Path, Data = _data.Path, Url = "http://127.0.0.1:0", Workers = [worker.Address] },
            builder => builder.Logging.SetMinimumLevel(LogLevel.Warning), cancellationToken);
        _http.BaseAddress = host.Address;

        // 1 Cold answers.
        string[] releases = [await ReleaseAsync(1, cancellationToken), await ReleaseAsync(2, cancellationToken)];
        await PostAsync("/v1/deployments", new { name = "tuned", release_id = releases[0], learns = false }, cancellationToken);
        await AskAllAsync(cancellationToken);
        await SwapAsync(releases[0], releases[1], cancellationToken);
        await AskAllAsync(cancellationToken);
        Check(_cold.Count == 2 * Prompts.Length, "The two adapters must be two generations.");

        // 2 Swaps.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var chats = Enumerable.Range(0, Chats).Select(chat => ChatOnAsync(chat, stop.Token)).ToList();
        var started = Stopwatch.GetTimestamp();
        var (swaps, slowest, resident) = (0, 0.0, 0L);
        while (Stopwatch.GetElapsedTime(started) < duration)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
            var before = Stopwatch.GetTimestamp();
            await SwapAsync(releases[(swaps + 1) % 2], releases[swaps % 2], cancellationToken);
            slowest = Math.Max(slowest, Stopwatch.GetElapsedTime(before).TotalMilliseconds);
            swaps++;
            if (chats.Find(chat => chat.IsFaulted) is { } failed)
            {
                await failed;
            }

            // Growth counts from the tenth swap, when caches and pools are warm.
            resident = swaps <= 10 ? Environment.WorkingSet : resident;
            if (swaps % 10 == 0)
            {
                Console.WriteLine($"swap: {swaps} swaps, {_replies} replies, resident {Environment.WorkingSet >> 20} MiB");
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(chats);

        // 3 What is left.
        while (worker.Runtime.Engine.Statistics.Running > 0)
        {
            await Task.Delay(10, cancellationToken);
        }

        EngineFuzz.AssertIdle(worker.Runtime.Engine);
        var growth = Environment.WorkingSet - resident;
        Check(growth < AllowedGrowth, $"Resident memory grew by {growth >> 20} MiB.");

        // 4 As before.
        await AskAllAsync(cancellationToken);
        await SwapAsync(releases[(swaps + 1) % 2], releases[swaps % 2], cancellationToken);
        await AskAllAsync(cancellationToken);
        Check(_cold.Count == 2 * Prompts.Length, "A third generation answered.");
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"swap: {swaps} swaps (slowest {slowest:F0} ms), {_replies} replies, half of them streamed, 0 failures, 0 mixed; leases and blocks all back; resident memory {growth / 1048576.0:+0.0;-0.0} MiB"));
    }

    private async Task ChatOnAsync(int chat, CancellationToken stop)
    {
        for (var i = chat; !stop.IsCancellationRequested; i++)
        {
            // A reply under way is read to its end.
            await AskAsync(Prompts[i % Prompts.Length], stream: i % 2 == 0, CancellationToken.None);
            Interlocked.Increment(ref _replies);
        }
    }

    private async Task AskAllAsync(CancellationToken cancellationToken)
    {
        foreach (var prompt in Prompts)
        {
            await AskAsync(prompt, stream: false, cancellationToken);
            await AskAsync(prompt, stream: true, cancellationToken);
        }
    }

    /// <summary>One greedy reply, which must be of one generation and equal that generation's first answer to the prompt.</summary>
    private async Task AskAsync(string prompt, bool stream, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsJsonAsync(
            "/v1/chat/completions",
            new { model = "tuned", messages = new[] { new { role = "user", content = prompt } }, temperature = 0, max_tokens = 40, stream },
            cancellationToken);
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        Check(response.IsSuccessStatusCode, $"A chat answered {(int)response.StatusCode}: {body}");
        var (generation, text) = stream ? ReadStream(body) : ReadWhole(body);
        Check(generation == response.Headers.GetValues("x-adapter-generation").Single(), "The header names another generation than the reply.");
        lock (_cold)
        {
            Check(_cold.TryAdd((generation, prompt), text) || _cold[(generation, prompt)] == text, $"Generation {generation} answered '{prompt}' differently.");
        }
    }

    private static (string Generation, string Text) ReadWhole(string body)
    {
        using var json = JsonDocument.Parse(body);
        return (
            json.RootElement.GetProperty("adapter_generation").GetString()!,
            json.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!);
    }

    private static (string Generation, string Text) ReadStream(string body)
    {
        var events = body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(item => item["data: ".Length..]).ToList();
        Check(events[^1] == "[DONE]", $"A stream broke off: {events[^1]}");
        var (generations, text) = (new HashSet<string>(StringComparer.Ordinal), new StringBuilder());
        foreach (var item in events[..^1])
        {
            using var json = JsonDocument.Parse(item);
            generations.Add(json.RootElement.GetProperty("adapter_generation").GetString()!);
            foreach (var choice in json.RootElement.GetProperty("choices").EnumerateArray())
            {
                text.Append(choice.GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString() : null);
            }
        }

        Check(generations.Count == 1, $"A stream mixes generations {string.Join(", ", generations)}.");
        return (generations.Single(), text.ToString());
    }

    private async Task<string> ReleaseAsync(int seed, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(_data.Path, "import", $"adapter-{seed}");
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        Directory.Move(_model.WriteAdapter(seed), folder);
        using var imported = await PostAsync("/v1/adapters/import", new { path = $"adapter-{seed}" }, cancellationToken);
        using var release = await PostAsync("/v1/releases", new { generation = imported.RootElement.GetProperty("generation").GetString() }, cancellationToken);
        return release.RootElement.GetProperty("id").GetString()!;
    }

    private async Task SwapAsync(string from, string to, CancellationToken cancellationToken)
    {
        using var response = await _http.PutAsJsonAsync("/v1/deployments/tuned", new { release_id = to, expected_release_id = from }, cancellationToken);
        Check(response.IsSuccessStatusCode, $"A swap answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellationToken)}");
    }

    private async Task<JsonDocument> PostAsync<T>(string path, T body, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsJsonAsync(path, body, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        Check(response.IsSuccessStatusCode, $"{path} answered {(int)response.StatusCode}: {text}");
        return JsonDocument.Parse(text);
    }

    private static void Check(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }
}
