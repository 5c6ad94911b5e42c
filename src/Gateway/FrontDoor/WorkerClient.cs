using System.Net;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.FrontDoor;

/// <summary>How a call to a worker's control endpoints ended; <see cref="Error"/> is null on success.</summary>
public readonly record struct WorkerReply(int Status, ApiError? Error)
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

    private readonly HttpMessageInvoker _invoker = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,

        // The chat road hands the trace context on itself.
        ActivityHeadersPropagator = null,
        ConnectTimeout = connectTimeout,
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
    });

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

    /// <summary>The id of the worker's base model (the first card without a parent), or null when it does not tell.</summary>
    public async Task<string?> BaseModelAsync(WorkerState worker, CancellationToken cancellationToken)
    {
        string? id = null;
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(worker.Address, "/v1/models"));
        await SendAsync(request, ProbeTimeout, ReadCards, cancellationToken);
        return id;

        void ReadCards(JsonElement body)
        {
            foreach (var card in body.GetProperty("data").EnumerateArray())
            {
                if (id is null && (!card.TryGetProperty("parent", out var parent) || parent.ValueKind == JsonValueKind.Null))
                {
                    id = card.GetProperty("id").GetString();
                }
            }
        }
    }

    /// <summary>Loads the adapter folder <paramref name="path"/> under a name; a name that is loaded already counts as success.</summary>
    public async Task<WorkerReply> LoadAdapterAsync(WorkerState worker, string model, string path, CancellationToken cancellationToken)
    {
        using var request = Post(worker, "/v1/load_lora_adapter", writer =>
        {
            writer.WriteString("lora_name", model);
            writer.WriteString("lora_path", path);
        });
        var reply = await SendAsync(request, LoadTimeout, readBody: null, cancellationToken);
        var loadedAlready = reply.Error is { } error
            && (error.Code == "lora_adapter_already_loaded" || error.Message.Contains("already been loaded", StringComparison.OrdinalIgnoreCase));
        return loadedAlready ? new(StatusCodes.Status200OK, null) : reply;
    }

    /// <summary>Sends a chat request whose reply nobody reads.</summary>
    public async Task<WorkerReply> WarmAsync(WorkerState worker, byte[] body, CancellationToken cancellationToken)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(worker.Address, "/v1/chat/completions")) { Content = content };
        return await SendAsync(request, WarmTimeout, readBody: null, cancellationToken);
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
                return new(status, WorkerErrors.Read(status, body, response.Headers.RetryAfter?.Delta));
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
