using System.Net;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.FrontDoor;

/// <summary>How a call to a worker's control endpoints ended.</summary>
/// <param name="Status">The worker's status, or ours where it gave none.</param>
/// <param name="Error">What a client is told; null on success.</param>
/// <param name="Said">The worker's own words about the failure, for operators; null when it gave none.</param>
public readonly record struct WorkerReply(int Status, ApiError? Error, string? Said = null)
{
    /// <summary>True for a 2xx answer.</summary>
    public bool Succeeded => Status is >= 200 and < 300;
}

/// <summary>
/// Talks to workers outside the chat road: health, model list, loading, warming and unloading adapters, in vLLM's dialect. Owns the
/// connections, also those of the chat road. Thread-safe.
/// </summary>
public sealed class WorkerClient(string? token, TimeSpan connectTimeout) : IDisposable
{
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LoadTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan WarmTimeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromMinutes(5);

    private readonly HttpMessageInvoker _invoker = new(new WholeBodyHandler(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,

        // The chat road hands the trace context on itself.
        ActivityHeadersPropagator = null,
        ConnectTimeout = connectTimeout,
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
    }));

    /// <summary>The connections, for YARP's forwarder.</summary>
    public HttpMessageInvoker Invoker => _invoker;

    /// <summary>Adds the token that workers ask for.</summary>
    public void Authorize(HttpRequestMessage request)
    {
        if (token is not null)
        {
            request.Headers.Authorization = new("Bearer", token);
        }
    }

    /// <summary>True when the worker answers its health check in time.</summary>
    public async Task<bool> IsHealthyAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(worker.Address, "/health"));
        return (await SendAsync(request, ProbeTimeout, readBody: null, cancellationToken)).Succeeded;
    }

    /// <summary>What the worker's model list says, or null when it does not tell.</summary>
    public async Task<WorkerFacts?> FactsAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        WorkerFacts? facts = null;
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(worker.Address, "/v1/models"));
        await SendAsync(request, ProbeTimeout, list => facts = WorkerFacts.Read(list), cancellationToken);
        return facts;
    }

    /// <summary>
    /// Loads an adapter under a name; a name that is loaded already counts as success. A worker of this program checks that the
    /// folder holds the generation and fetches it where it does not see the folder; vLLM must see it.
    /// </summary>
    /// <param name="worker">The worker.</param>
    /// <param name="model">The name, never used for another generation.</param>
    /// <param name="path">The adapter's folder as the worker sees it.</param>
    /// <param name="generation">Its generation.</param>
    /// <param name="cancellationToken">Gives up; the worker may load it all the same.</param>
    public async Task<WorkerReply> LoadAdapterAsync(WorkerState worker, string model, string path, string generation, CancellationToken cancellationToken)
    {
        using var request = Post(worker, "/v1/load_lora_adapter", writer =>
        {
            writer.WriteString("lora_name", model);
            writer.WriteString("lora_path", path);
            if (worker.Facts?.IsOurs == true)
            {
                writer.WriteString("adapter_generation", generation);
            }
        });
        var reply = await SendAsync(request, LoadTimeout, readBody: null, cancellationToken);
        return reply.Error is not { } error ? reply
            : error.Code == "lora_adapter_already_loaded" || error.Message.Contains("already been loaded", StringComparison.OrdinalIgnoreCase) ? new(StatusCodes.Status200OK, null)
            : LoadRefused(worker, reply) is { } refused ? reply with { Error = refused }
            : reply;
    }

    // A vLLM without the call answers without the dialect's error object; one that failed says why, which is an operator's business.
    private static ApiError? LoadRefused(WorkerState worker, in WorkerReply reply) => reply switch
    {
        { Status: StatusCodes.Status404NotFound, Said: null } => ApiError.UpstreamError(
            $"The worker '{worker.Name}' loads no adapters at run time: start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."),
        { Status: StatusCodes.Status404NotFound } => ApiError.UpstreamError(
            $"The worker '{worker.Name}' does not see the adapter's folder: mount the gateway's adapters there and name the place as its 'adapter_root'. It says: {reply.Said}"),
        { Status: StatusCodes.Status500InternalServerError, Said: { } said } => ApiError.UpstreamError($"The worker '{worker.Name}' could not load the adapter. It says: {said}"),
        _ => null,
    };

    /// <summary>Sends a chat request whose reply nobody reads.</summary>
    public async Task<WorkerReply> WarmAsync(WorkerState worker, byte[] body, CancellationToken cancellationToken)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(worker.Address, "/v1/chat/completions")) { Content = content };
        return await SendAsync(request, WarmTimeout, readBody: null, cancellationToken);
    }

    /// <summary>Sends a request that is answered with one JSON object; <paramref name="read"/> gets it while the call lasts.</summary>
    public async Task<WorkerReply> PostAsync(WorkerState worker, string path, byte[] body, Action<JsonElement> read, CancellationToken cancellationToken)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(worker.Address, path)) { Content = content };
        return await SendAsync(request, AnswerTimeout, read, cancellationToken);
    }

    /// <summary>Unloads an adapter by name.</summary>
    public async Task<WorkerReply> UnloadAdapterAsync(WorkerState worker, string model, CancellationToken cancellationToken)
    {
        using var request = Post(worker, "/v1/unload_lora_adapter", writer => writer.WriteString("lora_name", model));
        return await SendAsync(request, LoadTimeout, readBody: null, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _invoker.Dispose();

    private static HttpRequestMessage Post(WorkerState worker, string path, Action<Utf8JsonWriter> writeMembers)
    {
        using var body = new MemoryStream();
        using (var writer = new Utf8JsonWriter(body))
        {
            writer.WriteStartObject();
            writeMembers(writer);
            writer.WriteEndObject();
        }

        var content = new ByteArrayContent(body.ToArray());
        content.Headers.ContentType = new("application/json");
        return new(HttpMethod.Post, new Uri(worker.Address, path)) { Content = content };
    }

    private async Task<WorkerReply> SendAsync(
        HttpRequestMessage request, TimeSpan timeout, Action<JsonElement>? readBody, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        Authorize(request);
        try
        {
            using var response = await _invoker.SendAsync(request, deadline.Token);
            var body = await response.Content.ReadAsByteArrayAsync(deadline.Token);
            var status = (int)response.StatusCode;
            if (status is < 200 or >= 300)
            {
                return new(status, WorkerErrors.Read(status, body, response.Headers.RetryAfter?.Delta), WorkerErrors.MessageOf(body));
            }

            if (readBody is not null)
            {
                using var document = JsonDocument.Parse(body);
                readBody(document.RootElement);
            }

            return new(status, null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new(StatusCodes.Status504GatewayTimeout, ApiError.UpstreamTimeout());
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            return new(StatusCodes.Status502BadGateway, ApiError.UpstreamError("The worker could not be reached. Check that it runs."));
        }
        catch (Exception failure) when (failure is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new(StatusCodes.Status502BadGateway, ApiError.UpstreamError("The worker's answer was not understood. Check its version."));
        }
    }
}
