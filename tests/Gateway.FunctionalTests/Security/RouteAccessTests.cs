using System.Net;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Security;
using Microsoft.AspNetCore.Routing;
using Xunit;

namespace Gateway.FunctionalTests.Security;

/// <summary>Every endpoint the application has, found by walking it: none is open by accident.</summary>
public sealed class RouteAccessTests : IAsyncLifetime
{
    private static readonly string[] Open = ["GET /health", "GET /health/live", "GET /health/ready"];

    private static readonly string[] Consumers =
    [
        "POST /v1/chat/completions", "POST /v1/completions", "POST /v1/embeddings", "GET /v1/chat/completions", "GET /v1/chat/completions/{id}",
        "POST /v1/chat/completions/{id}", "DELETE /v1/chat/completions/{id}", "GET /v1/chat/completions/{id}/messages", "GET /v1/models", "GET /v1/models/{**id}", "GET /v1/interactions/{id}", "POST /v1/feedback", "GET /v1/feedback",
        "DELETE /v1/feedback/{id}", "POST /v1/responses", "POST /v1/responses/input_tokens", "GET /v1/responses/{id}", "DELETE /v1/responses/{id}",
        "GET /v1/responses/{id}/input_items", "POST /v1/responses/{id}/cancel", "GET /v1/responses", "POST /v1/responses/compact", "POST /v1/conversations",
        "GET /v1/conversations/{**rest}", "POST /v1/conversations/{**rest}", "DELETE /v1/conversations/{**rest}",
    ];

    private KeyedGateway _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await KeyedGateway.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public void The_table_names_every_endpoint_and_nothing_else() =>
        Assert.Equal(Calls().Order(StringComparer.Ordinal), RouteAccess.Calls.Order(StringComparer.Ordinal));

    [Fact]
    public async Task Without_a_key_only_the_probes_answer()
    {
        foreach (var call in Calls().Except(Open))
        {
            using var response = await CallAsync(call, key: null);
            Assert.True(response.StatusCode == HttpStatusCode.Unauthorized, $"{call} answers {(int)response.StatusCode} without a key.");
        }

        foreach (var call in Open)
        {
            using var response = await CallAsync(call, key: null);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Fact]
    public async Task A_consumers_key_opens_its_own_calls_only()
    {
        var key = await _gateway.ConsumerAsync("ann");
        foreach (var call in Calls().Except(Open))
        {
            using var response = await CallAsync(call, key);
            Assert.True(
                (response.StatusCode == HttpStatusCode.Forbidden) != Consumers.Contains(call), $"{call} answers {(int)response.StatusCode} to a consumer's key.");
        }
    }

    private IEnumerable<string> Calls() =>
        from endpoint in _gateway.Gateway.Service<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
        select $"{method} {endpoint.RoutePattern.RawText}";

    private Task<HttpResponseMessage> CallAsync(string call, string? key)
    {
        var parts = call.Split(' ');
        var path = parts[1].Replace("{**id}", "x", StringComparison.Ordinal).Replace("{**rest}", "x", StringComparison.Ordinal).Replace("{version:int}", "1", StringComparison.Ordinal);
        path = System.Text.RegularExpressions.Regex.Replace(path, @"\{\w+\}", "x", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
        var method = new HttpMethod(parts[0]);
        return _gateway.SendAsync(method, path, key, method == HttpMethod.Get || method == HttpMethod.Delete ? null : "{}");
    }
}
