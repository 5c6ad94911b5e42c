using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.TestKit;
using Gateway.Worker;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>A worker over a tiny model on a loopback port of its own.</summary>
public sealed class WorkerServer : IAsyncLifetime
{
    private WebApplication? _application;

    /// <summary>The model name it serves.</summary>
    public const string ModelName = "tiny";

    public WorkerServer()
        : this(contextLength: 8192)
    {
    }

    internal WorkerServer(int contextLength)
        : this(new TinyModel(contextLength))
    {
    }

    internal WorkerServer(TinyModel model) => Model = model;

    public TinyModel Model { get; }

    public WorkerRuntime Runtime { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    /// <summary>Shared token, before the start.</summary>
    public string? Token { get; init; }

    /// <summary>Where it listens, before the start.</summary>
    public string Url { get; init; } = "http://127.0.0.1:0";

    /// <summary>The gateways it fetches adapters from, before the start.</summary>
    public IReadOnlyList<Uri> Gateways { get; init; } = [];

    public async ValueTask InitializeAsync()
    {
        Runtime = WorkerRuntime.Load(
            new WorkerOptions
            {
                ModelDirectory = Model.Path,
                ModelName = ModelName,
                Token = Token,
                Threads = 2,
                CacheBytes = 32 << 20,
                MaximumBodyBytes = 1 << 20,
                Gateways = Gateways,
                AdapterCache = Path.Combine(Model.Path, "adapter-cache"),
            },
            TimeProvider.System);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(Url);
        _application = builder.Build();
        WorkerEndpoints.Map(_application, Runtime);
        await _application.StartAsync();
        Address = new Uri(_application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single());
        // A response that is given up ends its connection at once, instead of being read to its end for a while.
        Client = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = Address };
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _application!.DisposeAsync();
        Runtime.Dispose();
        Model.Dispose();
    }

    /// <summary>Posts JSON text.</summary>
    public Task<HttpResponseMessage> PostAsync(string path, string json, string? accept = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        if (accept is not null)
        {
            request.Headers.Add("Accept", accept);
        }

        return Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>A chat completion that must succeed.</summary>
    public async Task<JsonElement> ChatAsync(string fields, string model = ModelName)
    {
        using var response = await PostAsync("/v1/chat/completions", Body(fields, model));
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>A streamed chat completion: the data of its events.</summary>
    public async Task<List<string>> StreamAsync(string fields, string model = ModelName)
    {
        using var response = await PostAsync("/v1/chat/completions", Body("\"stream\":true," + fields, model));
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.ToString());
        var events = text.Split("\n\n");
        Assert.Equal("", events[^1]);
        return [.. events[..^1].Select(item =>
        {
            Assert.StartsWith("data: ", item, StringComparison.Ordinal);
            return item[6..];
        })];
    }

    /// <summary>Asserts status and all four members of an error reply.</summary>
    public static async Task AssertErrorAsync(HttpResponseMessage response, int status, string code, string? param = null)
    {
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode}: {text}");
        using var json = JsonDocument.Parse(text);
        var error = json.RootElement.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(member => member.Name));
        Assert.Equal((code, param), (error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
        Assert.DoesNotContain(Path.GetTempPath(), text, StringComparison.Ordinal);
    }

    public static string Body(string fields, string model = ModelName) =>
        "{\"model\":\"" + model + "\",\"messages\":[{\"role\":\"user\",\"content\":\"the quick fox\"}]," + fields + "}";
}
