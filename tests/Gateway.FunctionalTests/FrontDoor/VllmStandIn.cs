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

/// <summary>
/// A server that answers as vLLM does: its statuses, plain texts and integer codes, its refusal of request templates, adapters
/// that must lie in a folder it sees. Replies name the adapter that made them.
/// </summary>
internal sealed class VllmStandIn : IAsyncDisposable
{
    public const string BaseModel = "meta-llama/Llama-3.2-1B-Instruct";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, string> _adapters = new(StringComparer.Ordinal);
    private int _nextId;

    private VllmStandIn(WebApplication app) => _app = app;

    public Uri Address { get; private set; } = null!;

    /// <summary>Adapters by name.</summary>
    public IReadOnlyDictionary<string, string> Adapters => _adapters;

    /// <summary>Every control call in order: "load NAME" or "unload NAME".</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>Bodies of the chat requests.</summary>
    public ConcurrentQueue<JsonElement> Requests { get; } = new();

    /// <summary>--trust-request-chat-template.</summary>
    public bool TrustsTemplates { get; set; }

    /// <summary>--max-lora-rank.</summary>
    public int MaximumRank { get; set; } = 16;

    /// <param name="runtimeUpdates">VLLM_ALLOW_RUNTIME_LORA_UPDATING; without it the calls do not exist.</param>
    /// <param name="port">0 picks one; a restart takes the one before.</param>
    public static async Task<VllmStandIn> StartAsync(bool runtimeUpdates = true, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var server = new VllmStandIn(app);
        app.MapGet("/health", () => Results.Ok());
        app.MapGet("/v1/models", server.Models);

        // The return types are written out, or the results would be taken for those of a plain request delegate and dropped.
        app.MapPost("/v1/chat/completions", Task<IResult> (HttpContext context) => server.ChatAsync(context));
        if (runtimeUpdates)
        {
            app.MapPost("/v1/load_lora_adapter", Task<IResult> (HttpContext context) => server.LoadAsync(context));
            app.MapPost("/v1/unload_lora_adapter", Task<IResult> (HttpContext context) => server.UnloadAsync(context));
        }

        app.MapFallback(() => Results.Text("""{"detail":"Not Found"}""", "application/json", statusCode: 404));
        await app.StartAsync();
        server.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
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

    private static IResult Error(int status, string type, string message, string? param = null) => Results.Text(
        JsonSerializer.Serialize(new { error = new { message, type, param, code = status } }), "application/json", statusCode: status);

    private static string? Text(JsonElement body, string name) => body.TryGetProperty(name, out var value) ? value.GetString() : null;

    private IResult Models() => Results.Text(
        JsonSerializer.Serialize(new
        {
            @object = "list",
            data = _adapters.Select(adapter => Card(adapter.Key, adapter.Value, BaseModel)).Prepend(Card(BaseModel, BaseModel, null)),
        }),
        "application/json");

    private static object Card(string id, string root, string? parent) => new
    {
        id,
        @object = "model",
        created = 1700000000,
        owned_by = "vllm",
        root,
        parent,
        max_model_len = 8192,
        permission = new[] { new { id = "modelperm-1", @object = "model_permission", allow_sampling = true } },
    };

    private async Task<IResult> LoadAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        var (name, path) = (Text(body, "lora_name"), Text(body, "lora_path"));
        Calls.Enqueue($"load {name}");
        if (string.IsNullOrEmpty(name) || string.IsNullOrEmpty(path))
        {
            return Error(400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.");
        }

        if (_adapters.ContainsKey(name))
        {
            return Error(400, "InvalidUserInput", $"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.");
        }

        var config = Path.Combine(path, "adapter_config.json");
        if (!File.Exists(config))
        {
            return Error(404, "NotFoundError", $"Loading lora {name} failed: No adapter found for {path}");
        }

        using var adapter = JsonDocument.Parse(await File.ReadAllTextAsync(config));
        var rank = adapter.RootElement.GetProperty("r").GetInt32();
        if (rank > MaximumRank)
        {
            return Error(500, "InternalServerError", $"LoRA rank {rank} is greater than max_lora_rank {MaximumRank}.");
        }

        _adapters[name] = path;
        Interlocked.Increment(ref _nextId);
        return Results.Text($"Success: LoRA adapter '{name}' added successfully.");
    }

    private async Task<IResult> UnloadAsync(HttpContext context)
    {
        var name = Text(await ReadAsync(context), "lora_name");
        Calls.Enqueue($"unload {name}");
        return string.IsNullOrEmpty(name) ? Error(400, "InvalidUserInput", "'lora_name' needs to be provided to unload a LoRA adapter.")
            : _adapters.TryRemove(name, out _) ? Results.Text($"Success: LoRA adapter '{name}' removed successfully.")
            : Error(404, "NotFoundError", $"The lora adapter '{name}' cannot be found.");
    }

    private async Task<IResult> ChatAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        Requests.Enqueue(body);
        var model = Text(body, "model")!;
        if (model != BaseModel && !_adapters.ContainsKey(model))
        {
            return Error(404, "NotFoundError", $"The model `{model}` does not exist.", "model");
        }

        if (Text(body, "chat_template") is not null && !TrustsTemplates)
        {
            return Error(400, "BadRequestError", "Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with untrusted chat template.");
        }

        var stream = body.TryGetProperty("stream", out var given) && given.GetBoolean();
        return stream ? Results.Text(Events(model, body), "text/event-stream") : Results.Text(
            JsonSerializer.Serialize(new
            {
                id = "chatcmpl-v",
                @object = "chat.completion",
                created = 1,
                model,
                choices = new[] { new { index = 0, message = new { role = "assistant", content = $"by {model}" }, logprobs = (object?)null, finish_reason = "stop", stop_reason = (object?)null } },
                usage = new { prompt_tokens = 3, total_tokens = 5, completion_tokens = 2 },
            }),
            "application/json");
    }

    private static string Events(string model, JsonElement body)
    {
        var wantsUsage = body.TryGetProperty("stream_options", out var options) && (!options.TryGetProperty("include_usage", out var usage) || usage.GetBoolean());
        string Chunk(object choices, string usage) =>
            $$"""data: {"id":"chatcmpl-v","object":"chat.completion.chunk","created":1,"model":"{{model}}","choices":{{JsonSerializer.Serialize(choices)}}{{usage}}}""" + "\n\n";
        return Chunk(new[] { new { index = 0, delta = new { role = "assistant", content = "" }, finish_reason = (string?)null } }, "")
            + Chunk(new[] { new { index = 0, delta = new { content = $"by {model}" }, finish_reason = (string?)null } }, "")
            + Chunk(new[] { new { index = 0, delta = new { }, finish_reason = "stop" } }, "")
            + (wantsUsage ? Chunk(Array.Empty<object>(), ",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":5,\"completion_tokens\":2}") : "")
            + "data: [DONE]\n\n";
    }
}
