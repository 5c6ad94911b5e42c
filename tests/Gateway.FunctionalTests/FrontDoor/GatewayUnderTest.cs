using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Gateway.FrontDoor;
using Gateway.Hosting;
using Gateway.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

/// <summary>A gateway on a real port with the embedded store in a temporary folder, in front of fake workers.</summary>
internal sealed class GatewayUnderTest : IAsyncDisposable
{
    private readonly TinyModel _model = new();
    private readonly TemporaryFolder _data = new();
    private readonly List<FakeWorker> _workers = [];

    private readonly Func<ServeOptions, ServeOptions> _configure;

    private GatewayUnderTest(Func<ServeOptions, ServeOptions> configure) => _configure = configure;

    public GatewayHost Host { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public FakeWorker Worker => _workers[0];

    public IReadOnlyList<FakeWorker> Workers => _workers;

    public TinyModel Model => _model;

    public string DataFolder => _data.Path;

    public static async Task<GatewayUnderTest> StartAsync(int workers = 1, Func<ServeOptions, ServeOptions>? configure = null)
    {
        var gateway = new GatewayUnderTest(configure ?? (options => options));
        for (var i = 0; i < workers; i++)
        {
            gateway._workers.Add(await FakeWorker.StartAsync());
        }

        await gateway.RestartAsync();
        return gateway;
    }

    /// <summary>Stops the process, as it were, and starts it again on the same data.</summary>
    public async Task RestartAsync()
    {
        if (Host is not null)
        {
            await Host.DisposeAsync();
        }

        var options = new ServeOptions
        {
            Model = _model.Path,
            Data = _data.Path,
            Url = "http://127.0.0.1:0",
            Workers = [.. _workers.Select(worker => worker.Address)],
        };
        Host = await GatewayHost.StartAsync(_configure(options), builder => builder.Logging.ClearProviders(), TestContext.Current.CancellationToken);
        Client = new HttpClient { BaseAddress = Host.Address };
    }

    public T Service<T>()
        where T : notnull => Host.App.Services.GetRequiredService<T>();

    /// <summary>Posts a chat request with further members.</summary>
    public Task<HttpResponseMessage> ChatAsync(string model = "starter", string more = "", string? conversation = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = Json($$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hi"}]{{more}}}"""),
        };
        if (conversation is not null)
        {
            request.Headers.Add("x-conversation-id", conversation);
        }

        return Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
    }

    public async Task<JsonElement> GetAsync(string path) =>
        await Client.GetFromJsonAsync<JsonElement>(path, TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> PostAsync(string path, string json) =>
        Client.PostAsync(path, Json(json), TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> PutAsync(string path, string json) =>
        Client.PutAsync(path, Json(json), TestContext.Current.CancellationToken);

    /// <summary>Every interaction on record, newest first.</summary>
    public async Task<IReadOnlyList<JsonElement>> InteractionsAsync()
    {
        await Service<InteractionRecorder>().FlushAsync(TestContext.Current.CancellationToken);
        return [.. (await GetAsync("/v1/interactions?limit=1000")).GetProperty("data").EnumerateArray()];
    }

    /// <summary>Waits until a record exists; for endings that the client cannot observe.</summary>
    public async Task<JsonElement> SingleInteractionAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken))
        {
            if (await InteractionsAsync() is { Count: > 0 } found)
            {
                return Assert.Single(found);
            }
        }

        throw new InvalidOperationException("The timer ended.");
    }

    /// <summary>Registers a random adapter through the import folder and returns its generation.</summary>
    public async Task<string> ImportAdapterAsync(int seed)
    {
        var target = Path.Combine(_data.Path, "import", $"adapter-{seed}");
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        Directory.Move(_model.WriteAdapter(seed), target);
        using var response = await PostAsync("/v1/adapters/import", $$"""{"path":"adapter-{{seed}}"}""");
        return (await ReadAsync(response)).GetProperty("generation").GetString()!;
    }

    /// <summary>Creates a release and returns its id.</summary>
    public async Task<string> CreateReleaseAsync(string? contract, string? generation)
    {
        using var response = await PostAsync("/v1/releases", JsonSerializer.Serialize(new { contract, generation }));
        return (await ReadAsync(response)).GetProperty("id").GetString()!;
    }

    public static async Task<JsonElement> ReadAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}: {text}");
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    /// <summary>Asserts status and form of an error and returns its code.</summary>
    public static async Task<string> ErrorCodeAsync(HttpResponseMessage response, int status)
    {
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode}: {text}");
        var error = JsonDocument.Parse(text).RootElement.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(member => member.Name));
        Assert.True(response.Headers.Contains("x-request-id"));
        return error.GetProperty("code").GetString()!;
    }

    /// <summary>The data of each server-sent event; <paramref name="seen"/> is what was read before.</summary>
    public static async Task<IReadOnlyList<string>> EventsAsync(HttpResponseMessage response, string seen = "")
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken), leaveOpen: true);
        var text = seen + await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(line => line["data: ".Length..])];
    }

    /// <summary>Reads a reply until a text has come, and returns what was read.</summary>
    public static async Task<string> ReadUntilAsync(HttpResponseMessage response, string text)
    {
        var stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        var seen = "";
        var buffer = new byte[4096];
        while (!seen.Contains(text, StringComparison.Ordinal))
        {
            var count = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken);
            Assert.True(count > 0, $"The reply ended before '{text}': {seen}");
            seen += Encoding.UTF8.GetString(buffer, 0, count);
        }

        return seen;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Host.DisposeAsync();
        foreach (var worker in _workers)
        {
            await worker.DisposeAsync();
        }

        _model.Dispose();
        _data.Dispose();
    }

    private static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");
}
