using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;

namespace Gateway.TestKit.Processes;

/// <summary>
/// Kills one process of a fleet with SIGKILL while clients chat, give feedback, change contracts and use up two limited keys;
/// starts it again and checks that everything acknowledged is there.
/// </summary>
/// <param name="fleet">The processes, started.</param>
public sealed class KillUnderLoad(GatewayFleet fleet)
{
    /// <summary>Clients that chat without limits and give feedback.</summary>
    public const int Clients = 4;

    /// <summary>Clients of limited keys.</summary>
    public const int LimitedClients = 4;

    private const int PerMinute = 60;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRecovery = TimeSpan.FromMinutes(1);
    private static readonly string[] Prompts = ["Hello", "the quick fox", "one two three", "why?"];

    private readonly Dictionary<string, string> _alone = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (GatewayProcess Gateway, long Ended)> _replies = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _feedback = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<int> _versions = [];
    private GatewayProcess? _killed;
    private string? _problem;
    private int _wrong;
    private int _failed;
    private int _failedElsewhere;
    private int _number;

    /// <summary>1 keys and the lone replies; 2 load; 3 the kill; 4 the start; 5 what is there.</summary>
    public async Task<KillUnderLoadReport> RunAsync(Victim victim, TimeSpan before, TimeSpan down, TimeSpan after, CancellationToken cancellationToken)
    {
        // 1 The model has one answer per prompt, whoever asks.
        var load = await KeyAsync(null, cancellationToken);
        var (strict, open) = (await KeyAsync("fail_closed", cancellationToken), await KeyAsync("fail_open", cancellationToken));
        foreach (var prompt in Prompts)
        {
            _alone[prompt] = (await fleet.Gateways[0].Http.ChatAsync("starter", prompt, 16, stream: false, load, cancellationToken)).Text;
        }

        // 2 Load.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var started = Stopwatch.GetTimestamp();
        List<Task> users = [.. Enumerable.Range(0, Clients).Select(client => UseAsync(client, load, stop.Token)), ChangeAsync(stop.Token)];
        var granted = Enumerable.Range(0, LimitedClients).Select(client => SpendAsync(client, client % 2 == 0 ? strict : open, stop.Token)).ToList();
        await Task.Delay(before, cancellationToken);

        // 3 The kill.
        var kill = Stopwatch.GetTimestamp();
        _killed = victim == Victim.Gateway ? fleet.Gateways[0] : null;
        await (victim switch { Victim.Worker => fleet.KillWorkerAsync(), Victim.Gateway => fleet.KillGatewayAsync(), _ => Task.Run(fleet.Redis.Kill, cancellationToken) });
        await Task.Delay(down, cancellationToken);

        // 4 The start.
        var start = Stopwatch.GetTimestamp();
        await (victim switch
        {
            Victim.Worker => fleet.RestartWorkerAsync(cancellationToken),
            Victim.Gateway => fleet.RestartGatewayAsync(cancellationToken),
            _ => fleet.Redis.StartAsync(cancellationToken),
        });
        foreach (var gateway in fleet.Gateways)
        {
            await RecoveredAsync(gateway, load, start, cancellationToken);
        }

        var recovery = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await Task.Delay(after, cancellationToken);
        await stop.CancelAsync();
        await Task.WhenAll(users);
        var counts = await Task.WhenAll(granted);
        var minutes = Stopwatch.GetElapsedTime(started).TotalMinutes;

        // 5 What is there.
        var (lost, inWindow) = await CountLostAsync(kill, cancellationToken);
        var allowed = PerMinute + (int)Math.Ceiling(PerMinute * minutes);
        return new(
            victim, _replies.Count, _feedback.Count, _versions.Count, lost, inWindow, _wrong, _failed, _failedElsewhere,
            counts.Where((_, client) => client % 2 == 0).Sum(), allowed,
            counts.Where((_, client) => client % 2 == 1).Sum(), allowed * (1 + fleet.Gateways.Count),
            Stopwatch.GetElapsedTime(kill, start).TotalSeconds, recovery, _problem);
    }

    private Task<string> KeyAsync(string? onStoreFailure, CancellationToken cancellationToken) => fleet.KeyAsync(
        new JsonObject
        {
            ["scopes"] = new JsonArray("inference", "feedback"),
            ["owner"] = "load",
            ["limits"] = onStoreFailure is null ? null : new JsonObject { ["requests_per_minute"] = PerMinute, ["on_store_failure"] = onStoreFailure },
        },
        cancellationToken);

    /// <summary>Chats, half of them streamed, and rates what came; a broken connection is a failed chat.</summary>
    private async Task UseAsync(int client, string key, CancellationToken stop)
    {
        for (var i = client; !stop.IsCancellationRequested; i++)
        {
            var gateway = fleet.Gateways[i % fleet.Gateways.Count];
            if (await ChatAsync(gateway, Prompts[i % Prompts.Length], 16, stream: i / 2 % 2 == 0, key) is not { } id)
            {
                await Task.Delay(50, CancellationToken.None);
                continue;
            }

            var body = new JsonObject { ["response_id"] = id, ["kind"] = "comment", ["value"] = "Good." };
            if (await TryAsync(gateway, "v1/feedback", body, key) is { } feedback)
            {
                _feedback[feedback["id"]!.GetValue<string>()] = id;
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }

    private async Task ChangeAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var number = Interlocked.Increment(ref _number);
            var body = new JsonObject { ["name"] = "changing", ["content"] = new JsonObject { ["system_prompt"] = $"Number {number}." } };
            if (await TryAsync(fleet.Gateways[number % fleet.Gateways.Count], "v1/contracts", body, fleet.Operator) is { } contract)
            {
                _versions.Add(contract["version"]!.GetValue<int>());
            }

            await Task.Delay(100, CancellationToken.None);
        }
    }

    /// <summary>Asks for more than the limit grants and counts what was granted.</summary>
    private async Task<int> SpendAsync(int client, string key, CancellationToken stop)
    {
        var granted = 0;
        for (var i = client / 2; !stop.IsCancellationRequested; i++)
        {
            granted += await ChatAsync(fleet.Gateways[i % fleet.Gateways.Count], Prompts[0], 16, stream: false, key, limited: true) is not null ? 1 : 0;
            await Task.Delay(50, CancellationToken.None);
        }

        return granted;
    }

    private async Task<string?> ChatAsync(GatewayProcess gateway, string prompt, int maxTokens, bool stream, string key, bool limited = false)
    {
        try
        {
            var reply = await gateway.Http.ChatAsync("starter", prompt, maxTokens, stream, key, CancellationToken.None);
            if (reply.Problem is null)
            {
                _replies[reply.Id!] = (gateway, Stopwatch.GetTimestamp());
                if (reply.Text != _alone[prompt])
                {
                    Interlocked.Increment(ref _wrong);
                    Tell($"'{prompt}' was answered with '{reply.Text}'");
                }

                return reply.Id;
            }

            if (limited && reply.Status is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable && reply.Problem.Contains("limit", StringComparison.Ordinal))
            {
                return null;
            }

            Fail(gateway, $"{(int)reply.Status} {reply.Problem}");
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or InvalidOperationException or OperationCanceledException)
        {
            // A client whose gateway was replaced has been closed under it.
            Fail(gateway, failure.Message);
        }

        return null;
    }

    /// <summary>The reply when the call was acknowledged, otherwise null.</summary>
    private static async Task<JsonNode?> TryAsync(GatewayProcess gateway, string path, JsonNode body, string key)
    {
        try
        {
            return await gateway.Http.CallAsync(HttpMethod.Post, path, body, CancellationToken.None, key);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or InvalidOperationException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Waits until a gateway chats, acknowledges feedback and sees both workers.</summary>
    private async Task RecoveredAsync(GatewayProcess gateway, string key, long start, CancellationToken cancellationToken)
    {
        while (Stopwatch.GetElapsedTime(start) < LongestRecovery)
        {
            if (await ChatAsync(gateway, Prompts[0], 16, stream: false, key) is { } id
                && await TryAsync(gateway, "v1/feedback", new JsonObject { ["response_id"] = id, ["kind"] = "comment", ["value"] = "Back." }, key) is { } feedback)
            {
                _feedback[feedback["id"]!.GetValue<string>()] = id;
                var workers = await gateway.Http.CallAsync(HttpMethod.Get, "v1/workers", null, cancellationToken, fleet.Operator);
                if (workers["data"]!.AsArray().All(worker => worker!["state"]!.GetValue<string>() == "up" && worker["breaker"]!.GetValue<string>() == "closed"))
                {
                    return;
                }
            }

            await Task.Delay(20, cancellationToken);
        }

        throw new InvalidOperationException($"Nothing recovered within {LongestRecovery}; the first problem was {_problem}");
    }

    /// <summary>Spilled interactions arrive a little later, so what is missing is looked for again for a while.</summary>
    private async Task<(int Lost, int InWindow)> CountLostAsync(long kill, CancellationToken cancellationToken)
    {
        var http = fleet.Gateways[1].Http;
        var missing = _replies.Keys.ToList();
        for (var attempt = 0; attempt < 100 && missing.Count > 0; attempt++)
        {
            await Task.Delay(attempt == 0 ? 0 : 100, cancellationToken);
            var still = new List<string>();
            foreach (var id in missing)
            {
                if (!await IsThereAsync(http, $"v1/interactions/{id}", cancellationToken))
                {
                    still.Add(id);
                }
            }

            missing = still;
        }

        var inWindow = missing.Count(id => _replies[id].Gateway == _killed && Stopwatch.GetElapsedTime(_replies[id].Ended, kill) < Window);
        var lost = missing.Count - inWindow;
        foreach (var (id, response) in _feedback)
        {
            var list = await http.CallAsync(HttpMethod.Get, $"v1/feedback?response_id={response}", null, cancellationToken, fleet.Operator);
            lost += list["data"]!.AsArray().Any(entry => entry!["id"]!.GetValue<string>() == id) ? 0 : 1;
        }

        foreach (var version in _versions)
        {
            lost += await IsThereAsync(http, $"v1/contracts/changing/versions/{version}", cancellationToken) ? 0 : 1;
        }

        return (lost, inWindow);
    }

    private async Task<bool> IsThereAsync(HttpClient http, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Authorization", $"Bearer {fleet.Operator}" } } };
        using var response = await http.SendAsync(request, cancellationToken);
        return response.IsSuccessStatusCode;
    }

    private void Fail(GatewayProcess gateway, string problem)
    {
        Interlocked.Increment(ref _failed);
        if (gateway != _killed)
        {
            Interlocked.Increment(ref _failedElsewhere);
            Tell(problem);
        }
    }

    private void Tell(string problem) => Interlocked.CompareExchange(ref _problem, problem, null);
}
