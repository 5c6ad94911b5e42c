using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.TestKit.Processes;

/// <summary>A chat's reply as a client reads it.</summary>
/// <param name="Status">The status.</param>
/// <param name="Id">The id under which the interaction is kept; null unless the reply is whole.</param>
/// <param name="Generation">The adapter's generation in the body, which the header must repeat; null without adapter.</param>
/// <param name="Text">The text.</param>
/// <param name="Problem">Why this is no whole and unmixed reply, or null.</param>
public sealed record ChatOutcome(HttpStatusCode Status, string? Id, string? Generation, string Text, string? Problem);

/// <summary>The calls that scenarios over gateway processes make.</summary>
public static class GatewayCalls
{
    private const string Data = "data: ";

    /// <summary>Sends a body and returns the reply's JSON.</summary>
    /// <exception cref="InvalidOperationException">The status says failure.</exception>
    public static async Task<JsonNode> CallAsync(
        this HttpClient http, HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken, string? key = null)
    {
        using var request = Request(method, path, body, key);
        using var response = await http.SendAsync(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(text)!
            : throw new InvalidOperationException($"{path} answered {(int)response.StatusCode}: {text}");
    }

    /// <summary>One greedy chat, read to its end.</summary>
    /// <exception cref="HttpRequestException">The connection broke.</exception>
    public static async Task<ChatOutcome> ChatAsync(
        this HttpClient http, string model, string prompt, int maxTokens, bool stream, string? key, CancellationToken cancellationToken)
    {
        var body = new JsonObject
        {
            ["model"] = model,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompt }),
            ["temperature"] = 0,
            ["max_tokens"] = maxTokens,
            ["stream"] = stream,
        };
        using var request = Request(HttpMethod.Post, "v1/chat/completions", body, key);
        using var response = await http.SendAsync(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            return new(response.StatusCode, null, null, "", text);
        }

        var outcome = stream ? ReadStream(text) : ReadWhole(text);
        var named = response.Headers.TryGetValues("x-adapter-generation", out var values) ? values.Single() : null;
        return outcome.Problem is null && named != outcome.Generation
            ? outcome with { Problem = string.Create(CultureInfo.InvariantCulture, $"the header names generation {named}, the body {outcome.Generation}") }
            : outcome;
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, JsonNode? body, string? key)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        request.Content = body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        return request;
    }

    private static ChatOutcome ReadWhole(string body)
    {
        var json = JsonNode.Parse(body)!;
        return new(
            HttpStatusCode.OK, json["id"]!.GetValue<string>(), json["adapter_generation"]?.GetValue<string>(),
            json["choices"]![0]!["message"]!["content"]!.GetValue<string>(), null);
    }

    private static ChatOutcome ReadStream(string body)
    {
        var events = body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(item => item.StartsWith(Data, StringComparison.Ordinal)).Select(item => item[Data.Length..]).ToList();
        if (events.Count < 2 || events[^1] != "[DONE]")
        {
            return new(HttpStatusCode.OK, null, null, "", $"the stream broke off: {events.LastOrDefault()}");
        }

        var (ids, generations, text) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal), new StringBuilder());
        foreach (var item in events[..^1])
        {
            var json = JsonNode.Parse(item)!;
            if (json["error"] is { } error)
            {
                return new(HttpStatusCode.OK, null, null, "", $"the stream ended with an error and [DONE]: {error.ToJsonString()}");
            }

            ids.Add(json["id"]!.GetValue<string>());
            generations.Add(json["adapter_generation"]?.GetValue<string>() ?? "");
            foreach (var choice in json["choices"]!.AsArray())
            {
                text.Append(choice!["delta"]?["content"]?.GetValue<string>());
            }
        }

        var problem = generations.Count == 1 && ids.Count == 1 ? null : $"the stream mixes generations {string.Join(", ", generations)} or ids {string.Join(", ", ids)}";
        var generation = generations.First();
        return new(HttpStatusCode.OK, ids.First(), generation.Length > 0 ? generation : null, text.ToString(), problem);
    }
}
