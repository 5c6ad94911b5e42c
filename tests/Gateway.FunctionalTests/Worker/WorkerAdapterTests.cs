using System.Net;
using System.Text.Json;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

public sealed class WorkerAdapterTests(WorkerServer server) : IClassFixture<WorkerServer>
{
    private const string Greedy = "\"temperature\":0,\"ignore_eos\":true,\"max_tokens\":20";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task LoadServeUnload_FollowsVllm()
    {
        using var loaded = await LoadAsync("a--111111111111", server.Model.WriteAdapter(1));
        Assert.Equal(HttpStatusCode.OK, loaded.StatusCode);
        Assert.Equal("Success: LoRA adapter 'a--111111111111' added successfully.", await loaded.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal("text/plain", loaded.Content.Headers.ContentType?.MediaType);

        var reply = await server.ChatAsync(Greedy, "a--111111111111");
        var generation = reply.GetProperty("adapter_generation").GetString()!;
        Assert.Equal(64, generation.Length);
        var chunks = await server.StreamAsync(Greedy, "a--111111111111");
        Assert.All(chunks[..^1], chunk => Assert.Contains(generation, chunk, StringComparison.Ordinal));
        Assert.NotEqual(Text(await server.ChatAsync(Greedy)), Text(reply));

        using var models = JsonDocument.Parse(await server.Client.GetStringAsync("/v1/models", Cancellation));
        var card = models.RootElement.GetProperty("data").EnumerateArray().Single(model => model.GetProperty("id").ValueEquals("a--111111111111"));
        Assert.Equal((WorkerServer.ModelName, "a--111111111111", generation),
            (card.GetProperty("parent").GetString(), card.GetProperty("root").GetString(), card.GetProperty("adapter_generation").GetString()));

        using var unloaded = await UnloadAsync("a--111111111111");
        Assert.Equal("Success: LoRA adapter 'a--111111111111' removed successfully.", await unloaded.Content.ReadAsStringAsync(Cancellation));
        using var gone = await server.PostAsync("/v1/chat/completions", WorkerServer.Body(Greedy, "a--111111111111"));
        await WorkerServer.AssertErrorAsync(gone, 404, "model_not_found", "model");
        using var again = await UnloadAsync("a--111111111111");
        await WorkerServer.AssertErrorAsync(again, 404, "lora_adapter_not_found", "lora_name");
    }

    [Fact]
    public async Task Load_InPlace_MovesTheNameAndReportsBothGenerations()
    {
        using var first = await LoadAsync("swap", server.Model.WriteAdapter(1), accept: "application/json");
        using var taken = await LoadAsync("swap", server.Model.WriteAdapter(2));
        await WorkerServer.AssertErrorAsync(taken, 400, "lora_adapter_already_loaded", "lora_name");
        using var moved = await LoadAsync("swap", server.Model.WriteAdapter(2), ",\"load_inplace\":true", "application/json");

        var (before, after) = (await JsonAsync(first), await JsonAsync(moved));
        Assert.Equal(before.GetProperty("generation").GetString(), after.GetProperty("previous_generation").GetString());
        using var mismatch = await LoadAsync("swap", server.Model.WriteAdapter(1), ",\"load_inplace\":true,\"expected_generation\":\"" + before.GetProperty("generation").GetString() + "\"");
        await WorkerServer.AssertErrorAsync(mismatch, 409, "lora_generation_mismatch", "expected_generation");

        using var listing = JsonDocument.Parse(await server.Client.GetStringAsync("/v1/lora_adapters", Cancellation));
        var swap = listing.RootElement.GetProperty("data").EnumerateArray().Single(adapter => adapter.GetProperty("id").ValueEquals("swap"));
        Assert.Equal(after.GetProperty("generation").GetString(), swap.GetProperty("generation").GetString());
        Assert.Equal(0, listing.RootElement.GetProperty("retired_generations").GetInt32());
        await UnloadAsync("swap");
    }

    [Fact]
    public async Task Load_BadCalls_AreRefusedWithoutHarm()
    {
        using var empty = TestData.CreateFolder();
        File.WriteAllText(Path.Combine(empty.Path, "adapter_config.json"), "{");
        foreach (var (body, status, code, param) in new[]
        {
            ("{", 400, "invalid_json", null),
            ("{\"lora_name\":\"x\"}", 400, "missing_required_parameter", "lora_path"),
            ("{\"lora_path\":\"x\"}", 400, "missing_required_parameter", "lora_name"),
            ("{\"lora_name\":\"tiny\",\"lora_path\":\"x\"}", 400, "invalid_lora_name", "lora_name"),
            ("{\"lora_name\":\"x\",\"lora_path\":\"/no/such/folder\"}", 404, "adapter_path_not_found", "lora_path"),
            ("{\"lora_name\":\"x\",\"lora_path\":\"x\",\"expected_generation\":\"y\"}", 400, "invalid_lora_load_policy", "expected_generation"),
            ("{\"lora_name\":\"x\",\"lora_path\":" + JsonSerializer.Serialize(empty.Path) + "}", 422, "invalid_lora_adapter", "lora_path"),
        })
        {
            using var response = await server.PostAsync("/v1/load_lora_adapter", body);
            await WorkerServer.AssertErrorAsync(response, status, code, param);
        }

        await server.ChatAsync(Greedy);
    }

    [Theory]
    [InlineData("false")]
    [InlineData("true")]
    public async Task AdapterWithOverflow_FailsItsRequestBeforeTheFirstByte(string stream)
    {
        using var loaded = await LoadAsync("broken", server.Model.WriteAdapter(3, magnitude: 1e30f), ",\"load_inplace\":true");

        using var response = await server.PostAsync("/v1/chat/completions", WorkerServer.Body(Greedy + ",\"stream\":" + stream, "broken"));

        await WorkerServer.AssertErrorAsync(response, 500, "engine_failed");
        await server.ChatAsync(Greedy);
    }

    private Task<HttpResponseMessage> LoadAsync(string name, string folder, string more = "", string? accept = null) =>
        server.PostAsync("/v1/load_lora_adapter", "{\"lora_name\":\"" + name + "\",\"lora_path\":" + JsonSerializer.Serialize(folder) + more + "}", accept);

    private Task<HttpResponseMessage> UnloadAsync(string name) => server.PostAsync("/v1/unload_lora_adapter", "{\"lora_name\":\"" + name + "\"}");

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage response) =>
        JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation)).RootElement;

    private static string Text(JsonElement reply) => reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
