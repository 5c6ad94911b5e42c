using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.TestKit.Storage;
using StackExchange.Redis;
using Xunit;

namespace Gateway.FunctionalTests.Durability;

/// <summary>Readers outside the gateway that share its stream of interactions as a consumer group, with the commands of docs/operations.md.</summary>
public sealed class ConsumerGroupTests : IDisposable
{
    private const string Stream = "{gateway}:interactions";
    private const string Group = "loader";
    private readonly RedisServer _redis = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _redis.Dispose();

    [Fact]
    public async Task Two_consumers_share_all_interactions_and_each_comes_once()
    {
        await using var gateway = await StartAsync();
        using var client = await ConnectAsync();
        var redis = client.GetDatabase();
        await redis.ExecuteAsync("XGROUP", "CREATE", Stream, Group, "0", "MKSTREAM");
        await ChatAsync(gateway, 20);

        var read = new Dictionary<string, List<string>>(StringComparer.Ordinal) { ["one"] = [], ["two"] = [] };
        for (var turn = 0; await ReadAsync(redis, turn % 2 == 0 ? "one" : "two", 3) is { Count: > 0 } entries; turn++)
        {
            read[turn % 2 == 0 ? "one" : "two"].AddRange(entries.Select(entry => IdOf(entry.Json!)));
            Assert.Equal(entries.Count, await AcknowledgeAsync(redis, entries));
        }

        Assert.All(read.Values, ids => Assert.NotEmpty(ids));
        var all = read.Values.SelectMany(ids => ids).ToList();
        var recorded = await gateway.InteractionsAsync();
        Assert.Equal(recorded.Select(record => record.GetProperty("id").GetString()!).Order(StringComparer.Ordinal), all.Order(StringComparer.Ordinal));
        Assert.Equal(0, (long)((RedisResult[])(await redis.ExecuteAsync("XPENDING", Stream, Group))!)[0]);
    }

    [Fact]
    public async Task What_a_dead_consumer_left_goes_to_another_without_the_entries_of_an_erased_user()
    {
        await using var gateway = await StartAsync();
        using var client = await ConnectAsync();
        var redis = client.GetDatabase();
        await ChatAsync(gateway, 6, user: "bob");
        await ChatAsync(gateway, 4, user: "ann");
        await ChatAsync(gateway, 2, user: "bob");
        await redis.ExecuteAsync("XGROUP", "CREATE", Stream, Group, "0", "MKSTREAM");

        // The first takes four and acknowledges them, the second takes five more and dies; three are read by nobody yet.
        await AcknowledgeAsync(redis, await ReadAsync(redis, "one", 4));
        var left = await ReadAsync(redis, "two", 5);
        Assert.Equal(["bob", "bob", "ann", "ann", "ann"], left.Select(entry => UserOf(entry.Json!)));

        using var deleted = await gateway.Client.DeleteAsync("/v1/users/ann/interactions", Token);
        Assert.Equal(4, (await GatewayUnderTest.ReadAsync(deleted)).GetProperty("interactions_erased").GetInt32());

        var (claimed, gone) = await ClaimAsync(redis, "one");
        Assert.Equal(["bob", "bob"], claimed.Where(entry => entry.Json is not null).Select(entry => UserOf(entry.Json!)));
        Assert.Equal(left.Skip(2).Select(entry => entry.Entry), gone);
        await AcknowledgeAsync(redis, claimed);
        Assert.Equal(["bob", "bob"], (await ReadAsync(redis, "one", 10)).Select(entry => UserOf(entry.Json!)));

        // The gateway lists, exports and erases as if there were no group.
        Assert.Equal(8, (await gateway.InteractionsAsync()).Count);
        Assert.Empty((await gateway.GetAsync("/v1/interactions?user=ann")).GetProperty("data").EnumerateArray());
        var export = await gateway.Client.GetStringAsync("/v1/interactions/export", Token);
        Assert.Equal(8, export.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        using var other = await gateway.Client.DeleteAsync("/v1/users/bob/interactions", Token);
        Assert.Equal(8, (await GatewayUnderTest.ReadAsync(other)).GetProperty("interactions_erased").GetInt32());
        Assert.Equal(0, (long)await redis.ExecuteAsync("XLEN", Stream));
        Assert.All(await OwnPendingAsync(redis, "one"), entry => Assert.Null(entry.Json));
    }

    private async Task<GatewayUnderTest> StartAsync()
    {
        await _redis.StartAsync(Token);
        return await GatewayUnderTest.StartAsync(with: options => options with { Redis = _redis.Address });
    }

    private Task<ConnectionMultiplexer> ConnectAsync() => ConnectionMultiplexer.ConnectAsync(_redis.Address);

    private static async Task ChatAsync(GatewayUnderTest gateway, int count, string user = "ann")
    {
        for (var i = 0; i < count; i++)
        {
            using var reply = await gateway.ChatAsync(more: $$""","user":"{{user}}" """);
            await GatewayUnderTest.ReadAsync(reply);
        }

        await gateway.InteractionsAsync();
    }

    private static async Task<IReadOnlyList<GroupEntry>> ReadAsync(IDatabase redis, string consumer, int count) =>
        Streams(await redis.ExecuteAsync("XREADGROUP", "GROUP", Group, consumer, "COUNT", count, "STREAMS", Stream, ">"));

    /// <summary>What a consumer has read and not acknowledged.</summary>
    private static async Task<IReadOnlyList<GroupEntry>> OwnPendingAsync(IDatabase redis, string consumer) =>
        Streams(await redis.ExecuteAsync("XREADGROUP", "GROUP", Group, consumer, "STREAMS", Stream, "0"));

    private static async Task<int> AcknowledgeAsync(IDatabase redis, IReadOnlyList<GroupEntry> entries) =>
        (int)await redis.ExecuteAsync("XACK", [Stream, Group, .. entries.Select(entry => entry.Entry)]);

    /// <summary>Takes over everything that is pending; and the ids of what was pending and is deleted, which Redis tells from 7.0 on.</summary>
    private static async Task<(IReadOnlyList<GroupEntry> Claimed, IReadOnlyList<string> Gone)> ClaimAsync(IDatabase redis, string consumer)
    {
        var reply = (RedisResult[])(await redis.ExecuteAsync("XAUTOCLAIM", Stream, Group, consumer, "0", "0-0"))!;
        return (Entries(reply[1]), [.. ((RedisResult[])reply[2]!).Select(id => (string)id!)]);
    }

    private static IReadOnlyList<GroupEntry> Streams(RedisResult reply) =>
        reply.IsNull ? [] : [.. ((RedisResult[])reply!).SelectMany(stream => Entries(((RedisResult[])stream!)[1]))];

    private static IReadOnlyList<GroupEntry> Entries(RedisResult reply) => [.. ((RedisResult[])reply!).Select(entry =>
    {
        var parts = (RedisResult[])entry!;
        if (parts[1].IsNull)
        {
            return new GroupEntry((string)parts[0]!, null);
        }

        var fields = (RedisResult[])parts[1]!;
        Assert.Equal(("json", 2), ((string)fields[0]!, fields.Length));
        return new GroupEntry((string)parts[0]!, (string)fields[1]!);
    })];

    private static string IdOf(string json) => Member(json, "id");

    private static string UserOf(string json) => Member(json, "user");

    private static string Member(string json, string name)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty(name).GetString()!;
    }

    private sealed record GroupEntry(string Entry, string? Json);
}
