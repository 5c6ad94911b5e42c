using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gateway.FunctionalTests.FrontDoor;

/// <summary>A worker on a real port that answers as the test says, in vLLM's dialect.</summary>
internal sealed class FakeWorker : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FakeWorker(WebApplication app) => _app = app;

    public Uri Address { get; private set; } = null!;

    /// <summary>The text of the next replies, one chunk per entry.</summary>
    public IReadOnlyList<string> Chunks { get; set; } = ["Hel", "lo"];

    /// <summary>What happens after the chunks: "finish", "die" (when <see cref="Die"/> completes), "wait" (to finish when <see cref="Die"/> completes), "hang", "silence" (no end marker) or "mute" (not even headers).</summary>
    public string Ending { get; set; } = "finish";

    /// <summary>Deltas as JSON that are streamed in place of <see cref="Chunks"/>, and the whole message that stands for them.</summary>
    public (IReadOnlyList<string> Deltas, string Message)? Reply { get; set; }

    public string FinishReason { get; set; } = "stop";

    /// <summary>The fingerprint it lists; null as vLLM, which lists none.</summary>
    public string? Fingerprint { get; set; }

    /// <summary>How long it thinks before a whole reply.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>A status other than 200 refuses every chat request with <see cref="ErrorBody"/>.</summary>
    public int Status { get; set; } = 200;

    public string ErrorBody { get; set; } = """{"error":{"message":"no","type":"BadRequestError","param":null,"code":400}}""";

    /// <summary>The trace context of the newest chat request.</summary>
    public string? TraceParent { get; private set; }

    /// <summary>Bodies of the chat requests it got.</summary>
    public ConcurrentQueue<JsonElement> Requests { get; } = new();

    /// <summary>Requests for a single token: prompts that the front door wants read ahead.</summary>
    public ConcurrentQueue<JsonElement> Warmed { get; } = new();

    /// <summary>Bodies of the requests for embeddings that it got.</summary>
    public ConcurrentQueue<JsonElement> Embedded { get; } = new();

    /// <summary>Adapters it has, by name.</summary>
    public ConcurrentDictionary<string, string> Adapters { get; } = new(StringComparer.Ordinal);

    /// <summary>Completed by the test when the client has seen the chunks: a connection that dies takes along what was not read.</summary>
    public TaskCompletionSource Die { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when a hanging reply was cancelled by the front door.</summary>
    public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static async Task<FakeWorker> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var worker = new FakeWorker(app);
        app.MapGet("/health", () => Results.Ok());
        app.MapGet("/v1/models", () => Results.Text(
            $$"""{"object":"list","data":[{"id":"fake-base","object":"model","parent":null,"base_fingerprint":{{JsonSerializer.Serialize(worker.Fingerprint)}}}]}""", "application/json"));
        app.MapPost("/v1/load_lora_adapter", worker.LoadAsync);
        app.MapPost("/v1/unload_lora_adapter", worker.UnloadAsync);
        app.MapPost("/v1/chat/completions", worker.ChatAsync);
        app.MapPost("/v1/embeddings", worker.EmbedAsync);
        await app.StartAsync();
        worker.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return worker;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static async Task<JsonElement> ReadAsync(HttpContext context)
    {
        using var document = await JsonDocument.ParseAsync(context.Request.Body);
        return document.RootElement.Clone();
    }

    private async Task<IResult> LoadAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        Adapters[body.GetProperty("lora_name").GetString()!] = body.GetProperty("lora_path").GetString()!;
        return Results.Text("Success: LoRA adapter added successfully.");
    }

    private async Task<IResult> UnloadAsync(HttpContext context)
    {
        Adapters.TryRemove((await ReadAsync(context)).GetProperty("lora_name").GetString()!, out _);
        return Results.Text("Success: LoRA adapter removed successfully.");
    }

    private async Task EmbedAsync(HttpContext context)
    {
        Embedded.Enqueue(await ReadAsync(context));
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync("""{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"fake-base","usage":{"prompt_tokens":3,"total_tokens":3}}""");
    }

    private async Task ChatAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        TraceParent = context.Request.Headers["traceparent"];
        var isWarming = body.TryGetProperty("max_completion_tokens", out var most) && most.GetInt32() == 1;
        (isWarming ? Warmed : Requests).Enqueue(body);
        var model = body.GetProperty("model").GetString()!;
        if (model != "fake-base" && !Adapters.ContainsKey(model))
        {
            context.Response.StatusCode = 404;
            await context.Response.WriteAsync("""{"error":{"message":"The model does not exist.","type":"NotFoundError","param":null,"code":404}}""");
        }
        else if (Status != 200)
        {
            context.Response.StatusCode = Status;
            await context.Response.WriteAsync(ErrorBody);
        }
        else if (Ending == "mute" && !isWarming)
        {
            await HangAsync(context);
        }
        else if (body.GetProperty("stream").GetBoolean())
        {
            await StreamAsync(context, model);
        }
        else
        {
            if (Ending == "hang" && !isWarming)
            {
                await HangAsync(context);
            }

            await Task.Delay(Delay, context.RequestAborted);
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($$"""
                {"id":"cmpl-of-the-worker","object":"chat.completion","created":1,"model":"{{model}}",
                 "choices":[{"index":0,"message":{{Reply?.Message ?? $$"""{"role":"assistant","content":{{Quote(string.Concat(Chunks))}} }"""}},"logprobs":null,"finish_reason":"{{FinishReason}}"}],
                 "usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9} }
                """);
        }
    }

    private async Task StreamAsync(HttpContext context, string model)
    {
        context.Response.ContentType = "text/event-stream";
        await SendAsync("""{"role":"assistant","content":""}""", "null");
        foreach (var delta in Reply?.Deltas ?? [.. Chunks.Select(chunk => $$"""{"content":{{Quote(chunk)}} }""")])
        {
            await SendAsync(delta, "null");
        }

        switch (Ending)
        {
            case "die":
                await Die.Task;
                context.Abort();
                return;
            case "wait":
                await Die.Task;
                break;
            case "hang":
                await HangAsync(context);
                return;
            case "silence":
                return;
        }

        await SendAsync("{}", $"\"{FinishReason}\"");
        await context.Response.WriteAsync($$"""
            data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"{{model}}","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9} }

            data: [DONE]


            """);

        async Task SendAsync(string delta, string finishReason)
        {
            await context.Response.WriteAsync($$"""
                data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"{{model}}","choices":[{"index":0,"delta":{{delta}},"finish_reason":{{finishReason}}}],"usage":null}


                """);
            await context.Response.Body.FlushAsync();
        }
    }

    private async Task HangAsync(HttpContext context)
    {
        await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Cancelled.TrySetResult();
    }

    private static string Quote(string text) => JsonSerializer.Serialize(text);
}
