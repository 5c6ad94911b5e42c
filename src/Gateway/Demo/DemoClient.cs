using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.Demo;

/// <summary>One reply as the demo's users see it.</summary>
public sealed record DemoReply(string Id, string Text, string? Generation, string Arm);

/// <summary>Talks to the front door by HTTP like any other client; nothing here reaches around it.</summary>
public sealed class DemoClient(Uri address) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 64 })
    {
        BaseAddress = address,
        Timeout = TimeSpan.FromSeconds(100),
    };

    /// <summary>Sends one user message; <paramref name="unit"/> is the conversation the reply belongs to.</summary>
    public async Task<DemoReply> ChatAsync(string model, string text, string unit, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = Json(new JsonObject
            {
                ["model"] = model,
                ["temperature"] = 0,
                ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text }),
            }),
        };
        request.Headers.Add("x-conversation-id", unit);
        using var response = await _http.SendAsync(request, cancellationToken);
        var body = await ReadAsync(response, cancellationToken);
        return new DemoReply(
            body["id"]!.GetValue<string>(),
            body["choices"]![0]!["message"]!["content"]?.GetValue<string>() ?? "",
            response.Headers.TryGetValues("x-adapter-generation", out var generation) ? generation.First() : null,
            response.Headers.TryGetValues("x-rollout-arm", out var arm) ? arm.First() : "stable");
    }

    /// <summary>
    /// Streams one reply and returns the time per output token after the first, in milliseconds (TPOT), or null when fewer than
    /// two pieces came.
    /// </summary>
    public async Task<double?> TimePerTokenAsync(string model, string text, int tokens, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = Json(new JsonObject
            {
                ["model"] = model,
                ["stream"] = true,
                ["max_tokens"] = tokens,
                ["stream_options"] = new JsonObject { ["include_usage"] = true },
                ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text }),
            }),
        };
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        var (first, last, count) = (0L, 0L, 0);
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (!line.StartsWith("data: {", StringComparison.Ordinal))
            {
                continue;
            }

            using var chunk = JsonDocument.Parse(line.AsMemory(6));
            if (chunk.RootElement.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
            {
                count = usage.GetProperty("completion_tokens").GetInt32();
            }
            else if (chunk.RootElement.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var content)
                && content.GetString() is { Length: > 0 })
            {
                last = Stopwatch.GetTimestamp();
                first = first == 0 ? last : first;
            }
        }

        return count > 1 ? Stopwatch.GetElapsedTime(first, last).TotalMilliseconds / (count - 1) : null;
    }

    /// <summary>Posts feedback and waits for its durable acknowledgement.</summary>
    public Task FeedbackAsync(string responseId, string kind, JsonNode value, CancellationToken cancellationToken) =>
        PostAsync("v1/feedback", new JsonObject { ["response_id"] = responseId, ["kind"] = kind, ["value"] = value }, cancellationToken);

    /// <summary>GET, parsed.</summary>
    public async Task<JsonNode> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var response = await _http.GetAsync(path, cancellationToken);
        return await ReadAsync(response, cancellationToken);
    }

    /// <summary>POST, parsed.</summary>
    public async Task<JsonNode> PostAsync(string path, JsonNode body, CancellationToken cancellationToken)
    {
        using var content = Json(body);
        using var response = await _http.PostAsync(path, content, cancellationToken);
        return await ReadAsync(response, cancellationToken);
    }

    /// <summary>True when the server says that it is ready.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.GetAsync("health/ready", cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static StringContent Json(JsonNode body) => new(body.ToJsonString(), Encoding.UTF8, "application/json");

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(
                $"{response.RequestMessage?.Method} {response.RequestMessage?.RequestUri?.AbsolutePath} answered {(int)response.StatusCode}: {text}");
        }

        return JsonNode.Parse(text) ?? throw new HttpRequestException($"{response.RequestMessage?.RequestUri?.AbsolutePath} answered nothing");
    }
}
