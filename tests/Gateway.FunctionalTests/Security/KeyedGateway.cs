using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Hosting;
using Xunit;

namespace Gateway.FunctionalTests.Security;

/// <summary>A gateway that asks for keys, its operator, and requests with any key.</summary>
internal sealed class KeyedGateway : IAsyncDisposable
{
    public const string OperatorKey = "an operator key from the environment of this test";

    private KeyedGateway(GatewayUnderTest gateway) => Gateway = gateway;

    public GatewayUnderTest Gateway { get; }

    public static async Task<KeyedGateway> StartAsync(Func<ServeOptions, ServeOptions>? configure = null) =>
        new(await GatewayUnderTest.StartAsync(with: options => (configure ?? (same => same))(options) with { OperatorKey = OperatorKey }));

    /// <summary>Makes a key and returns it whole.</summary>
    public async Task<JsonElement> CreateKeyAsync(string members)
    {
        using var response = await SendAsync(HttpMethod.Post, "/v1/keys", OperatorKey, "{" + members + "}");
        return await GatewayUnderTest.ReadAsync(response);
    }

    /// <summary>Makes a consumer's key that may also rate, and returns its secret.</summary>
    public async Task<string> ConsumerAsync(string owner, string more = "") =>
        (await CreateKeyAsync($$"""
            "owner":"{{owner}}","scopes":["inference","feedback"]{{more}}
            """)).GetProperty("secret").GetString()!;

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? key, string? json = null)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        return Gateway.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
    }

    public Task<HttpResponseMessage> ChatAsync(string? key, string more = "", string model = "starter") =>
        SendAsync(HttpMethod.Post, "/v1/chat/completions", key, $$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hi"}]{{more}}}""");

    public ValueTask DisposeAsync() => Gateway.DisposeAsync();
}
