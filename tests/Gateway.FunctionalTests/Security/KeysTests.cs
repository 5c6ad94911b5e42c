using System.Net;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Security;

public sealed class KeysTests : IAsyncLifetime
{
    private KeyedGateway _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await KeyedGateway.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Theory]
    [InlineData(null)]
    [InlineData("none")]
    [InlineData("gw_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("an operator key from the environment of this tes")]
    public async Task Without_a_valid_key_a_call_is_401(string? key)
    {
        using var response = await _gateway.ChatAsync(key);
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        Assert.Equal("invalid_api_key", await GatewayUnderTest.ErrorCodeAsync(response, 401));
        Assert.Empty(_gateway.Gateway.Worker.Requests);
    }

    [Fact]
    public async Task A_secret_is_shown_once_and_is_not_in_the_store()
    {
        var created = await _gateway.CreateKeyAsync("""
            "owner":"ann","name":"laptop","scopes":["inference"]
            """);
        var secret = created.GetProperty("secret").GetString()!;
        Assert.Matches("^gw_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$", secret);
        using var chat = await _gateway.ChatAsync(secret);
        await GatewayUnderTest.ReadAsync(chat);

        using var listed = await _gateway.SendAsync(HttpMethod.Get, "/v1/keys", KeyedGateway.OperatorKey);
        var key = Assert.Single((await GatewayUnderTest.ReadAsync(listed)).GetProperty("data").EnumerateArray());
        Assert.Equal(("ann", "laptop", "active"), (key.GetProperty("owner").GetString(), key.GetProperty("name").GetString(), key.GetProperty("status").GetString()));
        Assert.False(key.TryGetProperty("secret", out _));
        await _gateway.Gateway.RestartAsync();
        using var again = await _gateway.ChatAsync(secret);
        await GatewayUnderTest.ReadAsync(again);
        Assert.DoesNotContain(
            Directory.EnumerateFiles(_gateway.Gateway.DataFolder, "*.log"),
            file => ReadShared(file).Contains(secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_key_may_do_what_its_scopes_say_and_no_more()
    {
        var inference = (await _gateway.CreateKeyAsync("""
            "owner":"ann","scopes":["inference"]
            """)).GetProperty("secret").GetString();
        var feedback = (await _gateway.CreateKeyAsync("""
            "owner":"ann","scopes":["feedback"]
            """)).GetProperty("secret").GetString();

        using var chat = await _gateway.ChatAsync(inference);
        var id = (await GatewayUnderTest.ReadAsync(chat)).GetProperty("id").GetString();
        using var noChat = await _gateway.ChatAsync(feedback);
        Assert.Equal("insufficient_scope", await GatewayUnderTest.ErrorCodeAsync(noChat, 403));
        var body = $$"""{"response_id":"{{id}}","kind":"thumbs","value":true}""";
        using var noRating = await _gateway.SendAsync(HttpMethod.Post, "/v1/feedback", inference, body);
        Assert.Equal("insufficient_scope", await GatewayUnderTest.ErrorCodeAsync(noRating, 403));
        using var rating = await _gateway.SendAsync(HttpMethod.Post, "/v1/feedback", feedback, body);
        Assert.Equal(HttpStatusCode.Created, rating.StatusCode);
        using var noKeys = await _gateway.SendAsync(HttpMethod.Get, "/v1/keys", inference);
        Assert.Equal("admin_required", await GatewayUnderTest.ErrorCodeAsync(noKeys, 403));
    }

    [Fact]
    public async Task Owners_see_and_rate_only_their_own_replies()
    {
        var ann = await _gateway.ConsumerAsync("ann");
        var bob = await _gateway.ConsumerAsync("bob");
        using var chat = await _gateway.ChatAsync(ann);
        var id = (await GatewayUnderTest.ReadAsync(chat)).GetProperty("id").GetString();
        var thumbs = $$"""{"response_id":"{{id}}","kind":"thumbs","value":true}""";

        using var own = await _gateway.SendAsync(HttpMethod.Get, $"/v1/interactions/{id}", ann);
        Assert.Equal("ann", (await GatewayUnderTest.ReadAsync(own)).GetProperty("owner").GetString());
        using var rated = await _gateway.SendAsync(HttpMethod.Post, "/v1/feedback", ann, thumbs);
        var item = (await GatewayUnderTest.ReadAsync(rated)).GetProperty("id").GetString();

        foreach (var (method, path, json) in new[]
        {
            (HttpMethod.Get, $"/v1/interactions/{id}", null), (HttpMethod.Post, "/v1/feedback", thumbs), (HttpMethod.Get, $"/v1/feedback?response_id={id}", null),
        })
        {
            using var foreign = await _gateway.SendAsync(method, path, bob, json);
            Assert.Equal("interaction_not_found", await GatewayUnderTest.ErrorCodeAsync(foreign, 404));
        }

        using var notRetracted = await _gateway.SendAsync(HttpMethod.Delete, $"/v1/feedback/{item}", bob);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(notRetracted, 404));
        using var retracted = await _gateway.SendAsync(HttpMethod.Delete, $"/v1/feedback/{item}", ann);
        await GatewayUnderTest.ReadAsync(retracted);
        using var all = await _gateway.SendAsync(HttpMethod.Get, $"/v1/interactions/{id}", KeyedGateway.OperatorKey);
        await GatewayUnderTest.ReadAsync(all);
    }

    [Fact]
    public async Task An_idempotency_key_belongs_to_its_owner()
    {
        foreach (var owner in new[] { "ann", "bob" })
        {
            var key = await _gateway.ConsumerAsync(owner);
            using var chat = await _gateway.ChatAsync(key);
            var id = (await GatewayUnderTest.ReadAsync(chat)).GetProperty("id").GetString();
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/feedback");
            request.Headers.Authorization = new("Bearer", key);
            request.Headers.Add("Idempotency-Key", "1");
            request.Content = new StringContent($$"""{"response_id":"{{id}}","kind":"thumbs","value":true}""", System.Text.Encoding.UTF8, "application/json");
            using var response = await _gateway.Gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        }
    }

    [Fact]
    public async Task A_key_with_models_sees_and_uses_only_those()
    {
        var key = await _gateway.ConsumerAsync("ann", ""","models":["other"]""");
        using var chat = await _gateway.ChatAsync(key);
        Assert.Equal("model_not_allowed", await GatewayUnderTest.ErrorCodeAsync(chat, 403));
        using var generation = await _gateway.ChatAsync(key, model: "starter--0123456789ab");
        Assert.Equal("model_not_allowed", await GatewayUnderTest.ErrorCodeAsync(generation, 403));
        using var allowed = await _gateway.ChatAsync(key, model: "other--0123456789ab");
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(allowed, 404));
        using var models = await _gateway.SendAsync(HttpMethod.Get, "/v1/models", key);
        Assert.Empty((await GatewayUnderTest.ReadAsync(models)).GetProperty("data").EnumerateArray());
    }

    [Fact]
    public async Task A_revoked_key_is_refused_at_once_and_the_trail_says_who_did_it()
    {
        var created = await _gateway.CreateKeyAsync("""
            "owner":"ann","scopes":["inference"]
            """);
        var (id, secret) = (created.GetProperty("id").GetString(), created.GetProperty("secret").GetString());
        using var revoked = await _gateway.SendAsync(HttpMethod.Post, $"/v1/keys/{id}/revoke", KeyedGateway.OperatorKey, """{"reason":"lost"}""");
        Assert.Equal("revoked", (await GatewayUnderTest.ReadAsync(revoked)).GetProperty("status").GetString());
        using var chat = await _gateway.ChatAsync(secret);
        Assert.Equal("invalid_api_key", await GatewayUnderTest.ErrorCodeAsync(chat, 401));
        using var again = await _gateway.SendAsync(HttpMethod.Post, $"/v1/keys/{id}/rotate", KeyedGateway.OperatorKey);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(again, 404));

        using var audit = await _gateway.SendAsync(HttpMethod.Get, "/v1/audit", KeyedGateway.OperatorKey);
        var entry = (await GatewayUnderTest.ReadAsync(audit)).GetProperty("data")[0];
        Assert.Equal(("key.revoke", id, "lost"), (entry.GetProperty("action").GetString(), entry.GetProperty("subject").GetString(), entry.GetProperty("reason").GetString()));
        Assert.Equal("key bootstrap of operator", entry.GetProperty("actor").GetString());
    }

    [Fact]
    public async Task Rotation_replaces_the_secret_and_may_leave_the_old_one_for_a_while()
    {
        var created = await _gateway.CreateKeyAsync("""
            "owner":"ann","scopes":["inference"]
            """);
        var (id, first) = (created.GetProperty("id").GetString(), created.GetProperty("secret").GetString());
        var second = await RotateAsync("""{"grace_seconds":600}""");
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.OK], [await StatusAsync(first), await StatusAsync(second)]);
        var third = await RotateAsync(null);
        Assert.Equal(
            [HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.OK],
            [await StatusAsync(first), await StatusAsync(second), await StatusAsync(third)]);

        async Task<string?> RotateAsync(string? body)
        {
            using var response = await _gateway.SendAsync(HttpMethod.Post, $"/v1/keys/{id}/rotate", KeyedGateway.OperatorKey, body);
            return (await GatewayUnderTest.ReadAsync(response)).GetProperty("secret").GetString();
        }

        async Task<HttpStatusCode> StatusAsync(string? secret)
        {
            using var response = await _gateway.ChatAsync(secret);
            return response.StatusCode;
        }
    }

    [Theory]
    [InlineData("""{"owner":"a","scopes":[]}""", "scopes")]
    [InlineData("""{"scopes":["inference"]}""", "owner")]
    [InlineData("""{"owner":"a","scopes":["inference"],"expires_at":"2020-01-01T00:00:00Z"}""", "expires_at")]
    [InlineData("""{"owner":"a","scopes":["inference"],"models":[]}""", "models")]
    [InlineData("""{"owner":"a","scopes":["inference"],"limits":{"requests_per_minute":0}}""", "limits.requests_per_minute")]
    [InlineData("""{"owner":"a","scopes":["inference"],"limits":{"budgets":[{"unit":"cost","per":"day","amount":1}]}}""", "limits.prices")]
    [InlineData("""{"owner":"a","scopes":["inference"],"limits":{"budgets":[{"unit":"tokens","per":"day"}]}}""", "limits.budgets")]
    [InlineData("""{"owner":"a","scopes":["inference"],"colour":"red"}""", "colour")]
    public async Task A_key_that_makes_no_sense_is_refused_by_member(string body, string param)
    {
        using var response = await _gateway.SendAsync(HttpMethod.Post, "/v1/keys", KeyedGateway.OperatorKey, body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        using var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(param, error.RootElement.GetProperty("error").GetProperty("param").GetString());
    }

    [Fact]
    public async Task Owners_do_not_share_cached_prompts()
    {
        var sent = new List<string>();
        foreach (var key in new[] { await _gateway.ConsumerAsync("ann"), await _gateway.ConsumerAsync("ann"), await _gateway.ConsumerAsync("bob") })
        {
            using var response = await _gateway.ChatAsync(key, ""","cache_salt":"mine" """);
            await GatewayUnderTest.ReadAsync(response);
            Assert.True(_gateway.Gateway.Worker.Requests.TryDequeue(out var body));
            sent.Add(body.GetProperty("cache_salt").GetString()!);
        }

        Assert.Equal(sent[0], sent[1]);
        Assert.NotEqual(sent[0], sent[2]);
        Assert.All(sent, salt => Assert.EndsWith("/mine", salt, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_keys_it_serves_this_machine_only()
    {
        await using var open = await GatewayUnderTest.StartAsync();
        using var chat = await open.ChatAsync();
        await GatewayUnderTest.ReadAsync(chat);
        foreach (var url in new[] { "http://0.0.0.0:0", "http://[::]:0", "http://loopback:0" })
        {
            using var data = TestKit.TestData.CreateFolder();
            var refusal = await Assert.ThrowsAsync<StartRefusedException>(() => GatewayHost.StartAsync(
                new ServeOptions { Model = open.Model.Path, Data = data.Path, Url = url, Workers = [open.Worker.Address] },
                builder => builder.Logging.ClearProviders(), TestContext.Current.CancellationToken));
            Assert.Contains("gateway keys create", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task With_an_operator_key_it_serves_a_network()
    {
        await using var gateway = await KeyedGateway.StartAsync(options => options with { Url = "http://0.0.0.0:0" });
        gateway.Gateway.Client.Dispose();
        using var client = new HttpClient { BaseAddress = new UriBuilder(gateway.Gateway.Host.Address) { Host = "127.0.0.1" }.Uri };
        using var refused = await client.GetAsync("/v1/models", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        using var live = await client.GetAsync("/health/live", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
    }

    [Fact]
    public async Task The_first_key_is_an_operators_and_the_last_operators_key_stays()
    {
        await using var open = await GatewayUnderTest.StartAsync();
        using var consumer = await open.PostAsync("/v1/keys", """{"owner":"ann","scopes":["inference"]}""");
        Assert.Equal("operator_key_first", await GatewayUnderTest.ErrorCodeAsync(consumer, 409));
        using var created = await open.PostAsync("/v1/keys", """{"scopes":["operator"]}""");
        var key = await GatewayUnderTest.ReadAsync(created);

        using var locked = await open.Client.GetAsync("/v1/keys", TestContext.Current.CancellationToken);
        Assert.Equal("invalid_api_key", await GatewayUnderTest.ErrorCodeAsync(locked, 401));
        open.Client.DefaultRequestHeaders.Authorization = new("Bearer", key.GetProperty("secret").GetString());
        using var last = await open.PostAsync($"/v1/keys/{key.GetProperty("id").GetString()}/revoke", "{}");
        Assert.Equal("last_operator_key", await GatewayUnderTest.ErrorCodeAsync(last, 409));
    }

    [Fact]
    public async Task A_short_operator_key_is_refused()
    {
        var refusal = await Assert.ThrowsAsync<StartRefusedException>(() => GatewayHost.StartAsync(
            new ServeOptions { OperatorKey = "short" }, configure: null, TestContext.Current.CancellationToken));
        Assert.Contains("GATEWAY_OPERATOR_KEY", refusal.Message, StringComparison.Ordinal);
    }

    // The store keeps its logs open.
    private static string ReadShared(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream, System.Text.Encoding.Latin1);
        return reader.ReadToEnd();
    }
}
