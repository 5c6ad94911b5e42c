using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Gateway.Training.Evaluation;

namespace Gateway.Demo;

/// <summary>What the demo is run with.</summary>
/// <param name="Data">The messages.</param>
/// <param name="Corrections">Most corrections given as feedback.</param>
public sealed record DemoOptions(DemoData Data, int Corrections = 300);

/// <summary>A line for whoever watches: the phase, how far it is (0–1, or null), and a figure.</summary>
public sealed record DemoProgress(string Phase, double? Share, string Note = "");

/// <summary>
/// The main job end to end, as a client of a running gateway:
/// <list type="number">
/// <item>create the triage contract, its release on the bare base model, and the deployment;</item>
/// <item>measure the held-out messages and the chat latency before anything is learned;</item>
/// <item>send traffic; answer schema violations with corrections;</item>
/// <item>wait for the background run, measuring chat latency meanwhile, and for its gate;</item>
/// <item>send traffic with thumbs until the canary is promoted, and measure the held-out messages again;</item>
/// <item>train on permuted labels, override the gate as an operator, send traffic until the statistics roll it back;</item>
/// <item>roll back by hand and time it.</item>
/// </list>
/// Everything goes through the front door by HTTP.
/// </summary>
public sealed class DemoRun(DemoClient client, DemoOptions options, Action<DemoProgress> report)
{
    private const int Concurrency = 16;
    private const int LatencyStreams = 3;
    private const int LatencyTokens = 40;
    private const int LatencyRequests = 300;
    private const string ChatModel = "starter";
    private const string ChatPrompt = "Tell me about a film you like.";

    private readonly HashSet<string> _intents = options.Data.Intents.ToHashSet(StringComparer.Ordinal);
    private int _unit;

    /// <summary>Runs all phases.</summary>
    /// <exception cref="DemoFailedException">A phase did not end as it must; the message holds what the gateway said.</exception>
    public async Task<DemoReport> RunAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();

        // 1 Contract, release, deployment.
        report(new DemoProgress("set-up", 0));
        await client.PostAsync("v1/contracts", TriageContract.Body(options.Data.Intents), cancellationToken);
        var release = await client.PostAsync("v1/releases", new JsonObject { ["contract"] = $"{TriageContract.Name}@1" }, cancellationToken);
        await client.PostAsync(
            "v1/deployments",
            new JsonObject { ["name"] = TriageContract.Name, ["release_id"] = Text(release["id"]), ["reason"] = "demo" },
            cancellationToken);
        report(new DemoProgress("set-up", 1));

        // 2 Before.
        var before = await MeasureAsync("held-out before", cancellationToken);
        await LatencyAsync(() => false, "chat warm-up", cancellationToken);
        var idle = await LatencyAsync(() => false, "chat latency, idle", cancellationToken);

        // 3 Traffic and corrections.
        var corrections = await TrafficWithCorrectionsAsync(cancellationToken);

        // 4 The background run.
        var job = await WaitForJobAsync(cancellationToken);
        var busy = await LatencyWhileTrainingAsync(job, cancellationToken);
        var trained = await FollowJobAsync(job, "training", cancellationToken);
        if (Text(trained["status"]) != "succeeded")
        {
            throw new DemoFailedException($"the training job ended {Text(trained["status"])}: {trained["error"]} {trained["reasons"]?.ToJsonString()}");
        }

        // 5 Canary and after.
        var promoted = await TrafficUntilDecidedAsync("canary", cancellationToken);
        if (promoted.Verdict != "promote")
        {
            throw new DemoFailedException($"the canary ended {promoted.Verdict}: {promoted.Reasons}");
        }

        var after = await MeasureAsync("held-out after", cancellationToken);

        // 6 Wrong answers: valid JSON that only feedback can tell.
        var harmfulGeneration = await TrainPermutedAsync(corrections, cancellationToken);
        await client.PostAsync(
            "v1/rollouts",
            new JsonObject
            {
                ["deployment"] = TriageContract.Name,
                ["generation"] = harmfulGeneration,
                ["override_gate"] = true,
                ["reason"] = "demo: an adapter trained on permuted labels must be caught by the canary",
            },
            cancellationToken);
        var harmful = await TrafficUntilDecidedAsync("harmful canary", cancellationToken);

        // 7 By hand.
        var rollback = await RollBackByHandAsync(cancellationToken);

        return new DemoReport
        {
            SchemaValidBefore = Interval.Proportion(before.Count(intent => intent is not null), before.Count),
            SchemaValidAfter = Interval.Proportion(after.Count(intent => intent is not null), after.Count),
            AccuracyBefore = Accuracy(before),
            AccuracyAfter = Accuracy(after),
            AccuracyGain = Gain(before, after),
            MajorityShare = options.Data.HeldOut.GroupBy(row => row.Label, StringComparer.Ordinal).Max(group => group.Count()) / (double)before.Count,
            BagOfWordsAccuracy = BagOfWords(corrections),
            Recall = Recall(after),
            TpotP99Idle = Percentile99(idle),
            TpotP99Training = Percentile99(busy),
            HarmfulRolledBack = harmful.Verdict == "rollback_harm",
            HarmfulPairs = harmful.Pairs,
            ManualRollbackMs = rollback,
            Seconds = Stopwatch.GetElapsedTime(started).TotalSeconds,
        };
    }

    /// <summary>The parsed intent of every held-out message, null where the reply breaks the schema.</summary>
    private async Task<IReadOnlyList<string?>> MeasureAsync(string phase, CancellationToken cancellationToken)
    {
        var rows = options.Data.HeldOut;
        var intents = new string?[rows.Count];
        var done = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, rows.Count), Parallelism(cancellationToken), async (i, token) =>
        {
            var reply = await client.ChatAsync(TriageContract.Name, rows[i].Text, NextUnit(), token);
            intents[i] = TriageContract.IntentOf(reply.Text, _intents);
            report(new DemoProgress(phase, Interlocked.Increment(ref done) / (double)rows.Count));
        });
        return intents;
    }

    /// <summary>Sends the messages to be corrected; every wrong reply gets the right answer as feedback, in one burst.</summary>
    private async Task<IReadOnlyList<LabelledMessage>> TrafficWithCorrectionsAsync(CancellationToken cancellationToken)
    {
        var rows = options.Data.Traffic.Take(options.Corrections).ToList();
        var wrong = new ConcurrentBag<(string ResponseId, LabelledMessage Row)>();
        var done = 0;
        await Parallel.ForEachAsync(rows, Parallelism(cancellationToken), async (row, token) =>
        {
            var reply = await client.ChatAsync(TriageContract.Name, row.Text, NextUnit(), token);
            if (TriageContract.IntentOf(reply.Text, _intents) != row.Label)
            {
                wrong.Add((reply.Id, row));
            }

            report(new DemoProgress("traffic", Interlocked.Increment(ref done) / (double)rows.Count));
        });
        done = 0;
        await Parallel.ForEachAsync(wrong, Parallelism(cancellationToken), async (entry, token) =>
        {
            await client.FeedbackAsync(entry.ResponseId, "correction", TriageContract.Answer(entry.Row.Label), token);
            report(new DemoProgress("corrections", Interlocked.Increment(ref done) / (double)wrong.Count));
        });
        return [.. wrong.Select(entry => entry.Row)];
    }

    private async Task<string> WaitForJobAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var jobs = await client.GetAsync("v1/jobs", cancellationToken);
            foreach (var job in jobs["data"]!.AsArray())
            {
                if (Text(job!["deployment"]) == TriageContract.Name)
                {
                    return Text(job["id"]);
                }
            }

            report(new DemoProgress("waiting for the trigger", null));
            await Task.Delay(500, cancellationToken);
        }
    }

    private async Task<JsonNode> FollowJobAsync(string id, string phase, CancellationToken cancellationToken)
    {
        while (true)
        {
            var job = await client.GetAsync($"v1/jobs/{id}", cancellationToken);
            if (Text(job["status"]) is not ("queued" or "running"))
            {
                report(new DemoProgress(phase, 1, Text(job["status"])));
                return job;
            }

            if (job["progress"] is JsonObject progress)
            {
                var total = progress["total"]!.GetValue<int>();
                report(new DemoProgress(phase, total > 0 ? progress["done"]!.GetValue<int>() / (double)total : null, $"{progress["stage"]} {progress["note"]}"));
            }

            await Task.Delay(500, cancellationToken);
        }
    }

    /// <summary>Time per output token of concurrent chats, until enough requests are in and <paramref name="goOn"/> says no more.</summary>
    private async Task<IReadOnlyList<double>> LatencyAsync(Func<bool> goOn, string phase, CancellationToken cancellationToken)
    {
        var samples = new ConcurrentBag<double>();
        var count = 0;
        await Task.WhenAll(Enumerable.Range(0, LatencyStreams).Select(async _ =>
        {
            while (Interlocked.Increment(ref count) <= LatencyRequests || goOn())
            {
                if (await client.TimePerTokenAsync(ChatModel, ChatPrompt, LatencyTokens, cancellationToken) is { } value)
                {
                    samples.Add(value);
                }

                report(new DemoProgress(phase, Math.Min(1, samples.Count / (double)LatencyRequests), $"{samples.Count} chats"));
            }
        }));
        return [.. samples];
    }

    private async Task<IReadOnlyList<double>> LatencyWhileTrainingAsync(string job, CancellationToken cancellationToken)
    {
        while (await StageAsync() is not "train")
        {
            await Task.Delay(200, cancellationToken);
        }

        using var end = new CancellationTokenSource();
        var watch = WatchAsync();
        var samples = await LatencyAsync(() => !end.IsCancellationRequested, "chat latency, training", cancellationToken);
        await watch;
        return samples;

        async Task<string?> StageAsync()
        {
            var state = await client.GetAsync($"v1/jobs/{job}", cancellationToken);
            return Text(state["status"]) is "queued" or "running" ? state["progress"]?["stage"]?.GetValue<string>() : "train";
        }

        async Task WatchAsync()
        {
            var first = Stopwatch.GetTimestamp();
            while (await StageAsync() is "train" && Stopwatch.GetElapsedTime(first) < TimeSpan.FromSeconds(20))
            {
                await Task.Delay(250, cancellationToken);
            }

            await end.CancelAsync();
        }
    }

    /// <summary>
    /// Users write and rate, each in a conversation of their own, until the rollout has a verdict. A wrong answer gets a
    /// thumbs-down; nobody corrects any more.
    /// </summary>
    private async Task<(string Verdict, int Pairs, string Reasons)> TrafficUntilDecidedAsync(string phase, CancellationToken cancellationToken)
    {
        var rolloutId = await RolloutIdAsync(cancellationToken);
        using var decided = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var sent = 0;
        var users = Enumerable.Range(0, Concurrency).Select(async _ =>
        {
            while (!decided.IsCancellationRequested)
            {
                var row = options.Data.Traffic[Interlocked.Increment(ref sent) % options.Data.Traffic.Count];
                var reply = await client.ChatAsync(TriageContract.Name, row.Text, NextUnit(), cancellationToken);
                if (TriageContract.IntentOf(reply.Text, _intents) != row.Label && reply.Arm != "stable")
                {
                    await client.FeedbackAsync(reply.Id, "thumbs", false, cancellationToken);
                }
            }
        }).ToList();
        while (true)
        {
            var rollout = await client.GetAsync($"v1/rollouts/{rolloutId}", cancellationToken);
            var verdict = Text(rollout["verdict"]);
            var pairs = rollout["pairs"]!.GetValue<int>();
            if (verdict is not ("running" or "hold" or "blocked_srm"))
            {
                await decided.CancelAsync();
                await Task.WhenAll(users);
                report(new DemoProgress(phase, 1, $"{verdict} after {pairs} pairs, {sent} messages"));
                return (verdict, pairs, rollout["reasons"]?.ToJsonString() ?? "");
            }

            report(new DemoProgress(phase, null, $"share {rollout["share"]!.GetValue<double>():P0}, {pairs} pairs, {sent} messages"));
            await Task.Delay(250, cancellationToken);
            if (users.FirstOrDefault(user => user.IsFaulted) is { } broken)
            {
                await broken;
            }
        }
    }

    private async Task<string> RolloutIdAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var deployment = await client.GetAsync($"v1/deployments/{TriageContract.Name}", cancellationToken);
            if (deployment["rollout_id"] is { } id)
            {
                return id.GetValue<string>();
            }

            await Task.Delay(200, cancellationToken);
        }
    }

    /// <summary>Trains on the corrections with every label replaced by the next one; returns the generation the gate refuses.</summary>
    private async Task<string> TrainPermutedAsync(IReadOnlyList<LabelledMessage> corrections, CancellationToken cancellationToken)
    {
        var intents = options.Data.Intents;
        var next = intents.Select((intent, i) => (intent, wrong: intents[(i + 1) % intents.Count]))
            .ToDictionary(entry => entry.intent, entry => entry.wrong, StringComparer.Ordinal);
        var rows = new JsonArray([.. corrections.Select(row => (JsonNode)new JsonObject
        {
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = row.Text }),
            ["target"] = TriageContract.Answer(next[row.Label]),
        })]);
        var job = await client.PostAsync(
            "v1/jobs",
            new JsonObject { ["deployment"] = TriageContract.Name, ["rows"] = rows, ["reason"] = "demo: permuted labels" },
            cancellationToken);
        var ended = await FollowJobAsync(Text(job["id"]), "training on permuted labels", cancellationToken);
        return ended["generation"]?.GetValue<string>()
            ?? throw new DemoFailedException($"the permuted run made no adapter: {ended["error"]} {ended["reasons"]?.ToJsonString()}");
    }

    private async Task<double> RollBackByHandAsync(CancellationToken cancellationToken)
    {
        report(new DemoProgress("manual rollback", null));
        var text = options.Data.Traffic[0].Text;
        var serving = (await client.ChatAsync(TriageContract.Name, text, NextUnit(), cancellationToken)).Generation;
        var called = Stopwatch.GetTimestamp();
        await client.PostAsync($"v1/deployments/{TriageContract.Name}/rollback", new JsonObject { ["reason"] = "demo: by hand" }, cancellationToken);
        while ((await client.ChatAsync(TriageContract.Name, text, NextUnit(), cancellationToken)).Generation == serving)
        {
        }

        var elapsed = Stopwatch.GetElapsedTime(called).TotalMilliseconds;
        report(new DemoProgress("manual rollback", 1, $"{elapsed:F0} ms to the first reply of the release before"));
        return elapsed;
    }

    private Interval Accuracy(IReadOnlyList<string?> intents) =>
        Interval.Proportion(intents.Where((intent, i) => intent == options.Data.HeldOut[i].Label).Count(), intents.Count);

    private DemoGain Gain(IReadOnlyList<string?> before, IReadOnlyList<string?> after)
    {
        double Right(IReadOnlyList<string?> intents, int i) => intents[i] == options.Data.HeldOut[i].Label ? 1 : 0;
        var gain = Interval.PairedDifference([.. before.Select((_, i) => Right(after, i) - Right(before, i))]);
        return new DemoGain(gain.Value, gain.Low, gain.High);
    }

    private Dictionary<string, double> Recall(IReadOnlyList<string?> intents) => options.Data.HeldOut
        .Select((row, i) => (row.Label, Right: intents[i] == row.Label))
        .GroupBy(entry => entry.Label, StringComparer.Ordinal)
        .OrderBy(group => group.Key, StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => group.Average(entry => entry.Right ? 1.0 : 0), StringComparer.Ordinal);

    private double BagOfWords(IReadOnlyList<LabelledMessage> corrections)
    {
        var baseline = new BagOfWordsBaseline(corrections);
        return options.Data.HeldOut.Average(row => baseline.Predict(row.Text) == row.Label ? 1.0 : 0);
    }

    private static double Percentile99(IReadOnlyList<double> samples) =>
        samples.Count == 0 ? double.NaN : samples.Order().ElementAt((int)Math.Ceiling(0.99 * samples.Count) - 1);

    private string NextUnit() => $"demo-{Interlocked.Increment(ref _unit)}";

    private static ParallelOptions Parallelism(CancellationToken cancellationToken) =>
        new() { MaxDegreeOfParallelism = Concurrency, CancellationToken = cancellationToken };

    private static string Text(JsonNode? node) => node?.GetValue<string>() ?? throw new DemoFailedException("the gateway's answer lacks a member the demo reads");
}

/// <summary>The demo could not go on; the message holds what the gateway said.</summary>
public sealed class DemoFailedException(string message) : Exception(message);
