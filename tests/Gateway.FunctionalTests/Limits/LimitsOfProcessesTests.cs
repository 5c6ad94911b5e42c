using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Xunit;

namespace Gateway.FunctionalTests.Limits;

/// <summary>Limits where processes share them, and where one is killed.</summary>
public sealed partial class LimitsOfProcessesTests
{
    private const int Clients = 6;
    private const int ReplyTokens = 16;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>One limit binds in each case; both are counted over both gateways.</summary>
    [Theory]
    [InlineData(30, 100_000)]
    [InlineData(1_000, 800)]
    public async Task Two_gateways_on_one_Redis_grant_one_limit(int requests, int tokens)
    {
        using var fleet = new GatewayFleet();
        await fleet.StartAsync(Token);
        var key = await fleet.KeyAsync(
            new JsonObject
            {
                ["scopes"] = new JsonArray("inference"),
                ["owner"] = "ann",
                ["limits"] = new JsonObject { ["requests_per_minute"] = requests, ["tokens_per_minute"] = tokens, ["on_store_failure"] = "fail_closed" },
            },
            Token);

        // Neither gateway is so cold that the other one's clients take everything.
        var free = await fleet.KeyAsync(new JsonObject { ["scopes"] = new JsonArray("inference"), ["owner"] = "bob" }, Token);
        foreach (var gateway in fleet.Gateways)
        {
            await UseAsync(gateway, free);
        }

        var started = TimeProvider.System.GetTimestamp();
        var used = new int[fleet.Gateways.Count];
        var granted = new int[fleet.Gateways.Count];
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            var at = client % fleet.Gateways.Count;
            for (var refused = 0; refused < 20;)
            {
                var (status, body) = await ChatAsync(fleet.Gateways[at], key);
                if (status == HttpStatusCode.OK)
                {
                    var total = body["usage"]!["total_tokens"]!.GetValue<int>();
                    Interlocked.Add(ref used[at], total);
                    Interlocked.Increment(ref granted[at]);
                    InterlockedMaximum(ref most, total);
                }
                else
                {
                    // On a busy machine Redis may be too slow to count; this key is refused then.
                    Assert.True(status is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable, $"{status}: {body}");
                    refused++;
                    await Task.Delay(50, Token);
                }
            }
        }));

        // What the buckets hold and what ran into them; of tokens also what prompts have beyond their reservation, once per request under way.
        var minutes = TimeProvider.System.GetElapsedTime(started).TotalMinutes;
        Assert.All(granted, count => Assert.True(count > 0));
        Assert.InRange(granted.Sum(), 1, requests + Math.Ceiling(requests * minutes));
        Assert.InRange(used.Sum(), 1, tokens + Math.Ceiling(tokens * minutes) + (Clients * most));
        Assert.True(granted.Sum() >= requests || used.Sum() >= tokens - (Clients * 2 * most), $"Neither limit was reached: {granted.Sum()} requests, {used.Sum()} tokens.");
    }

    /// <summary>Use of a budget is written each second: what was used long before the kill counts, what came right before it may not.</summary>
    [Fact]
    public async Task A_kill_forgets_at_most_the_last_seconds_use_of_a_budget()
    {
        const int Amount = 3_000;
        using var model = new TinyModel();
        using var data = TestData.CreateFolder();
        string[] arguments = ["--model", model.Path, "--name", "starter", "--weights", "f32"];
        string key;
        int early = 0, late = 0;
        using (var gateway = await GatewayProcess.StartAsync(data.Path, Token, arguments))
        {
            var first = await gateway.Http.CallAsync(HttpMethod.Post, "v1/keys", new JsonObject { ["scopes"] = new JsonArray("operator") }, Token);
            var made = await gateway.Http.CallAsync(
                HttpMethod.Post,
                "v1/keys",
                new JsonObject
                {
                    ["scopes"] = new JsonArray("inference"),
                    ["owner"] = "ann",
                    ["limits"] = new JsonObject { ["budgets"] = new JsonArray(new JsonObject { ["unit"] = "tokens", ["per"] = "month", ["amount"] = Amount }) },
                },
                Token,
                first["secret"]!.GetValue<string>());
            key = made["secret"]!.GetValue<string>();
            for (var i = 0; i < 20; i++)
            {
                early += await UseAsync(gateway, key);
            }

            // Several writes.
            await Task.Delay(TimeSpan.FromSeconds(5), Token);
            for (var i = 0; i < 10; i++)
            {
                late += await UseAsync(gateway, key);
            }

            await gateway.KillAsync(withChildren: true);
        }

        using var restarted = await GatewayProcess.StartAsync(data.Path, Token, arguments);
        var (after, refused) = (0, false);
        while (true)
        {
            var (status, body) = await ChatAsync(restarted, key);
            if (status == HttpStatusCode.TooManyRequests && !refused)
            {
                // Asked again when the last reply is settled.
                refused = true;
                await Task.Delay(TimeSpan.FromSeconds(1), Token);
                continue;
            }

            if (status == HttpStatusCode.TooManyRequests)
            {
                var left = double.Parse(Left().Match(body["error"]!["message"]!.GetValue<string>()).Groups[1].Value, CultureInfo.InvariantCulture);
                var remembered = Amount - left - after;
                Assert.InRange(remembered, early, early + late);
                return;
            }

            Assert.Equal(HttpStatusCode.OK, status);
            after += body["usage"]!["total_tokens"]!.GetValue<int>();
        }
    }

    private static async Task<int> UseAsync(GatewayProcess gateway, string key)
    {
        var (status, body) = await ChatAsync(gateway, key);
        Assert.True(status == HttpStatusCode.OK, $"{status}: {body}");
        return body["usage"]!["total_tokens"]!.GetValue<int>();
    }

    private static async Task<(HttpStatusCode Status, JsonNode Body)> ChatAsync(GatewayProcess gateway, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        request.Content = JsonContent.Create(new { model = "starter", messages = new[] { new { role = "user", content = "Hi" } }, max_tokens = ReplyTokens, temperature = 0 });
        using var response = await gateway.Http.SendAsync(request, Token);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!);
    }

    private static void InterlockedMaximum(ref int most, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref most)) < value && Interlocked.CompareExchange(ref most, value, seen) != seen)
        {
        }
    }

    [GeneratedRegex(@"has (\S+) left")]
    private static partial Regex Left();
}
