using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Records;
using Xunit;

namespace Gateway.FunctionalTests.Api;

/// <summary>How long records stay, who can take them out, and what they never hold.</summary>
public sealed class RecordKeepingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_export_streams_what_it_is_asked_for_as_json_lines()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        for (var i = 0; i < 5; i++)
        {
            using var reply = await gateway.ChatAsync(more: $$""","user":"{{(i % 2 == 0 ? "ann" : "bob")}}" """);
            await GatewayUnderTest.ReadAsync(reply);
        }

        Assert.Equal(5, (await ExportAsync(gateway, "")).Count);
        Assert.Equal(["ann", "ann", "ann"], (await ExportAsync(gateway, "?user=ann")).Select(row => row.GetProperty("user").GetString()));
        Assert.Empty(await ExportAsync(gateway, "?flagged=true"));
        Assert.Empty(await ExportAsync(gateway, "?deployment=other"));
        Assert.Empty(await ExportAsync(gateway, "?until=2020-01-01T00:00:00Z"));
        Assert.Equal(5, (await ExportAsync(gateway, "?since=2020-01-01T00:00:00Z&deployment=starter")).Count);
        using var wrong = await gateway.Client.GetAsync("/v1/interactions/export?since=yesterday", Token);
        Assert.Equal("invalid_value", await GatewayUnderTest.ErrorCodeAsync(wrong, 400));
    }

    [Fact]
    public async Task Deleting_a_user_takes_the_content_off_the_disk_and_names_what_was_learned_from_it()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        gateway.Worker.Chunks = ["a secret of ann"];
        using var first = await gateway.ChatAsync(more: ""","user":"ann/1","store":true,"metadata":{"street":"where ann lives"}""");
        var id = (await GatewayUnderTest.ReadAsync(first)).GetProperty("id").GetString()!;
        using var comment = await gateway.PostAsync("/v1/feedback", $$"""{"response_id":"{{id}}","kind":"comment","value":"ann remarks"}""");
        await GatewayUnderTest.ReadAsync(comment);
        gateway.Worker.Chunks = ["what bob said"];
        using var other = await gateway.ChatAsync(more: ""","user":"bob" """);
        await GatewayUnderTest.ReadAsync(other);
        await WriteJobAsync(gateway, id);

        using var deleted = await gateway.Client.DeleteAsync("/v1/users/ann%2F1/interactions", Token);
        var report = await GatewayUnderTest.ReadAsync(deleted);
        Assert.Equal((1, 1), (report.GetProperty("interactions_erased").GetInt32(), report.GetProperty("feedback_erased").GetInt32()));
        Assert.Equal("generation-of-ann", Assert.Single(report.GetProperty("adapters").EnumerateArray()).GetString());
        var job = Assert.Single(report.GetProperty("jobs").EnumerateArray());
        Assert.Equal(("job_1", 1), (job.GetProperty("job").GetString(), job.GetProperty("rows").GetInt32()));

        using var gone = await gateway.Client.GetAsync($"/v1/interactions/{id}", Token);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.Single(await gateway.InteractionsAsync());
        var disk = await ReadDiskAsync(gateway);
        Assert.DoesNotContain("secret of ann", disk, StringComparison.Ordinal);
        Assert.DoesNotContain("ann remarks", disk, StringComparison.Ordinal);
        Assert.DoesNotContain("ann/1", disk, StringComparison.Ordinal);
        Assert.DoesNotContain("where ann lives", disk, StringComparison.Ordinal);
        Assert.Contains("what bob said", disk, StringComparison.Ordinal);
        var audit = await gateway.GetAsync("/v1/audit?limit=1");
        Assert.Equal("user.erase", audit.GetProperty("data")[0].GetProperty("action").GetString());

        await gateway.RestartAsync();
        Assert.Single(await gateway.InteractionsAsync());
        using var again = await gateway.Client.DeleteAsync("/v1/users/ann%2F1/interactions", Token);
        Assert.Equal("user_not_found", await GatewayUnderTest.ErrorCodeAsync(again, 404));
    }

    [Fact]
    public async Task Expired_interactions_leave_the_disk_and_other_deployments_keep_theirs()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        using var short1 = await gateway.ChatAsync();
        await GatewayUnderTest.ReadAsync(short1);
        var release = (await gateway.GetAsync("/v1/deployments/starter")).GetProperty("release_id").GetString();
        using var created = await gateway.PostAsync("/v1/deployments", $$"""{"name":"kept","release_id":"{{release}}"}""");
        await GatewayUnderTest.ReadAsync(created);
        gateway.Worker.Chunks = ["kept reply"];
        using var long1 = await gateway.ChatAsync("kept");
        await GatewayUnderTest.ReadAsync(long1);

        gateway.Records = new RecordOptions { Retention = TimeSpan.FromTicks(1) }.WithRetention("kept=30")!;
        await gateway.RestartAsync();
        await gateway.Service<RetentionWorker>().ExpireAsync(Token);
        Assert.Equal("kept", Assert.Single(await gateway.InteractionsAsync()).GetProperty("deployment").GetString());
        var disk = await ReadDiskAsync(gateway);
        Assert.DoesNotContain("\"Hello\"", disk, StringComparison.Ordinal);
        Assert.Contains("kept reply", disk, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_redaction_the_client_gets_its_reply_whole_and_no_file_ever_holds_personal_data()
    {
        await using var gateway = await GatewayUnderTest.StartAsync(with: options => options with { Records = new RecordOptions { Redact = true } });
        gateway.Worker.Chunks = ["Write to ", "jane.doe@example.com."];
        using var reply = await gateway.PostAsync(
            "/v1/chat/completions", """{"model":"starter","messages":[{"role":"user","content":"I am bob.roe@example.org, call +44 20 7946 0958"}]}""");
        var body = await GatewayUnderTest.ReadAsync(reply);
        Assert.Contains("jane.doe@example.com", body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString(), StringComparison.Ordinal);
        using var comment = await gateway.PostAsync(
            "/v1/feedback", $$"""{"response_id":"{{body.GetProperty("id").GetString()}}","kind":"comment","value":"ask ann@example.net"}""");
        await GatewayUnderTest.ReadAsync(comment);

        var record = Assert.Single(await gateway.InteractionsAsync());
        Assert.Equal("Write to <EMAIL_ADDRESS>.", record.GetProperty("reply").GetString());
        Assert.Contains("<EMAIL_ADDRESS>", record.GetProperty("messages")[0].GetProperty("content").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("@example", await ReadDiskAsync(gateway), StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<JsonElement>> ExportAsync(GatewayUnderTest gateway, string query)
    {
        using var response = await gateway.Client.GetAsync($"/v1/interactions/export{query}", Token);
        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync(Token);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement.Clone())];
    }

    /// <summary>A finished training job whose run folder holds a row made from an interaction, and one that it does not.</summary>
    private static async Task WriteJobAsync(GatewayUnderTest gateway, string interactionId)
    {
        var folder = Path.Combine(gateway.DataFolder, "jobs", "job_1");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "rows.jsonl"), $$"""
            {"id":"fb_1","messages":[{"role":"user","content":"a secret of ann"}],"target":"x","weight":1,"kind":"correction","split":"train","interaction_id":"{{interactionId}}","user":"ann/1","opt_out":false}
            {"id":"fb_2","messages":[{"role":"user","content":"what bob said"}],"target":"x","weight":1,"kind":"correction","split":"train","interaction_id":"chatcmpl-other","user":"bob","opt_out":false}

            """, Token);
        var job = new TrainingJob
        {
            Id = "job_1",
            Deployment = "starter",
            Status = TrainingJobStatus.Succeeded,
            Folder = Path.Combine("jobs", "job_1"),
            StableReleaseId = "rel_1",
            Generation = "generation-of-ann",
            Trigger = "test",
            CreatedAt = DateTimeOffset.UnixEpoch,
        };
        var json = JsonSerializer.SerializeToUtf8Bytes(job, DomainJson.Default.TrainingJob);
        await gateway.Service<IDocumentStore>().CommitAsync([new(Collections.Jobs, job.Id, 0, json)], Token);
    }

    /// <summary>Every byte below the data folder.</summary>
    private static async Task<string> ReadDiskAsync(GatewayUnderTest gateway)
    {
        var text = new StringBuilder();
        foreach (var path in Directory.EnumerateFiles(gateway.DataFolder, "*", SearchOption.AllDirectories).Where(path => Path.GetFileName(path) != "lock"))
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file, Encoding.Latin1);
            text.Append(await reader.ReadToEndAsync(Token));
        }

        return text.ToString();
    }
}
